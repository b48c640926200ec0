//! How soon a network is right, and how soon it stays with what it says, from the votes of each
//! step.

/// Decisions after the first t steps, for every t.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anytime {
    /// Samples.
    pub samples: u64,
    /// Samples that are right when only the votes of the first t steps count; `[0]` belongs to t =
    /// 1.
    pub correct: Vec<u64>,
    /// Samples whose decision after t steps stays the same at all later steps; `[0]` belongs to
    /// t = 1. Never falls, and the last entry is all samples; the difference of neighbours is how
    /// many became final at that step.
    pub final_from_step: Vec<u64>,
    /// The class of each sample after all steps.
    pub predictions: Vec<u32>,
}

/// Votes, their sizes and their labels do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "votes of {place}: expected {expected}, found {found}; give votes [T, B, K] with a label below K for each sample"
)]
pub struct Unfit {
    place: &'static str,
    expected: String,
    found: String,
}

/// The decisions of `votes` `[T, B, K]`, one sample's class being the largest sum of votes so far,
/// of equal sums the lowest class. Sums are f32 in the order of time, as in the scores of a
/// network, so that the last decision is that of an evaluation to the bit.
///
/// # Errors
/// If the number of votes or labels does not fit `[steps, samples, classes]`, one of them is 0, or
/// a label is no class.
pub fn anytime(
    votes: &[f32],
    [steps, samples, classes]: [usize; 3],
    labels: &[u32],
) -> Result<Anytime, Unfit> {
    check(votes, [steps, samples, classes], labels)?;
    let mut out = Anytime {
        samples: samples as u64,
        correct: vec![0; steps],
        final_from_step: vec![0; steps],
        predictions: Vec::with_capacity(samples),
    };
    for (sample, &label) in labels.iter().enumerate() {
        let mut sums = vec![0f32; classes];
        let decisions: Vec<usize> = (0..steps)
            .map(|t| {
                let votes = &votes[(t * samples + sample) * classes..][..classes];
                sums.iter_mut().zip(votes).for_each(|(sum, vote)| *sum += vote);
                first_largest(&sums)
            })
            .collect();
        let last = decisions[steps - 1];
        let settled = decisions.iter().rposition(|&class| class != last).map_or(0, |t| t + 1);
        for (t, &class) in decisions.iter().enumerate() {
            out.correct[t] += u64::from(class == label as usize);
            out.final_from_step[t] += u64::from(t >= settled);
        }
        out.predictions.push(last as u32);
    }
    Ok(out)
}

impl Anytime {
    /// Accuracy in percent after t steps; `[0]` belongs to t = 1.
    pub fn percent(&self) -> Vec<f64> {
        self.correct.iter().map(|&correct| 100.0 * correct as f64 / self.samples as f64).collect()
    }

    /// Adds the decisions of other samples.
    ///
    /// # Errors
    /// If they were made in another number of steps; nothing is added then.
    pub fn merge(&mut self, other: Anytime) -> Result<(), Unfit> {
        if self.samples == 0 {
            *self = other;
            return Ok(());
        }
        if self.correct.len() != other.correct.len() {
            return Err(unfit(
                "two batches",
                format!("{} steps", self.correct.len()),
                other.correct.len().to_string(),
            ));
        }
        self.samples += other.samples;
        let add = |a: &mut Vec<u64>, b: &[u64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.correct, &other.correct);
        add(&mut self.final_from_step, &other.final_from_step);
        self.predictions.extend(other.predictions);
        Ok(())
    }
}

fn unfit(place: &'static str, expected: String, found: String) -> Unfit {
    Unfit { place, expected, found }
}

fn check(votes: &[f32], sizes: [usize; 3], labels: &[u32]) -> Result<(), Unfit> {
    let [_, samples, classes] = sizes;
    let values = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size)).unwrap_or(0);
    if values == 0 || values != votes.len() {
        let expected = format!("as many as {sizes:?} holds, and none of these 0");
        return Err(unfit("all steps", expected, format!("{} values", votes.len())));
    }
    if labels.len() != samples {
        return Err(unfit("a batch", format!("{samples} labels"), labels.len().to_string()));
    }
    match labels.iter().find(|&&label| label as usize >= classes) {
        Some(label) => {
            Err(unfit("a sample", format!("a label below {classes}"), label.to_string()))
        }
        None => Ok(()),
    }
}

fn first_largest(sums: &[f32]) -> usize {
    let larger = |best: usize, (i, sum): (usize, &f32)| if *sum > sums[best] { i } else { best };
    sums.iter().enumerate().fold(0, larger)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Two samples, three steps, two classes. The first is right from step 2 on, the second changes
    /// its mind at step 3.
    const VOTES: [f32; 12] = [0.5, 0.25, 1.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.0, 1.0];

    #[test]
    fn decisions_by_hand() {
        let found = anytime(&VOTES, [3, 2, 2], &[1, 0]).unwrap();
        // sums of sample 0: (.5 .25) (.5 .75) (.5 1.25); of sample 1: (1 0) (1 .5) (1 1.5)
        assert_eq!(found.correct, [1, 2, 1]);
        assert_eq!(found.final_from_step, [0, 1, 2]);
        assert_eq!(found.predictions, [1, 1]);
        assert_eq!(found.percent(), [50.0, 100.0, 50.0]);
    }

    #[test]
    fn equal_sums_mean_the_lowest_class_and_batches_add_up() {
        let mut all = Anytime::default();
        all.merge(anytime(&[0.5, 0.5, 0.5, 0.5], [2, 1, 2], &[0]).unwrap()).unwrap();
        all.merge(anytime(&[0.0, 0.0, 0.0, 0.0], [2, 1, 2], &[1]).unwrap()).unwrap();
        assert_eq!(all.correct, [1, 1]);
        assert_eq!(all.final_from_step, [2, 2]);
        assert_eq!((all.samples, all.predictions.clone()), (2, vec![0, 0]));
        let error = all.merge(anytime(&[0.0, 1.0], [1, 1, 2], &[1]).unwrap()).unwrap_err();
        assert!(error.to_string().contains("expected 2 steps, found 1"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (sizes, labels, words) in [
            ([3, 2, 3], &[0, 0][..], "found 12 values"),
            ([0, 2, 2], &[0, 0], "none of these 0"),
            ([3, 2, 2], &[0], "expected 2 labels, found 1"),
            ([3, 2, 2], &[0, 2], "expected a label below 2, found 2"),
        ] {
            let error = anytime(&VOTES, sizes, labels).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
