use std::fmt;

/// Mean and spread of one metric over seeds.
///
/// `{:.1}` prints `94.3 ± 0.5`, and `{:#.1}` prints `94.3 ± 0.5 (n=3)`; without a precision one decimal is printed. A
/// single value has no spread, and none is printed.
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
    /// Sample standard deviation, √(Σ(x − mean)² / (n − 1)), in the unit of the values; `None` for a single value.
    pub sd: Option<f64>,
}

/// Summarises `values`; `None` when there are none. A NaN among the values makes mean and deviation NaN.
pub fn summary(values: &[f64]) -> Option<Summary> {
    if values.is_empty() {
        return None;
    }
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    // Two passes: the one-pass formula loses all digits when the values are close to each other, as seeds are.
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
}
