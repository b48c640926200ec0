use candle_core::{DType, Result, Tensor, Var, bail};
use serde::{Deserialize, Serialize};

/// How the squared error is summed up over classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reduction {
    /// Mean over batch and classes (the paper's code).
    Mean,
    /// Mean over the batch, sum over classes (the paper's Eq. 5); K times larger.
    SumOverClasses,
    /// Sum over batch and classes, PyTorch's `reduction="sum"`; as many times larger as the batch
    /// has samples. A history's losses are then sums over a batch, and depend on its size.
    Sum,
}

impl Reduction {
    /// What the sum over `batch` samples and `classes` classes is divided by.
    pub(crate) fn share(self, batch: usize, classes: usize) -> f64 {
        match self {
            Self::Mean => (batch * classes) as f64,
            Self::SumOverClasses => batch as f64,
            Self::Sum => 1.0,
        }
    }
}

/// Mean squared error of class scores `[B, K]` against one-hot labels: Eq. 5 up to [`Reduction`].
/// Scores are not clipped.
///
/// # Errors
/// If there are not B labels, or one of them is K or more.
pub fn mse(scores: &Tensor, labels: &[u32], reduction: Reduction) -> Result<Tensor> {
    let (batch, classes) = scores.dims2()?;
    if labels.len() != batch {
        bail!("{batch} rows of scores, but {} labels", labels.len());
    }
    let mut target = vec![0f32; batch * classes];
    for (row, &label) in labels.iter().enumerate() {
        match target[row * classes..][..classes].get_mut(label as usize) {
            Some(t) => *t = 1.0,
            None => {
                bail!("label {label} of sample {row} of the batch, but there are {classes} classes")
            }
        }
    }
    let target =
        Tensor::from_vec(target, (batch, classes), scores.device())?.to_dtype(scores.dtype())?;
    let mean = (scores - target)?.sqr()?.mean_all()?;
    match reduction {
        Reduction::Mean => Ok(mean),
        Reduction::SumOverClasses => mean * classes as f64,
        Reduction::Sum => mean * (batch * classes) as f64,
    }
}

/// ∂L/∂scores and the loss L of scores `[B, K]`.
///
/// # Errors
/// As [`mse`].
pub fn loss_gradient(
    scores: &Tensor,
    labels: &[u32],
    reduction: Reduction,
) -> Result<(Tensor, f64)> {
    let scores = Var::from_tensor(scores)?;
    let loss = mse(&scores, labels, reduction)?;
    let gradients = loss.backward()?;
    match gradients.get(&scores) {
        Some(gradient) => Ok((gradient.clone(), loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)),
        None => bail!("a loss that does not depend on its scores"),
    }
}
