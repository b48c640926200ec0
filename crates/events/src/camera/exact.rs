//! Functions made of operations that are rounded exactly, so that they have the same bits on every
//! machine; those of a system's mathematics library may differ in the last bit, which moves an
//! event by a microsecond.

use std::f64::consts::{LN_2, SQRT_2};

use rand::RngCore;

/// ln x for a normal number x > 0: the exponent times ln 2, and 2 artanh((m − 1)/(m + 1)) of the
/// mantissa m in [√½, √2] by its series. Within 4 ulp.
pub(super) fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52 & 0x7ff) as f64 - 1023.0;
    let mut m = f64::from_bits(bits & MANTISSA | 1023 << 52);
    if m > SQRT_2 {
        m /= 2.0;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let series = (0..11).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    exponent * LN_2 + 2.0 * s * series
}

/// A number of mean 0 and deviation 1 that is close to Gaussian: the sum of four uniform ones,
/// which ends at ±3.46.
pub(super) fn normal(rng: &mut impl RngCore) -> f32 {
    const SQRT_3: f32 = 1.732_050_8;
    let word = rng.next_u64();
    let sum: u64 = (0..4).map(|k| word >> (16 * k) & 0xffff).sum();
    (sum as f32 / 65_536.0 - 4.0 * 32_767.5 / 65_536.0) * SQRT_3
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_logarithm_is_the_library_s_within_4_ulp() {
        for k in 1..20_000_u32 {
            for x in [f64::from(k) / 977.0, f64::from(k).powi(9), 1.0 / f64::from(k).powi(5)] {
                let (ours, theirs) = (ln(x), x.ln());
                assert!(
                    (ours - theirs).abs() <= 4.0 * f64::EPSILON * theirs.abs(),
                    "ln {x}: {ours}, {theirs}"
                );
            }
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let all: Vec<f64> = (0..100_000).map(|_| f64::from(normal(&mut rng))).collect();
        let mean = all.iter().sum::<f64>() / 1e5;
        let variance = all.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
