//! The rate-norm layer (RNL), which a network is trained with to be converted.

use candle_core::{DType, Result, Tensor};

/// What keeps a threshold from 0.
const EPS: f64 = 1e-6;

/// Activations as rates: y = clamp(ReLU(x)/θ, 0, 1), θ = r·sigmoid(p) + 10⁻⁶ (Ding et al., IJCAI
/// 2021). p is learnable; r follows the largest activation of each batch.
#[derive(Clone, Debug)]
pub struct RateNorm {
    /// p, a number.
    pub scale: Tensor,
    /// r.
    pub running_max: f64,
    /// Part of r that a training batch replaces.
    pub momentum: f64,
}

impl RateNorm {
    /// As a network begins: r = 1, p = 10, momentum 0.1.
    ///
    /// # Errors
    /// If there is no memory for a number.
    pub fn new(dtype: DType) -> Result<RateNorm> {
        let scale = Tensor::new(10.0, &candle_core::Device::Cpu)?.to_dtype(dtype)?;
        Ok(RateNorm { scale, running_max: 1.0, momentum: 0.1 })
    }

    /// r after a training batch of currents `x`, which is taken in front of its pass and has no
    /// gradient.
    ///
    /// # Errors
    /// If `x` is empty.
    pub fn updated(&self, x: &Tensor) -> Result<f64> {
        let largest = layers::rectify(&x.detach())?.flatten_all()?.max(0)?;
        let largest: f64 = largest.to_dtype(DType::F64)?.to_scalar()?;
        Ok((1.0 - self.momentum) * self.running_max + self.momentum * largest)
    }

    /// θ.
    ///
    /// # Errors
    /// If p is no number.
    pub fn threshold(&self) -> Result<Tensor> {
        candle_nn::ops::sigmoid(&self.scale)?.affine(self.running_max, EPS)
    }

    /// y of currents `x`, with gradients to x and p.
    ///
    /// # Errors
    /// As [`RateNorm::threshold`].
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let z = layers::rectify(x)?.broadcast_div(&self.threshold()?)?;
        let one = z.ones_like()?;
        z.le(&one)?.where_cond(&z, &one)
    }
}

/// θ = r·sigmoid(p) + 10⁻⁶ as a number.
pub fn threshold(running_max: f64, scale: f64) -> f64 {
    running_max / (1.0 + (-scale).exp()) + EPS
}

/// k = Σa/(‖a‖² + 10⁻⁵) of a layer's activations: the rate-inference loss, whose mean over layers
/// the second stage of training makes small.
///
/// # Errors
/// If `a` is of no floating-point type.
pub fn inference_loss(a: &Tensor) -> Result<Tensor> {
    a.sum_all()? / (a.sqr()?.sum_all()? + 1e-5)?
}
