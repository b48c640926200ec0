use std::fmt;

/// The values that a number of a [`crate::Setup`] takes. Shown as words:
/// `a whole number from 1 to 1048576`, `a number above 0 and at most 1000`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    high: f64,
    bounds: Bounds,
}

/// Which of a range's bounds belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bounds {
    /// Whole numbers, both bounds among them.
    Whole,
    /// Both.
    Closed,
    /// The upper one.
    Above,
    /// The lower one.
    Below,
}

/// A number of plain data lies outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {expected}, found {found}")]
pub struct BadField {
    /// The field's place, such as `adamw.beta1`.
    pub field: String,
    /// What it takes, in words.
    pub expected: String,
    /// What it has.
    pub found: String,
}

impl Range {
    /// Whole numbers from `low` to `high`.
    pub const fn whole(low: u32, high: u32) -> Self {
        Self { low: low as f64, high: high as f64, bounds: Bounds::Whole }
    }

    const fn real(low: f64, high: f64, bounds: Bounds) -> Self {
        Self { low, high, bounds }
    }

    /// Passes over the training set.
    pub const EPOCHS: Self = Self::whole(1, 1_000_000);
    /// The learning rate before the schedule.
    pub const LEARNING_RATE: Self = Self::real(0.0, 1000.0, Bounds::Above);

    /// The range of a field of [`crate::Setup`], by its place in it, such as `adamw.beta1`. Every
    /// program that takes such a number takes this range.
    pub fn of(field: &str) -> Option<Self> {
        let known = RANGES.iter().find(|(name, _)| *name == field);
        known.map(|&(_, range)| range)
    }

    /// Whether `value` is one of its values. A run computes in f32: what that takes for 0 is none,
    /// but 0 itself.
    pub fn holds(&self, value: f64) -> bool {
        let Self { low, high, bounds } = *self;
        if vanishes(value) {
            return false;
        }
        match bounds {
            Bounds::Whole => value.fract() == 0.0 && (low..=high).contains(&value),
            Bounds::Closed => (low..=high).contains(&value),
            Bounds::Above => value > low && value <= high,
            Bounds::Below => (low..high).contains(&value),
        }
    }

    /// `value`, which is the field's, if it is one of its values.
    ///
    /// # Errors
    /// A value outside the range; it names field, range and value.
    pub fn check(&self, field: &str, value: impl Into<Number>) -> Result<(), BadField> {
        let value: Number = value.into();
        let (number, found) = match value {
            Number::Whole(n) => (n as f64, n.to_string()),
            Number::Real(x) => (x, sentence::number(x)),
        };
        if self.holds(number) {
            return Ok(());
        }
        let expected = match vanishes(number) {
            true => format!("{self} that f32 does not take for 0"),
            false => self.to_string(),
        };
        Err(BadField { field: field.into(), expected, found })
    }
}

/// Whether f32, in which a run computes, takes a number for 0 that is none.
fn vanishes(number: f64) -> bool {
    number != 0.0 && number as f32 == 0.0
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, high, bounds } = *self;
        match bounds {
            Bounds::Whole => write!(f, "a whole number from {low} to {high}"),
            Bounds::Closed => write!(f, "a number from {} to {high}", sentence::number(low)),
            Bounds::Above => write!(f, "a number above {low} and at most {high}"),
            Bounds::Below => write!(f, "a number from {low} to below {high}"),
        }
    }
}

/// A field's value on its way to a [`Range`].
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A count.
    Whole(usize),
    /// A real number.
    Real(f64),
}

impl From<usize> for Number {
    fn from(n: usize) -> Self {
        Self::Whole(n)
    }
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

/// The range of every number of a setup.
///
/// PyTorch's AdamW refuses a negative rate, ε or decay and a β outside [0, 1), and so does this.
/// It takes ε = 0, and this does not: a layer that never fires has gradients of exactly zero, and
/// 0/0 would be its step. The upper bounds are far beyond what trains; a number beyond them is a
/// typing error, and better a sentence than a diverged run.
const RANGES: [(&str, Range); 34] = [
    ("epochs", Range::EPOCHS),
    ("batch", Range::whole(1, 1 << 20)),
    ("learning_rate", Range::LEARNING_RATE),
    ("ramp_epochs", Range::whole(0, 1_000_000)),
    ("adamw.beta1", Range::real(0.0, 1.0, Bounds::Below)),
    ("adamw.beta2", Range::real(0.0, 1.0, Bounds::Below)),
    ("adamw.eps", Range::real(1e-30, 1.0, Bounds::Closed)),
    ("adamw.weight_decay", Range::real(0.0, 1000.0, Bounds::Closed)),
    ("neuron_weight_decay", Range::real(0.0, 1000.0, Bounds::Closed)),
    ("augment.padding", Range::whole(0, 1024)),
    ("augment.degrees", Range::real(0.0, 180.0, Bounds::Closed)),
    ("side", Range::whole(1, 4096)),
    ("warm_up.ann.epochs", Range::whole(0, 1_000_000)),
    ("warm_up.sigmoid-when-silent.rate", Range::real(0.0, 1.0, Bounds::Closed)),
    ("objective.tet.lambda", Range::real(0.0, 1.0, Bounds::Closed)),
    ("objective.tet.target", Range::real(0.0, 1e6, Bounds::Closed)),
    ("objective.counts.right", Range::real(0.0, 65_536.0, Bounds::Closed)),
    ("objective.counts.wrong", Range::real(0.0, 65_536.0, Bounds::Closed)),
    ("objective.traces.tau", Range::real(1.0, 65_536.0, Bounds::Closed)),
    ("objective.traces.period", Range::whole(1, 65_536)),
    ("head.membrane.decay", Range::real(0.0, 1.0, Bounds::Above)),
    ("head.charge.decay", Range::real(0.0, 1.0, Bounds::Above)),
    ("optimiser.sgd.momentum", Range::real(0.0, 1.0, Bounds::Below)),
    ("optimiser.sgd.weight_decay", Range::real(0.0, 1000.0, Bounds::Closed)),
    ("schedule.step.every", Range::whole(1, 1_000_000)),
    ("schedule.step.factor", Range::real(0.0, 1.0, Bounds::Above)),
    ("schedule.multistep.factor", Range::real(0.0, 1.0, Bounds::Above)),
    ("schedule.cosine.period", Range::whole(1, 1_000_000)),
    ("schedule.cosine.floor", Range::real(0.0, 1000.0, Bounds::Closed)),
    ("clip.norm", Range::real(0.0, 1e6, Bounds::Above)),
    ("clip.value", Range::real(0.0, 1e6, Bounds::Above)),
    ("clamp", Range::real(0.0, 1e6, Bounds::Above)),
    ("bernoulli.scale", Range::real(0.0, 1e6, Bounds::Above)),
    ("initialisation.xavier.gain", Range::real(0.0, 1000.0, Bounds::Above)),
];

/// Checks one field of a setup against its range.
pub(crate) fn check(field: &str, value: impl Into<Number>) -> Result<(), BadField> {
    Range::of(field).map_or(Ok(()), |range| range.check(field, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bounds_belong_to_a_range_as_its_words_say() {
        let beta = Range::of("adamw.beta1").unwrap();
        assert!(beta.holds(0.0) && beta.holds(0.999) && !beta.holds(1.0) && !beta.holds(-0.1));
        assert_eq!(beta.to_string(), "a number from 0 to below 1");
        let rate = Range::of("learning_rate").unwrap();
        assert!(rate.holds(1e-45) && rate.holds(1000.0) && !rate.holds(0.0));
        let said = rate.check("learning_rate", 1e-300).unwrap_err().to_string();
        let words = "a number above 0 and at most 1000 that f32 does not take for 0, found 1e-300";
        assert_eq!(said, format!("learning_rate must be {words}"));
        assert!(Range::of("adamw.weight_decay").unwrap().check("", -0.0).is_ok());
        assert_eq!(rate.to_string(), "a number above 0 and at most 1000");
        let batch = Range::of("batch").unwrap();
        assert!(batch.holds(1.0) && batch.holds(1048576.0) && !batch.holds(0.0));
        assert!(!batch.holds(1.5) && !batch.holds(1048577.0));
        assert_eq!(batch.to_string(), "a whole number from 1 to 1048576");
        for (name, range) in RANGES {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e30] {
                let error = range.check(name, value).unwrap_err().to_string();
                assert!(
                    error.starts_with(name) && error.ends_with(&sentence::number(value)),
                    "{error}"
                );
            }
        }
        assert_eq!(
            check("batch", usize::MAX).unwrap_err().to_string(),
            "batch must be a whole number from 1 to 1048576, found 18446744073709551615"
        );
    }
}
