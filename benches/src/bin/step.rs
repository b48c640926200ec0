//! One training step of the paper's networks at a firing rate asked for, or of a network trained on
//! MNIST.
//!
//! Claim: beside SpikingJelly, snnTorch, Norse and plain PyTorch, see `benches/peers/step.py`,
//! which runs this program in turn with them.
//! `cargo run --release -p spikegrad-benches --bin step -- --net small --steps 16 --batch 8
//! --threads 2 --rate 0.1 --method bpsa+bpta --json`, half a minute.

use anyhow::{Context, Result, bail};
use benches::flags::{at_least_one, net, norm};
use benches::step::{
    NeuronsAlone, Protocol, Settings, Step, Timed, export, latency, set_rates, train_on_mnist,
};
use benches::{Machine, Method, Samples, again_with, peak_memory_bytes, threads_are};
use clap::Parser;
use models::{Architecture, Crossovers, Options, StatisticsOver, calibrate};
use serde_json::json;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Network: small, middle, middle-cifar, large or resnet34
    #[arg(long, value_parser = net, default_value = "small")]
    net: Architecture,
    /// Divide channels and units by this
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    narrow: usize,
    /// Time steps T
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    steps: usize,
    /// Samples of the batch
    #[arg(long, default_value_t = 8, value_parser = at_least_one)]
    batch: usize,
    /// Threads [default: one a core]
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// Firing rate that every layer is set to
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
    /// baseline, bpsa or bpsa+bpta
    #[arg(long, default_value = "bpsa+bpta", value_parser = Method::named)]
    method: Method,
    /// What batch norm averages over: step or time
    #[arg(long, default_value = "step", value_parser = norm)]
    norm: StatisticsOver,
    /// Seed of weights and frames
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Instead of setting rates: train the small network on MNIST for so many steps first
    #[arg(long, value_name = "STEPS", requires = "data")]
    train: Option<usize>,
    /// Learning rate of that training
    #[arg(long, default_value_t = 5e-3)]
    train_lr: f64,
    /// Folder that holds MNIST
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Density from which on products are dense [default: measured]
    #[arg(long)]
    crossover: Option<f64>,
    /// Memory for activations and gradients, MiB
    #[arg(long, value_name = "MIB")]
    memory_budget: Option<usize>,
    /// Timed steps; two more go before them
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    repeats: usize,
    /// Time the same step by tensor operations in turn
    #[arg(long, conflicts_with_all = ["serve", "export"])]
    beside_tensors: bool,
    /// Print everything measured as JSON
    #[arg(long)]
    json: bool,
    /// Write the step for others to repeat: weights, frames, gradients
    #[arg(long, value_name = "DIR", conflicts_with = "narrow")]
    export: Option<PathBuf>,
    /// Instead of setting rates: the step that `--export` wrote there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Do one step for each line `go` on stdin, and print its times
    #[arg(long)]
    serve: bool,
    /// Then classify so many test images of MNIST one at a time, and print how long they take as
    /// JSON
    #[arg(long, value_name = "SAMPLES", requires = "data")]
    infer: Option<usize>,
    /// Instead of a network: so many neurons alone
    #[arg(long, value_name = "NEURONS", value_parser = at_least_one)]
    lif: Option<usize>,
    /// Instead of a network: the Open Neuromorphic protocol with so many neurons
    #[arg(long, value_name = "NEURONS", value_parser = at_least_one)]
    onm: Option<usize>,
}

fn main() -> std::process::ExitCode {
    // clap ends the program with status 2 itself where a flag is wrong
    terminal::ended(work_of(Arguments::parse()))
}

fn work_of(arguments: Arguments) -> Result<()> {
    let threads =
        arguments.threads.unwrap_or(std::thread::available_parallelism().map_or(1, usize::from));
    if !threads_are(threads) {
        return again_with(threads);
    }
    if let Some(neurons) = arguments.lif {
        let alone = NeuronsAlone::new(arguments.steps, neurons)?;
        return parts(&arguments, || alone.run());
    }
    if let Some(neurons) = arguments.onm {
        let protocol = Protocol::new(neurons)?;
        return parts(&arguments, || protocol.run());
    }
    network(&arguments)
}

/// A layer alone: forward and backward.
fn parts(arguments: &Arguments, mut run: impl FnMut() -> Result<(f64, f64)>) -> Result<()> {
    let mut once = || -> Result<serde_json::Value> {
        let (forward_s, backward_s) = run()?;
        let peak_bytes = peak_memory_bytes();
        let total_s = forward_s + backward_s;
        Ok(
            json!({ "forward_s": forward_s, "backward_s": backward_s, "total_s": total_s, "peak_bytes": peak_bytes }),
        )
    };
    if arguments.serve {
        return serve(once);
    }
    for i in 0..arguments.repeats + 2 {
        let timed = once()?;
        if i >= 2 {
            terminal::out!("{timed}")?;
        }
    }
    Ok(())
}

/// One line of JSON for each line `go`.
fn serve(mut once: impl FnMut() -> Result<serde_json::Value>) -> Result<()> {
    let mut out = terminal::Output;
    writeln!(out, "{}", json!({ "ready": true }))?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        match line?.trim() {
            "go" => writeln!(out, "{}", once()?)?,
            "quit" => break,
            other => bail!("expected go or quit, found '{other}'"),
        }
        out.flush()?;
    }
    Ok(())
}

fn network(arguments: &Arguments) -> Result<()> {
    let machine = Machine::ask();
    let options = Options {
        crossover: arguments.crossover.map_or_else(calibrate, Crossovers::at),
        memory_budget: arguments.memory_budget.map(|mib| mib << 20),
    };
    let Arguments { net, narrow, steps, batch, method, norm, seed, rate, .. } = *arguments;
    let settings = Settings { net, narrow, steps, batch, method, norm, seed };
    let (mut step, accuracy) = match (arguments.train, &arguments.data) {
        _ if arguments.dir.is_some() => {
            (Step::load(arguments.dir.as_deref().unwrap_or(Path::new(".")))?, None)
        }
        (Some(n), Some(data)) => {
            if net != Architecture::Small {
                bail!("--train is for --net small, which takes the images of MNIST");
            }
            let (step, accuracy) = train_on_mnist(settings, data, n, arguments.train_lr, options)?;
            (step, Some(accuracy))
        }
        _ => {
            let step = Step::new(settings)?;
            set_rates(&step, rate, options)?;
            (step, None)
        }
    };
    if let (Some(samples), Some(data)) = (arguments.infer, &arguments.data) {
        if net != Architecture::Small {
            bail!("--infer is for --net small, which takes the images of MNIST");
        }
        let all = latency(&mut step, data, samples, options)?;
        let out = json!({ "machine": machine, "latency": all });
        terminal::print(&(serde_json::to_string_pretty(&out)? + "\n"))?;
        return Ok(());
    }
    if let Some(dir) = &arguments.export {
        let layers = step.gradients(options, &mut ())?.0.layers;
        let rates: Vec<(String, f64)> =
            layers.into_iter().map(|l| (l.name, l.firing_rate)).collect();
        export(&step, options, dir, &rates).context("cannot export the step")?;
        if !arguments.serve && !arguments.json {
            return Ok(());
        }
    }
    let mut once = || -> Result<(Timed, Option<u64>)> {
        let timed = step.run(options, 0.0)?;
        Ok((timed, peak_memory_bytes()))
    };
    if arguments.serve {
        return serve(|| {
            let (Timed { forward_s, backward_s, optimiser_s, total_s, .. }, peak_bytes) = once()?;
            Ok(json!({
                "forward_s": forward_s, "backward_s": backward_s, "optimiser_s": optimiser_s, "total_s": total_s,
                "peak_bytes": peak_bytes,
            }))
        });
    }
    let (mut all, mut by_tensors) = (Vec::new(), Vec::new());
    for _ in 0..arguments.repeats + 2 {
        all.push((step.run(options, 0.0)?, peak_memory_bytes()));
        if arguments.beside_tensors {
            by_tensors.push(step.by_tensors()?);
        }
    }
    // two of each go before those that are timed
    let by_tensors = (by_tensors.len() > 2).then(|| Samples(by_tensors.split_off(2)).median());
    let (timed, peak) = (&all[2..], all.last().and_then(|(_, peak)| *peak));
    let median =
        |of: fn(&Timed) -> f64| Samples(timed.iter().map(|(t, _)| of(t)).collect()).median();
    let layers = timed.last().map(|(t, _)| t.layers.clone()).unwrap_or_default();
    let (forward, backward) = (median(|t| t.forward_s), median(|t| t.backward_s));
    let (optimiser, total) = (median(|t| t.optimiser_s), median(|t| t.total_s));
    if arguments.json {
        let totals: Vec<f64> = timed.iter().map(|(t, _)| t.total_s).collect();
        let out = json!({
            "benchmark": "step", "machine": machine, "settings": step.settings, "rate_asked": rate,
            "trained_steps": arguments.train, "train_accuracy_percent": accuracy,
            "crossover": options.crossover, "memory_budget_bytes": options.memory_budget,
            "forward_s": forward, "backward_s": backward, "optimiser_s": optimiser, "total_s": total,
            "total_samples_s": totals, "peak_bytes": peak, "layers": layers,
            "forward_and_backward_by_tensors_s": by_tensors,
        });
        terminal::print(&(serde_json::to_string_pretty(&out)? + "\n"))?;
        return Ok(());
    }
    terminal::out!(
        "forward {forward:.4} s, backward {backward:.4} s, optimiser {optimiser:.4} s, step {total:.4} s"
    )?;
    if let Some(seconds) = by_tensors {
        let times = seconds / (forward + backward);
        terminal::out!(
            "forward and backward by tensor operations {seconds:.4} s, {times:.2} times"
        )?;
    }
    terminal::out!(
        "{:16} {:>7} {:>7}  {:24} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "layer",
        "input",
        "fires",
        "paths",
        "product",
        "stage",
        "back",
        "dw",
        "dx"
    )?;
    for l in layers {
        let paths = format!("{:?} {:?} {:?}", l.forward, l.weight, l.input);
        let ms = l.seconds.map(|s| format!("{:8.1}", s * 1e3)).join(" ");
        terminal::out!(
            "{:16} {:6.1}% {:6.1}%  {paths:24} {ms}",
            l.name,
            100.0 * l.input_density,
            100.0 * l.firing_rate
        )?;
    }
    Ok(())
}
