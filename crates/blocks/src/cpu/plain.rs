//! A block without neurons: norm, ReLU, dropout and pooling of the currents themselves.

use super::activations::multiply;
use super::norms::Affine;
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
    pub norm: Option<(&'a Scales<f32>, &'a Affine)>,
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
        match (self.block.windows, self.block.pool) {
            (Some(windows), _) => y = windows.averaged(&y, self.shape),
            (None, Pooling::None) => {}
            (None, pool) => y = pooled(&y, self.shape, pool),
        }
        multiply(&mut y, self.activation_mask);
        y
    }

    /// Gradients from those of the activations, `g`.
    pub fn backward(&self, z: &[f32], g: Vec<f32>) -> StageGradient {
        let mut g = self.unmasked(g);
        match (self.block.windows, self.block.pool) {
            (Some(windows), _) => g = windows.averaged_gradient(&g, self.shape),
            (None, Pooling::None) => {}
            // only the maximum asks for the values
            (None, pool @ Pooling::Average(_)) => g = pooled_gradient(z, &g, self.shape, pool),
            (None, pool @ Pooling::Max(_)) => {
                g = pooled_gradient(&self.currents(z), &g, self.shape, pool);
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
        let (c, gamma) = (scales.channels, &affine.gamma[..]);
        let by_step = gamma.len() > c;
        // a γ of each step has a gradient of each, whatever shares statistics
        let within = by_step && scales.sets() == 1;
        let apart = within.then(|| scales.repeated(gamma.len() / c));
        let sums = apart.as_ref().unwrap_or(scales).gradient_sums(z, &g);
        let sets = sums.len() / (2 * c);
        let total = |which: usize| -> Vec<f32> {
            let of = |i| (0..sets).map(|set| sums[(which * sets + set) * c + i]).sum();
            (0..c).map(of).collect()
        };
        let norm = (if by_step { sums[sets * c..].to_vec() } else { total(1) }, total(0));
        let dz = if within {
            let map = g.len() / sets;
            for (g, gamma) in g.chunks_mut(map).zip(gamma.chunks(c)) {
                g.iter_mut().enumerate().for_each(|(i, g)| *g *= gamma[i % c]);
            }
            let sums = scales.gradient_sums(z, &g);
            scales.input_gradient(z, &g, &sums, &vec![1.0; c])
        } else {
            scales.input_gradient(z, &g, &sums, gamma)
        };
        StageGradient { z: dz, norm: Some(norm), parameters: Vec::new() }
    }

    fn normalised<'z>(&self, z: &'z [f32]) -> Cow<'z, [f32]> {
        match self.norm {
            Some((scales, affine)) => scales.apply(z, &affine.gamma, &affine.beta).into(),
            None => z.into(),
        }
    }
}
