use crate::{Setup, stream};
use candle_core::{Device, Result, Tensor, bail};
use events::{Frames, transforms};
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;
use std::borrow::Cow;

/// One sample: its frames `[T, H, W, C]` and its class.
#[derive(Clone, Debug)]
pub struct Example {
    /// Event counts.
    pub frames: Frames,
    /// The class, from 0.
    pub label: u32,
}

/// The order in which epoch `epoch` visits `n` samples: Fisher–Yates on the stream of (seed, epoch).
pub(crate) fn order(n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = stream(seed, &format!("order of epoch {epoch}"));
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        // The bias of a remainder of 64 random bits is below 2⁻⁴⁰ for any n that fits a memory.
        order.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
    order
}

/// The samples `indices` as one batch `[T, B, H, W, C]` of f32 counts, and their labels. `epoch` is that of
/// a training pass with its run's seed; without it nothing is augmented.
pub(crate) fn batch(
    examples: &[Example],
    indices: &[usize],
    setup: &Setup,
    epoch: Option<(u64, usize)>,
    device: &Device,
) -> Result<(Tensor, Vec<u32>)> {
    let frames: Vec<Cow<Frames>> = indices
        .par_iter()
        .map(|&i| {
            let frames = &examples[i].frames;
            let augmented = setup.augment.zip(epoch).map(|(a, (seed, epoch))| a.apply(frames, seed, epoch, i));
            let frames = augmented.map_or(Cow::Borrowed(frames), Cow::Owned);
            match setup.side {
                Some(side) => Cow::Owned(transforms::resize_nearest(&frames, side, side)),
                None => frames,
            }
        })
        .collect();
    let Some(shape) = frames.first().map(|f| f.shape()) else { bail!("a batch needs at least one sample") };
    if let Some(odd) = frames.iter().position(|f| f.shape() != shape) {
        bail!("samples {} and {} differ: {shape:?}, {:?}", indices[0], indices[odd], frames[odd].shape());
    }
    let frame = shape.height * shape.width * shape.channels;
    let mut values = vec![0f32; shape.steps * indices.len() * frame];
    values.par_chunks_mut((indices.len() * frame).max(1)).enumerate().for_each(|(t, step)| {
        for (to, frames) in step.chunks_exact_mut(frame).zip(&frames) {
            let from = &frames.values()[t * frame..][..frame];
            to.iter_mut().zip(from).for_each(|(to, &count)| *to = f32::from(count));
        }
    });
    let dims = (shape.steps, indices.len(), shape.height, shape.width, shape.channels);
    Ok((Tensor::from_vec(values, dims, device)?, indices.iter().map(|&i| examples[i].label).collect()))
}
