//! One training pass and the evaluation behind it of a system's network, in every form.

use super::{Case, OUTPUTS};
use crate::conformance::axis_order::{Layout, channels_first};
use crate::conformance::check::{Limit, Pair, Rows};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use layers::{BatchStatistics, Mode};
use models::{Frames, Layer, Network, Observer, Options, Spec, StageOptions};
use neuron::Neuron;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a file's network is, and where its tensors lie in ours.
pub struct System {
    /// In our notation.
    pub spec: &'static str,
    /// `[T, B, H, W, C]`.
    pub frames: Tensor,
    pub options: StageOptions,
    pub neuron: Arc<dyn Neuron>,
    pub head: Head,
    pub loss: Loss,
    /// Whether blocks have no word for it.
    pub tensors_alone: bool,
    /// Names of parameters, theirs and ours; `{t}` stands for every step, and is our first axis.
    pub parameters: Vec<(String, String, Layout)>,
    /// The same of norms, for their running statistics.
    pub norms: Vec<(String, String)>,
    /// The same of neurons.
    pub spikes: Vec<(String, String)>,
}

/// Of scores `[B, K]`.
#[derive(Clone, Copy)]
pub enum Loss {
    CrossEntropy,
    MeanSquares,
    Squares,
}

/// What gives the scores.
#[derive(Clone, Copy, PartialEq)]
pub enum Head {
    /// Votes of the last neurons.
    Votes,
    /// The mean over time of their currents.
    Currents,
    /// A membrane of them that leaks, but not in the gradient, over θ and T.
    Membrane { leak: f64, threshold: f64 },
}

impl Loss {
    fn of(self, scores: &Tensor, labels: &[i64]) -> Result<Tensor> {
        let (batch, classes) = scores.dims2()?;
        let mut goal = vec![0.0; batch * classes];
        for (row, &label) in goal.chunks_mut(classes).zip(labels) {
            *row.get_mut(usize::try_from(label)?).context("a label without a class")? = 1.0;
        }
        let goal: Vec<f64> = goal;
        let goal = Tensor::from_vec(goal, (batch, classes), &Device::Cpu)?;
        let goal = goal.to_dtype(scores.dtype())?;
        Ok(match self {
            Loss::CrossEntropy => {
                let of_goal = (candle_nn::ops::log_softmax(scores, 1)? * goal)?;
                (of_goal.sum_all()? * (-1.0 / batch as f64))?
            }
            Loss::MeanSquares => (scores - goal)?.sqr()?.mean_all()?,
            Loss::Squares => (scores - goal)?.sqr()?.sum_all()?,
        })
    }
}

impl System {
    pub fn parameter(&mut self, theirs: String, ours: String, layout: Layout) {
        self.parameters.push((theirs, ours, layout));
    }

    /// The parameters of a product with a bias.
    pub fn biased(&mut self, theirs: &str, ours: &str, layout: Layout) {
        self.parameter(format!("{theirs}.weight"), format!("{ours}.weight"), layout);
        self.parameter(format!("{theirs}.bias"), format!("{ours}.bias"), Layout::Vector);
    }

    fn steps(&self) -> Result<usize> {
        Ok(self.frames.dim(0)?)
    }

    /// Tensors of the file in our layout: `read` gives one by its name.
    fn read(
        &self,
        theirs: &str,
        layout: Layout,
        read: &dyn Fn(&str) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if !theirs.contains("{t}") {
            return Ok(layout.ours(&read(theirs)?)?);
        }
        let steps = 0..self.steps()?;
        let of_step = |t: usize| read(&theirs.replace("{t}", &t.to_string()));
        Ok(Tensor::stack(&steps.map(of_step).collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// The network with the file's weights, and its variables.
    fn network(&self, case: &Case, classes: usize, dtype: DType) -> Result<(Network, VarMap)> {
        let vars = VarMap::new();
        let builder = VarBuilder::from_varmap(&vars, dtype, &Device::Cpu);
        let spec: Spec = self.spec.parse()?;
        let (_, _, h, w, c) = self.frames.dims5()?;
        let neuron = self.neuron.clone();
        let network = Network::new(&spec, [h, w, c], classes, neuron, self.options, builder)?;
        let all = variables(&vars);
        let trained = all.keys().filter(|name| !name.contains("running_")).count();
        if trained != self.parameters.len() {
            bail!("the network has {trained} parameters, the file {}", self.parameters.len());
        }
        for (theirs, ours, layout) in &self.parameters {
            let read = |name: &str| case.shared(&format!("param.{name}"));
            let value = self.read(theirs, *layout, &read)?.to_dtype(dtype)?;
            all.get(ours).with_context(|| format!("no variable {ours}"))?.set(&value)?;
        }
        let mut layers = network.layers().to_vec();
        if self.head != Head::Votes {
            layers.retain(|layer| !matches!(layer, Layer::Neuron(name, _) if name == "head"));
        }
        Ok((Network::of(layers), vars))
    }
}

fn variables(vars: &VarMap) -> BTreeMap<String, Var> {
    let all = vars.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
}

/// What a pass tells.
#[derive(Default)]
struct PassRecord {
    spikes: BTreeMap<String, Tensor>,
    counts: BTreeMap<String, Vec<u64>>,
    statistics: BTreeMap<String, BatchStatistics>,
}

impl Observer for PassRecord {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        self.spikes.insert(layer.to_owned(), spikes.detach());
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], _: u64) -> candle_core::Result<()> {
        self.counts.insert(layer.to_owned(), spikes.to_vec());
        Ok(())
    }

    fn statistics(&mut self, layer: &str, s: &BatchStatistics) -> candle_core::Result<()> {
        self.statistics.insert(layer.to_owned(), s.clone());
        Ok(())
    }
}

/// Checks a seed of a system's network.
pub fn check(case: &Case, system: &System, rows: &mut Rows) -> Result<()> {
    let labels = case.golden.integers(&format!("{}.label", case.seed))?;
    for (tag, dtype) in case.golden.precisions(&format!("{}.", case.seed))? {
        for event in [false, true] {
            if event && (dtype == DType::F64 || system.tensors_alone) {
                continue;
            }
            let form = if event { "event" } else { "tensors" };
            let run = Run { case, system, labels: &labels, tag, dtype, form };
            if let Err(error) = run.check(rows) {
                rows.add(&run.row("pass"), Err(error));
            }
        }
    }
    Ok(())
}

struct Run<'a> {
    case: &'a Case<'a>,
    system: &'a System,
    labels: &'a [i64],
    tag: &'a str,
    dtype: DType,
    form: &'static str,
}

/// Scores, loss, and the gradient of each variable.
type PassResult = (Tensor, Tensor, BTreeMap<String, Tensor>);

impl Run<'_> {
    fn row(&self, what: &str) -> String {
        format!("{} {} {what} {}", self.case.seed, self.tag, self.form)
    }

    fn check(&self, rows: &mut Rows) -> Result<()> {
        let Run { case, system, tag, dtype, .. } = *self;
        let output = case.stored(tag, "output")?;
        let (network, vars) = system.network(case, output.dim(1)?, dtype)?;
        let frames = system.frames.to_dtype(dtype)?;
        let mut seen = PassRecord::default();
        let all = variables(&vars);
        let (scores, loss, gradients) = match self.form {
            "event" => self.event(&network, &all, &mut seen)?,
            _ => self.tensors(&network, &all, &frames, &mut seen)?,
        };
        rows.compare_one(&self.row("output"), OUTPUTS, Ok(scores), Ok(output));
        let loss = loss.reshape(1).map_err(Into::into);
        rows.compare_one(&self.row("loss"), OUTPUTS, loss, case.stored(tag, "loss"));
        rows.compare(&self.row("spikes"), Limit::Exactly, self.spikes(&seen));
        let limit = Limit::OfLargest(if dtype == DType::F64 { 1e-9 } else { 1e-4 });
        rows.compare(&self.row("gradients"), limit, self.gradients(&gradients));
        if !system.norms.is_empty() {
            let pairs = self.running(&seen, &all);
            rows.compare(&self.row("running statistics"), OUTPUTS, pairs);
        }
        let stored = format!("{}.{tag}.eval.output", case.seed);
        if case.golden.names(&stored).next().is_some() {
            let scores = match self.form {
                "event" => {
                    let (values, shape) = shown(&system.frames)?;
                    let engine = network.event_driven().context("no event-driven form")?;
                    let frames = of_shape(&values, shape);
                    engine.scores(frames, Mode::Eval, Options::default(), &mut ())
                }
                _ => network.forward(&frames, Mode::Eval, &mut ()),
            };
            let golden = case.golden.tensor(&stored);
            rows.compare_one(&self.row("eval output"), OUTPUTS, Ok(scores?), golden);
        }
        Ok(())
    }

    fn tensors(
        &self,
        network: &Network,
        all: &BTreeMap<String, Var>,
        frames: &Tensor,
        seen: &mut PassRecord,
    ) -> Result<PassResult> {
        let mode = Mode::Train { seed: 0 };
        let scores = match self.system.head {
            Head::Membrane { leak, threshold } => {
                let mut x = frames.clone();
                for layer in network.layers() {
                    x = layer.forward(&x, mode, seen)?;
                }
                charged(&x, leak, threshold)?
            }
            _ => network.forward(frames, mode, seen)?,
        };
        let loss = self.system.loss.of(&scores, self.labels)?;
        let gradients = loss.backward()?;
        let of = |(name, var): (&String, &Var)| Some((name.clone(), gradients.get(var)?.clone()));
        Ok((scores.detach(), loss.detach(), all.iter().filter_map(of).collect()))
    }

    fn event(
        &self,
        network: &Network,
        all: &BTreeMap<String, Var>,
        seen: &mut PassRecord,
    ) -> Result<PassResult> {
        let engine = network.event_driven().context("no event-driven form")?;
        let (values, shape) = shown(&self.system.frames)?;
        let read = |votes: &Tensor| match self.system.head {
            Head::Membrane { leak, threshold } => charged(votes, leak, threshold),
            Head::Votes | Head::Currents => Ok(votes.clone()),
        };
        let of = |votes: &Tensor| -> candle_core::Result<Tensor> {
            let votes = Var::from_tensor(votes)?;
            let loss = read(&votes).and_then(|scores| self.system.loss.of(&scores, self.labels));
            let loss = loss.map_err(|error| candle_core::Error::Msg(error.to_string()))?;
            let gradients = loss.backward()?;
            gradients.get(&votes).cloned().map_or_else(|| votes.zeros_like(), Ok)
        };
        let (frames, options) = (of_shape(&values, shape), Options::default());
        let found = match self.system.head {
            Head::Membrane { .. } => engine.gradients_by_step(frames, 0, options, seen, of)?,
            Head::Votes | Head::Currents => engine.gradients(frames, 0, options, seen, of)?,
        };
        let scores = read(&found.scores)?;
        let loss = self.system.loss.of(&scores, self.labels)?;
        let of = |(name, var): (&String, &Var)| Some((name.clone(), found.get(var)?.clone()));
        Ok((scores, loss, all.iter().filter_map(of).collect()))
    }

    /// Every spike, or where a form tells only how many there were at each step, that.
    fn spikes(&self, seen: &PassRecord) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        for (theirs, ours) in &self.system.spikes {
            let name = format!("{}.spike.{theirs}", self.case.seed);
            // an observer hears of spikes as they were before a sign
            let golden = self.case.golden.tensor(&name)?.to_dtype(DType::F64)?.abs()?;
            if let Some(spikes) = seen.spikes.get(ours) {
                let spikes = match spikes.rank() {
                    5 => channels_first(spikes)?,
                    _ => spikes.clone(),
                };
                pairs.push(Pair { name, ours: spikes, golden });
            } else {
                let counts = seen.counts.get(ours).with_context(|| format!("{ours} is silent"))?;
                let counts: Vec<f64> = counts.iter().map(|&n| n as f64).collect();
                let ours = Tensor::new(counts, &Device::Cpu)?;
                pairs.push(Pair { name, ours, golden: golden.flatten_from(1)?.sum(1)? });
            }
        }
        Ok(pairs)
    }

    fn gradients(&self, found: &BTreeMap<String, Tensor>) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        for (theirs, ours, layout) in &self.system.parameters {
            let read = |name: &str| self.case.stored(self.tag, &format!("grad.{name}"));
            let golden = self.system.read(theirs, *layout, &read)?;
            let ours = found.get(ours).with_context(|| format!("no gradient of {ours}"))?.clone();
            pairs.push(Pair { name: theirs.clone(), ours, golden });
        }
        Ok(pairs)
    }

    /// Running statistics after the pass, which the variables then have.
    fn running(&self, seen: &PassRecord, all: &BTreeMap<String, Var>) -> Result<Vec<Pair>> {
        let mut pairs = Vec::new();
        for (theirs, ours) in &self.system.norms {
            let var = |what: &str| {
                let name = format!("{ours}.norm.running_{what}");
                all.get(&name).with_context(|| format!("no variable {name}"))
            };
            let statistics = seen.statistics.get(ours).context("a norm without statistics")?;
            let (mean, variance) = statistics.update(var("mean")?, var("var")?)?;
            for (what, value) in [("mean", mean), ("var", variance)] {
                var(what)?.set(&value)?;
                let name = format!("{theirs}.running_{what}");
                let read = |name: &str| self.case.stored(self.tag, &format!("after.{name}"));
                let golden = self.system.read(&name, Layout::Vector, &read)?;
                pairs.push(Pair { name, ours: value, golden });
            }
        }
        Ok(pairs)
    }
}

/// Scores of a membrane that currents `[T, B, K]` charge, and that leaks behind the charge, in the
/// last step too, but not in the gradient.
fn charged(currents: &Tensor, leak: f64, threshold: f64) -> Result<Tensor> {
    let outputs = training::Head::Charge { decay: leak }.outputs(currents)?;
    let steps = currents.dim(0)?;
    Ok((outputs.get(steps - 1)? / (threshold * steps as f64))?)
}

/// Values and shape of frames for an event-driven pass.
fn shown(frames: &Tensor) -> Result<(Vec<f32>, [usize; 5])> {
    let (t, b, h, w, c) = frames.dims5()?;
    Ok((frames.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?, [t, b, h, w, c]))
}

fn of_shape(values: &[f32], [steps, b, h, w, c]: [usize; 5]) -> Frames<'_> {
    Frames { values, bytes: None, steps, shape: [b, h, w, c], still: false }
}
