//! `network_*`: one training step of a whole network for each kind of neuron, and the analogue
//! warm-up.

use super::check::{Limit, Pair, Rows, values};
use super::form::{self, Form};
use super::golden::Golden;
use super::layer_list::{Entry, LayerList};
use super::layers::{VALUES, gradients_within};
use super::pass::{Pass, PassRecord, Sample, Weights, forward};
use anyhow::{Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use models::{Architecture, Mode, Variant};
use training::{AdamWConfig, Optimiser};

/// The README's limit for outputs.
const OUTPUTS: Limit = Limit::Absolute(1e-6);
/// Learning rate of the stored step.
const RATE: f64 = 1e-3;
/// Below such a gradient the README allows a step to differ by twice the learning rate: AdamW's
/// first step is η·g/(|g| + 1e-8), which turns the rounding noise of a tiny g into any move up to
/// η.
const TINY: f64 = 1e-6;
/// Everywhere else a step of ours may differ by a thousandth of the learning rate, beside what the
/// difference of the gradients, which has a limit of its own, makes of itself in the formula above.
const STEP: Limit = Limit::Absolute(1e-3 * RATE);
/// The golden networks are narrower by this factor.
const NARROWER: usize = 16;

/// Checks every tensor of the file but gradients and steps of the convolutions' biases.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let sample = Sample::read(golden)?;
    let entries: Vec<Entry> = golden.field("/layer_list")?;
    let list = LayerList::read(&entries, sample.shape, sample.classes)?;
    notation(golden, &list, rows);
    let net = GoldenNetwork { golden, list, sample };
    for kind in golden.keys("/kinds")? {
        for (tag, dtype) in golden.precisions(&format!("{kind}."))? {
            let forms = match dtype {
                DType::F32 => golden.forms([Form::Scan, Form::Step, Form::Event]),
                _ => Form::ALL.into(),
            };
            for form in forms {
                let run = Run { net: &net, kind: &kind, tag, dtype, form };
                if let Err(error) = run.check(rows) {
                    rows.add(&run.name("pass"), Err(error));
                }
            }
        }
    }
    for (tag, dtype) in golden.precisions("warmup.")? {
        let run = Run { net: &net, kind: "warmup", tag, dtype, form: Form::Scan };
        if let Err(error) = run.check_warmup(rows) {
            rows.add(&run.name("pass"), Err(error));
        }
    }
    Ok(())
}

/// The list read back must be the named network that the program trains.
fn notation(golden: &Golden, list: &LayerList, rows: &mut Rows) {
    let named = || -> Result<String> {
        let net: String = golden.field("/net")?;
        let (architecture, variant) = match net.as_str() {
            "small" => (Architecture::Small, Variant::Code),
            "small_paper" => (Architecture::Small, Variant::Paper),
            "middle_nmnist" => (Architecture::Middle, Variant::Code),
            "middle_cifar" => (Architecture::MiddleCifar, Variant::Code),
            "middle_paper" => (Architecture::Middle, Variant::Paper),
            "large" => (Architecture::Large, Variant::Code),
            "large_paper" => (Architecture::Large, Variant::Paper),
            other => bail!("no named network of ours is called \"{other}\""),
        };
        Ok(architecture.spec(variant)?.narrowed(NARROWER).to_string())
    };
    match named() {
        Ok(ours) => rows.equal("layer list", &ours, &list.spec.to_string(), &list.spec),
        Err(error) => rows.add("layer list", Err(error)),
    }
}

struct GoldenNetwork<'a> {
    golden: &'a Golden,
    list: LayerList,
    sample: Sample,
}

struct Run<'a> {
    net: &'a GoldenNetwork<'a>,
    kind: &'a str,
    tag: &'static str,
    dtype: DType,
    form: Form,
}

impl Run<'_> {
    fn name(&self, what: &str) -> String {
        match self.kind {
            "warmup" => format!("warmup {} {what}", self.tag),
            kind => format!("{kind} {} {what} {}", self.tag, self.form),
        }
    }

    /// `<kind>.<tag>.<what>`.
    fn stored(&self, what: &str) -> Result<Tensor> {
        self.net.golden.tensor(&self.stored_name(what))
    }

    fn stored_name(&self, what: &str) -> String {
        format!("{}.{}.{what}", self.kind, self.tag)
    }

    fn check(&self, rows: &mut Rows) -> Result<()> {
        let GoldenNetwork { golden, list, sample } = self.net;
        let neuron = self.form.neuron(form::config(self.kind)?)?;
        let device = golden.device(self.form);
        let mut weights = Weights::initial(golden, list, self.dtype)?.on(device)?;
        let network = weights.network(list, sample, neuron.clone(), device)?;
        let frames = sample.frames.to_dtype(self.dtype)?;
        let pass = Pass::train(&network, self.form, &frames, sample)?;
        let counts = |stored: &str| {
            Ok(golden.tensor(&format!("{}.{stored}", self.kind))?.to_dtype(DType::F64)?)
        };
        rows.compare_one(
            &self.name("spike counts"),
            Limit::Exactly,
            pass.watch.counts(),
            counts("spike_count"),
        );
        self.check_training(&pass, &weights, rows);
        // the reference evaluates with the running statistics of the training pass, before the step
        for norm in &list.norms {
            let running = pass.watch.update(&weights, norm)?;
            weights.set_running(norm, running);
        }
        let mut watch = PassRecord::over(sample);
        let scores = forward(
            &weights.network(list, sample, neuron, device)?,
            self.form,
            &frames,
            Mode::Eval,
            &mut watch,
        )?;
        rows.compare_one(
            &self.name("eval output"),
            OUTPUTS,
            Ok(scores),
            self.stored("eval.output"),
        );
        rows.compare_one(
            &self.name("eval spike counts"),
            Limit::Exactly,
            watch.counts(),
            counts("eval.spike_count"),
        );
        if golden.names(&self.stored_name("step.")).next().is_some() {
            self.check_step(&pass, &weights, rows);
        }
        Ok(())
    }

    /// The warm-up pass: no neurons, fresh weights. Gradients and statistics are stored for some
    /// networks only.
    fn check_warmup(&self, rows: &mut Rows) -> Result<()> {
        let GoldenNetwork { golden, list, sample } = self.net;
        let neuron = self.form.neuron(neuron::Config::bpsa_bpta())?; // left out by `analogue`
        let weights = Weights::initial(golden, list, self.dtype)?;
        let network = weights.network(list, sample, neuron, &Device::Cpu)?.analogue();
        let pass = Pass::train(
            &network,
            self.form,
            &sample.warmup_frames()?.to_dtype(self.dtype)?,
            sample,
        )?;
        self.check_training(&pass, &weights, rows);
        Ok(())
    }

    /// Output, loss, gradients and running statistics of a training pass.
    fn check_training(&self, pass: &Pass, weights: &Weights, rows: &mut Rows) {
        let has = |what: &str| self.net.golden.names(&self.stored_name(what)).next().is_some();
        let warmup = self.kind == "warmup";
        let outputs = if warmup { VALUES } else { OUTPUTS };
        rows.compare_one(
            &self.name("output"),
            outputs,
            Ok(pass.scores.clone()),
            self.stored("output"),
        );
        let loss = pass.loss.reshape(1).map_err(Into::into);
        rows.compare_one(&self.name("loss"), VALUES, loss, self.stored("loss"));
        if !warmup || has("grad.") {
            rows.compare(
                &self.name("gradients"),
                gradients_within(self.dtype),
                self.gradients(pass, weights),
            );
        }
        if !warmup || has("bn.") {
            rows.compare(&self.name("running statistics"), VALUES, self.running(pass, weights));
        }
    }

    fn gradients(&self, pass: &Pass, weights: &Weights) -> Result<Vec<Pair>> {
        let ours =
            weights.in_golden_layout(&self.net.list, |name, var| pass.gradient(name, var))?;
        self.pairs("grad", ours)
    }

    /// Each parameter's tensor of ours beside the stored `<kind>.<tag>.<what>.<parameter>`; noise
    /// is left out.
    fn pairs(&self, what: &str, ours: Vec<Tensor>) -> Result<Vec<Pair>> {
        let mut pairs = vec![];
        for (parameter, ours) in self.net.list.parameters.iter().zip(ours) {
            let name = format!("{what}.{}", parameter.golden);
            if parameter.noise {
                self.net.golden.leave_out(&self.stored_name(&name));
            } else {
                pairs.push(Pair {
                    golden: self.stored(&name)?,
                    name: parameter.golden.clone(),
                    ours,
                });
            }
        }
        Ok(pairs)
    }

    fn running(&self, pass: &Pass, weights: &Weights) -> Result<Vec<Pair>> {
        let mut pairs = vec![];
        for norm in &self.net.list.norms {
            let (mean, var) = pass.watch.update(weights, norm)?;
            for (what, ours) in [("running_mean", mean), ("running_var", var)] {
                let name = format!("{}.{what}", norm.golden);
                pairs.push(Pair { golden: self.stored(&format!("bn.{name}"))?, name, ours });
            }
        }
        Ok(pairs)
    }

    /// One step of AdamW with our own gradients.
    fn check_step(&self, pass: &Pass, weights: &Weights, rows: &mut Rows) {
        match self.step(pass, weights) {
            Err(error) => rows.add(&self.name("AdamW"), Err(error)),
            Ok((others, tiny)) => {
                rows.compare(&self.name("AdamW"), STEP, Ok(others));
                if !tiny.is_empty() {
                    let name = self.name(&format!("AdamW where |gradient| < {TINY:e}"));
                    rows.compare(&name, Limit::Absolute(2.0 * RATE), Ok(tiny));
                }
            }
        }
    }

    /// The parameters after the step: entries with a gradient worth the name, and those with a tiny
    /// one.
    fn step(&self, pass: &Pass, weights: &Weights) -> Result<(Vec<Pair>, Vec<Pair>)> {
        Optimiser::adamw(weights.variables(), AdamWConfig::default())?
            .step(pass.gradients.as_ref(), RATE)?;
        let stepped =
            weights.in_golden_layout(&self.net.list, |_, var| Ok(var.as_tensor().clone()))?;
        let (mut others, mut tiny) = (vec![], vec![]);
        for (gradient, step) in
            self.gradients(pass, weights)?.into_iter().zip(self.pairs("step", stepped)?)
        {
            let [our_g, g, ours, golden] =
                [&gradient.ours, &gradient.golden, &step.ours, &step.golden];
            let same = [our_g, g, golden].iter().all(|tensor| tensor.dims() == ours.dims());
            ensure!(same, "{}: expected shape {:?} of gradient and step", step.name, ours.dims());
            let entries = values(our_g)?
                .into_iter()
                .zip(values(g)?)
                .zip(values(ours)?.into_iter().zip(values(golden)?));
            let (small, large): (Vec<_>, Vec<_>) = entries.partition(|((_, g), _)| g.abs() < TINY);
            let from_golden = |((our_g, g), (ours, golden))| {
                (ours + RATE * (direction(our_g) - direction(g)), golden)
            };
            others.extend(pair(&step.name, large.into_iter().map(from_golden).unzip())?);
            tiny.extend(pair(&step.name, small.into_iter().map(|(_, step)| step).unzip())?);
        }
        Ok((others, tiny))
    }
}

/// What AdamW's first step, divided by the learning rate, takes off a parameter of gradient `g`.
fn direction(g: f64) -> f64 {
    g / (g.abs() + AdamWConfig::default().eps)
}

/// Values of ours and stored ones, unless there are none.
fn pair(name: &str, (ours, golden): (Vec<f64>, Vec<f64>)) -> Result<Option<Pair>> {
    if ours.is_empty() {
        return Ok(None);
    }
    let tensor = |values: Vec<f64>| Tensor::new(values, &Device::Cpu);
    Ok(Some(Pair { name: name.into(), ours: tensor(ours)?, golden: tensor(golden)? }))
}
