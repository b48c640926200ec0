//! A data set of a user's own: one type with `Samples`, and nothing of ours changes.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device};
use events::{Grid, Shape};
use models::{Network, StatisticsOver};
use neuron::Config;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use training::{
    Compute, Error, History, InputEncoding, Refusal, Samples, SeededVars, Set, Setup, Values, train,
};

/// Grey images of 8×8 bytes, a file each, and their classes.
struct Mine {
    files: Vec<(PathBuf, u32)>,
}

impl Samples for Mine {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.files[index].1
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let pixels = std::fs::read(&self.files[index].0)?;
        let shape = Shape { steps: 1, height: 8, width: 8, channels: 1 };
        Ok(Values::Bytes(Cow::Owned(Grid::new(shape, pixels)?)))
    }
}

/// `n` files: class 0 is bright above, class 1 below.
fn files(folder: &Path, n: usize) -> Mine {
    let image = |i: usize| {
        let pixel = |k: usize| if k / 32 == i % 2 { 255 - (k * i % 50) as u8 } else { 0 };
        let path = folder.join(format!("{i}.grey"));
        std::fs::write(&path, (0..64).map(pixel).collect::<Vec<u8>>()).unwrap();
        (path, (i % 2) as u32)
    };
    Mine { files: (0..n).map(image).collect() }
}

fn trained(mine: &Mine) -> Result<History, Error> {
    let encoding = InputEncoding::direct(3, &[(127.5, 127.5)]);
    let set = Set { samples: mine, encoding: &encoding };
    let mut vars = SeededVars::new(0);
    let builder = vars.builder(DType::F32, &Device::Cpu);
    let (spec, neuron) = ("4C3-MP2-5Voting".parse().unwrap(), Config::bpsa_bpta());
    let neuron = neuron.build().unwrap();
    let network = Network::new(&spec, [8, 8, 1], 2, neuron, StatisticsOver::Step, builder)?;
    let setup = Setup { epochs: 8, batch: 8, ramp_epochs: 0, learning_rate: 1e-2, ..Setup::PAPER };
    let compute = Compute::default();
    train(&network, &mut vars, (set, set), &setup, &compute, 0, &Device::Cpu, &mut ())
}

#[test]
fn it_trains_like_ours() {
    let folder = tempfile::tempdir().unwrap();
    let history = trained(&files(folder.path(), 16)).unwrap();
    assert_eq!(history.epochs.last().unwrap().test.accuracy_percent(), 100.0);
}

#[test]
fn a_sample_that_cannot_be_read_ends_the_run_with_its_own_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mine = files(folder.path(), 16);
    std::fs::write(&mine.files[3].0, [0; 63]).unwrap();
    let refused = trained(&mine).unwrap_err();
    assert!(matches!(refused, Error::Sample(_)), "{refused}");
    assert!(refused.to_string().contains("63"), "{refused}");
}
