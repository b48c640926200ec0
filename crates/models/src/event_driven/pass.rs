use super::norms::{Moments, moments};
use super::values::Values;
use super::{EventDriven, Frames, Options, memory};
use crate::blocks::{Block, Weight};
use crate::network::DROPOUT;
use crate::{Mode, Observer};
use candle_core::{Device, Result, Tensor, TensorId, bail};
use layers::{InputGradient, Path, Product, Sparse, dropout_mask};
use neuron::{Norm, Pooling, Stage};
use std::time::Instant;

/// What one block did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerTrace {
    /// The neurons' name.
    pub name: String,
    /// Part of the activations below that was not zero.
    pub input_density: f64,
    /// Spikes ÷ (neurons · samples · steps).
    pub firing_rate: f64,
    /// Path of y = x ∗ w + b.
    pub forward: Path,
    /// Path of ∂L/∂w, in a training pass.
    pub weight: Option<Path>,
    /// Path of ∂L/∂x, where it is taken.
    pub input: Option<Path>,
    /// Whether the currents were computed again.
    pub recomputed: bool,
    /// Seconds of: product, stage (norm, neurons, pool, lists), gradient of the stage, ∂L/∂w,
    /// ∂L/∂x.
    pub seconds: [f64; 5],
}

/// Scores, gradients and what led to them.
pub struct Gradients {
    /// Class scores `[B, K]`.
    pub scores: Tensor,
    /// For each variable of the network its gradient.
    pub of: Vec<(TensorId, Tensor)>,
    /// Every block, from the first to the last.
    pub layers: Vec<LayerTrace>,
}

impl Gradients {
    /// The gradient of a variable.
    pub fn get(&self, variable: &Tensor) -> Option<&Tensor> {
        self.of.iter().find(|(id, _)| *id == variable.id()).map(|(_, g)| g)
    }
}

/// Activations below a block.
enum Input {
    /// The frames as they are.
    Frames,
    Lists(Sparse),
}

/// What a block leaves for its backward pass.
struct Kept {
    product: Product,
    input: Input,
    /// Factors of the spikes, `[B, H, W, C]` behind the pool.
    spike_mask: Option<Vec<f32>>,
    current_mask: Option<Vec<f32>>,
    currents: Option<Vec<f32>>,
    moments: Option<Moments>,
    /// Shape of a step's currents.
    shape: [usize; 4],
}

/// All that a forward pass leaves.
pub struct State {
    kept: Vec<Kept>,
    layers: Vec<LayerTrace>,
    scores: Tensor,
}

impl Kept {
    fn stage<'a>(
        &'a self,
        block: &Block,
        frames: Frames,
        still: bool,
        affine: Option<&'a (Values, Values)>,
    ) -> Stage<'a> {
        let norm = self.moments.as_ref().zip(affine).map(|(m, (gamma, beta))| Norm {
            mean: &m.mean,
            lost: &m.lost,
            inverse: &m.inverse,
            gamma,
            beta,
        });
        Stage {
            steps: frames.steps,
            shape: self.shape,
            still,
            norm,
            rectify: block.rectify,
            mask: self.current_mask.as_deref(),
            pool: block.pool,
        }
    }
}

/// γ and β of a block's batch norm.
fn affine<'n>(block: &Block<'n>) -> Result<Option<(Values<'n>, Values<'n>)>> {
    block.norm.map(|(_, norm)| Ok((Values::of(&norm.weight)?, Values::of(&norm.bias)?))).transpose()
}

/// Scores, and with `train` what the backward pass needs.
pub fn forward(
    network: &EventDriven,
    frames: Frames,
    mode: Mode,
    options: Options,
    observer: &mut dyn Observer,
    train: bool,
) -> Result<(Tensor, State)> {
    check(frames)?;
    let keep = match train {
        true => memory::plan(network, frames, options.memory_budget)?.keep,
        false => vec![false; network.blocks.len()],
    };
    let [batch, ..] = frames.shape;
    let mut shape = frames.shape;
    let mut input = Input::Frames;
    let (mut kept, mut layers) = (Vec::new(), Vec::new());
    let mut counts = Vec::new();
    for (i, block) in network.blocks.iter().enumerate() {
        let still = i == 0 && frames.still;
        shape[0] = if still { batch } else { batch * frames.steps };
        let (product, [h, w, c]) = block.weight.product(shape)?;
        if shape.iter().product::<usize>() >= u32::MAX as usize {
            bail!(
                "activations {shape:?} below {} are more than 2³² numbers; take a smaller batch",
                block.name
            );
        }
        let mut density = None;
        if let Input::Frames = input {
            (input, density) = listed(frames, shape, product, options);
        }
        let start = Instant::now();
        let (z, path) = currents(block, product, frames, &input, options)?;
        let product_s = start.elapsed().as_secs_f64();
        let moments = moments(block, &z, frames, still, mode, observer)?;
        let mask = |name: Option<&str>, [h, w]: [usize; 2]| {
            mask(name, &[batch, h, w, c], matches!(block.weight, Weight::Linear(_)), mode)
        };
        let k = block.pool.side();
        let mut state = Kept {
            product,
            input,
            spike_mask: mask(block.drop_spikes, [h / k, w / k])?,
            current_mask: mask(block.drop_currents, [h, w])?,
            currents: None,
            moments,
            shape: [batch, h, w, c],
        };
        let affine = affine(block)?;
        let fired = block.kernel.fire(&state.stage(block, frames, still, affine.as_ref()), &z);
        let chances = (batch * h * w * c) as u64;
        observer.count(block.name, &fired.spikes, chances)?;
        counts = fired.counts;
        shape = [batch * frames.steps, h / k, w / k, c];
        input = match network.blocks.get(i + 1) {
            None => Input::Frames,
            Some(next) => {
                let scale =
                    if let Pooling::Average(k) = block.pool { 1.0 / (k * k) as f32 } else { 1.0 };
                let consumer = next.weight.product(shape)?.0.consumer();
                Input::Lists(Sparse::of_counts(
                    &counts,
                    shape,
                    consumer,
                    scale,
                    state.spike_mask.as_deref(),
                ))
            }
        };
        layers.push(LayerTrace {
            name: block.name.to_owned(),
            input_density: match (&state.input, density) {
                (Input::Lists(lists), _) => lists.density(),
                (Input::Frames, density) => density.unwrap_or(1.0),
            },
            firing_rate: fired.spikes.iter().sum::<u64>() as f64
                / (chances * frames.steps as u64).max(1) as f64,
            forward: path,
            weight: None,
            input: None,
            recomputed: train && !keep[i],
            seconds: [product_s, start.elapsed().as_secs_f64() - product_s, 0.0, 0.0, 0.0],
        });
        state.currents = keep[i].then_some(z);
        if train {
            kept.push(state);
        }
    }
    let scores = vote(&counts, frames, shape[3], network.voters)?;
    Ok((scores.clone(), State { kept, layers, scores }))
}

fn check(frames: Frames) -> Result<()> {
    let steps = if frames.still { 1 } else { frames.steps };
    let size = steps * frames.shape.iter().product::<usize>();
    if frames.steps == 0 || frames.values.len() != size || size == 0 {
        bail!(
            "frames of {} steps and {:?} take {size} values, at least one, found {}",
            frames.steps,
            frames.shape,
            frames.values.len()
        );
    }
    Ok(())
}

/// The frames as lists, if they have few enough values for any product to use them; and how dense
/// they are.
fn listed(
    frames: Frames,
    shape: [usize; 4],
    product: Product,
    options: Options,
) -> (Input, Option<f64>) {
    let some = frames.values.iter().filter(|v| **v != 0.0).count() as f64
        / frames.values.len().max(1) as f64;
    let crossover = options.crossover.of(&product);
    let input = match some < crossover.forward.max(crossover.weight) {
        true => Input::Lists(Sparse::of_dense(frames.values, shape, product.consumer())),
        false => Input::Frames,
    };
    (input, Some(some))
}

fn currents(
    block: &Block,
    product: Product,
    frames: Frames,
    input: &Input,
    options: Options,
) -> Result<(Vec<f32>, Path)> {
    let (weight, bias) = block.weight.tensors();
    let (weight, bias) = (Values::of(weight)?, Values::of(bias)?);
    Ok(match input {
        Input::Frames => (product.dense_forward(frames.values, &weight, &bias), Path::Dense),
        Input::Lists(lists) => {
            product.forward(lists, &weight, &bias, options.crossover.of(&product))
        }
    })
}

/// The dropout mask of that name, as [`layers::dropout`] draws it for a tensor of a flat or an
/// unflattened layer.
fn mask(
    name: Option<&str>,
    shape: &[usize; 4],
    flat: bool,
    mode: Mode,
) -> Result<Option<Vec<f32>>> {
    let (Some(name), Mode::Train { seed }) = (name, mode) else { return Ok(None) };
    let dims = if flat { vec![shape[0], shape[3]] } else { shape.to_vec() };
    let mask =
        dropout_mask(&dims.into(), DROPOUT, name, seed, candle_core::DType::F32, &Device::Cpu)?;
    Ok(Some(mask.flatten_all()?.to_vec1()?))
}

/// Scores `[B, K]`: the mean over steps and voters of the last counts `[T, B, K·voters]`.
fn vote(counts: &[u8], frames: Frames, units: usize, voters: usize) -> Result<Tensor> {
    let (batch, steps) = (frames.shape[0], frames.steps);
    if voters == 0 || !units.is_multiple_of(voters) {
        bail!("voting takes a multiple of {voters} units, found {units}");
    }
    let mut sums = vec![0u32; batch * units / voters];
    for step in counts.chunks_exact(batch * units) {
        for (sum, votes) in sums.iter_mut().zip(step.chunks_exact(voters)) {
            *sum += votes.iter().map(|&v| u32::from(v)).sum::<u32>();
        }
    }
    let scores: Vec<f32> = sums.iter().map(|&s| s as f32 / (voters * steps) as f32).collect();
    Tensor::from_vec(scores, (batch, units / voters), &Device::Cpu)
}

/// Gradients of all variables from that of the scores.
pub fn backward(
    network: &EventDriven,
    frames: Frames,
    options: Options,
    state: State,
    gradient: &Tensor,
) -> Result<Gradients> {
    let State { mut kept, mut layers, scores } = state;
    let gradient: Vec<f32> = gradient.flatten_all()?.to_vec1()?;
    let (batch, voters) = (frames.shape[0], network.voters);
    let classes = gradient.len() / batch.max(1);
    let share = 1.0 / (voters * frames.steps) as f32;
    let mut of = Vec::new();
    // the gradient of the activations above, and the lists it is counted by
    let mut above: Option<(InputGradient, Input, Option<Vec<f32>>)> = None;
    for (i, block) in network.blocks.iter().enumerate().rev() {
        let still = i == 0 && frames.still;
        let Some(mut state) = kept.pop() else { bail!("a backward pass without its forward pass") };
        let trace = &mut layers[i];
        let crossover = options.crossover.of(&state.product);
        let start = Instant::now();
        let z = match state.currents.take() {
            Some(z) => z,
            None => currents(block, state.product, frames, &state.input, options)?.0,
        };
        let affine = affine(block)?;
        let stage = state.stage(block, frames, still, affine.as_ref());
        let c = state.shape[3];
        let g = match &above {
            None => block.kernel.backward(&stage, &z, &|p, row| {
                let sample = &gradient[p % batch * classes..][..classes];
                row.chunks_exact_mut(voters).zip(sample).for_each(|(row, g)| row.fill(g * share));
            }),
            Some((InputGradient::AtEntries(g), Input::Lists(lists), mask)) => {
                let pixels = mask.as_ref().map_or(1, |mask| mask.len() / c);
                block.kernel.backward(&stage, &z, &|p, row| {
                    row.fill(0.0);
                    let (range, channels) = lists.pixel(p);
                    range.zip(channels).for_each(|(at, c)| row[c] = g[at]);
                    multiply(row, mask.as_deref(), p % pixels);
                })
            }
            Some((InputGradient::Everywhere(g), _, mask)) => {
                let pixels = mask.as_ref().map_or(1, |mask| mask.len() / c);
                block.kernel.backward(&stage, &z, &|p, row| {
                    row.copy_from_slice(&g[p * c..][..c]);
                    multiply(row, mask.as_deref(), p % pixels);
                })
            }
            Some(_) => bail!("a gradient at entries that are not listed"),
        };
        drop(z);
        above = None;
        trace.seconds[2] = start.elapsed().as_secs_f64();
        if let (Some((_, norm)), Some((gamma, beta))) = (block.norm, g.norm) {
            of.push((norm.weight.id(), tensor(gamma, &norm.weight)?));
            of.push((norm.bias.id(), tensor(beta, &norm.bias)?));
        }
        for (parameter, d) in block.kernel.variables().iter().zip(g.parameters) {
            add(&mut of, parameter, d)?;
        }
        let start = Instant::now();
        let (weight, bias) = block.weight.tensors();
        let (dw, path) = match &state.input {
            Input::Frames => {
                (state.product.dense_weight_gradient(frames.values, &g.z), Path::Dense)
            }
            Input::Lists(lists) => state.product.weight_gradient(lists, &g.z, crossover),
        };
        of.push((weight.id(), tensor(dw, weight)?));
        of.push((bias.id(), tensor(state.product.bias_gradient(&g.z), bias)?));
        trace.weight = Some(path);
        trace.seconds[3] = start.elapsed().as_secs_f64();
        if let (Some(below), Input::Lists(lists)) =
            (i.checked_sub(1).map(|i| &network.blocks[i]), &state.input)
        {
            let start = Instant::now();
            let weight = Values::of(weight)?;
            let (dx, path) = match below.kernel.only_where_fired() {
                true => state.product.input_gradient(lists, &weight, &g.z, crossover),
                false => {
                    let dx = state.product.dense_input_gradient(&weight, &g.z);
                    (InputGradient::Everywhere(dx), Path::Dense)
                }
            };
            trace.input = Some(path);
            trace.seconds[4] = start.elapsed().as_secs_f64();
            above =
                Some((dx, state.input, kept.last_mut().and_then(|below| below.spike_mask.take())));
        }
    }
    Ok(Gradients { scores, of, layers })
}

/// Adds `d` to the gradient of a neuron's `parameter`, which layers may share.
fn add(of: &mut Vec<(TensorId, Tensor)>, parameter: &Tensor, d: f32) -> Result<()> {
    match of.iter_mut().find(|(id, _)| *id == parameter.id()) {
        Some((_, sum)) => *sum = (&*sum + f64::from(d))?,
        None => of.push((parameter.id(), tensor(vec![d], parameter)?)),
    }
    Ok(())
}

fn multiply(row: &mut [f32], mask: Option<&[f32]>, pixel: usize) {
    if let Some(mask) = mask {
        let first = pixel * row.len();
        row.iter_mut().zip(&mask[first..]).for_each(|(g, m)| *g *= m);
    }
}

fn tensor(values: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, like.shape(), &Device::Cpu)
}
