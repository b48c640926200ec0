//! Norm, bias, ReLU, dropout and pooling one after the other, where no stage takes them all at once:
//! blocks without neurons, and blocks that run step by step.

use crate::Block;
use candle_core::{Result, Tensor};
use layers::cuda::{
    add, channel_sums, masked, normalise_gradient, normalised, pooled, pooled_gradient, rectified,
    rectified_gradient,
};
use neuron::Pooling;
use neuron::cuda::Norm;

/// What such a block does to maps of currents.
#[derive(Clone, Copy)]
pub struct Plain<'a> {
    pub block: &'a Block,
    /// Maps of the currents, `[n, H, W, C]`.
    pub shape: [usize; 4],
    pub norm: Option<&'a Norm>,
    /// Where there is no norm.
    pub bias: Option<&'a Tensor>,
    pub mask: Option<&'a Tensor>,
    pub drop: Option<&'a Tensor>,
}

/// Currents behind norm, bias and ReLU, and behind the mask too: what gradients need of them.
#[derive(Clone)]
pub struct Currents {
    rectified: Tensor,
    pub masked: Tensor,
}

/// ∂L/∂z, and those of what the block has.
pub struct Gradient {
    pub z: Tensor,
    /// ∂L/∂γ and ∂L/∂β.
    pub norm: Option<[Tensor; 2]>,
    /// Σ ∂L/∂z of each channel, if there is a bias.
    pub bias: Option<Tensor>,
}

impl Plain<'_> {
    /// Currents `z` behind norm, bias, ReLU and dropout.
    pub fn currents(&self, z: &Tensor) -> Result<Currents> {
        let mut y = match (self.norm, self.bias) {
            (Some(norm), _) => normalised(z, norm)?,
            (None, Some(bias)) => {
                // the last axis is the bias's, so that it fills the maps
                let bias = bias.to_dtype(z.dtype())?;
                add(z, Some(&bias), z.shape())?
            }
            (None, None) => z.clone(),
        };
        if self.block.rectify {
            y = rectified(&y)?;
        }
        let behind = self.mask.map_or(Ok(y.clone()), |mask| masked(&y, mask))?;
        Ok(Currents { rectified: y, masked: behind })
    }

    /// Whether activations are the spikes as they are.
    pub fn leaves_activations(&self) -> bool {
        self.block.pool == Pooling::None && self.drop.is_none()
    }

    /// Activations of spikes, or of currents where there are no neurons.
    pub fn activations(&self, o: &Tensor) -> Result<Tensor> {
        let o = match self.block.pool {
            Pooling::None => o.clone(),
            pool => pooled(o, self.shape, pool)?,
        };
        self.drop.map_or(Ok(o.clone()), |mask| masked(&o, mask))
    }

    /// From the gradient of the activations to that of what `o` is.
    pub fn of_activations(&self, o: &Tensor, g: &Tensor) -> Result<Tensor> {
        let g = self.drop.map_or(Ok(g.clone()), |mask| masked(g, mask))?;
        match self.block.pool {
            Pooling::None => Ok(g),
            pool => pooled_gradient(o, &g, self.shape, pool),
        }
    }

    /// From the gradient of the currents behind all of that to those of `z`, and of norm and bias.
    pub fn of_currents(&self, z: &Tensor, kept: &Currents, g: &Tensor) -> Result<Gradient> {
        let mut g = self.mask.map_or(Ok(g.clone()), |mask| masked(g, mask))?;
        if self.block.rectify {
            g = rectified_gradient(&kept.rectified, &g)?;
        }
        if let Some(norm) = self.norm {
            let [z, gamma, beta] = normalise_gradient(z, &g, norm)?;
            return Ok(Gradient { z, norm: Some([gamma, beta]), bias: None });
        }
        let bias = self.bias.map(|_| channel_sums(&g, self.shape[3])).transpose()?;
        Ok(Gradient { z: g, norm: None, bias })
    }
}
