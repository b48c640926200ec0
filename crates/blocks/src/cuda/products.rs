//! A source's weight as its product takes it, and the product's three directions.

use crate::Weight;
use candle_core::{DType, Result, Tensor};
use device::Math;
use layers::cuda::{
    convolve, convolve_input, convolve_weight, depthwise, depthwise_input, depthwise_weight,
    expand, from_cudnn, multiply, multiply_input, multiply_weight, to_cudnn,
};
use layers::{Product, Sizes};

/// What multiplies activations.
#[derive(Clone)]
pub struct Multiplier {
    product: Product,
    weight: Tensor,
}

impl Multiplier {
    /// Of a weight for activations `[n, h, w, c]` of a type.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn new(weight: &Weight, maps: [usize; 4], dtype: DType) -> Result<Multiplier> {
        let [n, h, w, c] = maps;
        Ok(match weight {
            Weight::Conv(conv) => {
                let (k, _, ci, co) = conv.weight.dims4()?;
                // zeros stand behind the frames' own channels, and meet zeros in the weight
                let padded = if c > ci { c } else { ci };
                let s = Sizes::new([n, h, w, c], &[k, k, padded, co], conv.stride, conv.padding)?;
                let weight = to_cudnn(&conv.weight, padded, dtype)?;
                Multiplier { product: Product::Convolution(s), weight }
            }
            Weight::Depthwise(own) => {
                Multiplier { product: weight.product(maps)?.0, weight: own.weight.detach() }
            }
            Weight::Linear(linear) => {
                let (product, _) = weight.product(maps)?;
                let weight = match linear.weight.dtype() == dtype {
                    true => linear.weight.detach(),
                    false => expand(&linear.weight, 0, dtype)?,
                };
                Multiplier { product, weight }
            }
        })
    }

    /// The same over so many maps.
    pub fn over(&self, n: usize) -> Multiplier {
        Multiplier { product: self.product.over(n), weight: self.weight.clone() }
    }

    /// The product of `x`.
    ///
    /// # Errors
    /// If it does not fit, or the device fails.
    pub fn forward(&self, x: &Tensor, math: Math) -> Result<Tensor> {
        match &self.product {
            Product::Convolution(sizes) => convolve(sizes, x, &self.weight, math),
            Product::Depthwise(sizes) => depthwise(sizes, x, &self.weight),
            Product::Linear { n, inputs, .. } => {
                multiply(&x.reshape((*n, *inputs))?, &self.weight, math)
            }
        }
    }

    /// ∂L/∂w in the shape of `own`, the weight, from that of the product.
    ///
    /// # Errors
    /// As [`Multiplier::forward`].
    pub fn weight_gradient(
        &self,
        x: &Tensor,
        g: &Tensor,
        own: &Tensor,
        math: Math,
    ) -> Result<Tensor> {
        match &self.product {
            Product::Convolution(sizes) => {
                from_cudnn(&convolve_weight(sizes, x, g, math)?, own.dim(2)?)
            }
            Product::Depthwise(sizes) => depthwise_weight(sizes, x, g),
            Product::Linear { n, inputs, outputs } => {
                let (x, g) = (x.reshape((*n, *inputs))?, g.reshape((*n, *outputs))?);
                multiply_weight(&x, &g, math)
            }
        }
    }

    /// ∂L/∂x.
    ///
    /// # Errors
    /// As [`Multiplier::forward`].
    pub fn input_gradient(&self, g: &Tensor, math: Math) -> Result<Tensor> {
        match &self.product {
            Product::Convolution(sizes) => convolve_input(sizes, &self.weight, g, math),
            Product::Depthwise(sizes) => depthwise_input(sizes, &self.weight, g),
            Product::Linear { n, outputs, .. } => {
                multiply_input(&self.weight, &g.reshape((*n, *outputs))?, math)
            }
        }
    }
}
