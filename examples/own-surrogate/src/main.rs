//! A surrogate of one's own, and Table 4 with it: `cargo run --release -- --profile smoke` in this
//! folder. Every flag of `cargo table4` is there.

use experiments::OwnSurrogate;
use surrogate::{Number, Surrogate};

/// ∂o/∂u = exp(−((u − θ)/σ)²/2): a bell around the threshold.
#[derive(Clone, Copy, Debug)]
struct Gaussian {
    sigma: f64,
}

impl Surrogate for Gaussian {
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let z = (u - threshold) / N::of(self.sigma);
        (-(z * z) / N::of(2.0)).exp()
    }
}

fn main() -> std::process::ExitCode {
    experiments::paper::with_surrogate(
        "table4",
        OwnSurrogate::new("gaussian-0.4", Gaussian { sigma: 0.4 }),
    )
}
