//! How a program computes: its flags, and the densities measured on the machine, which are kept for
//! the next run.

use crate::machine;
use anyhow::{Result, ensure};
use candle_core::Device;
use clap::ValueEnum;
use models::{Crossovers, Dense, LayerTrace, Math, Network, Options, Precision, calibrate};
use report::write_text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;
use training::Compute;

/// What passes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Passes {
    /// Blocks without a graph wherever a network can be taken so: event-driven on the CPU, cuDNN
    /// and fused stages on CUDA
    Auto,
    /// Event-driven, on the CPU
    Event,
    /// Tensor operations, the definition: slower
    Tensor,
}

/// How products that are dense multiply on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Products {
    /// On the CPU's matrix unit where it has one (AMX), else in f32
    Auto,
    /// In f32
    F32,
    /// On the CPU's matrix unit, as sums of bf16: as exact as f32 with spikes, gradients of
    /// activations to 3·2⁻¹⁶ of their factors
    Tiles,
}

/// Flags of every program that trains; none but the precision changes a result beyond rounding
/// (which may make a membrane at its threshold fire or not).
#[derive(clap::Args)]
pub struct ComputeFlags {
    /// What passes are made of
    #[arg(long, value_enum, default_value_t = Passes::Auto)]
    compute: Passes,
    /// Density of activations from which on event-driven products are dense (other passes have
    /// none): `auto` measures it once on this machine; a number gives the same bits on every
    /// machine of one kind, for any number of threads
    #[arg(long, value_name = "auto|0..1", default_value = "auto", value_parser = crossover)]
    crossover: Crossover,
    /// How the CPU multiplies where products are dense
    #[arg(long, value_enum, default_value_t = Products::Auto)]
    products: Products,
    /// Memory that the activations and gradients of an event-driven step may take, such as 512M
    /// or 4G; what does not fit is computed again; analogue epochs keep to none [default: as much
    /// as it takes]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory_budget: Option<usize>,
    /// Device to train on; auto is the first CUDA device if this program was built for CUDA and
    /// there is one
    #[arg(long, value_name = "auto|cpu|cuda:N", default_value_t = device::Choice::Auto)]
    device: device::Choice,
    /// What products are taken in; weights are f32 whatever it is. On the CPU bf16 is for its
    /// matrix unit (AMX), tf32 for none
    #[arg(long, value_name = "f32|tf32|bf16", default_value = "f32")]
    precision: Precision,
    /// Have a CUDA device give the same bits every time, as the CPU always does: algorithms are
    /// then chosen by rule, not by the clock
    #[arg(long)]
    deterministic: bool,
    /// The device, once it was opened; no flag
    #[arg(skip)]
    opened: OnceLock<Device>,
}

/// How, and where.
#[derive(Clone)]
pub struct ComputeTarget {
    /// How passes are computed.
    pub compute: Compute,
    /// Where.
    pub device: Device,
    /// Name of the device for receipts.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Crossover {
    Auto,
    At(f64),
}

fn crossover(text: &str) -> Result<Crossover, String> {
    match (text, report::json::number(text)) {
        ("auto", _) => Ok(Crossover::Auto),
        (_, Some(density)) if (0.0..=1.0).contains(&density) => Ok(Crossover::At(density)),
        _ => Err("expected auto or a number from 0 to 1".into()),
    }
}

fn bytes(text: &str) -> Result<usize, String> {
    let (number, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) => (
            number,
            [("K", 10), ("M", 20), ("G", 30)]
                .iter()
                .find(|(s, _)| text.ends_with(s))
                .map_or(0, |s| s.1),
        ),
        None => (text, 0),
    };
    let number =
        number.parse::<usize>().ok().filter(|n| *n > 0).and_then(|n| n.checked_mul(1 << shift));
    number.ok_or_else(|| "expected a number of bytes, with K, M or G if you like".into())
}

impl ComputeFlags {
    /// The device, which is opened the first time; nothing is measured.
    ///
    /// # Errors
    /// A device that cannot be had, or flags that are for another.
    pub fn device(&self) -> Result<Device> {
        if let Some(device) = self.opened.get() {
            return Ok(device.clone());
        }
        // what only the CPU does asks for it
        let cpu_alone = self.compute == Passes::Event
            || self.memory_budget.is_some()
            || self.products != Products::Auto;
        let asked = if cpu_alone && self.device == device::Choice::Auto {
            device::Choice::Cpu
        } else {
            self.device
        };
        let (device, said) = device::open(asked)?;
        if let Some(said) = said {
            terminal::say!("{said}");
        }
        let cpu = device.is_cpu();
        let blocks = self.compute != Passes::Tensor;
        ensure!(
            cpu || self.compute != Passes::Event,
            "--compute event is for the CPU; a CUDA device takes auto or tensor"
        );
        ensure!(
            cpu && blocks || self.memory_budget.is_none(),
            "--memory-budget is for event-driven passes on the CPU, others keep to none; leave it out"
        );
        ensure!(
            !cpu || self.precision != Precision::Tf32,
            "--precision tf32 is for a CUDA device, and this runs on the CPU, which takes f32 or bf16; leave it out"
        );
        ensure!(
            cpu && blocks || self.products == Products::Auto,
            "--products is for passes of blocks on the CPU; leave it out"
        );
        let bf16 = self.precision == Precision::Bf16;
        ensure!(
            !cpu || !bf16 || self.products != Products::F32,
            "--products f32 and --precision bf16 exclude each other on the CPU; leave one of the two out"
        );
        ensure!(
            !cpu || !(bf16 || self.products == Products::Tiles) || Dense::Tiles.is_here(),
            "{} takes a CPU with a matrix unit for bf16 (AMX) that the system lets programs use, and this one has none; \
             leave it out",
            if bf16 { "--precision bf16" } else { "--products tiles" }
        );
        ensure!(
            blocks || self.precision == Precision::F32,
            "--precision {} is for passes of blocks, tensor operations run in f32; leave one of the two out",
            self.precision.id()
        );
        Ok(self.opened.get_or_init(|| device).clone())
    }

    /// What the flags say; measures the machine if that was never done.
    ///
    /// # Errors
    /// As [`ComputeFlags::device`].
    pub fn choose(&self) -> Result<ComputeTarget> {
        let device = self.device()?;
        let (cpu, blocks) = (device.is_cpu(), self.compute != Passes::Tensor);
        let dense = match (self.products, self.precision) {
            _ if !(blocks && cpu) => Dense::F32,
            (_, Precision::Bf16) => Dense::Bf16,
            (Products::Auto, _) => Dense::fastest(),
            (Products::F32, _) => Dense::F32,
            (Products::Tiles, _) => Dense::Tiles,
        };
        let crossover = match self.crossover {
            Crossover::At(density) => Crossovers { dense, ..Crossovers::at(density) },
            Crossover::Auto if blocks && cpu => measured(dense),
            Crossover::Auto => Options::default().crossover,
        };
        let options = Options { crossover, memory_budget: self.memory_budget };
        let math = Math { precision: self.precision, deterministic: self.deterministic };
        Ok(ComputeTarget {
            compute: Compute { blocks, options, math },
            name: device::name(&device),
            device,
        })
    }

    /// Whether the densities are those measured on the machine.
    pub fn crossover_is_auto(&self) -> bool {
        self.crossover == Crossover::Auto
    }

    /// Refuses a network that has no blocks where only blocks have what was asked for.
    ///
    /// # Errors
    /// Event-driven passes, a memory budget or another precision than f32, for such a network.
    pub fn fits(&self, network: &Network) -> Result<()> {
        let cpu_alone = [
            ("--compute event", self.compute == Passes::Event),
            ("--memory-budget", self.memory_budget.is_some()),
        ];
        if let Some((flag, _)) = cpu_alone.iter().find(|(_, given)| *given) {
            ensure!(
                network.event_driven().is_some(),
                "{flag} is for networks of blocks, and one of these runs by tensor operations; leave it out, or the run with --only"
            );
        }
        let blocks = match self.precision {
            Precision::F32 => true,
            _ if self.device()?.is_cpu() => network.event_driven().is_some(),
            _ => runs_on_a_device(network),
        };
        ensure!(
            blocks,
            "--precision {} is for networks of blocks, and one of these runs by tensor operations in f32; leave it out, or the run \
             with --only",
            self.precision.id()
        );
        Ok(())
    }

    /// Whether the flags ask for what only passes of blocks have.
    pub fn needs_blocks(&self) -> bool {
        let event = self.compute == Passes::Event || self.memory_budget.is_some();
        event || self.precision != Precision::F32
    }

    /// Whether it surely computes in this machine's own memory.
    pub fn on_this_machine(&self) -> bool {
        !cfg!(feature = "cuda") || self.device == device::Choice::Cpu
    }

    /// Bytes that activations and gradients of a step may take, if they are bounded.
    pub fn memory_budget(&self) -> Option<usize> {
        self.memory_budget
    }

    /// What the flags add to the name of a profile: another precision is another experiment, and so
    /// is bf16 on the CPU, where only dense products are rounded to it.
    ///
    /// # Errors
    /// As [`ComputeFlags::device`], which is opened for another precision than f32.
    pub fn profile(&self) -> Result<String> {
        Ok(match self.precision {
            Precision::F32 => String::new(),
            Precision::Bf16 if self.device()?.is_cpu() => "+bf16-products".to_owned(),
            other => format!("+{}", other.id()),
        })
    }
}

fn runs_on_a_device(network: &Network) -> bool {
    network.graph().is_some_and(|graph| graph.runs_on_a_device())
}

/// What a receipt says of it. Times of the layers are left out: they are the machine's, not the
/// run's.
pub fn said(place: &ComputeTarget, network: &Network, layers: &[LayerTrace]) -> Value {
    let compute = &place.compute;
    if !place.device.is_cpu() {
        let blocks = compute.blocks && runs_on_a_device(network);
        return json!({
            "passes": if blocks { "blocks on a CUDA device" } else { "tensor operations on a CUDA device" },
            "precision": compute.math.precision.id(), "deterministic": compute.math.deterministic,
            "peak_device_memory_bytes": device::peak_memory(&place.device),
        });
    }
    if !compute.blocks || network.event_driven().is_none() {
        return json!({ "passes": "tensor operations" });
    }
    let layers: Vec<Value> = layers
        .iter()
        .map(|l| {
            json!({
                "name": l.name, "input_density": l.input_density, "firing_rate": l.firing_rate, "forward": l.forward,
                "weight_gradient": l.weight, "input_gradient": l.input, "recomputed": l.recomputed,
            })
        })
        .collect();
    json!({
        "passes": "event-driven", "crossover": compute.options.crossover,
        "precision": compute.math.precision.id(),
        "memory_budget_bytes": compute.options.memory_budget, "layers_in_last_step": layers,
    })
}

/// Densities measured on a machine.
#[derive(Serialize, Deserialize)]
struct Measured {
    cpu: String,
    version: String,
    crossover: Crossovers,
}

/// The file that keeps them: in SPIKEGRAD_CALIBRATION, else below the user's cache folder; where
/// products multiply in another way than by default, one beside it.
fn file(dense: Dense) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let file = set("SPIKEGRAD_CALIBRATION")
        .or_else(|| cache().map(|cache| cache.join("spikegrad/crossover.json")))?;
    let beside = match dense {
        _ if dense == Dense::fastest() => return Some(file),
        Dense::F32 => "-f32",
        Dense::Tiles => "-tiles",
        Dense::Bf16 => "-bf16",
    };
    let mut name = file.file_stem()?.to_owned();
    name.push(beside);
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    Some(file.with_file_name(name))
}

/// The machine's densities, from the file if it was measured on this processor by this version,
/// else measured now and kept. A file that cannot be read or written costs half a second the next
/// time, and no more.
fn measured(dense: Dense) -> Crossovers {
    let (cpu, version) = (machine::host().cpu, env!("CARGO_PKG_VERSION").to_owned());
    let file = file(dense);
    let kept = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let kept = kept.and_then(|text| serde_json::from_str::<Measured>(&text).ok());
    let this = |kept: &Measured| {
        kept.cpu == cpu && kept.version == version && kept.crossover.dense == dense
    };
    if let Some(kept) = kept.filter(this) {
        return kept.crossover;
    }
    let crossover = calibrate(dense);
    let Some(file) = file else { return crossover };
    let text = serde_json::to_string_pretty(&Measured { cpu, version, crossover });
    let written = file.parent().is_none_or(|folder| std::fs::create_dir_all(folder).is_ok())
        && text.is_ok_and(|text| write_text(&file, &(text + "\n")).is_ok());
    if !written {
        terminal::say!(
            "{} cannot be written; the machine is measured again by the next run",
            file.display()
        );
    }
    crossover
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes_and_their_multiples() {
        assert_eq!(bytes("12"), Ok(12));
        assert_eq!(bytes("3K"), Ok(3 << 10));
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("4G"), Ok(4 << 30));
        for wrong in ["", "0", "-1", "4T", "G", "99999999999999999999", "99999999999G", "1.5G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_crossover_is_auto_or_a_density() {
        assert_eq!(crossover("auto"), Ok(Crossover::Auto));
        assert_eq!(crossover("0.25"), Ok(Crossover::At(0.25)));
        for wrong in ["", "-0.1", "1.1", "NaN", "Auto"] {
            assert!(crossover(wrong).is_err(), "{wrong}");
        }
    }
}
