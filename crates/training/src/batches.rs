use crate::stream;
use candle_core::{Device, Result, Tensor, bail};
use events::Frames;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;

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

/// The samples `indices` as one batch `[T, B, H, W, C]` of f32 counts, and their labels.
pub(crate) fn batch(examples: &[Example], indices: &[usize], device: &Device) -> Result<(Tensor, Vec<u32>)> {
    let Some(first) = indices.first() else { bail!("a batch needs at least one sample") };
    let shape = examples[*first].frames.shape();
    if let Some(odd) = indices.iter().find(|&&i| examples[i].frames.shape() != shape) {
        bail!("samples {first} and {odd} have different frames: {shape:?}, {:?}", examples[*odd].frames.shape());
    }
    let frame = shape.height * shape.width * shape.channels;
    let mut values = vec![0f32; shape.steps * indices.len() * frame];
    values.par_chunks_mut((indices.len() * frame).max(1)).enumerate().for_each(|(t, step)| {
        for (to, &i) in step.chunks_exact_mut(frame).zip(indices) {
            let from = &examples[i].frames.values()[t * frame..][..frame];
            to.iter_mut().zip(from).for_each(|(to, &count)| *to = f32::from(count));
        }
    });
    let dims = (shape.steps, indices.len(), shape.height, shape.width, shape.channels);
    Ok((Tensor::from_vec(values, dims, device)?, indices.iter().map(|&i| examples[i].label).collect()))
}
