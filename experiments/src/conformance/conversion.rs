//! `continuesnn_…`, `rnl_…`, `spikenorm` and `softlif` of the comparators: analogue networks that
//! become spiking ones, by the definition of the crate `convert` in both precisions.
//!
//! In double precision spikes are compared one for one. In single precision another order of sums
//! may move one to the step beside it, so that counts until each step may differ by one.

mod continuous;
mod rate_norm;
mod spike_norm;

use super::check::{Limit, Rows, values};
use super::golden::Golden;
use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor};
use convert::{Definition, SoftLif, Spiking, soft_lif::LifState};

/// Files that this module checks, without their seeds.
pub const FILES: [&str; 7] = [
    "continuesnn_neuron",
    "continuesnn_network_average",
    "continuesnn_network_max",
    "rnl_layer",
    "rnl_network",
    "spikenorm",
    "softlif",
];

/// The limit for values, of the tensor's largest.
fn limit(dtype: DType) -> Limit {
    match dtype {
        DType::F64 => Limit::OfLargest(1e-9),
        _ => Limit::OfLargest(1e-5),
    }
}

/// Checks every tensor of the file of the kind `file`.
pub fn check(golden: &Golden, file: &str, rows: &mut Rows) -> Result<()> {
    if file == "softlif" {
        return soft_lif(golden, rows);
    }
    for (tag, dtype) in golden.precisions("")? {
        let case = Case { golden, tag, dtype };
        match file {
            "continuesnn_neuron" => continuous::neuron(&case, rows)?,
            "continuesnn_network_average" => continuous::network(&case, true, rows)?,
            "continuesnn_network_max" => continuous::network(&case, false, rows)?,
            "rnl_layer" => rate_norm::layer(&case, rows)?,
            "rnl_network" => rate_norm::network(&case, rows)?,
            "spikenorm" => spike_norm::check(&case, rows)?,
            _ => bail!("no conversion has this name"),
        }
    }
    Ok(())
}

/// A file in one precision.
pub(super) struct Case<'g> {
    pub golden: &'g Golden,
    pub tag: &'static str,
    pub dtype: DType,
}

impl Case<'_> {
    /// A value that both precisions share, in this one.
    pub fn shared(&self, name: &str) -> Result<Tensor> {
        Ok(self.golden.input(name)?.to_dtype(self.dtype)?)
    }

    /// What the reference found.
    pub fn stored(&self, name: &str) -> Result<Tensor> {
        self.golden.tensor(&format!("{}.{name}", self.tag))
    }

    /// Compares a tensor, or one that is stored as `[1]` with a number.
    pub fn compare(&self, rows: &mut Rows, name: &str, limit: Limit, ours: Result<Tensor>) {
        let stored = self.stored(name);
        let ours = match (&stored, ours) {
            (Ok(stored), Ok(ours)) if ours.rank() == 0 => {
                ours.reshape(stored.shape()).map_err(Into::into)
            }
            (_, ours) => ours,
        };
        rows.compare_one(&format!("{} {name}", self.tag), limit, ours, stored);
    }

    /// Compares numbers with a stored vector.
    pub fn numbers(&self, rows: &mut Rows, name: &str, ours: &[f64]) {
        let ours = Tensor::new(ours, &Device::Cpu).map_err(Into::into);
        self.compare(rows, name, limit(self.dtype), ours);
    }

    /// Compares spikes `[T, B, …]` that both precisions share.
    pub fn spikes(&self, rows: &mut Rows, name: &str, ours: &Tensor) -> Result<()> {
        let stored = self.golden.tensor(name)?;
        if self.dtype == DType::F64 {
            rows.compare_one(&format!("f64 {name}"), Limit::Exactly, Ok(ours.clone()), Ok(stored));
            return Ok(());
        }
        let row = format!("{} counts of {name}", self.tag);
        rows.compare_one(&row, Limit::Absolute(1.5), counted(ours), counted(&stored));
        Ok(())
    }
}

/// Spikes until each step.
fn counted(spikes: &Tensor) -> Result<Tensor> {
    let steps = spikes.dim(0)?;
    let mut all = values(spikes)?;
    let step = all.len() / steps.max(1);
    for i in step..all.len() {
        all[i] += all[i - step];
    }
    Ok(Tensor::from_vec(all, spikes.shape(), &Device::Cpu)?)
}

/// What each stage gave, `[T, B, …]`, in front of its poolings and behind each.
pub(super) struct Ran {
    pub outputs: Vec<Tensor>,
    pub pooled: Vec<Vec<Tensor>>,
}

/// `steps` steps of a network; `input` gives that of each.
pub(super) fn ran(
    network: &Spiking,
    steps: usize,
    input: &mut dyn FnMut(usize) -> candle_core::Result<Tensor>,
) -> Result<Ran> {
    let mut run = Definition::new(network);
    let done: Vec<Vec<convert::Step>> =
        (0..steps).map(|t| run.step(&input(t)?)).collect::<candle_core::Result<_>>()?;
    let mut all = Ran { outputs: Vec::new(), pooled: Vec::new() };
    for (i, stage) in network.stages.iter().enumerate() {
        let outputs: Vec<&Tensor> = done.iter().map(|step| &step[i].output).collect();
        all.outputs.push(Tensor::stack(&outputs, 0)?);
        let pooled = (0..stage.pools.len()).map(|k| {
            let pooled: Vec<&Tensor> = done.iter().map(|step| &step[i].pooled[k]).collect();
            Tensor::stack(&pooled, 0)
        });
        all.pooled.push(pooled.collect::<candle_core::Result<_>>()?);
    }
    Ok(all)
}

/// The smooth rate and its slope, and the spikes that it is the rate of.
fn soft_lif(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let inputs = values(&golden.input("input")?)?;
    for key in golden.keys("/parameters")? {
        let constant = |name: &str| golden.field::<f64>(&format!("/parameters/{key}/{name}"));
        let neuron = SoftLif {
            tau_ref: constant("tau_ref")?,
            tau_rc: constant("tau_rc")?,
            sigma: constant("sigma")?,
            amplitude: constant("amplitude")?,
            gain: constant("gain")?,
            bias: constant("bias")?,
        };
        let spikes = golden.tensor(&format!("{key}.spike"))?;
        let steps = spikes.dim(0)?;
        let mut states = vec![LifState::default(); inputs.len()];
        let mut fired = Vec::new();
        for _ in 0..steps {
            let all = inputs.iter().zip(&mut states);
            fired.extend(all.map(|(&x, state)| f64::from(u8::from(neuron.step(x, 0.001, state)))));
        }
        let fired = Tensor::from_vec(fired, spikes.shape(), &Device::Cpu).map_err(Into::into);
        rows.compare_one(&format!("{key}.spike"), Limit::Exactly, fired, Ok(spikes));
        let last = |of: fn(&LifState) -> f64| states.iter().map(of).collect();
        let found: [(&str, Vec<f64>); 4] = [
            ("rate", inputs.iter().map(|&x| neuron.rate(x)).collect()),
            ("slope", inputs.iter().map(|&x| neuron.slope(x)).collect()),
            ("voltage_last", last(|state| state.voltage)),
            ("refractory_last", last(|state| state.refractory)),
        ];
        for (name, ours) in found {
            let name = format!("f64.{key}.{name}");
            let ours = Tensor::new(ours, &Device::Cpu).map_err(Into::into);
            rows.compare_one(&name, limit(DType::F64), ours, golden.tensor(&name));
        }
    }
    Ok(())
}
