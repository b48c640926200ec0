//! Sine and cosine made of operations that are rounded exactly, so that a seed means the same
//! recording on every machine.

use std::f64::consts::TAU;

/// sin and cos of `angle` in radians, by their series in f64 after whole turns are taken away.
pub(super) fn sin_cos(angle: f32) -> (f32, f32) {
    let turns = f64::from(angle) / TAU;
    let x = (turns - turns.round()) * TAU;
    // |x| ≤ π: the first term left out is below 2·10⁻¹³
    let series = |first: u32| {
        let nested = (0..11).rev().fold(1.0, |sum, k| {
            1.0 - sum * x * x / f64::from((2 * k + first + 1) * (2 * k + first + 2))
        });
        nested * if first == 1 { x } else { 1.0 }
    };
    (series(1) as f32, series(0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_library_s() {
        for k in -20_000..20_000_i16 {
            let angle = f32::from(k) * 1e-3;
            let (sin, cos) = sin_cos(angle);
            let (s, c) = f64::from(angle).sin_cos();
            assert!(
                (f64::from(sin) - s).abs() < 1e-7 && (f64::from(cos) - c).abs() < 1e-7,
                "{angle}: {sin} {cos}"
            );
        }
    }
}
