//! Two classifiers on the same samples: McNemar's test, and which samples one was right on as text.

/// How often only one of two classifiers was right.
///
/// ```
/// use report::McNemar;
/// let test = McNemar::of(&[true, true, false, true], &[true, false, false, false]);
/// assert_eq!((test.first_alone, test.second_alone), (2, 0));
/// assert_eq!(test.p(), 0.5);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct McNemar {
    /// Samples on which only the first was right.
    pub first_alone: u64,
    /// Samples on which only the second was.
    pub second_alone: u64,
}

impl McNemar {
    /// Of the same samples in the same order; what is beyond the shorter list does not count.
    pub fn of(first: &[bool], second: &[bool]) -> Self {
        let alone = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count();
        Self { first_alone: alone(first, second) as u64, second_alone: alone(second, first) as u64 }
    }

    /// Both together, of two sets of samples that share none.
    pub fn with(self, other: Self) -> Self {
        Self {
            first_alone: self.first_alone + other.first_alone,
            second_alone: self.second_alone + other.second_alone,
        }
    }

    /// The two-sided p of equal classifiers, exact: how likely a coin that is thrown for each
    /// sample on which one alone was right falls at least as unevenly. 1 where there is none.
    ///
    /// Source: McNemar, "Note on the sampling error of the difference between correlated
    /// proportions or percentages", Psychometrika 12, 1947; exact by the binomial distribution.
    pub fn p(self) -> f64 {
        let n = self.first_alone + self.second_alone;
        let fewer = self.first_alone.min(self.second_alone);
        // P(k) = C(n, k) / 2ⁿ from P(k − 1), as logarithms: 2⁻ⁿ alone is below what f64 holds
        let mut log = -(n as f64) * std::f64::consts::LN_2;
        let mut tail = log.exp();
        for k in 1..=fewer {
            log += ((n - k + 1) as f64 / k as f64).ln();
            tail += log.exp();
        }
        (2.0 * tail).min(1.0)
    }
}

/// Which samples were right, in order, as hexadecimal digits: four samples a digit, the first the
/// highest bit; what fills the last digit is 0.
pub fn outcome_text(right: &[bool]) -> String {
    let digit = |four: &[bool]| {
        let bits = four.iter().enumerate().map(|(i, &right)| u32::from(right) << (3 - i));
        char::from_digit(bits.sum(), 16).unwrap_or('0')
    };
    right.chunks(4).map(digit).collect()
}

/// The first `samples` of [`outcome_text`]; `None` for a text of another length, or that is none.
pub fn outcome_of(text: &str, samples: usize) -> Option<Vec<bool>> {
    let mut right = Vec::with_capacity(4 * text.len());
    for digit in text.chars() {
        let four = digit.to_digit(16).filter(|_| !digit.is_ascii_uppercase())?;
        right.extend((0..4).map(|i| four >> (3 - i) & 1 == 1));
    }
    let whole = text.len() == samples.div_ceil(4);
    let rest = right.get(samples..)?;
    if !whole || rest.contains(&true) {
        return None;
    }
    right.truncate(samples);
    Some(right)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Values of sums of whole numbers, 2·Σ C(n, k) / 2ⁿ, as `binom.test` of R has them.
    #[test]
    fn p_is_that_of_the_binomial_test() {
        for (first_alone, second_alone, p) in [
            (0, 0, 1.0),
            (3, 3, 1.0),
            (0, 1, 1.0),
            (0, 5, 0.0625),
            (1, 9, 0.021_484_375),
            (5, 15, 0.041_389_465_332_031),
            (59, 6, 4.964_650_327e-12),
        ] {
            let test = McNemar { first_alone, second_alone };
            let other = McNemar { first_alone: second_alone, second_alone: first_alone };
            assert!((test.p() / p - 1.0).abs() < 1e-9, "{test:?}: {}", test.p());
            assert_eq!(test.p(), other.p());
        }
    }

    #[test]
    fn many_samples_are_no_trouble() {
        // 2⁻⁹⁷⁸³ is far below the smallest f64; the sum of whole numbers gives this
        let test = McNemar { first_alone: 5050, second_alone: 4733 };
        assert!((test.p() / 0.001_397_800_011_284_9 - 1.0).abs() < 1e-9, "{}", test.p());
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let right = [true, false, false, true, true];
        assert_eq!(outcome_text(&right), "98");
        assert_eq!(outcome_of("98", 5).unwrap(), right);
        assert_eq!(outcome_text(&[]), "");
        assert_eq!(outcome_of("", 0).unwrap(), [true; 0]);
        for wrong in ["9", "988", "9c", "9 ", "g8", "9é"] {
            assert_eq!(outcome_of(wrong, 5), None, "{wrong}");
        }
        assert_eq!(outcome_of("A8", 5), None, "one way to write it");
    }
}
