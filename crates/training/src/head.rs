use crate::BadField;
use crate::range::check;
use crate::words::{self, Words, number};
use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

/// What is read off the last layer. It is given the votes of each step `[T, B, K]` (the mean over
/// each class's units), and gives outputs of each step and from them class scores `[B, K]`, of
/// which the largest is the class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Head {
    /// Spikes are voted on; scores are the mean over time (the paper's).
    #[default]
    Votes,
    /// Spikes are counted: scores are the sum over time.
    Counts,
    /// No neurons: currents are voted on; scores are the mean over time.
    Current,
    /// No neurons: currents x charge a membrane that never fires, v\[t\] = λ·v\[t−1\] + x\[t\];
    /// outputs are v, scores v\[T\]/T. With λ = 1 scores are those of [`Head::Current`].
    Membrane {
        /// λ, what the membrane keeps each step.
        decay: f64,
    },
    /// The same but that what was charged leaks too, v\[t\] = λ·(v\[t−1\] + x\[t\]), and that the
    /// gradient does not see the leak (SBPSNN's output).
    Charge {
        /// λ.
        decay: f64,
    },
}

impl Head {
    /// Whether it is the default, which receipts leave out.
    pub fn is_votes(&self) -> bool {
        *self == Self::Votes
    }

    /// Whether the network's last neurons are to be left out, see
    /// [`models::Network::without_output_neurons`].
    pub fn without_neurons(&self) -> bool {
        matches!(self, Self::Current) || self.is_charged()
    }

    /// Whether it reads a membrane at the end, which needs the votes of each step.
    pub fn is_charged(&self) -> bool {
        matches!(self, Self::Membrane { .. } | Self::Charge { .. })
    }

    /// Proves that its number lies in its range.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> std::result::Result<(), BadField> {
        match *self {
            Self::Membrane { decay } => check("head.membrane.decay", decay),
            Self::Charge { decay } => check("head.charge.decay", decay),
            _ => Ok(()),
        }
    }

    /// Outputs of votes `[T, B, K]` in tensor operations: the definition.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn outputs(&self, votes: &Tensor) -> Result<Tensor> {
        let mut v = votes.get(0)?.zeros_like()?;
        let mut all = Vec::new();
        for t in 0..votes.dim(0)? {
            let x = votes.get(t)?;
            v = match *self {
                Self::Membrane { decay } => ((v * decay)? + x)?,
                Self::Charge { decay } => {
                    let charged = (v + x)?;
                    (&charged + (charged.detach() * (decay - 1.0))?)?
                }
                Self::Votes | Self::Counts | Self::Current => return Ok(votes.clone()),
            };
            all.push(v.clone());
        }
        Tensor::stack(&all, 0)
    }

    /// Scores `[B, K]` of outputs `[T, B, K]` in tensor operations: the definition.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn scores(&self, outputs: &Tensor) -> Result<Tensor> {
        let steps = outputs.dim(0)?;
        match self {
            Self::Votes | Self::Current => outputs.mean(0),
            Self::Counts => outputs.sum(0),
            Self::Membrane { .. } | Self::Charge { .. } => outputs.get(steps - 1)? / steps as f64,
        }
    }

    /// By what the mean of votes over `steps` steps is multiplied to be a score; a membrane's
    /// scores are not made of it.
    pub(crate) fn times(&self, steps: usize) -> f64 {
        if *self == Self::Counts { steps as f64 } else { 1.0 }
    }

    /// Outputs of votes, on slices of `size` = B·K numbers a step.
    pub(crate) fn outputs_of(&self, votes: &[f64], size: usize) -> Vec<f64> {
        let mut outputs = votes.to_vec();
        match *self {
            Self::Membrane { decay } => {
                for at in size..outputs.len() {
                    outputs[at] += decay * outputs[at - size];
                }
            }
            Self::Charge { decay } => {
                for at in 0..outputs.len() {
                    let before = at.checked_sub(size).map_or(0.0, |before| outputs[before]);
                    outputs[at] = decay * (before + outputs[at]);
                }
            }
            Self::Votes | Self::Counts | Self::Current => {}
        }
        outputs
    }

    /// Scores of outputs, on slices.
    pub(crate) fn scores_of(&self, outputs: &[f64], size: usize) -> Vec<f64> {
        let steps = outputs.len() / size.max(1);
        if self.is_charged() {
            let last = outputs.chunks_exact(size.max(1)).next_back().unwrap_or_default();
            return last.iter().map(|v| v / steps as f64).collect();
        }
        let mut sums = vec![0.0; size];
        for step in outputs.chunks_exact(size.max(1)) {
            sums.iter_mut().zip(step).for_each(|(sum, o)| *sum += o);
        }
        let share = if *self == Self::Counts { 1.0 } else { steps as f64 };
        sums.iter().map(|sum| sum / share).collect()
    }

    /// From ∂L/∂scores to ∂L/∂outputs, on slices.
    pub(crate) fn spread(&self, of_scores: &[f64], steps: usize) -> Vec<f64> {
        let share = if *self == Self::Counts { 1.0 } else { steps as f64 };
        let step: Vec<f64> = of_scores.iter().map(|g| g / share).collect();
        if self.is_charged() {
            // the last step alone is read
            let mut all = vec![0.0; step.len() * (steps - 1)];
            all.extend(step);
            return all;
        }
        step.repeat(steps)
    }

    /// From ∂L/∂outputs to ∂L/∂votes, on slices: the membrane's recursion, backwards.
    pub(crate) fn backward(&self, mut of_outputs: Vec<f64>, size: usize) -> Vec<f64> {
        let kept = match *self {
            Self::Membrane { decay } => decay,
            // the leak is not seen
            Self::Charge { .. } => 1.0,
            Self::Votes | Self::Counts | Self::Current => return of_outputs,
        };
        for at in (size..of_outputs.len()).rev() {
            of_outputs[at - size] += kept * of_outputs[at];
        }
        of_outputs
    }
}

impl Words for Head {
    const TAKES: &'static str = "votes, counts, current, membrane:DECAY or charge:DECAY";

    fn parse(text: &str) -> Option<Self> {
        match words::parts(text).as_slice() {
            ["membrane", decay] => Some(Self::Membrane { decay: number(decay)? }),
            ["charge", decay] => Some(Self::Charge { decay: number(decay)? }),
            ["votes"] => Some(Self::Votes),
            ["counts"] => Some(Self::Counts),
            ["current"] => Some(Self::Current),
            _ => None,
        }
    }
}
