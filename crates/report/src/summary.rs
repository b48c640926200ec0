use std::fmt;

use crate::student;

/// Mean and spread of one metric over seeds.
///
/// `{:.1}` prints `94.3 ± 0.5`, and `{:#.1}` prints `94.3 ± 0.5 (n=3)`; without a precision one
/// decimal is printed. A single value has no spread, and none is printed.
///
/// ```
/// let s = report::summary(&[93.8, 94.3, 94.8]).unwrap();
/// assert_eq!(format!("{s:.1}"), "94.3 ± 0.5");
/// assert_eq!(format!("{s:#.2}"), "94.30 ± 0.50 (n=3)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean, in the unit of the values.
    pub mean: f64,
    /// Sample standard deviation, √(Σ(x − mean)² / (n − 1)), in the unit of the values; `None` for
    /// a single value.
    pub sd: Option<f64>,
}

/// Summarises `values`; `None` when there are none. A NaN among the values makes mean and deviation
/// NaN.
pub fn summary(values: &[f64]) -> Option<Summary> {
    if values.is_empty() {
        return None;
    }
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    // Two passes: the one-pass formula loses all digits when the values are close to each other, as
    // seeds are.
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    Some(Summary { n, mean, sd })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let decimals = f.precision().unwrap_or(1);
        write!(f, "{:.decimals$}", self.mean)?;
        if let Some(sd) = self.sd {
            write!(f, " ± {sd:.decimals$}")?;
        }
        if f.alternate() {
            write!(f, " (n={})", self.n)?;
        }
        Ok(())
    }
}

/// What one method gains on another, run on the same seeds.
///
/// It prints as `+1.2 [0.3, 2.1] (n=5)`: mean difference, 95 % confidence interval, pairs; with one
/// decimal, or the precision asked for.
///
/// ```
/// let gain = report::paired(&[94.1, 95.0, 94.6], &[93.0, 93.5, 93.3]).unwrap();
/// assert_eq!(format!("{gain:.2}"), "+1.30 [0.80, 1.80] (n=3)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Number of pairs.
    pub n: usize,
    /// Mean of the differences, in the unit of the values.
    pub mean: f64,
    /// Sample standard deviation of the differences, in the unit of the values.
    pub sd: f64,
    /// Lower end of the 95 % confidence interval of the mean difference: mean − t·sd/√n, where t
    /// belongs to Student's distribution with n − 1 degrees of freedom.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The differences `a[k] − b[k]`, where `a[k]` and `b[k]` come from the same seed; `None` for fewer
/// than two pairs or lists of different length. A NaN among the values makes all results NaN.
pub fn paired(a: &[f64], b: &[f64]) -> Option<Paired> {
    if a.len() != b.len() {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let Summary { n, mean, sd: Some(sd) } = summary(&differences)? else { return None };
    let reach = student::two_sided(0.95, n - 1) * sd / (n as f64).sqrt();
    Some(Paired { n, mean, sd, low: mean - reach, high: mean + reach })
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let decimals = f.precision().unwrap_or(1);
        let Paired { n, mean, low, high, .. } = self;
        write!(f, "{mean:+.decimals$} [{low:.decimals$}, {high:.decimals$}] (n={n})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sample_deviation_divides_by_n_minus_one() {
        let s = summary(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((s.n, s.mean), (8, 5.0));
        assert!((s.sd.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_value_has_no_deviation_and_none_has_no_summary() {
        let s = summary(&[94.26]).unwrap();
        assert_eq!(s, Summary { n: 1, mean: 94.26, sd: None });
        assert_eq!(format!("{s:.1}"), "94.3");
        assert_eq!(format!("{s:#}"), "94.3 (n=1)");
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn close_values_keep_their_digits() {
        let s = summary(&[1e9, 1e9 + 1.0, 1e9 + 2.0]).unwrap();
        assert_eq!(s.sd, Some(1.0));
    }

    #[test]
    fn nan_is_shown_not_hidden() {
        assert_eq!(format!("{}", summary(&[1.0, f64::NAN]).unwrap()), "NaN ± NaN");
    }

    #[test]
    fn a_paired_difference_has_students_interval() {
        let p = paired(&[3.0, 5.0, 4.0, 6.0, 7.0], &[2.0, 3.0, 4.0, 5.0, 5.0]).unwrap();
        // differences 1, 2, 0, 1, 2: mean 1.2, variance 0.7
        assert_eq!(p.n, 5);
        assert!((p.mean - 1.2).abs() < 1e-12 && (p.sd - 0.7f64.sqrt()).abs() < 1e-12);
        let reach = 2.776_445_105_198 * (0.7f64 / 5.0).sqrt();
        assert!(
            (p.low - (1.2 - reach)).abs() < 1e-8 && (p.high - (1.2 + reach)).abs() < 1e-8,
            "{p:?}"
        );
        assert_eq!(p.to_string(), "+1.2 [0.2, 2.2] (n=5)");
        assert_eq!(
            format!("{:.2}", paired(&[1.0, 1.0], &[2.0, 2.0]).unwrap()),
            "-1.00 [-1.00, -1.00] (n=2)"
        );
    }

    #[test]
    fn no_pairs_no_difference() {
        assert_eq!(paired(&[], &[]), None);
        assert_eq!(paired(&[1.0], &[2.0]), None);
        assert_eq!(paired(&[1.0, 2.0], &[2.0]), None);
        assert!(paired(&[1.0, f64::NAN], &[2.0, 1.0]).unwrap().low.is_nan());
        assert!(paired(&[1.0, f64::INFINITY], &[2.0, 1.0]).unwrap().sd.is_nan());
    }
}
