//! Student's t distribution with a whole number of degrees of freedom.

use std::f64::consts::PI;

/// The t that a variable with `df` degrees of freedom, 1 or more, stays within with probability
/// `within`, 0 to 1: P(|x| < t) = `within`. For a 95 % confidence interval `within` is 0.95.
pub(crate) fn two_sided(within: f64, df: usize) -> f64 {
    // in the angle arctan(t / √df) the probability rises on a finite range, which bisection halves
    // down to the last bit
    let (mut low, mut high) = (0.0, PI / 2.0);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if probability(middle, df) < within { low = middle } else { high = middle }
    }
    (df as f64).sqrt() * (0.5 * (low + high)).tan()
}

/// P(|x| < √df tan θ): the finite sums of Abramowitz and Stegun, Handbook of Mathematical
/// Functions, 26.7.3 and 26.7.4.
fn probability(angle: f64, df: usize) -> f64 {
    let (sin, cos) = angle.sin_cos();
    let odd = df % 2 == 1;
    let mut term = if odd { sin * cos } else { sin };
    let mut sum = if odd && df == 1 { 0.0 } else { term };
    for k in (if odd { 3..df } else { 2..df }).step_by(2) {
        term *= cos * cos * (k - 1) as f64 / k as f64;
        sum += term;
        if term < 1e-18 {
            break; // the terms fall; with millions of degrees of freedom few of them count
        }
    }
    if odd { 2.0 / PI * (angle + sum) } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabulated_quantiles() {
        for (df, t) in [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (10, 2.228),
            (20, 2.086),
            (30, 2.042),
            (100, 1.984),
            (1000, 1.962),
        ] {
            assert!((two_sided(0.95, df) - t).abs() < 5e-4, "{df}: {}", two_sided(0.95, df));
        }
        assert!((two_sided(0.99, 4) - 4.604).abs() < 5e-4);
        assert!((two_sided(0.95, 1_000_000) - 1.959966).abs() < 2e-6, "nearly normal");
    }

    #[test]
    fn closed_forms_to_ten_digits() {
        for within in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let one = (PI / 2.0 * within).tan();
            let two = within * (2.0 / (1.0 - within * within)).sqrt();
            assert!((two_sided(within, 1) / one - 1.0).abs() < 1e-10, "{within}");
            assert!((two_sided(within, 2) / two - 1.0).abs() < 1e-10, "{within}");
        }
    }

    /// The probability as the integral of the density, by Simpson's rule.
    #[test]
    fn the_integral_of_the_density_agrees() {
        for df in 3..40 {
            let n = df as f64;
            let density = |x: f64| (1.0 + x * x / n).powf(-(n + 1.0) / 2.0);
            // normalised by itself: the whole integral in the angle, ∫ cos^(n−1) dθ
            let simpson = |f: &dyn Fn(f64) -> f64, to: f64| {
                let h = to / 20_000.0;
                (0..=20_000)
                    .map(|k| {
                        f(k as f64 * h)
                            * if k == 0 || k == 20_000 { 1.0 } else { 2.0 + 2.0 * f64::from(k % 2) }
                    })
                    .sum::<f64>()
                    * h
                    / 3.0
            };
            let whole = n.sqrt() * simpson(&|a| a.cos().powf(n - 1.0), PI / 2.0);
            let t = two_sided(0.95, df);
            let within = simpson(&density, t) / whole;
            assert!((within - 0.95).abs() < 1e-9, "{df}: {within}");
        }
    }
}
