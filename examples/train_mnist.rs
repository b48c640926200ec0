//! A network of one's own on MNIST, by the libraries alone:
//! `cargo run --release -p spikegrad-training --example train_mnist -- DIR`
//! DIR holds `mnist/` with the publisher's four files (`cargo data fetch mnist --data DIR`).
//! It trains two epochs of 60,000 images and prints the accuracy after each: 97.2 % and 98.0 % of
//! the test images (seed 0), in three minutes of processor time on a Xeon with AVX-512. A test runs
//! it on 64 drawn digits, on which the loss falls.

use candle_core::{DType, Device::Cpu};
use datasets::{Form, Name, Recordings};
use models::{Network, Spec, StatisticsOver};
use neuron::{Config, surrogate::Atan};
use training::{Compute, EachEpoch, Epoch, History, InputEncoding, SeededVars, Set, Setup, train};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Trains, and prints each epoch.
pub fn train_on(recordings: &Recordings, setup: &Setup, seed: u64) -> Result<History> {
    // the same image at each of 4 steps, standardised
    let encoding = InputEncoding::direct(4, Name::Mnist.info().standard);
    let halves = datasets::load(recordings, Form::Images, None, &|| ())?;
    let train_set = Set { samples: &*halves.train, encoding: &encoding };
    let test_set = Set { samples: &*halves.test, encoding: &encoding };

    // a LIF neuron: threshold 0.5, decay 0.9, and the arc tangent's slope as its gradient
    let neuron = Config::baseline().with(Atan::default())?;
    // two convolutions, each with batch norm, ReLU and neurons, and 10 voters a class
    let spec: Spec = "16C3-MP2-32C3-MP2-10Voting".parse()?;
    let mut vars = SeededVars::new(seed);
    let builder = vars.builder(DType::F32, &Cpu);
    let network = Network::new(&spec, [28, 28, 1], 10, neuron, StatisticsOver::Step, builder)?;

    let mut each = EachEpoch(|index, epoch: &Epoch| {
        let (trained, tested) = (epoch.train_accuracy_percent, epoch.test.accuracy_percent());
        let loss = epoch.train_loss;
        println!("epoch {}: loss {loss:.4}, train {trained:.2} %, test {tested:.2} %", index + 1);
    });
    let (sets, compute) = ((train_set, test_set), Compute::default());
    Ok(train(&network, &mut vars, sets, setup, &compute, seed, &Cpu, &mut each)?)
}

fn run() -> Result<History> {
    let folder = std::env::args_os().nth(1).ok_or("usage: train_mnist DIR, which holds mnist/")?;
    let recordings = datasets::open(Name::Mnist, folder.as_ref())?;
    let setup = Setup { epochs: 2, batch: 64, ramp_epochs: 0, ..Setup::PAPER };
    train_on(&recordings, &setup, 0)
}

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
