use crate::one_hot::{Sizes, one_hot};
use crate::range::check;
use crate::traces::Traces;
use crate::words::{Words, number, parts};
use crate::{BadField, Head, Reduction, loss_gradient, mse};
use candle_core::{DType, Result, Tensor, bail};
use serde::{Deserialize, Serialize};

/// What training makes small, of a [`Head`]'s scores s `[B, K]` or outputs o `[T, B, K]` and the
/// classes y. All are means over the batch, but for [`Reduction::Sum`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Objective {
    /// Mean squared error of the scores against one-hot classes (the paper's), see [`Reduction`].
    #[default]
    Mse,
    /// Cross entropy of the scores, −ln softmax(s)\[y\].
    CrossEntropy,
    /// Temporal efficient training (Deng et al. 2022): a cross entropy at every step, and a pull of
    /// the outputs towards the threshold,
    /// (1 − λ)·meanₜ CE(o\[t\], y) + λ·mean (o − φ)².
    Tet {
        /// λ.
        lambda: f64,
        /// φ.
        target: f64,
    },
    /// Squared error of the number of spikes, mean over classes: (Σₜ o\[t\] − n)², n = `right` of
    /// the sample's class and `wrong` of every other.
    Counts {
        /// Spikes wanted of the sample's class.
        right: f64,
        /// Spikes wanted of any other class.
        wrong: f64,
    },
    /// Squared distance of spike traces (van Rossum; TSSL-BP's kernel loss, whose code has the sum
    /// over the batch), of the head's outputs o: ½ Σ (a\[t\] − y\[t\])² over steps and classes,
    /// where a\[t\] = a\[t−1\] + (o\[t\] − a\[t−1\])/τ, and y is that trace of a spike at
    /// every `period`-th step for the sample's class, and 0 for any other.
    Traces {
        /// τ in steps.
        tau: f64,
        /// Steps from a wanted spike to the next, at most T; 2 in TSSL-BP for T of 10 and more. The
        /// class is still the one of the largest score.
        period: usize,
    },
}

impl Objective {
    /// Whether it is the default, which receipts leave out.
    pub fn is_mse(&self) -> bool {
        *self == Self::Mse
    }

    /// Proves that every number lies in its range.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> std::result::Result<(), BadField> {
        match *self {
            Self::Mse | Self::CrossEntropy => Ok(()),
            Self::Tet { lambda, target } => {
                check("objective.tet.lambda", lambda)?;
                check("objective.tet.target", target)
            }
            Self::Counts { right, wrong } => {
                check("objective.counts.right", right)?;
                check("objective.counts.wrong", wrong)
            }
            Self::Traces { tau, period } => {
                check("objective.traces.tau", tau)?;
                check("objective.traces.period", period)
            }
        }
    }
}

impl Words for Objective {
    const TAKES: &'static str = "mse, cross-entropy, tet:LAMBDA, tet:LAMBDA:TARGET, \
                                 counts:RIGHT:WRONG, traces:TAU or traces:TAU:PERIOD";

    fn parse(text: &str) -> Option<Self> {
        match parts(text).as_slice() {
            ["mse"] => Some(Self::Mse),
            ["cross-entropy"] => Some(Self::CrossEntropy),
            // the threshold of the publication's neurons
            ["tet", lambda] => Some(Self::Tet { lambda: number(lambda)?, target: 1.0 }),
            ["tet", lambda, target] => {
                Some(Self::Tet { lambda: number(lambda)?, target: number(target)? })
            }
            ["counts", right, wrong] => {
                Some(Self::Counts { right: number(right)?, wrong: number(wrong)? })
            }
            ["traces", tau] => Some(Self::Traces { tau: number(tau)?, period: 2 }),
            ["traces", tau, period] => {
                Some(Self::Traces { tau: number(tau)?, period: period.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// An objective of a head: from votes and classes to the loss and its gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Criterion {
    /// What is made small.
    pub objective: Objective,
    /// What is read off the last layer.
    pub head: Head,
    /// How a squared error is summed up over classes.
    pub reduction: Reduction,
}

impl Criterion {
    /// Whether it needs the votes of each step; else their mean over time is enough.
    pub fn by_step(&self) -> bool {
        self.head.is_charged()
            || matches!(self.objective, Objective::Tet { .. } | Objective::Traces { .. })
    }

    /// Scores `[B, K]` and loss of votes `[T, B, K]` in tensor operations: the definition,
    /// differentiable.
    ///
    /// # Errors
    /// If there are not B labels, or one of them is K or more.
    pub fn define(&self, votes: &Tensor, labels: &[u32]) -> Result<(Tensor, Tensor)> {
        let (steps, batch, classes) = votes.dims3()?;
        labels_fit(labels, batch, classes)?;
        let outputs = self.head.outputs(votes)?;
        let scores = self.head.scores(&outputs)?;
        let loss = match self.objective {
            Objective::Mse => mse(&scores, labels, self.reduction)?,
            Objective::CrossEntropy => cross_entropy(&scores, labels)?,
            Objective::Tet { lambda, target } => {
                let all = outputs.reshape((steps * batch, classes))?;
                let entropy = cross_entropy(&all, &labels.repeat(steps))?;
                ((entropy * (1.0 - lambda))? + ((outputs - target)?.sqr()?.mean_all()? * lambda)?)?
            }
            Objective::Counts { right, wrong } => {
                let wanted = one_hot(labels, classes, &scores)?.affine(right - wrong, wrong)?;
                (outputs.sum(0)? - wanted)?.sqr()?.mean_all()?
            }
            Objective::Traces { tau, period } => Traces { tau, period }.define(&outputs, labels)?,
        };
        Ok((scores, loss))
    }

    /// Scores `[B, K]` of votes: of each step `[T, B, K]` where it is [`Criterion::by_step`], else
    /// of their mean over `steps` steps, `[B, K]`.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn scores(&self, votes: &Tensor, steps: usize) -> Result<Tensor> {
        match (self.by_step(), self.head) {
            (true, head) => head.scores(&head.outputs(votes)?),
            (false, Head::Counts) => votes * steps as f64,
            (false, _) => Ok(votes.clone()),
        }
    }

    /// The loss of votes as [`Criterion::scores`] takes them.
    ///
    /// # Errors
    /// As [`Criterion::define`].
    pub fn value(&self, votes: &Tensor, steps: usize, labels: &[u32]) -> Result<f64> {
        match self.is_mse_of_votes() {
            true => mse(votes, labels, self.reduction)?.to_dtype(DType::F64)?.to_scalar::<f64>(),
            false => Ok(self.gradient(votes, steps, labels)?.1),
        }
    }

    /// Whether it is the squared error of what blocks give as it is; computed in the tensors' own
    /// precision, so that its bits stay what they were.
    fn is_mse_of_votes(&self) -> bool {
        self.objective == Objective::Mse && matches!(self.head, Head::Votes | Head::Current)
    }

    /// ∂L/∂votes and the loss L of votes as [`Criterion::scores`] takes them, in closed form.
    ///
    /// # Errors
    /// As [`Criterion::define`].
    pub fn gradient(&self, votes: &Tensor, steps: usize, labels: &[u32]) -> Result<(Tensor, f64)> {
        if self.is_mse_of_votes() {
            return loss_gradient(votes, labels, self.reduction);
        }
        let values: Vec<f64> = votes.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let [.., batch, classes] = *votes.dims() else {
            bail!("votes [T, B, K] or [B, K], found {:?}", votes.shape())
        };
        labels_fit(labels, batch, classes)?;
        let (value, gradient) = match self.by_step() {
            true => self.of_steps(&values, [votes.dim(0)?, batch, classes], labels),
            false => self.of_mean(&values, [steps, batch, classes], labels),
        };
        let gradient = Tensor::from_vec(gradient, votes.shape(), votes.device())?;
        Ok((gradient.to_dtype(votes.dtype())?, value))
    }

    /// Loss and gradient from the votes of each step.
    fn of_steps(&self, votes: &[f64], sizes: Sizes, labels: &[u32]) -> (f64, Vec<f64>) {
        let [steps, batch, classes] = sizes;
        let size = batch * classes;
        let outputs = self.head.outputs_of(votes, size);
        let (value, of_outputs) = match self.objective {
            Objective::Tet { lambda, target } => tet(&outputs, sizes, labels, lambda, target),
            Objective::Traces { tau, period } => Traces { tau, period }.of(&outputs, sizes, labels),
            Objective::Counts { right, wrong } => {
                let mut sums = vec![0.0; size];
                for step in outputs.chunks_exact(size.max(1)) {
                    sums.iter_mut().zip(step).for_each(|(sum, o)| *sum += o);
                }
                let wanted = Wanted { right, wrong, share: size as f64 };
                let (value, gradient) = squared(&sums, classes, labels, &wanted);
                (value, gradient.repeat(steps))
            }
            Objective::Mse | Objective::CrossEntropy => {
                let scores = self.head.scores_of(&outputs, size);
                let (value, gradient) = self.of_scores(&scores, batch, classes, labels);
                (value, self.head.spread(&gradient, steps))
            }
        };
        (value, self.head.backward(of_outputs, size))
    }

    /// Loss and gradient from the mean of the votes over time.
    fn of_mean(&self, mean: &[f64], sizes: Sizes, labels: &[u32]) -> (f64, Vec<f64>) {
        let [steps, batch, classes] = sizes;
        // every such score, and a count, is the mean times a number
        let counted = matches!(self.objective, Objective::Counts { .. });
        let times = if counted { steps as f64 } else { self.head.times(steps) };
        let scores: Vec<f64> = mean.iter().map(|m| m * times).collect();
        let (value, mut gradient) = self.of_scores(&scores, batch, classes, labels);
        gradient.iter_mut().for_each(|g| *g *= times);
        (value, gradient)
    }

    fn of_scores(
        &self,
        scores: &[f64],
        batch: usize,
        classes: usize,
        labels: &[u32],
    ) -> (f64, Vec<f64>) {
        let all = (batch * classes) as f64;
        match self.objective {
            Objective::Mse => {
                let share = self.reduction.share(batch, classes);
                squared(scores, classes, labels, &Wanted { right: 1.0, wrong: 0.0, share })
            }
            Objective::Counts { right, wrong } => {
                squared(scores, classes, labels, &Wanted { right, wrong, share: all })
            }
            // those of single steps do not come here
            Objective::CrossEntropy | Objective::Tet { .. } | Objective::Traces { .. } => {
                entropy(scores, classes, labels)
            }
        }
    }
}

/// What a squared error is taken against, and what its sum is divided by.
struct Wanted {
    right: f64,
    wrong: f64,
    share: f64,
}

/// Σ (s − n)² ÷ share and its gradient 2·(s − n) ÷ share, n by whether the class is the label.
fn squared(scores: &[f64], classes: usize, labels: &[u32], wanted: &Wanted) -> (f64, Vec<f64>) {
    let mut value = 0.0;
    let mut gradient = Vec::with_capacity(scores.len());
    for (row, &label) in scores.chunks_exact(classes.max(1)).zip(labels) {
        for (class, score) in row.iter().enumerate() {
            let target = if class == label as usize { wanted.right } else { wanted.wrong };
            let off = score - target;
            value += off * off;
            gradient.push(2.0 * off / wanted.share);
        }
    }
    (value / wanted.share, gradient)
}

/// Mean over rows of −ln softmax(s)\[y\] and its gradient (softmax(s) − one-hot(y)) ÷ rows.
fn entropy(scores: &[f64], classes: usize, labels: &[u32]) -> (f64, Vec<f64>) {
    let rows = labels.len() as f64;
    let mut value = 0.0;
    let mut gradient = Vec::with_capacity(scores.len());
    for (row, &label) in scores.chunks_exact(classes.max(1)).zip(labels) {
        // the largest is taken off, so that no exponential overflows
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|s| (s - largest).exp()).sum();
        value += sum.ln() + largest - row[label as usize];
        for (class, score) in row.iter().enumerate() {
            let hot = if class == label as usize { 1.0 } else { 0.0 };
            gradient.push(((score - largest).exp() / sum - hot) / rows);
        }
    }
    (value / rows, gradient)
}

/// The loss of [`Objective::Tet`] and its gradient.
fn tet(
    outputs: &[f64],
    [steps, ..]: Sizes,
    labels: &[u32],
    lambda: f64,
    target: f64,
) -> (f64, Vec<f64>) {
    let classes = outputs.len() / (steps * labels.len()).max(1);
    // the mean over steps and samples is one over all rows
    let (entropy, mut gradient) = entropy(outputs, classes, &labels.repeat(steps));
    let mut squares = 0.0;
    for (g, o) in gradient.iter_mut().zip(outputs) {
        let off = o - target;
        squares += off * off;
        *g = (1.0 - lambda) * *g + lambda * 2.0 * off / outputs.len() as f64;
    }
    ((1.0 - lambda) * entropy + lambda * squares / outputs.len() as f64, gradient)
}

/// Mean over rows of −ln softmax(s)\[y\], in tensor operations.
fn cross_entropy(scores: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let (_, classes) = scores.dims2()?;
    let largest = scores.max_keepdim(1)?.detach();
    let scores = scores.broadcast_sub(&largest)?;
    let sum = scores.exp()?.sum(1)?.log()?;
    let right = (&scores * one_hot(labels, classes, &scores)?)?.sum(1)?;
    (sum - right)?.mean_all()
}

/// One label a row, each of them a class.
fn labels_fit(labels: &[u32], batch: usize, classes: usize) -> Result<()> {
    if labels.len() != batch {
        bail!("{batch} rows of scores, but {} labels", labels.len());
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => bail!(
            "label {} of sample {row} of the batch, but there are {classes} classes",
            labels[row]
        ),
        None => Ok(()),
    }
}
