use super::{Link, OnDevice};
use crate::{DROPOUT, Frames, Gradients, Observer, Weight};
use candle_core::{DType, Device, Result, Tensor, TensorId, bail};
use device::{Gpu, Math, Precision};
use layers::cuda::{
    batch_moments, convolve, convolve_input, convolve_weight, expand, from_cudnn, multiply,
    multiply_input, multiply_weight, running_moments, to_cudnn, vote,
};
use layers::{BatchStatistics, Mode, Product, Sizes, StatisticsOver, dropout_mask};
use neuron::cuda::{Norm, Stage, Upstream, fire, gradient};
use std::sync::Arc;

/// What a block leaves for its backward pass.
struct Kept {
    product: Product,
    /// Activations below, `[T·B, H, W, C]`.
    input: Tensor,
    /// The weight as its product takes it.
    weight: Tensor,
    z: Tensor,
    norm: Option<Norm>,
    mask: Option<Tensor>,
    drop: Option<Tensor>,
    /// Shape of a step's currents.
    shape: [usize; 4],
}

/// All that a forward pass leaves.
pub struct State {
    kept: Vec<Kept>,
    gpu: Arc<Gpu>,
}

impl Kept {
    fn stage<'a>(&'a self, link: Link<'a>, frames: Frames, still: bool) -> Stage<'a> {
        let block = link.block;
        Stage {
            neuron: link.neuron,
            steps: frames.steps,
            shape: self.shape,
            still,
            norm: self.norm.as_ref(),
            bias: self.norm.is_none().then_some(link.bias),
            rectify: block.rectify,
            mask: self.mask.as_ref(),
            pool: block.pool,
            drop: self.drop.as_ref(),
        }
    }
}

/// Scores on the CPU, and with `train` what the backward pass needs.
pub fn forward(
    network: &OnDevice,
    frames: Frames,
    mode: Mode,
    math: Math,
    observer: &mut dyn Observer,
    train: bool,
) -> Result<(Tensor, State)> {
    let Some(first) = network.links().next() else { bail!("a network without layers") };
    let gpu = Gpu::of_tensor(first.weight.weight())?;
    let dtype = math.precision.dtype();
    let [batch, ..] = frames.shape;
    let counts = Tensor::zeros((network.neurons.len(), frames.steps), DType::U32, &gpu.device())?;
    let mut input = sent(&gpu, frames, channels(first.weight, frames.shape[3], math), dtype)?;
    let mut kept = Vec::new();
    for (i, link) in network.links().enumerate() {
        let (block, still) = (link.block, i == 0 && frames.still);
        let (product, weight, [h, w, c]) = weighted(link.weight, input.dims4()?, dtype)?;
        let z = match product {
            Product::Convolution(sizes) => convolve(&sizes, &input, &weight, math)?,
            Product::Depthwise(_) => bail!("no CUDA device multiplies depthwise"),
            Product::Linear { n, inputs, .. } => {
                multiply(&input.reshape((n, inputs))?, &weight, math)?
            }
        };
        let mask = |name: &Option<String>, [h, w]: [usize; 2]| {
            mask(&gpu, name.as_deref(), [batch, h, w, c], mode)
        };
        let k = block.pool.side();
        let state = Kept {
            product,
            input,
            weight,
            norm: norm(link, &z, frames, still, mode, observer)?,
            z,
            mask: mask(&block.drop_currents, [h, w])?,
            drop: mask(&block.drop_activations, [h / k, w / k])?,
            shape: [batch, h, w, c],
        };
        let fired = fire(&state.stage(link, frames, still), &state.z, dtype, (&counts, i))?;
        input = fired.reshape((frames.steps * batch, h / k, w / k, c))?;
        if train {
            kept.push(state);
        }
    }
    let (_, h, w, c) = input.dims4()?;
    let scores = vote(&input.reshape((frames.steps, batch, h * w * c))?, network.graph.voters)?;
    let scores = scores.to_device(&Device::Cpu)?;
    let counts: Vec<Vec<u32>> = counts.to_vec2()?;
    let mut shape = frames.shape;
    for (link, counts) in network.links().zip(counts) {
        let block = link.block;
        let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
        let [h, w, c] = link.weight.product(shape)?.1;
        observer.count(&block.name, &counts, (batch * h * w * c) as u64)?;
        shape = [batch, h / block.pool.side(), w / block.pool.side(), c];
    }
    Ok((scores, State { kept, gpu }))
}

/// Channels of the frames on the device: tensor cores read 16 bytes at a time, and what is missing
/// is filled with zeros.
fn channels(first: &Weight, c: usize, math: Math) -> usize {
    match (first, math.precision) {
        (Weight::Linear(_), _) | (_, Precision::F32) => c,
        (_, Precision::Tf32) => c.next_multiple_of(4),
        (_, Precision::Bf16) => c.next_multiple_of(8),
    }
}

/// The frames as activations `[T·B, H, W, C]` with so many channels; of still images one step.
fn sent(gpu: &Gpu, frames: Frames, channels: usize, dtype: DType) -> Result<Tensor> {
    let [b, h, w, c] = frames.shape;
    let maps = if frames.still { b } else { frames.steps * b };
    let len = frames.bytes.map_or(frames.values.len(), <[u8]>::len);
    if frames.steps == 0 || len == 0 || len != maps * h * w * c {
        let (steps, shape) = (frames.steps, frames.shape);
        bail!(
            "frames of {steps} steps and {shape:?} take {} values, at least one, found {len}",
            maps * h * w * c
        );
    }
    let values = match frames.bytes {
        Some(bytes) => gpu.bytes(bytes, (maps, h, w, c))?,
        None => gpu.floats(frames.values, (maps, h, w, c))?,
    };
    if values.dtype() == dtype && channels == c {
        Ok(values)
    } else {
        expand(&values, channels, dtype)
    }
}

/// What a block's weight does to activations `[n, h, w, c]`, the weight as that product takes it,
/// and the shape of what comes out.
fn weighted(
    weight: &Weight,
    (n, h, w, c): (usize, usize, usize, usize),
    dtype: DType,
) -> Result<(Product, Tensor, [usize; 3])> {
    match weight {
        Weight::Conv(conv) => {
            let (k, _, ci, co) = conv.weight.dims4()?;
            // zeros stand behind the frames' own channels, and meet zeros in the weight
            let padded = if c > ci { c } else { ci };
            let s = Sizes::new([n, h, w, c], &[k, k, padded, co], conv.stride, conv.padding)?;
            let weight = to_cudnn(&conv.weight, padded, dtype)?;
            Ok((Product::Convolution(s), weight, [s.oh, s.ow, s.co]))
        }
        Weight::Depthwise(_) => bail!("no CUDA device multiplies depthwise"),
        Weight::Linear(linear) => {
            let (product, shape) = weight.product([n, h, w, c])?;
            let weight = match linear.weight.dtype() == dtype {
                true => linear.weight.detach(),
                false => expand(&linear.weight, 0, dtype)?,
            };
            Ok((product, weight, shape))
        }
    }
}

/// What a block's norm, if it has one, normalises with: in training the moments of `z`, which the
/// observer hears of, else the running ones.
fn norm(
    link: Link,
    z: &Tensor,
    frames: Frames,
    still: bool,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Option<Norm>> {
    let Some((name, norm)) = &link.block.affine else { return Ok(None) };
    let bias = link.bias;
    let moments = match mode {
        Mode::Eval => running_moments(&norm.running_mean, &norm.running_var, bias)?,
        Mode::Train { .. } => {
            let per_step = norm.over == StatisticsOver::Step;
            let sets = if per_step && !still { frames.steps } else { 1 };
            let equal = if still { frames.steps } else { 1 };
            let (moments, statistics) = batch_moments(z, sets, Some(bias), equal, per_step)?;
            let momentum = norm.momentum;
            observer.statistics(name, &BatchStatistics { momentum, ..statistics })?;
            moments
        }
    };
    let Some(shift) = &norm.bias else { bail!("the norm {name} has no shift") };
    Norm::new(moments, &norm.weight, shift, norm.eps).map(Some)
}

/// The dropout mask of that name, as [`layers::dropout`] draws it.
fn mask(gpu: &Gpu, name: Option<&str>, shape: [usize; 4], mode: Mode) -> Result<Option<Tensor>> {
    let (Some(name), Mode::Train { seed }) = (name, mode) else { return Ok(None) };
    let mask = dropout_mask(&shape.to_vec().into(), DROPOUT, name, seed, DType::F32, &Device::Cpu)?;
    let values: Vec<f32> = mask.flatten_all()?.to_vec1()?;
    Ok(Some(gpu.floats(&values, values.len())?))
}

/// Gradients of all variables from that of the scores.
pub fn backward(
    network: &OnDevice,
    frames: Frames,
    math: Math,
    state: State,
    gradient_of_scores: &Tensor,
    scores: Tensor,
) -> Result<Gradients> {
    let State { mut kept, gpu } = state;
    let values: Vec<f32> = gradient_of_scores.flatten_all()?.to_vec1()?;
    let gradient_of_scores = gpu.floats(&values, gradient_of_scores.shape())?;
    let mut of: Vec<(TensorId, Tensor)> = Vec::new();
    let mut above: Option<Tensor> = None;
    let links: Vec<Link> = network.links().collect();
    for (i, &link) in links.iter().enumerate().rev() {
        let still = i == 0 && frames.still;
        let Some(state) = kept.pop() else { bail!("a backward pass without its forward pass") };
        let upstream = match &above {
            Some(above) => Upstream::Activations(above),
            None => {
                Upstream::Scores { gradient: &gradient_of_scores, voters: network.graph.voters }
            }
        };
        let found = gradient(&state.stage(link, frames, still), &state.z, upstream)?;
        let Kept { product, input, weight, z, .. } = state;
        // given up before the products ask for memory
        drop((z, above.take()));
        if let (Some((_, norm)), Some((gamma, beta))) = (&link.block.affine, found.norm) {
            of.push((norm.weight.id(), gamma));
            of.extend(norm.bias.as_ref().map(|bias| (bias.id(), beta)));
        }
        let (own, bias) = (link.weight.weight(), link.bias);
        let (dw, dx) = match product {
            Product::Convolution(sizes) => {
                let dw =
                    from_cudnn(&convolve_weight(&sizes, &input, &found.z, math)?, own.dim(2)?)?;
                drop(input);
                (dw, (i > 0).then(|| convolve_input(&sizes, &weight, &found.z, math)).transpose()?)
            }
            Product::Depthwise(_) => bail!("no CUDA device multiplies depthwise"),
            Product::Linear { n, inputs, .. } => {
                let dw = multiply_weight(&input.reshape((n, inputs))?, &found.z, math)?;
                drop(input);
                (dw, (i > 0).then(|| multiply_input(&weight, &found.z, math)).transpose()?)
            }
        };
        of.push((own.id(), dw));
        of.push((
            bias.id(),
            match found.bias {
                Some(gradient) => gradient,
                None => bias.zeros_like()?,
            },
        ));
        above = dx;
    }
    Ok(Gradients { scores, of, layers: Vec::new() })
}
