//! Products in NIR's order of axes: channels first, outputs before inputs.

use crate::graph::{Array, Convolution, Node};
use candle_core::{DType, Result, Tensor};
use layers::Windows;

/// A tensor's numbers, in double precision.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// A product that is not written yet, so that a norm behind it can still change it. Weights are in
/// our order of axes.
#[derive(Clone, Debug)]
pub(crate) enum Product {
    /// Weight `[side, side, inputs, outputs]`, on maps of `[height, width]`.
    Conv {
        weight: Vec<f64>,
        side: usize,
        inputs: usize,
        stride: usize,
        padding: usize,
        maps: [usize; 2],
    },
    /// Weight `[inputs, outputs]`; the inputs are maps of `[height, width, channels]`, in that
    /// order, where `maps` says so.
    Dense { weight: Vec<f64>, maps: Option<[usize; 3]> },
}

impl Product {
    /// The sum of the windows of each channel of maps of `[height, width, channels]`, times
    /// `factor`.
    pub fn pool([h, w, channels]: [usize; 3], windows: Windows, factor: f64) -> Self {
        let Windows { side, stride, padding } = windows;
        let mut weight = vec![0.0; side * side * channels * channels];
        for tap in 0..side * side {
            for channel in 0..channels {
                weight[(tap * channels + channel) * channels + channel] = factor;
            }
        }
        Product::Conv { weight, side, inputs: channels, stride, padding, maps: [h, w] }
    }

    /// What changes nothing.
    pub fn identity(shape: [usize; 3], flat: bool) -> Self {
        let whole = Windows { side: 1, stride: 1, padding: 0 };
        match Self::pool(shape, whole, 1.0) {
            Product::Conv { weight, .. } if flat => Product::Dense { weight, maps: None },
            conv => conv,
        }
    }

    fn weight(&mut self) -> &mut Vec<f64> {
        match self {
            Product::Conv { weight, .. } | Product::Dense { weight, .. } => weight,
        }
    }

    /// Multiplies each output by a factor of its own.
    pub fn scale(&mut self, factors: &[f64]) {
        for outputs in self.weight().chunks_exact_mut(factors.len().max(1)) {
            for (weight, factor) in outputs.iter_mut().zip(factors) {
                *weight *= factor;
            }
        }
    }

    /// The node of this product onto so many outputs. Every number is rounded once, here.
    pub fn node(&self, outputs: usize, bias: Option<&[f64]>) -> Node {
        let bias = bias.map(|bias| bias.iter().map(|&value| value as f32).collect::<Vec<f32>>());
        match self {
            Product::Conv { weight, side, inputs, stride, padding, maps } => {
                let (side, inputs) = (*side, *inputs);
                let mut values = vec![0.0; weight.len()];
                for (at, value) in values.iter_mut().enumerate() {
                    let (tap, rest) = (at % (side * side), at / (side * side));
                    let (input, output) = (rest % inputs, rest / inputs);
                    *value = weight[(tap * inputs + input) * outputs + output] as f32;
                }
                let bias = bias.unwrap_or_else(|| vec![0.0; outputs]);
                Node::Conv2d(Convolution {
                    weight: Array { shape: vec![outputs, inputs, side, side], values },
                    bias: Array { shape: vec![outputs], values: bias },
                    input_shape: Some(*maps),
                    stride: [*stride; 2],
                    padding: [*padding; 2],
                    dilation: [1; 2],
                    groups: 1,
                })
            }
            Product::Dense { weight, maps } => {
                let inputs = weight.len() / outputs.max(1);
                let mut values = vec![0.0; weight.len()];
                for (at, value) in values.iter_mut().enumerate() {
                    let (input, output) = (at % inputs, at / inputs);
                    *value = weight[ours(input, *maps) * outputs + output] as f32;
                }
                let weight = Array { shape: vec![outputs, inputs], values };
                match bias {
                    Some(bias) => {
                        Node::Affine(weight, Array { shape: vec![outputs], values: bias })
                    }
                    None => Node::Linear(weight),
                }
            }
        }
    }
}

/// Where in our flattened maps `[height, width, channels]` number `at` of NIR's `[channels,
/// height, width]` lies.
pub(crate) fn ours(at: usize, maps: Option<[usize; 3]>) -> usize {
    match maps {
        Some([h, w, c]) => (at % (h * w)) * c + at / (h * w),
        None => at,
    }
}
