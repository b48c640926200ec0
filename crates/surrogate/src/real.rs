/// The two precisions a formula is written for: `f32` to train, `f64` to check.
pub trait Real:
    num_traits::Float + std::fmt::Debug + std::iter::Sum + Send + Sync + 'static
{
    /// A constant of the formula in this precision (rounded to nearest in `f32`).
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
}
