//! The one place that knows a CUDA device: opened or refused with a sentence, its memory kept,
//! kernels compiled when they are first needed, and the traps of the driver and of the tensor
//! library dealt with once.
//!
//! Without the feature `cuda` there is only the CPU, and this crate is [`open`] alone. With it a
//! program still starts where no CUDA library is; it looks for them when a device is asked for.

#[cfg(feature = "cuda")]
mod gpu;
#[cfg(feature = "cuda")]
mod opening;
#[cfg(feature = "cuda")]
mod program;
#[cfg(feature = "cuda")]
mod tensors;

#[cfg(feature = "cuda")]
pub use candle_core::cuda_backend::cudarc;
#[cfg(feature = "cuda")]
pub use gpu::{Algorithm, Arg, Direction, Gpu, Library};
#[cfg(feature = "cuda")]
pub use program::{Kernel, Program, real};
#[cfg(feature = "cuda")]
pub use tensors::View;

use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// Which device a program is to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Choice {
    /// The first CUDA device if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number, or an error.
    Cuda(usize),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Choice::Auto),
            "cpu" => Ok(Choice::Cpu),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(number)) => Ok(Choice::Cuda(number)),
                _ => Err(format!("expected auto, cpu or cuda:0 (1, 2 …), found \"{text}\"")),
            },
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Cpu => f.write_str("cpu"),
            Choice::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program was built without the feature `cuda`.
    #[error(
        "cuda:{0} was asked for, but this program was built for the CPU alone; build it with --features cuda"
    )]
    NotBuilt(usize),
    /// A library or the driver is missing, or there is no such device.
    #[error("cuda:{number} cannot be used: {why}; ask for --device cpu, or auto")]
    Unusable {
        /// Number of the device.
        number: usize,
        /// What the driver or the loader said.
        why: String,
    },
}

/// The device that `choice` means; [`Choice::Auto`] never fails. The second value says why `auto`
/// took the CPU in a program that could use CUDA.
///
/// # Errors
/// A CUDA device that was asked for and cannot be had.
pub fn open(choice: Choice) -> Result<(Device, Option<String>), Error> {
    match choice {
        Choice::Cpu => Ok((Device::Cpu, None)),
        Choice::Cuda(number) => cuda(number).map(|device| (device, None)),
        Choice::Auto if !cfg!(feature = "cuda") => Ok((Device::Cpu, None)),
        Choice::Auto => Ok(match cuda(0) {
            Ok(device) => (device, None),
            Err(Error::Unusable { why, .. }) => {
                (Device::Cpu, Some(format!("no CUDA device ({why}): using the CPU")))
            }
            Err(error) => (Device::Cpu, Some(error.to_string())),
        }),
    }
}

/// The first CUDA device for a test that needs one; `None`, after a line SKIPPED on standard error,
/// where there is none.
///
/// # Errors
/// Where SPIKEGRAD_CUDA is set, a device that cannot be had: there a test that skips itself would
/// pass unseen.
pub fn for_a_test() -> Result<Option<Device>, Error> {
    match cuda(0) {
        Ok(device) => Ok(Some(device)),
        Err(error) if std::env::var_os("SPIKEGRAD_CUDA").is_none() => {
            // not `eprintln!`, which a passing test does not show
            terminal::say!("SKIPPED: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(number: usize) -> Result<Device, Error> {
    Err(Error::NotBuilt(number))
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> Result<Device, Error> {
    opening::open(number).map_err(|why| Error::Unusable { number, why })
}

/// Name of a device for people: `cpu`, or what the card is called.
pub fn name(device: &Device) -> String {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            Gpu::of(device).and_then(|gpu| gpu.name()).unwrap_or_else(|_| "cuda".into())
        }
        Device::Cpu => "cpu".into(),
        other => format!("{:?}", other.location()),
    }
}

/// Most memory that tensors and workspaces of a CUDA device have taken since [`reset_peak_memory`],
/// where the driver tells.
pub fn peak_memory(device: &Device) -> Option<u64> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => Gpu::of(device).and_then(|gpu| gpu.peak_memory()).ok(),
        _ => None,
    }
}

/// Starts a new measurement of [`peak_memory`].
pub fn reset_peak_memory(device: &Device) {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => {
            // a driver that cannot count leaves the peak of the whole process, which is still a
            // bound
            let _ = Gpu::of(device).and_then(|gpu| gpu.reset_peak_memory());
        }
        _ => (),
    }
}

/// What multiplies on a CUDA device; the weights themselves are f32 whatever it is. Named by the
/// type that activations and gradients are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// f32, every product rounded as f32.
    #[default]
    F32,
    /// f32, but tensor cores round the factors of products to 10 bits.
    Tf32,
    /// bf16 activations and gradients, sums in f32.
    Bf16,
}

impl Precision {
    /// `f32`, `tf32` or `bf16`.
    pub fn id(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The type of activations and gradients.
    pub fn dtype(self) -> candle_core::DType {
        match self {
            Precision::F32 | Precision::Tf32 => candle_core::DType::F32,
            Precision::Bf16 => candle_core::DType::BF16,
        }
    }
}

/// How products are computed on a CUDA device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Math {
    /// In what.
    pub precision: Precision,
    /// Whether the same operands always give the same bits: algorithms are then chosen by rule and
    /// not by the clock, and only among those that add up in one order.
    pub deterministic: bool,
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Precision::F32, Precision::Tf32, Precision::Bf16];
        all.into_iter()
            .find(|p| p.id() == text)
            .ok_or_else(|| format!("expected f32, tf32 or bf16, found \"{text}\""))
    }
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_in_one_way() {
        for (text, choice) in [
            ("auto", Choice::Auto),
            ("cpu", Choice::Cpu),
            ("cuda:0", Choice::Cuda(0)),
            ("cuda:12", Choice::Cuda(12)),
        ] {
            assert_eq!(text.parse(), Ok(choice));
            assert_eq!(choice.to_string(), text);
        }
        for wrong in ["", "gpu", "cuda", "cuda:", "cuda:x", "CPU"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert!(matches!(open(Choice::Cpu), Ok((Device::Cpu, None))));
        assert!(open(Choice::Auto).is_ok());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_device_that_was_not_built_is_refused_with_what_to_do() {
        let error = open(Choice::Cuda(0)).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("--features cuda"), "{error}");
    }
}
