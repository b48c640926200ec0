use super::OnDevice;
use crate::blocks::{Block, Weight};
use crate::network::DROPOUT;
use crate::{Frames, Gradients, Mode, Observer};
use candle_core::{DType, Device, Result, Tensor, TensorId, bail};
use device::{Gpu, Math, Precision};
use layers::cuda::{
    batch_moments, convolve, convolve_input, convolve_weight, expand, from_cudnn, multiply,
    multiply_input, multiply_weight, running_moments, to_cudnn, vote,
};
use layers::{Product, Sizes, StatisticsOver, dropout_mask};
use neuron::Source;
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
    fn stage<'a>(&'a self, block: &'a Block<Source>, frames: Frames, still: bool) -> Stage<'a> {
        Stage {
            neuron: &block.kernel,
            steps: frames.steps,
            shape: self.shape,
            still,
            norm: self.norm.as_ref(),
            bias: self.norm.is_none().then(|| block.weight.tensors().1),
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
    let Some(first) = network.blocks.first() else { bail!("a network without layers") };
    let gpu = Gpu::of_tensor(first.weight.tensors().0)?;
    let dtype = math.precision.dtype();
    let [batch, ..] = frames.shape;
    let counts = Tensor::zeros((network.blocks.len(), frames.steps), DType::U32, &gpu.device())?;
    let mut input = sent(&gpu, frames, channels(first, frames.shape[3], math), dtype)?;
    let mut kept = Vec::new();
    for (i, block) in network.blocks.iter().enumerate() {
        let still = i == 0 && frames.still;
        let (product, weight, [h, w, c]) = weighted(block, input.dims4()?, dtype)?;
        let z = match product {
            Product::Convolution(sizes) => convolve(&sizes, &input, &weight, math)?,
            Product::Linear { n, inputs, .. } => {
                multiply(&input.reshape((n, inputs))?, &weight, math)?
            }
        };
        let mask = |name: Option<&str>, [h, w]: [usize; 2]| {
            mask(&gpu, name, [batch, h, w, c], matches!(block.weight, Weight::Linear(_)), mode)
        };
        let k = block.pool.side();
        let state = Kept {
            product,
            input,
            weight,
            norm: norm(block, &z, frames, still, mode, observer)?,
            z,
            mask: mask(block.drop_currents, [h, w])?,
            drop: mask(block.drop_spikes, [h / k, w / k])?,
            shape: [batch, h, w, c],
        };
        let fired = fire(&state.stage(block, frames, still), &state.z, dtype, (&counts, i))?;
        input = fired.reshape((frames.steps * batch, h / k, w / k, c))?;
        if train {
            kept.push(state);
        }
    }
    let (_, h, w, c) = input.dims4()?;
    let scores = vote(&input.reshape((frames.steps, batch, h * w * c))?, network.voters)?;
    let scores = scores.to_device(&Device::Cpu)?;
    let counts: Vec<Vec<u32>> = counts.to_vec2()?;
    let mut shape = frames.shape;
    for (block, counts) in network.blocks.iter().zip(counts) {
        let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
        let [h, w, c] = block.weight.product(shape)?.1;
        observer.count(block.name, &counts, (batch * h * w * c) as u64)?;
        shape = [batch, h / block.pool.side(), w / block.pool.side(), c];
    }
    Ok((scores, State { kept, gpu }))
}

/// Channels of the frames on the device: tensor cores read 16 bytes at a time, and what is missing
/// is filled with zeros.
fn channels(first: &Block<Source>, c: usize, math: Math) -> usize {
    match (&first.weight, math.precision) {
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
    block: &Block<Source>,
    (n, h, w, c): (usize, usize, usize, usize),
    dtype: DType,
) -> Result<(Product, Tensor, [usize; 3])> {
    match block.weight {
        Weight::Conv(conv, _) => {
            let (k, _, ci, co) = conv.weight.dims4()?;
            // zeros stand behind the frames' own channels, and meet zeros in the weight
            let padded = if c > ci { c } else { ci };
            let s = Sizes::new([n, h, w, c], &[k, k, padded, co], conv.stride, conv.padding)?;
            let weight = to_cudnn(&conv.weight, padded, dtype)?;
            Ok((Product::Convolution(s), weight, [s.oh, s.ow, s.co]))
        }
        Weight::Linear(linear) => {
            let (product, shape) = block.weight.product([n, h, w, c])?;
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
    block: &Block<Source>,
    z: &Tensor,
    frames: Frames,
    still: bool,
    mode: Mode,
    observer: &mut dyn Observer,
) -> Result<Option<Norm>> {
    let Some((name, norm)) = block.norm else { return Ok(None) };
    let bias = block.weight.tensors().1;
    let moments = match mode {
        Mode::Eval => running_moments(&norm.running_mean, &norm.running_var, bias)?,
        Mode::Train { .. } => {
            let per_step = norm.over == StatisticsOver::Step;
            let sets = if per_step && !still { frames.steps } else { 1 };
            let equal = if still { frames.steps } else { 1 };
            let (moments, statistics) = batch_moments(z, sets, Some(bias), equal, per_step)?;
            observer.statistics(name, &statistics)?;
            moments
        }
    };
    Norm::new(moments, &norm.weight, &norm.bias, norm.eps).map(Some)
}

/// The dropout mask of that name, as [`layers::dropout`] draws it for a tensor of a flat or an
/// unflattened layer.
fn mask(
    gpu: &Gpu,
    name: Option<&str>,
    shape: [usize; 4],
    flat: bool,
    mode: Mode,
) -> Result<Option<Tensor>> {
    let (Some(name), Mode::Train { seed }) = (name, mode) else { return Ok(None) };
    let dims = if flat { vec![shape[0], shape[3]] } else { shape.to_vec() };
    let mask = dropout_mask(&dims.into(), DROPOUT, name, seed, DType::F32, &Device::Cpu)?;
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
    for (i, block) in network.blocks.iter().enumerate().rev() {
        let still = i == 0 && frames.still;
        let Some(state) = kept.pop() else { bail!("a backward pass without its forward pass") };
        let upstream = match &above {
            Some(above) => Upstream::Activations(above),
            None => Upstream::Scores { gradient: &gradient_of_scores, voters: network.voters },
        };
        let found = gradient(&state.stage(block, frames, still), &state.z, upstream)?;
        let Kept { product, input, weight, z, .. } = state;
        // given up before the products ask for memory
        drop((z, above.take()));
        if let (Some((_, norm)), Some((gamma, beta))) = (block.norm, found.norm) {
            of.push((norm.weight.id(), gamma));
            of.push((norm.bias.id(), beta));
        }
        let (own, bias) = block.weight.tensors();
        let (dw, dx) = match product {
            Product::Convolution(sizes) => {
                let dw =
                    from_cudnn(&convolve_weight(&sizes, &input, &found.z, math)?, own.dim(2)?)?;
                drop(input);
                (dw, (i > 0).then(|| convolve_input(&sizes, &weight, &found.z, math)).transpose()?)
            }
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
