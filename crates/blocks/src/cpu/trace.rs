use candle_core::{Tensor, TensorId};
use layers::Path;

/// What one product did, and the block whose currents it gives.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerTrace {
    /// The block's name, which is that of its neurons if it has any.
    pub name: String,
    /// Part of the activations below that was not zero.
    pub input_density: f64,
    /// Spikes ÷ (neurons · samples · steps); 0 without neurons.
    pub firing_rate: f64,
    /// Path of y = x ∗ w + b.
    pub forward: Path,
    /// Path of ∂L/∂w, in a training pass.
    pub weight: Option<Path>,
    /// Path of ∂L/∂x, where it is taken.
    pub input: Option<Path>,
    /// Whether the currents were computed again.
    pub recomputed: bool,
    /// Seconds of: product, stage (norm, neurons, pool, lists), gradient of the stage, ∂L/∂w,
    /// ∂L/∂x. Those of a block's stage stand at its first product.
    pub seconds: [f64; 5],
}

impl LayerTrace {
    /// Of a forward pass.
    pub(super) fn new(name: &str, input_density: f64, forward: Path, seconds: f64) -> Self {
        LayerTrace {
            name: name.to_owned(),
            input_density,
            firing_rate: 0.0,
            forward,
            weight: None,
            input: None,
            recomputed: false,
            seconds: [seconds, 0.0, 0.0, 0.0, 0.0],
        }
    }
}

/// Scores, gradients and what led to them.
pub struct Gradients {
    /// Class scores `[B, K]`, or the votes of each step `[T, B, K]` where the loss was of them.
    pub scores: Tensor,
    /// For each variable of the network its gradient.
    pub of: Vec<(TensorId, Tensor)>,
    /// Every product, from the first to the last.
    pub layers: Vec<LayerTrace>,
}

impl Gradients {
    /// The gradient of a variable.
    pub fn get(&self, variable: &Tensor) -> Option<&Tensor> {
        self.of.iter().find(|(id, _)| *id == variable.id()).map(|(_, g)| g)
    }
}
