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
use models::{Architecture, Crossovers, Dense, LayerTrace, Options, StatisticsOver, calibrate};
use serde_json::json;
use std::io::{BufRead, Write};
use std::path::PathBuf;

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
    /// baseline, bpsa, bpsa+bpta or synaptic (two states)
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
    /// What dense products multiply in: f32, tiles or bf16 [default: tiles where the CPU has a
    /// matrix unit]
    #[arg(long, value_parser = dense)]
    products: Option<Dense>,
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

fn dense(text: &str) -> Result<Dense, String> {
    match text {
        "f32" => Ok(Dense::F32),
        "tiles" => Ok(Dense::Tiles),
        "bf16" => Ok(Dense::Bf16),
        _ => Err("expected f32, tiles or bf16".into()),
    }
}

fn crossovers(arguments: &Arguments) -> Result<Crossovers> {
    let dense = arguments.products.unwrap_or_else(Dense::fastest);
    if !dense.is_here() {
        bail!("this CPU has no matrix unit; leave --products out");
    }
    Ok(match arguments.crossover {
        Some(density) => Crossovers { dense, ..Crossovers::at(density) },
        None => calibrate(dense),
    })
}

fn network(arguments: &Arguments) -> Result<()> {
    let machine = Machine::ask();
    let options = Options {
        crossover: crossovers(arguments)?,
        memory_budget: arguments.memory_budget.map(|mib| mib << 20),
    };
    let (mut step, accuracy) = prepared(arguments, options)?;
    if let (Some(samples), Some(data)) = (arguments.infer, &arguments.data) {
        prove_small(arguments.net, "--infer")?;
        let all = latency(&mut step, data, samples, options)?;
        return print_json(&json!({ "machine": machine, "latency": all }));
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
    if arguments.serve {
        return serve(|| {
            let Timed { forward_s, backward_s, optimiser_s, total_s, .. } =
                step.run(options, 0.0)?;
            Ok(json!({
                "forward_s": forward_s, "backward_s": backward_s, "optimiser_s": optimiser_s,
                "total_s": total_s, "peak_bytes": peak_memory_bytes(),
            }))
        });
    }
    let measured = Measured::of(&mut step, options, arguments)?;
    if !arguments.json {
        return measured.print();
    }
    let mut out = measured.json();
    let about = json!({
        "benchmark": "step", "machine": machine, "settings": step.settings,
        "rate_asked": arguments.rate, "trained_steps": arguments.train,
        "train_accuracy_percent": accuracy, "crossover": options.crossover,
        "memory_budget_bytes": options.memory_budget,
    });
    if let (Some(out), serde_json::Value::Object(about)) = (out.as_object_mut(), about) {
        out.extend(about);
    }
    print_json(&out)
}

/// The step as the flags want it, and where it was trained its accuracy in percent.
fn prepared(arguments: &Arguments, options: Options) -> Result<(Step, Option<f64>)> {
    if let Some(dir) = &arguments.dir {
        return Ok((Step::load(dir)?, None));
    }
    let Arguments { net, narrow, steps, batch, method, norm, seed, .. } = *arguments;
    let settings = Settings { net, narrow, steps, batch, method, norm, seed };
    if let (Some(n), Some(data)) = (arguments.train, &arguments.data) {
        prove_small(net, "--train")?;
        let (step, accuracy) = train_on_mnist(settings, data, n, arguments.train_lr, options)?;
        return Ok((step, Some(accuracy)));
    }
    let step = Step::new(settings)?;
    set_rates(&step, arguments.rate, options)?;
    Ok((step, None))
}

fn prove_small(net: Architecture, flag: &str) -> Result<()> {
    match net {
        Architecture::Small => Ok(()),
        _ => bail!("{flag} is for --net small, which takes the images of MNIST"),
    }
}

fn print_json(out: &serde_json::Value) -> Result<()> {
    Ok(terminal::print(&(serde_json::to_string_pretty(out)? + "\n"))?)
}

/// Steps timed one after the other.
struct Measured {
    steps: Vec<Timed>,
    peak_bytes: Option<u64>,
    /// Median seconds of forward and backward by tensor operations, where asked for.
    by_tensors_s: Option<f64>,
}

impl Measured {
    fn of(step: &mut Step, options: Options, arguments: &Arguments) -> Result<Measured> {
        let (mut steps, mut by_tensors) = (Vec::new(), Vec::new());
        let mut peak_bytes = None;
        for _ in 0..arguments.repeats + 2 {
            steps.push(step.run(options, 0.0)?);
            peak_bytes = peak_memory_bytes();
            if arguments.beside_tensors {
                by_tensors.push(step.by_tensors()?);
            }
        }
        // two of each go before those that are timed
        let by_tensors_s =
            (by_tensors.len() > 2).then(|| Samples(by_tensors.split_off(2)).median());
        Ok(Measured { steps: steps.split_off(2), peak_bytes, by_tensors_s })
    }

    fn median(&self, of: fn(&Timed) -> f64) -> f64 {
        Samples(self.steps.iter().map(of).collect()).median()
    }

    fn layers(&self) -> &[LayerTrace] {
        self.steps.last().map_or(&[], |timed| &timed.layers)
    }

    fn json(&self) -> serde_json::Value {
        let totals: Vec<f64> = self.steps.iter().map(|timed| timed.total_s).collect();
        json!({
            "forward_s": self.median(|t| t.forward_s), "backward_s": self.median(|t| t.backward_s),
            "optimiser_s": self.median(|t| t.optimiser_s), "total_s": self.median(|t| t.total_s),
            "total_samples_s": totals, "peak_bytes": self.peak_bytes, "layers": self.layers(),
            "forward_and_backward_by_tensors_s": self.by_tensors_s,
        })
    }

    fn print(&self) -> Result<()> {
        let (forward, backward) = (self.median(|t| t.forward_s), self.median(|t| t.backward_s));
        let (optimiser, total) = (self.median(|t| t.optimiser_s), self.median(|t| t.total_s));
        terminal::out!(
            "forward {forward:.4} s, backward {backward:.4} s, optimiser {optimiser:.4} s, step {total:.4} s"
        )?;
        if let Some(seconds) = self.by_tensors_s {
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
        for l in self.layers() {
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
}
