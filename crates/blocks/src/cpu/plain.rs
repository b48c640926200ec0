//! A block without neurons: norm, ReLU, dropout and pooling of the currents themselves.

use super::activations::multiply;
use super::forward::Affine;
use crate::Block;
use layers::{Scales, pooled, pooled_gradient};
use neuron::{Pooling, StageGradient};
use std::borrow::Cow;

/// Numbers of a block in a pass.
pub struct Plain<'a> {
    pub block: &'a Block,
    /// Maps of z, `[n, H, W, C]`.
    pub shape: [usize; 4],
    /// With γ and β.
    pub norm: Option<(&'a Scales<f32>, &'a Affine<'a>)>,
    pub current_mask: Option<&'a [f32]>,
    pub activation_mask: Option<&'a [f32]>,
}

impl Plain<'_> {
    /// Currents `z` behind norm, ReLU and dropout.
    pub fn currents(&self, z: &[f32]) -> Vec<f32> {
        let mut y = self.normalised(z).into_owned();
        if self.block.rectify {
            y.iter_mut().for_each(|y| *y = if *y > 0.0 { *y } else { 0.0 });
        }
        multiply(&mut y, self.current_mask);
        y
    }

    /// The activations of currents `z`.
    pub fn forward(&self, z: &[f32]) -> Vec<f32> {
        let mut y = self.currents(z);
        if self.block.pool != Pooling::None {
            y = pooled(&y, self.shape, self.block.pool);
        }
        multiply(&mut y, self.activation_mask);
        y
    }

    /// Gradients from those of the activations, `g`.
    pub fn backward(&self, z: &[f32], g: Vec<f32>) -> StageGradient {
        let mut g = self.unmasked(g);
        match self.block.pool {
            Pooling::None => {}
            // only the maximum asks for the values
            Pooling::Average(_) => g = pooled_gradient(z, &g, self.shape, self.block.pool),
            Pooling::Max(_) => {
                g = pooled_gradient(&self.currents(z), &g, self.shape, self.block.pool);
            }
        }
        self.of_currents(z, g)
    }

    /// From the gradient of the activations to that before their dropout.
    pub fn unmasked(&self, mut g: Vec<f32>) -> Vec<f32> {
        multiply(&mut g, self.activation_mask);
        g
    }

    /// Gradients from those of the currents behind norm, ReLU and dropout, `g`.
    pub fn of_currents(&self, z: &[f32], mut g: Vec<f32>) -> StageGradient {
        multiply(&mut g, self.current_mask);
        if self.block.rectify {
            let y = self.normalised(z);
            g.iter_mut().zip(y.iter()).for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 });
        }
        let Some((scales, affine)) = self.norm else {
            return StageGradient { z: g, norm: None, parameters: Vec::new() };
        };
        let sums = scales.gradient_sums(z, &g);
        let (c, sets) = (scales.channels, scales.sets());
        let total = |which: usize| -> Vec<f32> {
            let of = |i| (0..sets).map(|set| sums[(which * sets + set) * c + i]).sum();
            (0..c).map(of).collect()
        };
        let dz = scales.input_gradient(z, &g, &sums, &affine.gamma);
        StageGradient { z: dz, norm: Some((total(1), total(0))), parameters: Vec::new() }
    }

    fn normalised<'z>(&self, z: &'z [f32]) -> Cow<'z, [f32]> {
        match self.norm {
            Some((scales, affine)) => scales.apply(z, &affine.gamma, &affine.beta).into(),
            None => z.into(),
        }
    }
}
