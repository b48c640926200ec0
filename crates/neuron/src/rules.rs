use serde::{Deserialize, Serialize};

/// What a spike does to the membrane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reset {
    /// Hard reset: 0 after a spike (the paper).
    ToZero,
    /// Soft reset: u − θ after a spike.
    Subtract,
}

/// How the gradient crosses a reset; forward values are the same for all four.
///
/// With M = ∂L/∂v the gradient that arrives from the next step and G = ∂L/∂o that from the layer
/// above: `∂L/∂u = (G + M·∂v/∂o) · ∂o/∂u + M·λ·k`, where the rule chooses ∂v/∂o and k:
///
/// | rule | ∂v/∂o | k, hard reset | k, soft reset |
/// |---|---|---|---|
/// | `Differentiated` | −λu (hard), −λθ (soft) | 1 − o | 1 |
/// | `Detached` | 0 | 1 − o | 1 |
/// | `Cut` | 0 | 1 − o | 1 − o |
/// | `Residual { alpha }` | αλ | 1 − o | 1 − o |
///
/// So after a hard reset `Detached`, `Cut` and `Residual { alpha: 0.0 }` are one and the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ResetGradient {
    /// The reset is differentiated through the spike that causes it (STBP, the paper's baseline).
    Differentiated,
    /// The spike inside the reset counts as a constant.
    Detached,
    /// Nothing crosses a spike.
    Cut,
    /// BPTA, Eq. 10: nothing crosses a spike but a residual α of the next step's gradient, which
    /// then passes the surrogate like any gradient of the spike.
    Residual {
        /// 0 ≤ α ≤ 10⁶; 0.2 in the paper, 0 is BPSA alone.
        alpha: f64,
    },
}
