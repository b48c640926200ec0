use crate::BadField;
use crate::range::check;
use crate::words::{Words, number, parts};
use serde::{Deserialize, Serialize};

/// Learning rate of a whole epoch (from 0): a 1/k ramp over `warmup` epochs, base/(warmup − epoch),
/// then one cosine, base · (1 + cos(π(epoch − warmup)/(epochs − warmup)))/2.
///
/// This is what the paper's code does ("the same strategy as SGDR" in the text): no restart, and
/// the minimum that its script reads is never used, so the last epoch of 300 runs at 2.8·10⁻⁸.
pub fn learning_rate(epoch: usize, epochs: usize, warmup: usize, base: f64) -> f64 {
    if epoch < warmup {
        return base / (warmup - epoch) as f64;
    }
    let span = epochs.saturating_sub(warmup).max(1);
    cosine((epoch - warmup) as f64 / span as f64, base, 0.0)
}

/// From `base` at 0 to `floor` at 1, and back again at 2.
fn cosine(part: f64, base: f64, floor: f64) -> f64 {
    floor + (base - floor) * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
}

/// How the learning rate goes down from epoch to epoch. Behind the ramp of
/// [`crate::Setup::ramp_epochs`], which every schedule begins with, epochs e are counted from 0:
/// without a ramp they are those of the run, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// One cosine from the base to 0 over all epochs, see [`learning_rate`] (the paper's).
    #[default]
    Sgdr,
    /// The base.
    Constant,
    /// base · factor^⌊e / every⌋, PyTorch's `StepLR`.
    Step {
        /// Epochs between two steps.
        every: usize,
        /// What a step multiplies by.
        factor: f64,
    },
    /// base · factor^(number of milestones that e has reached), PyTorch's `MultiStepLR`.
    Multistep {
        /// Epochs at which a step is made.
        at: Milestones,
        /// What a step multiplies by.
        factor: f64,
    },
    /// floor + (base − floor)·(1 + cos(π·e/period))/2, PyTorch's `CosineAnnealingLR`: beyond the
    /// period the rate goes up again, and down.
    Cosine {
        /// Epochs from the base to the floor.
        period: usize,
        /// The lowest rate.
        floor: f64,
    },
}

/// Up to eight epochs, each later than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<usize>", into = "Vec<usize>")]
pub struct Milestones([Option<u32>; Milestones::MOST]);

impl Milestones {
    /// So many at most.
    pub const MOST: usize = 8;

    /// These epochs; `None` if they are none or more than eight, or do not rise.
    pub fn new(epochs: &[usize]) -> Option<Self> {
        let rise = epochs.windows(2).all(|pair| pair[0] < pair[1]);
        if !rise || epochs.is_empty() || epochs.len() > Self::MOST {
            return None;
        }
        let mut all = [None; Self::MOST];
        for (place, &epoch) in all.iter_mut().zip(epochs) {
            *place = Some(u32::try_from(epoch).ok()?);
        }
        Some(Self(all))
    }

    /// Them, in order.
    pub fn epochs(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flatten().map(|&epoch| epoch as usize)
    }
}

impl TryFrom<Vec<usize>> for Milestones {
    type Error = &'static str;

    fn try_from(epochs: Vec<usize>) -> Result<Self, Self::Error> {
        Self::new(&epochs).ok_or("one to eight epochs, each later than the one before")
    }
}

impl From<Milestones> for Vec<usize> {
    fn from(all: Milestones) -> Self {
        all.epochs().collect()
    }
}

impl Schedule {
    /// Whether it is the default, which receipts leave out.
    pub fn is_sgdr(&self) -> bool {
        *self == Self::Sgdr
    }

    /// Proves that every number lies in its range.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), BadField> {
        match *self {
            Self::Sgdr | Self::Constant => Ok(()),
            Self::Step { every, factor } => {
                check("schedule.step.every", every)?;
                check("schedule.step.factor", factor)
            }
            Self::Multistep { factor, .. } => check("schedule.multistep.factor", factor),
            Self::Cosine { period, floor } => {
                check("schedule.cosine.period", period)?;
                check("schedule.cosine.floor", floor)
            }
        }
    }

    /// Learning rate of epoch `epoch` of `epochs`, behind a ramp of `ramp` epochs to `base`.
    pub fn rate(&self, epoch: usize, epochs: usize, ramp: usize, base: f64) -> f64 {
        let Some(e) = epoch.checked_sub(ramp) else { return base / (ramp - epoch) as f64 };
        let power = |factor: f64, n: usize| factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
        match *self {
            Self::Sgdr => learning_rate(epoch, epochs, ramp, base),
            Self::Constant => base,
            Self::Step { every, factor } => base * power(factor, e / every.max(1)),
            Self::Multistep { at, factor } => {
                base * power(factor, at.epochs().filter(|&milestone| milestone <= e).count())
            }
            Self::Cosine { period, floor } => cosine(e as f64 / period.max(1) as f64, base, floor),
        }
    }
}

impl Words for Schedule {
    const TAKES: &'static str = "sgdr, constant, step:EVERY:FACTOR, multistep:EPOCH,…:FACTOR, \
                                 cosine:PERIOD or cosine:PERIOD:FLOOR";

    fn parse(text: &str) -> Option<Self> {
        let whole = |text: &str| text.parse::<usize>().ok();
        match parts(text).as_slice() {
            ["sgdr"] => Some(Self::Sgdr),
            ["constant"] => Some(Self::Constant),
            ["step", every, factor] => {
                Some(Self::Step { every: whole(every)?, factor: number(factor)? })
            }
            ["multistep", epochs, factor] => {
                let epochs: Option<Vec<usize>> = epochs.split(',').map(whole).collect();
                Some(Self::Multistep { at: Milestones::new(&epochs?)?, factor: number(factor)? })
            }
            ["cosine", period] => Some(Self::Cosine { period: whole(period)?, floor: 0.0 }),
            ["cosine", period, floor] => {
                Some(Self::Cosine { period: whole(period)?, floor: number(floor)? })
            }
            _ => None,
        }
    }
}
