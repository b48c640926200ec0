//! What a comparison measures, what it allows, and the row it becomes.

use anyhow::{Result, ensure};
use candle_core::{DType, Tensor};
use std::fmt;

/// How far a value of ours may lie from the stored one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Not at all.
    Exactly,
    /// Each difference below this part of its own stored value.
    Relative(f64),
    /// Each difference below this.
    Absolute(f64),
    /// Each difference below this part of the tensor's largest absolute value.
    OfLargest(f64),
    /// Each difference below this, for values of about 1; below this part of the largest absolute
    /// value where that is above 1.
    Values(f64),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::Exactly => write!(f, "exactly"),
            Limit::Relative(limit) => write!(f, "{limit:e} relative"),
            Limit::Absolute(limit) => write!(f, "{limit:e}"),
            Limit::OfLargest(limit) => write!(f, "{limit:e} of the largest value"),
            Limit::Values(limit) => write!(f, "{limit:e} of the largest value or of 1"),
        }
    }
}

impl Limit {
    /// The largest error of `ours`, in the measure of this limit; NaN where any of the values is.
    fn error(self, ours: &[f64], golden: &[f64]) -> f64 {
        let largest = golden.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        let scale = |golden: f64| match self {
            Limit::Exactly | Limit::Absolute(_) => 1.0,
            Limit::Relative(_) => golden.abs(),
            Limit::OfLargest(_) => largest,
            Limit::Values(_) => largest.max(1.0),
        };
        let error = |(&ours, &golden): (&f64, &f64)| {
            if ours == golden { 0.0 } else { (ours - golden).abs() / scale(golden) }
        };
        // f64::max would drop a NaN
        ours.iter()
            .zip(golden)
            .map(error)
            .fold(0.0, |m, e| if m.is_nan() || e <= m { m } else { e })
    }

    /// Whether such an error is allowed; NaN is not.
    fn allows(self, error: f64) -> bool {
        match self {
            Limit::Exactly => error == 0.0,
            Limit::Relative(limit)
            | Limit::Absolute(limit)
            | Limit::OfLargest(limit)
            | Limit::Values(limit) => error < limit,
        }
    }
}

/// A tensor of ours and the stored one, both in the stored layout.
pub struct Pair {
    /// The stored tensor's name.
    pub name: String,
    /// What we computed.
    pub ours: Tensor,
    /// What is stored.
    pub golden: Tensor,
}

impl Pair {
    fn error(&self, limit: Limit) -> Result<f64> {
        let (ours, golden) = (&self.ours, &self.golden);
        ensure!(
            ours.dims() == golden.dims(),
            "{}: expected shape {:?}, found {:?} computed",
            self.name,
            golden.dims(),
            ours.dims()
        );
        Ok(limit.error(&values(ours)?, &values(golden)?))
    }
}

/// All values of a tensor of any type, in row-major order.
pub fn values(tensor: &Tensor) -> candle_core::Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// One check and how it went: in both cases what there is to say about it.
#[derive(Debug)]
pub struct Row {
    /// What was checked.
    pub name: String,
    /// `Ok` where it passed.
    pub outcome: Result<String, String>,
}

/// The rows of one file.
pub struct Rows {
    file: String,
    rows: Vec<Row>,
}

impl Rows {
    /// No rows yet of the file `file`, whose name every row's name opens with.
    pub fn new(file: &str) -> Rows {
        Rows { file: file.into(), rows: vec![] }
    }

    /// The rows in the order of their checks.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Adds a row that passes if `outcome` does.
    pub fn add(&mut self, name: &str, outcome: Result<String>) {
        let outcome = outcome.map_err(|error| sentence(&error));
        self.rows.push(Row { name: format!("{} {name}", self.file).trim_end().into(), outcome });
    }

    /// Adds a row that compares whole values, such as lists of names.
    pub fn equal<T: PartialEq + fmt::Debug>(
        &mut self,
        name: &str,
        ours: &T,
        golden: &T,
        told: impl fmt::Display,
    ) {
        let differ = || anyhow::anyhow!("expected {golden:?}, found {ours:?}");
        self.add(name, if ours == golden { Ok(told.to_string()) } else { Err(differ()) });
    }

    /// Adds a row that compares tensors; it passes if all keep to `limit`.
    pub fn compare(&mut self, name: &str, limit: Limit, pairs: Result<Vec<Pair>>) {
        let outcome = pairs.and_then(|pairs| compare(limit, &pairs));
        self.add(name, outcome);
    }

    /// [`Rows::compare`] of one tensor, whose row has its name.
    pub fn compare_one(
        &mut self,
        name: &str,
        limit: Limit,
        ours: Result<Tensor>,
        golden: Result<Tensor>,
    ) {
        let pair = || Ok(vec![Pair { name: name.into(), ours: ours?, golden: golden? }]);
        self.compare(name, limit, pair());
    }
}

/// An error and its causes in one line. The first line of each says it; below may hang a backtrace.
fn sentence(error: &anyhow::Error) -> String {
    let mut lines: Vec<String> = error
        .chain()
        .map(|cause| cause.to_string().lines().next().unwrap_or_default().to_string())
        .collect();
    lines.dedup();
    lines.join(": ")
}

/// The largest error of all pairs, where it is if there are several, and the limit.
fn compare(limit: Limit, pairs: &[Pair]) -> Result<String> {
    let mut errors = pairs
        .iter()
        .map(|pair| Ok((pair.error(limit)?, pair.name.as_str())))
        .collect::<Result<Vec<_>>>()?;
    // NaN counts as the largest error of all
    errors.sort_by(|(a, _), (b, _)| b.abs().total_cmp(&a.abs()));
    let Some(&(worst, place)) = errors.first() else { anyhow::bail!("found nothing to compare") };
    let told = format!("largest error {} (limit {limit})", number(worst));
    let failing: Vec<&str> =
        errors.iter().filter(|(e, _)| !limit.allows(*e)).map(|(_, name)| *name).collect();
    match (pairs.len(), failing.len()) {
        (1, 0) => Ok(told),
        (n, 0) if worst == 0.0 => Ok(format!("{told}, {n} tensors")),
        (n, 0) => Ok(format!("{told}, {n} tensors, there {place}")),
        (1, _) => Err(anyhow::anyhow!(told)),
        (n, wrong) => Err(anyhow::anyhow!(
            "{told}, {wrong} of {n} tensors: {}",
            failing[..wrong.min(4)].join(", ")
        )),
    }
}

fn number(error: f64) -> String {
    if error == 0.0 { "0".into() } else { format!("{error:.1e}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    fn pair(ours: &[f64], golden: &[f64]) -> Pair {
        let tensor = |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap();
        Pair { name: "w".into(), ours: tensor(ours), golden: tensor(golden) }
    }

    fn told(limit: Limit, ours: &[f64], golden: &[f64]) -> Result<String, String> {
        compare(limit, &[pair(ours, golden)]).map_err(|e| e.to_string())
    }

    #[test]
    fn each_limit_holds_its_own_measure() {
        let golden = [1.0, -1000.0, 0.0];
        let within = [1.0 + 9e-4, -1000.0, 0.0];
        let beyond = [1.0, -1000.0 - 1.1, 0.0];
        assert_eq!(
            told(Limit::OfLargest(1e-3), &within, &golden).unwrap(),
            "largest error 9.0e-7 (limit 1e-3 of the largest value)"
        );
        assert!(
            told(Limit::OfLargest(1e-3), &beyond, &golden)
                .unwrap_err()
                .starts_with("largest error 1.1e-3")
        );
        assert!(told(Limit::Relative(1e-3), &within, &golden).is_ok());
        assert!(told(Limit::Relative(1e-3), &beyond, &golden).is_err());
        assert!(told(Limit::Absolute(1e-3), &within, &golden).is_ok());
        assert!(told(Limit::Absolute(1e-3), &beyond, &golden).is_err());
        assert!(told(Limit::Values(1e-3), &within, &golden).is_ok());
        assert!(told(Limit::Values(1e-3), &beyond, &golden).is_err());
        assert!(told(Limit::Values(1e-3), &[1e-2], &[0.0]).is_err());
        assert!(told(Limit::Exactly, &within, &golden).is_err());
        assert_eq!(
            told(Limit::Exactly, &golden, &golden).unwrap(),
            "largest error 0 (limit exactly)"
        );
    }

    #[test]
    fn an_error_equal_to_the_limit_is_not_below_it() {
        assert!(told(Limit::Absolute(0.5), &[1.5], &[1.0]).is_err());
        assert!(told(Limit::Absolute(0.5), &[1.25], &[1.0]).is_ok());
    }

    #[test]
    fn a_stored_zero_allows_no_relative_error() {
        for limit in [Limit::Relative(1e-6), Limit::OfLargest(1e-3)] {
            assert!(told(limit, &[1e-30], &[0.0]).unwrap_err().contains("error inf"));
            assert!(told(limit, &[-0.0], &[0.0]).is_ok());
        }
    }

    #[test]
    fn nan_fails_on_either_side_and_is_not_hidden_by_a_number() {
        for limit in [
            Limit::Exactly,
            Limit::Relative(1e-6),
            Limit::Absolute(1e-6),
            Limit::OfLargest(1e-3),
            Limit::Values(1e-3),
        ] {
            for (ours, golden) in [([f64::NAN, 1.0], [1.0, 1.0]), ([5.0, 1.0], [5.0, f64::NAN])] {
                assert!(
                    told(limit, &ours, &golden).unwrap_err().contains("largest error NaN"),
                    "{limit}"
                );
            }
        }
        assert!(told(Limit::Absolute(1.0), &[f64::INFINITY], &[0.0]).is_err());
    }

    #[test]
    fn shapes_must_be_equal_and_nothing_is_not_a_pass() {
        let error = told(Limit::Absolute(1.0), &[1.0, 1.0], &[1.0]).unwrap_err();
        assert_eq!(error, "w: expected shape [1], found [2] computed");
        assert_eq!(
            compare(Limit::Exactly, &[]).unwrap_err().to_string(),
            "found nothing to compare"
        );
    }

    #[test]
    fn a_row_is_one_line() {
        let mut rows = Rows::new("f");
        rows.add("a", Err(anyhow::anyhow!("cause\n 0: main").context("what\n 1: start")));
        let row = &rows.into_rows()[0];
        assert_eq!(
            (row.name.as_str(), row.outcome.as_ref().unwrap_err().as_str()),
            ("f a", "what: cause")
        );
    }

    #[test]
    fn a_failing_row_names_the_tensors_at_fault() {
        let pairs = [pair(&[1.0], &[1.0]), Pair { name: "b".into(), ..pair(&[2.0], &[1.0]) }];
        let error = compare(Limit::Absolute(0.1), &pairs).unwrap_err().to_string();
        assert_eq!(error, "largest error 1.0e0 (limit 1e-1), 1 of 2 tensors: b");
    }
}
