use anyhow::{Context, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Timings of one case in milliseconds, in the order they were taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Samples(pub Vec<f64>);

impl Samples {
    /// The middle timing, or the mean of the two in the middle; NaN without any.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        (middle(sorted.len() / 2) + middle(sorted.len().saturating_sub(1) / 2)) / 2.0
    }

    /// The shortest timing; infinite without any.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The longest timing; minus infinity without any.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Something to time.
pub struct Case<'a> {
    /// What the table and the JSON call it.
    pub name: &'static str,
    run: Box<dyn FnMut() -> Result<()> + 'a>,
}

impl<'a> Case<'a> {
    /// A case that runs `run` once a round; what that returns is dropped inside the timing, since a
    /// training step pays for giving memory back as well.
    pub fn new<T>(
        name: &'static str,
        mut run: impl FnMut() -> candle_core::Result<T> + 'a,
    ) -> Self {
        let run = move || {
            black_box(run()?);
            Ok(())
        };
        Self { name, run: Box::new(run) }
    }
}

/// Times every case once a round, round after round, after a round that is not counted.
///
/// # Errors
/// The first error of a case, with its name.
pub fn time_in_turn(cases: &mut [Case], rounds: usize) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples(Vec::with_capacity(rounds)); cases.len()];
    for round in 0..=rounds {
        for (case, samples) in cases.iter_mut().zip(&mut samples) {
            let start = Instant::now();
            (case.run)().with_context(|| format!("in '{}'", case.name))?;
            let ms = start.elapsed().as_secs_f64() * 1e3;
            if round > 0 {
                samples.0.push(ms);
            }
        }
    }
    Ok(samples)
}

/// Copies `from` to `to`, of the same length, one piece a thread: pieces this large are written
/// past the caches.
pub fn copy_in_parallel(from: &[f32], to: &mut [f32]) {
    let piece = from.len().div_ceil(rayon::current_num_threads()).max(1);
    to.par_chunks_mut(piece)
        .zip(from.par_chunks(piece))
        .for_each(|(to, from)| to.copy_from_slice(from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_there() {
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 9.0]).median(), 3.0);
        assert!(Samples(Vec::new()).median().is_nan());
    }

    #[test]
    fn cases_take_turns_and_the_first_round_is_not_counted() -> Result<()> {
        let order = std::cell::RefCell::new(String::new());
        let case = |name: &'static str| {
            let order = &order;
            Case::new(name, move || {
                order.borrow_mut().push_str(name);
                Ok(())
            })
        };
        let samples = time_in_turn(&mut [case("a"), case("b")], 2)?;
        assert_eq!(*order.borrow(), "ababab");
        assert_eq!(samples.iter().map(|s| s.0.len()).collect::<Vec<_>>(), [2, 2]);
        Ok(())
    }

    #[test]
    fn a_copy_is_whole_whatever_the_length() {
        for n in [0, 1, 7, 1000] {
            let from: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let mut to = vec![-1.0; n];
            copy_in_parallel(&from, &mut to);
            assert_eq!(from, to);
        }
    }
}
