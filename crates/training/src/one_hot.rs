//! Labels as losses read them.

use candle_core::{Result, Tensor};

/// Sizes of votes: steps, samples, classes.
pub(crate) type Sizes = [usize; 3];

/// 1 at each row's label, else 0; on the device and of the type of `like`.
pub(crate) fn one_hot(labels: &[u32], classes: usize, like: &Tensor) -> Result<Tensor> {
    let mut hot = vec![0f32; labels.len() * classes];
    labels.iter().enumerate().for_each(|(row, &label)| hot[row * classes + label as usize] = 1.0);
    Tensor::from_vec(hot, (labels.len(), classes), like.device())?.to_dtype(like.dtype())
}
