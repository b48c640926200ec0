//! TSSL-BP: single layers of neurons, and one training step of a network.

use super::{Case, Value, of_rows, rows_of, time_first, time_last, values};
use crate::conformance::axis_order::Layout;
use crate::conformance::check::{Limit, Rows};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor, TensorId, Var};
use layers::{Conv2d, Linear};
use std::collections::HashMap;
use traces::{Tape, Tssl, count_loss, target_train, trace_loss};
use training::{AdamWConfig, Clip, GradientsOf, Optimiser, OptimiserKind};

/// The rule of a file.
fn rule(case: &Case, published: bool, at: &str) -> Result<Tssl> {
    let constant = |name: &str| case.golden.field::<f64>(&format!("{at}/{name}"));
    let (tau_m, tau_s) = (constant("tau_m")?, constant("tau_s")?);
    let threshold = constant("threshold").unwrap_or(1.0);
    Ok(match published {
        true => Tssl::published(tau_m, tau_s, threshold),
        false => Tssl::of_head(tau_m, tau_s, threshold),
    })
}

/// A layer of independent neurons.
pub fn neuron<F: Value>(case: &Case, published: bool, rows: &mut Rows) -> Result<()> {
    let rule = rule(case, published, "")?;
    let steps: usize = case.golden.field("/T")?;
    let x: Vec<F> = values(&case.shared("input")?)?;
    let g: Vec<F> = values(&case.shared("grad_out")?)?;
    let tape = rule.forward(&x, steps);
    let traces = rule.filter().forward(&tape.spikes, steps);
    case.compare(rows, "spike", Limit::Exactly, &tape.spikes);
    case.values(rows, "u", &tape.membranes);
    case.values(rows, "du", &tape.changes);
    case.values(rows, "psp", &traces);
    if published {
        let theirs: bool = case.golden.field("/falls_back")?;
        rows.equal(&format!("{} falls back", case.tag), &rule.falls_back(&tape), &theirs, theirs);
    }
    let g = rule.backward(&tape, &rule.filter().adjoint(&g, steps));
    case.values(rows, "grad_in", &g);
    Ok(())
}

/// What a layer with neurons left in the forward pass.
struct Done<F> {
    name: String,
    layout: Layout,
    /// The spikes below, the weight, and the product of the two.
    below: Var,
    weight: Var,
    product: Tensor,
    currents: Vec<F>,
    tape: Tape<F>,
}

/// A network of a file, in the order of its layers.
struct Net<'c, 'g> {
    case: &'c Case<'g>,
    rule: Tssl,
    steps: usize,
}

impl Net<'_, '_> {
    /// All layers with neurons, from the input on.
    fn forward<F: Value>(&self) -> Result<Vec<Done<F>>> {
        let golden = self.case.golden;
        let mut done: Vec<Done<F>> = Vec::new();
        let mut below = Var::from_tensor(&time_first(&self.case.shared("input")?, self.steps)?)?;
        let mut x = below.as_tensor().clone();
        for name in golden.keys("/layers")? {
            let of = |what: &str| format!("/layers/{name}/{what}");
            let kind: String = golden.field(&of("type"))?;
            if kind == "pooling" {
                let side: usize = golden.field(&of("kernel_size"))?;
                let sum = (side * side) as f64 * 1.1;
                x = layers::avg_pool2d(&x, side)?.affine(sum, 0.0)?;
                continue;
            }
            let stored = self.case.shared(&format!("param.{name}"))?;
            let layout = match (kind.as_str(), x.rank()) {
                ("conv", _) => Layout::Conv,
                ("linear", 5) => Layout::Linear([x.dim(4)?, x.dim(2)?, x.dim(3)?]),
                ("linear", _) => Layout::Linear([x.dim(2)?, 1, 1]),
                _ => bail!("expected a layer of conv, linear or pooling, found {kind}"),
            };
            let stored = if stored.rank() == 5 { stored.squeeze(4)? } else { stored };
            let weight = Var::from_tensor(&layout.ours(&stored)?)?;
            let of_layer = weight.as_tensor().clone();
            let product = match layout {
                Layout::Conv => {
                    let padding = golden.field(&of("padding"))?;
                    Conv2d { weight: of_layer, bias: None, stride: 1, padding }.forward(&x)?
                }
                _ => {
                    let x = if x.rank() == 5 { x.flatten_from(2)? } else { x.clone() };
                    Linear { weight: of_layer, bias: None }.forward(&x)?
                }
            };
            let currents = self.rule.filter().forward(&rows_of::<F>(&product)?, self.steps);
            let tape = self.rule.forward(&currents, self.steps);
            let spikes = Var::from_tensor(&of_rows(&tape.spikes, &product)?)?;
            x = spikes.as_tensor().clone();
            let below = std::mem::replace(&mut below, spikes);
            done.push(Done { name, layout, below, weight, product, currents, tape });
        }
        Ok(done)
    }

    /// The loss of the output's traces, and ∂L/∂trace.
    fn loss<F: Value>(&self, traces: &[F], published: bool) -> Result<(F, Vec<F>)> {
        let golden = self.case.golden;
        let labels: Vec<i64> = golden.integers("labels")?;
        let classes: usize = golden.field("/network/n_class")?;
        let is_label: Vec<bool> = labels
            .iter()
            .flat_map(|&label| (0..classes).map(move |class| class as i64 == label))
            .collect();
        if golden.field::<String>("/network/loss")? == "count" {
            let count = |name: &str| golden.field(&format!("/network/{name}"));
            let counts = [count("desired_count")?, count("undesired_count")?];
            return Ok(count_loss(traces, self.steps, &is_label, counts));
        }
        let filter = self.rule.filter();
        let train = target_train::<F>(self.steps, published);
        let mut target = filter.forward(&train, self.steps);
        if !published {
            // the code's last version filters a target that is a trace already
            target = filter.forward(&target, self.steps);
        }
        let none = vec![F::of(0.0); self.steps];
        let targets = is_label.iter().flat_map(|&yes| if yes { &target } else { &none });
        Ok(trace_loss(traces, &targets.copied().collect::<Vec<F>>()))
    }

    /// ∂L/∂W of every layer from ∂L/∂trace of the last one.
    fn backward<F: Value>(&self, done: &[Done<F>], g: &[F]) -> Result<HashMap<TensorId, Tensor>> {
        let mut gradients = HashMap::new();
        let mut of_spikes = self.rule.filter().adjoint(g, self.steps);
        for layer in done.iter().rev() {
            let of_currents = self.rule.backward(&layer.tape, &of_spikes);
            let d = self.rule.filter().adjoint(&of_currents, self.steps);
            let d = of_rows(&d, &layer.product)?;
            let grads = (&layer.product * d)?.sum_all()?.backward()?;
            let of = |var: &Var| grads.get(var).cloned().context("no gradient arrived");
            gradients.insert(layer.weight.id(), of(&layer.weight)?);
            of_spikes = rows_of(&of(&layer.below)?)?;
        }
        Ok(gradients)
    }
}

/// Gradients by the identity of their variables.
struct All<'a>(&'a HashMap<TensorId, Tensor>);

impl GradientsOf for All<'_> {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.0.get(&var.id())
    }
}

/// One training step of a network.
pub fn network<F: Value>(case: &Case, published: bool, rows: &mut Rows) -> Result<()> {
    let rule = rule(case, published, "/network")?;
    let steps: usize = case.golden.field("/network/n_steps")?;
    let net = Net { case, rule, steps };
    let done = net.forward::<F>()?;
    for layer in &done {
        let spikes = of_rows(&layer.tape.spikes, &layer.product)?;
        let spikes: Vec<F> = values(&time_last(&spikes)?)?;
        case.spikes(rows, &format!("spike.{}", layer.name), &spikes);
        if published {
            let at = format!("/falls_back/{}", layer.name);
            let theirs: bool = case.golden.field(&at)?;
            let row = format!("{} {} falls back", case.tag, layer.name);
            rows.equal(&row, &rule.falls_back(&layer.tape), &theirs, theirs);
        }
    }
    let last = done.last().context("expected a layer")?;
    let traces = rule.filter().forward(&last.tape.spikes, steps);
    case.values(rows, "psp.output", &traces);
    if !published {
        case.values(rows, "current.output", &last.currents);
    }
    let (loss, g) = net.loss(&traces, published)?;
    case.values(rows, "loss", &[loss]);
    let gradients = net.backward(&done, &g)?;
    let mut squares = 0.0;
    for layer in &done {
        let g = gradients.get(&layer.weight.id()).context("no gradient arrived")?;
        let all: Vec<f64> = values(g)?;
        squares += all.iter().map(|g| g * g).sum::<f64>();
        let stored: Vec<F> = values(&layer.layout.golden(g)?)?;
        case.values(rows, &format!("grad.{}", layer.name), &stored);
    }
    case.values(rows, "grad_norm", &[F::of(squares.sqrt())]);
    let lr: f64 = case.golden.field("/network/lr")?;
    step(&done, &gradients, squares.sqrt(), lr)?;
    for layer in &done {
        let weight: Vec<F> = values(&layer.layout.golden(layer.weight.as_tensor())?)?;
        let limit = match case.dtype {
            DType::F64 => Limit::OfLargest(1e-9),
            // where a gradient is rounding alone its sign may differ, and a step with it
            _ => Limit::OfLargest(1e-2),
        };
        case.compare(rows, &format!("after.{}", layer.name), limit, &weight);
    }
    Ok(())
}

/// Gradients clipped to a norm of 1, one step of AdamW, weights clamped to ±4: by the training's
/// own parts in single precision, which is all that they take, and by the equations in double.
fn step<F: Value>(
    done: &[Done<F>],
    gradients: &HashMap<TensorId, Tensor>,
    norm: f64,
    lr: f64,
) -> Result<()> {
    const DECAY: f64 = 0.01;
    let vars = || done.iter().map(|layer| &layer.weight);
    if F::DTYPE == DType::F32 {
        let clipped = Clip::Norm(1.0).clipped(vars(), &All(gradients))?;
        let named = done.iter().map(|layer| (layer.name.clone(), layer.weight.clone()));
        let adamw = AdamWConfig { weight_decay: DECAY, ..AdamWConfig::PAPER };
        Optimiser::new(named.collect(), OptimiserKind::AdamW, adamw)?.step(&clipped, lr)?;
    } else {
        let factor = (1.0 / (norm + 1e-6)).min(1.0);
        for var in vars() {
            let g = gradients.get(&var.id()).context("no gradient arrived")?;
            let g = g.affine(factor, 0.0)?;
            let step = (&g / (g.abs()? + 1e-8)?)?;
            let kept = var.as_tensor().affine(1.0 - lr * DECAY, 0.0)?;
            var.set(&(kept - step.affine(lr, 0.0)?)?)?;
        }
    }
    for var in vars() {
        let limit = Tensor::new(4.0, &Device::Cpu)?.to_dtype(var.dtype())?;
        let limit = limit.broadcast_as(var.shape())?;
        var.set(&var.as_tensor().minimum(&limit)?.maximum(&limit.neg()?)?)?;
    }
    Ok(())
}
