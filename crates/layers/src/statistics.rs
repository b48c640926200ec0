//! What a training pass of batch norm found.

use candle_core::Tensor;

/// Statistics of one training pass, one row for each set that was normalised together: `[T, C]`
/// over steps, `[1, C]` over time.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// μ.
    pub mean: Tensor,
    /// σ² with the unbiased divisor n − 1, as running variances are kept.
    pub unbiased_var: Tensor,
    /// That of the norm.
    pub momentum: f64,
}
