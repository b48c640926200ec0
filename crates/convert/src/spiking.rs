//! A converted network as plain data.

use crate::analogue::{Pool, Product, Stage};
use crate::soft_lif::{SoftLif, Synapse};
use crate::{Analogue, Head};
use candle_core::{DType, Result};
use layers::Windows;
use serde::{Deserialize, Serialize};

/// A spiking network. Spikes are 0 and 1 and every threshold is 1, because each layer's own scale
/// is in its weights: products of spikes stay additions.
#[derive(Clone, Debug)]
pub struct Spiking {
    /// Poolings of the input.
    pub first: Vec<Pool>,
    /// Products with their neurons; the last one is the head.
    pub stages: Vec<SpikingStage>,
    /// What the neurons do.
    pub dynamics: Dynamics,
    /// What the head does.
    pub head: Head,
}

/// A product, and what is behind its neurons.
#[derive(Clone, Debug)]
pub struct SpikingStage {
    /// Its name.
    pub name: String,
    /// Weight and bias, rescaled; the bias is added at every step.
    pub product: Product,
    /// Poolings of the spikes.
    pub pools: Vec<SpikingPool>,
}

/// A pooling of spikes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpikingPool {
    /// Of k×k inputs the spike of that one passes which fired most until now, this step counted; of
    /// equals the first.
    Gated(usize),
    /// The mean, which is no spike but a number.
    Average(Windows),
    /// Integrate-and-fire neurons of the mean.
    Neurons(Windows),
}

/// What neurons do with currents z.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Dynamics {
    /// v ← v + z; fires at v ≥ 1, and is then reset.
    Integrate(Reset),
    /// Fires at v > 1, the membrane of before this step; then v ← v + z − o. Each layer is a step
    /// late.
    Delayed,
    /// LIF neurons behind a synapse, in steps of `dt` seconds.
    Lif {
        /// The neuron.
        neuron: SoftLif,
        /// What spikes pass.
        synapse: Synapse,
        /// Seconds of a step.
        dt: f64,
    },
}

/// What becomes of a membrane that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reset {
    /// v − 1: what is above the threshold counts on, so that rates are not biased.
    Subtract,
    /// 0.
    Zero,
    /// v mod 1: of a membrane that reached several thresholds all are taken off.
    Modulo,
}

impl Spiking {
    /// The chain with a firing rate of 1 in stage l standing for an activation of `scales[l]`: W
    /// becomes W·s[l−1]/s[l] and b becomes b/s[l]. The input's scale is 1. Max pooling is gated,
    /// average pooling a mean.
    pub fn rescaled(
        analogue: &Analogue,
        scales: &[f64],
        dynamics: Dynamics,
        head: Head,
    ) -> Result<Spiking> {
        let mut below = 1.0;
        let mut stages = Vec::new();
        for (stage, &scale) in analogue.stages.iter().zip(scales) {
            let spike = match dynamics {
                // of the input a value, of neurons a spike that lasts a step
                Dynamics::Lif { neuron, dt, .. } if !stages.is_empty() => neuron.amplitude / dt,
                _ => 1.0,
            };
            stages.push(stage.rescaled(below * spike / scale, 1.0 / scale)?);
            below = scale;
        }
        Ok(Spiking { first: analogue.first.clone(), stages, dynamics, head })
    }

    /// The same whose average pooling behind a product has neurons of its own.
    pub fn with_pool_neurons(mut self) -> Spiking {
        for pool in self.stages.iter_mut().flat_map(|stage| &mut stage.pools) {
            if let SpikingPool::Average(windows) = *pool {
                *pool = SpikingPool::Neurons(windows);
            }
        }
        self
    }

    /// Units of the head.
    ///
    /// # Errors
    /// Never, of a network that was made here.
    pub fn classes(&self) -> Result<usize> {
        match self.stages.last() {
            Some(head) => head.product.weight().dim(candle_core::D::Minus1),
            None => candle_core::bail!("convert: a network needs a head"),
        }
    }

    /// Whether the first stages up to `stage` alone, its currents added up.
    pub(crate) fn up_to(&self, stage: usize) -> Spiking {
        let mut part = Spiking { head: Head::Accumulated, ..self.clone() };
        part.stages.truncate(stage + 1);
        part
    }
}

impl Stage {
    fn rescaled(&self, weight: f64, bias: f64) -> Result<SpikingStage> {
        // in f64, and rounded once
        let scaled = |tensor: &candle_core::Tensor, factor: f64| {
            tensor.to_dtype(DType::F64)?.affine(factor, 0.0)?.to_dtype(tensor.dtype())
        };
        let product = self.product.with(
            scaled(self.product.weight(), weight)?,
            self.product.bias().map(|b| scaled(b, bias)).transpose()?,
        );
        let pools = self.pools.iter().map(|pool| match *pool {
            Pool::Max(k) => SpikingPool::Gated(k),
            Pool::Average(windows) => SpikingPool::Average(windows),
        });
        Ok(SpikingStage { name: self.name.clone(), product, pools: pools.collect() })
    }
}
