//! A state dict of PyTorch's as a network: its modules from the input on, beside the notation of
//! what is between them.

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::Tensor;
use convert::{Analogue, rate_norm};
use layers::{BatchNorm, Conv2d, Linear, StatisticsOver};
use models::{Layer, Network, Norm, NormOptions, Spec, StageOptions};
use neuron::Config;
use sentence::shown;
use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::conformance::Layout;

/// Tensors of a module by their last word.
struct Module {
    name: String,
    parts: BTreeMap<String, Tensor>,
}

/// Words that tensors of a module may have.
const PARTS: [&str; 7] =
    ["weight", "bias", "running_mean", "running_var", "scale", "running_max", "v_th"];
/// What a batch norm counts, and what makes no difference.
const COUNTER: &str = "num_batches_tracked";

/// The network of these tensors, whose structure is `notation`.
///
/// # Errors
/// A tensor that has no place, or one that the notation has no place for or does not fit.
pub fn analogue(
    tensors: BTreeMap<String, Tensor>,
    order: &[String],
    notation: &str,
    shape: [usize; 3],
    classes: usize,
) -> Result<Analogue> {
    let mut modules = ordered(modules(tensors)?, order)?;
    let of = |kind: Kind, modules: &mut Vec<Module>| {
        let (these, others) =
            std::mem::take(modules).into_iter().partition(|module| module.kind() == kind);
        *modules = others;
        VecDeque::<Module>::from(Vec::<Module>::from(these))
    };
    let mut places = Places {
        convolutions: of(Kind::Convolution, &mut modules),
        linear: of(Kind::Linear, &mut modules),
        norms: of(Kind::Norm, &mut modules),
    };
    let rate_norms = of(Kind::RateNorm, &mut modules);
    ensure!(
        modules.is_empty(),
        "expected modules of convolutions, linear layers, batch norms and rate norms, found {}",
        modules.iter().map(|module| shown(&module.name)).collect::<Vec<_>>().join(", ")
    );
    let spec: Spec = notation.parse().map_err(|error| anyhow!("--network: {error}"))?;
    let norm = match places.norms.len() {
        0 => Norm::None,
        n if n == places.convolutions.len() => Norm::default(),
        _ => Norm::Batch(NormOptions { linear: true, ..NormOptions::default() }),
    };
    let options = StageOptions { norm, ..StageOptions::default() };
    let neuron = Config::baseline().build()?;
    let outline = Network::outline(&spec, shape, classes, neuron, options)
        .map_err(crate::run::in_one_sentence)?;
    let mut channels = shape[2];
    let mut layers = Vec::new();
    for layer in outline.analogue().layers() {
        layers.push(places.filled(layer, &mut channels)?);
    }
    let left = places.left();
    ensure!(
        left.is_empty(),
        "{notation} has no place for {}; give its layers with --network",
        left.join(", ")
    );
    let mut analogue = Analogue::of(&Network::of(layers)).map_err(crate::run::in_one_sentence)?;
    normed(&mut analogue, rate_norms)?;
    Ok(analogue)
}

/// What a module is, by its tensors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Convolution,
    Linear,
    Norm,
    RateNorm,
    Other,
}

impl Module {
    fn kind(&self) -> Kind {
        let rank = self.parts.get("weight").map(Tensor::rank);
        match rank {
            _ if self.parts.contains_key("scale") => Kind::RateNorm,
            Some(1) if self.parts.contains_key("running_mean") => Kind::Norm,
            Some(4) => Kind::Convolution,
            Some(2) => Kind::Linear,
            _ => Kind::Other,
        }
    }

    fn part(&self, part: &str) -> Result<&Tensor> {
        self.parts.get(part).with_context(|| format!("{}.{part} is missing", shown(&self.name)))
    }

    /// A part in our layout, of the shape that the network has.
    fn fitted(&self, part: &str, layout: Layout, expected: &[usize]) -> Result<Tensor> {
        let stored = self.part(part)?;
        let values: Vec<f32> =
            stored.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
        let name = format!("{}.{part}", shown(&self.name));
        if let Some(fault) = training::unsound(&name, &values) {
            bail!("{name} {fault}");
        }
        let fits = match layout {
            Layout::Linear([c, h, w]) => stored.dims().get(1) == Some(&(c * h * w)),
            _ => true,
        };
        let ours = match fits {
            true => layout.ours(stored)?.to_dtype(candle_core::DType::F32)?,
            false => stored.clone(),
        };
        ensure!(
            fits && ours.dims() == expected,
            "{name} has shape {:?}, the network of --network takes another in its place ({expected:?} \
             as [rows, columns, in, out] or [in, out])",
            stored.dims()
        );
        Ok(ours)
    }
}

/// Modules that have no place yet, from the input on.
struct Places {
    convolutions: VecDeque<Module>,
    linear: VecDeque<Module>,
    norms: VecDeque<Module>,
}

impl Places {
    /// A layer of the outline with the weights of the next module of its kind.
    fn filled(&mut self, layer: &Layer, channels: &mut usize) -> Result<Layer> {
        let next = |kind: &str, modules: &mut VecDeque<Module>| {
            modules.pop_front().with_context(|| {
                format!("--network has more {kind} than the file; give the network of the file")
            })
        };
        Ok(match layer {
            Layer::Conv(conv) => {
                let module = next("convolutions", &mut self.convolutions)?;
                let dims = conv.weight.dims();
                let out = dims.last().copied().unwrap_or_default();
                let weight = module.fitted("weight", Layout::Conv, dims)?;
                *channels = out;
                let bias = bias(&module, out)?;
                Layer::Conv(Conv2d { weight, bias, stride: conv.stride, padding: conv.padding })
            }
            Layer::Linear(linear) => {
                let module = next("linear layers", &mut self.linear)?;
                let (inputs, out) = linear.weight.dims2()?;
                // rows and columns of a flattened map may be taken as one axis
                let layout = Layout::Linear([*channels, inputs / (*channels).max(1), 1]);
                let weight = module.fitted("weight", layout, &[inputs, out])?;
                *channels = out;
                Layer::Linear(Linear { weight, bias: bias(&module, out)? })
            }
            Layer::Norm(name, norm) => {
                let module = next("batch norms", &mut self.norms)?;
                let of = |part: &str| module.fitted(part, Layout::Vector, &[norm.channels()]);
                let running = [of("running_mean")?, of("running_var")?];
                let over = StatisticsOver::Step;
                Layer::Norm(name.clone(), BatchNorm::new(of("weight")?, of("bias")?, running, over))
            }
            other => other.clone(),
        })
    }

    fn left(&self) -> Vec<String> {
        let all = [&self.convolutions, &self.linear, &self.norms];
        all.into_iter().flatten().map(|module| shown(&module.name)).collect()
    }
}

/// A module's bias, if it has one.
fn bias(module: &Module, outputs: usize) -> Result<Option<Tensor>> {
    let has = module.parts.contains_key("bias");
    has.then(|| module.fitted("bias", Layout::Vector, &[outputs])).transpose()
}

/// Thresholds of rate norms behind all ReLUs, where there are any.
fn normed(analogue: &mut Analogue, modules: VecDeque<Module>) -> Result<()> {
    let hidden = analogue.stages.len() - 1;
    ensure!(
        modules.is_empty() || modules.len() == hidden,
        "expected a rate norm behind each of {hidden} ReLUs or none, found {}",
        modules.len()
    );
    for (stage, module) in analogue.stages.iter_mut().zip(modules) {
        let number = |part: &str| -> Result<f64> {
            let part = module.part(part)?.to_dtype(candle_core::DType::F64)?.flatten_all()?;
            part.to_vec1::<f64>()?.first().copied().context("expected a number, found none")
        };
        let threshold = rate_norm::threshold(number("running_max")?, number("scale")?);
        ensure!(
            threshold.is_finite() && threshold > 0.0,
            "expected rate norms whose threshold is above 0, found {threshold} of {}",
            shown(&module.name)
        );
        stage.rate_norm = Some(threshold);
    }
    Ok(())
}

/// Tensors by their modules, sorted by name.
fn modules(tensors: BTreeMap<String, Tensor>) -> Result<Vec<Module>> {
    let mut all: BTreeMap<String, Module> = BTreeMap::new();
    for (name, tensor) in tensors {
        let (module, part) = name.rsplit_once('.').unwrap_or(("", &name));
        if part == COUNTER {
            continue;
        }
        ensure!(
            PARTS.contains(&part),
            "{} has no place: expected tensors that end in {}",
            shown(&name),
            PARTS.join(", ")
        );
        let of = || Module { name: module.to_owned(), parts: BTreeMap::new() };
        all.entry(module.to_owned()).or_insert_with(of).parts.insert(part.to_owned(), tensor);
    }
    Ok(all.into_values().collect())
}

/// Modules in the order of the network: as it is told, else by their names, numbers in them as
/// numbers.
fn ordered(mut modules: Vec<Module>, order: &[String]) -> Result<Vec<Module>> {
    if order.is_empty() {
        modules.sort_by_cached_key(|module| natural(&module.name));
        return Ok(modules);
    }
    let mut sorted = Vec::new();
    for name in order {
        let place = modules.iter().position(|module| module.name == *name);
        let place = place.with_context(|| {
            format!("--order: expected a module of the file, found {}", shown(name))
        })?;
        sorted.push(modules.remove(place));
    }
    ensure!(
        modules.is_empty(),
        "--order: expected every module once, {} is not there",
        modules.first().map(|module| shown(&module.name)).unwrap_or_default()
    );
    Ok(sorted)
}

/// A name as words and numbers.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            parts.push((rest[..digits].parse().unwrap_or(u64::MAX), String::new()));
            rest = &rest[digits..];
        } else {
            let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            parts.push((0, rest[..word].to_owned()));
            rest = &rest[word..];
        }
    }
    parts
}
