//! `layers_*`: convolution, batch norm, ReLU and node twice, with all intermediate values and
//! gradients.

use super::axis_order::{Layout, channels_first, channels_last};
use super::check::{Limit, Pair, Rows};
use super::form::{self, Form, gradient, membranes};
use super::golden::Golden;
use super::lif::constants;
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor, Var};
use layers::{BatchNorm, BatchStatistics, Conv2d, Mode, StatisticsOver};
use neuron::Neuron;
use std::collections::BTreeMap;
use std::sync::Arc;

/// For everything that is neither spikes nor gradients the README has one number, 1e-6 for the
/// outputs of networks, which lie between 0 and 1. Currents, statistics and the outputs of networks
/// without neurons have no such bound: where they are larger, the same number counts as a part of
/// their largest value, since single precision rounds at 1e-7 of that.
pub const VALUES: Limit = Limit::Values(1e-6);

/// The README's limit for gradients.
pub fn gradients_within(dtype: DType) -> Limit {
    Limit::OfLargest(if dtype == DType::F64 { 1e-9 } else { 1e-3 })
}

/// Checks every tensor of the file but the gradients of the convolutions' biases.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let config = form::config(&golden.field::<String>("/node_kind")?)?;
    constants(golden, config, rows);
    let neuron = config.build()?;
    for (tag, dtype) in golden.precisions("")? {
        for form in golden.forms(Form::ALL) {
            let run = Run { golden, form, neuron: neuron.clone(), tag, dtype };
            if let Err(error) = run.check(rows) {
                rows.add(&format!("{tag} pass {form}"), Err(error));
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    golden: &'a Golden,
    form: Form,
    neuron: Arc<dyn Neuron>,
    tag: &'static str,
    dtype: DType,
}

/// What a pass leaves behind, by the names that the file gives to it: `trace.bn.1`,
/// `grad.0.weight`, `after.1.running_mean`.
#[derive(Default)]
struct PassRecord {
    values: BTreeMap<String, Tensor>,
    variables: Vec<(String, Layout, Var)>,
}

impl Run<'_> {
    fn check(&self, rows: &mut Rows) -> Result<()> {
        let stored =
            |name: &str| self.golden.input(name)?.to_dtype(self.dtype).context(name.to_string());
        let mut trail = PassRecord::default();
        let input = Var::from_tensor(&channels_last(&stored("input")?)?)?;
        let grad_out = channels_last(&stored("grad_out")?)?;
        let device = self.golden.device(self.form);
        let mut x = input.to_device(device)?;
        for layer in self.golden.field::<Vec<String>>("/layer_indices")? {
            let (index, kind) =
                layer.split_once(' ').with_context(|| format!("layer_indices: \"{layer}\""))?;
            x = self.layer(index, kind, &x, &mut trail)?;
        }
        let gradients = (x.to_device(&Device::Cpu)? * &grad_out)?.sum_all()?.backward()?;
        trail
            .values
            .insert("grad.input".into(), channels_first(&gradient(&gradients, "input", &input)?)?);
        for (name, layout, variable) in &trail.variables {
            let found = gradient(&gradients, name, variable)?.to_device(&Device::Cpu)?;
            trail.values.insert(format!("grad.{name}"), layout.golden(&found)?);
        }
        self.compare(&trail.values, rows);
        Ok(())
    }

    /// One layer; leaves its values and variables in `trail`.
    fn layer(&self, index: &str, kind: &str, x: &Tensor, trail: &mut PassRecord) -> Result<Tensor> {
        let stored = |name: &str| -> Result<Tensor> {
            Ok(self.golden.input(&format!("param.{index}.{name}"))?.to_dtype(self.dtype)?)
        };
        let there = |t: Tensor| t.to_device(self.golden.device(self.form));
        let mut variable = |name: &str, layout: Layout| -> Result<Tensor> {
            let variable = Var::from_tensor(&there(layout.ours(&stored(name)?)?)?)?;
            let tensor = variable.as_tensor().clone();
            trail.variables.push((format!("{index}.{name}"), layout, variable));
            Ok(tensor)
        };
        let y = match kind {
            "conv" => {
                let weight = variable("weight", Layout::Conv)?;
                let bias = there(stored("bias")?)?;
                self.golden.leave_out(&format!("{}.grad.{index}.bias", self.tag));
                let padding = weight.dim(0)? / 2;
                Conv2d { weight, bias: Some(bias), stride: 1, padding }.forward(x)?
            }
            "bn" => {
                let (weight, bias) =
                    (variable("weight", Layout::Vector)?, variable("bias", Layout::Vector)?);
                let running = [there(stored("running_mean")?)?, there(stored("running_var")?)?];
                let norm = BatchNorm {
                    eps: self.golden.field("/bn/eps")?,
                    momentum: self.golden.field("/bn/momentum")?,
                    ..BatchNorm::new(weight, bias, running, StatisticsOver::Step)
                };
                let (y, statistics) = norm.forward(x, Mode::Train { seed: 0 })?;
                self.running(
                    index,
                    &norm,
                    &statistics.context("batch norm gave no statistics")?,
                    trail,
                )?;
                y
            }
            "relu" => layers::rectify(x)?,
            "node" => self.node(index, x, trail)?,
            other => bail!("layer_indices: expected conv, bn, relu or node, found \"{other}\""),
        };
        let name = if kind == "node" { "spike" } else { kind };
        trail
            .values
            .insert(format!("trace.{name}.{index}"), channels_first(&y.to_device(&Device::Cpu)?)?);
        Ok(y)
    }

    fn running(
        &self,
        index: &str,
        norm: &BatchNorm,
        statistics: &BatchStatistics,
        trail: &mut PassRecord,
    ) -> Result<()> {
        let (mean, var) = statistics.update(&norm.running_mean, &norm.running_var)?;
        trail.values.insert(format!("after.{index}.running_mean"), mean.to_device(&Device::Cpu)?);
        trail.values.insert(format!("after.{index}.running_var"), var.to_device(&Device::Cpu)?);
        // how often the reference's batch norm ran: ours keeps no such count
        self.golden.leave_out(&format!("{}.after.{index}.num_batches_tracked", self.tag));
        Ok(())
    }

    fn node(&self, index: &str, x: &Tensor, trail: &mut PassRecord) -> Result<Tensor> {
        if self.form == Form::Step {
            let (u, v) = membranes(self.neuron.as_ref(), x)?;
            trail.values.insert(format!("trace.u.{index}"), channels_first(&u)?);
            trail.values.insert(format!("trace.mem.{index}"), channels_first(&v)?);
        }
        Ok(self.form.spikes(self.neuron.as_ref(), x)?)
    }

    /// One row for each quantity, all layers together.
    fn compare(&self, values: &BTreeMap<String, Tensor>, rows: &mut Rows) {
        // a stored f64 spike is u/(u + 1e-12), so 1 only up to 2e-12
        let double = self.dtype == DType::F64;
        let spikes = if double { Limit::Absolute(1e-11) } else { Limit::Exactly };
        // tighter than the README asks: at 1e-6 a computation that lost double precision on its way
        // would pass
        let values_limit = if double { Limit::Values(1e-9) } else { VALUES };
        let gradients = gradients_within(self.dtype);
        for (prefix, name, limit) in [
            ("trace.conv.", "convolution", values_limit),
            ("trace.bn.", "batch norm", values_limit),
            ("trace.relu.", "relu", values_limit),
            ("trace.u.", "u", values_limit),
            ("trace.mem.", "mem", values_limit),
            ("trace.spike.", "spike", spikes),
            ("after.", "running statistics", values_limit),
            ("grad.", "gradients", gradients),
        ] {
            let of_it = values.iter().filter(|(name, _)| name.starts_with(prefix));
            let pairs = of_it.map(|(name, ours)| {
                let golden = self.golden.tensor(&format!("{}.{name}", self.tag))?;
                Ok(Pair { name: name.clone(), ours: ours.clone(), golden })
            });
            let pairs: Result<Vec<Pair>> = pairs.collect();
            // the scan does not show its membranes
            if self.form == Form::Step || !matches!(name, "u" | "mem") {
                rows.compare(&format!("{} {name} {}", self.tag, self.form), limit, pairs);
            }
        }
    }
}
