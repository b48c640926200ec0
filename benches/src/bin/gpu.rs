//! What a CUDA device does: a training step of the paper's networks, neurons alone, the Open
//! Neuromorphic protocol.
//!
//! Claim: beside SpikingJelly on Triton and CuPy and the paper's own layer order, see
//! `benches/peers/gpu/all`, which runs this program in turn with them.
//! `target/cuda/x86_64-unknown-linux-gnu/release/gpu --net large --steps 16 --batch 16 --precision
//! bf16` prints the medians, a few seconds.

use anyhow::{Context, Result, bail};
use benches::flags::{at_least_one, net, norm};
use benches::gpu::{NeuronsAlone, Protocol, Seconds, Training, Work};
use benches::step::Settings;
use benches::{Method, Samples};
use candle_core::{DType, Device};
use clap::Parser;
use models::{Architecture, Math, Precision, StatisticsOver};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{BufRead, Write};

#[derive(Parser)]
struct Arguments {
    /// Network: small, middle, middle-cifar or large
    #[arg(long, value_parser = net, default_value = "small")]
    net: Architecture,
    /// Time steps T
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    steps: usize,
    /// Samples of the batch
    #[arg(long, default_value_t = 64, value_parser = at_least_one)]
    batch: usize,
    /// What products are made in: f32, tf32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// The same bits every time
    #[arg(long)]
    deterministic: bool,
    /// What batch norm averages over: step or time
    #[arg(long, default_value = "step", value_parser = norm)]
    norm: StatisticsOver,
    /// Neurons: those of baseline, bpsa or bpsa+bpta, synaptic (two states) or plif (a learned time
    /// constant)
    #[arg(long, value_parser = Method::named, default_value = "bpsa+bpta")]
    method: Method,
    /// Instead of a network: neurons alone, [T, 64, 65536]
    #[arg(long)]
    lif: bool,
    /// How many of them, instead
    #[arg(long, default_value_t = 64 * 65_536, value_parser = at_least_one)]
    neurons: usize,
    /// Type of their currents and spikes: f32, f16 or bf16
    #[arg(long, default_value = "f32", value_parser = dtype)]
    dtype: DType,
    /// Instead of a network: the Open Neuromorphic protocol with so many neurons
    #[arg(long, value_name = "NEURONS", value_parser = at_least_one)]
    onm: Option<usize>,
    /// Timed runs; three more go before them
    #[arg(long, default_value_t = 20, value_parser = at_least_one)]
    repeats: usize,
    /// Answer {"do":"step","repeats":N} on stdin until {"do":"quit"}
    #[arg(long)]
    serve: bool,
    /// Device
    #[arg(long, default_value = "cuda:0")]
    device: device::Choice,
}

/// A request of `--serve`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    r#do: String,
    #[serde(default)]
    repeats: usize,
}

fn dtype(text: &str) -> Result<DType, String> {
    match text {
        "f32" => Ok(DType::F32),
        "f16" => Ok(DType::F16),
        "bf16" => Ok(DType::BF16),
        other => Err(format!("expected f32, f16 or bf16, found '{other}'")),
    }
}

fn main() -> std::process::ExitCode {
    // clap ends the program with status 2 itself where a flag is wrong
    terminal::ended(work_of(Arguments::parse()))
}

fn work_of(arguments: Arguments) -> Result<()> {
    let (device, _) = device::open(arguments.device)?;
    if device.is_cpu() {
        bail!("this program times a CUDA device; `step` times the CPU");
    }
    let mut work = work(&arguments, &device)?;
    for _ in 0..3 {
        work.run()?;
    }
    // what the search for algorithms took is not the step's
    device::reset_peak_memory(&device);
    if arguments.serve {
        return serve(&arguments, work.as_mut(), &device);
    }
    let all: Vec<Seconds> = (0..arguments.repeats).map(|_| work.run()).collect::<Result<_>>()?;
    let median = |of: fn(&Seconds) -> f64| Samples(all.iter().map(of).collect()).median();
    let out = json!({
        "device": device::name(&device), "precision": arguments.precision.id(), "forward_s": median(|s| s.forward),
        "total_s": median(|s| s.total), "samples_s": all.iter().map(|s| s.total).collect::<Vec<_>>(),
        "peak_bytes": device::peak_memory(&device),
    });
    terminal::print(&(serde_json::to_string_pretty(&out)? + "\n"))?;
    Ok(())
}

fn work(arguments: &Arguments, device: &Device) -> Result<Box<dyn Work>> {
    let Arguments { net, steps, batch, norm, precision, deterministic, method, .. } = *arguments;
    if arguments.lif {
        return Ok(Box::new(NeuronsAlone::new(steps, arguments.neurons, arguments.dtype, device)?));
    }
    if let Some(n) = arguments.onm {
        return Ok(Box::new(Protocol::new(n, precision, device)?));
    }
    let settings = Settings { net, narrow: 1, steps, batch, method, norm, seed: 0 };
    Ok(Box::new(Training::new(settings, Math { precision, deterministic }, device)?))
}

/// Answers requests, a line each.
fn serve(arguments: &Arguments, work: &mut dyn Work, device: &Device) -> Result<()> {
    let mut out = terminal::Output;
    let mut say = |value: Value| -> Result<()> {
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    };
    say(
        json!({ "ready": true, "precision": arguments.precision.id(), "device": device::name(device) }),
    )?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let request: Request = serde_json::from_str(&line)
            .with_context(|| format!("expected a request in JSON, found '{line}'"))?;
        match request.r#do.as_str() {
            "step" => {
                let runs: Result<Vec<Seconds>> = (0..request.repeats).map(|_| work.run()).collect();
                say(match runs {
                    Ok(all) => json!({
                        "seconds": all.iter().map(|s| s.total).collect::<Vec<_>>(),
                        "forward_seconds": all.iter().map(|s| s.forward).collect::<Vec<_>>(),
                        "backward_seconds": all.iter().map(|s| s.total - s.forward).collect::<Vec<_>>(),
                        "peak_bytes": device::peak_memory(device),
                    }),
                    Err(error) => json!({ "failed": format!("{error:#}") }),
                })?;
            }
            "quit" => break,
            other => bail!("expected step or quit, found '{other}'"),
        }
    }
    Ok(())
}
