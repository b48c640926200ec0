use crate::Mode;
use crate::norm_operations::{Moments, Normalise};
use crate::statistics::BatchStatistics;
use candle_core::{Result, Tensor, bail};
use serde::{Deserialize, Serialize};

/// Over what a training pass takes its mean and variance, beside batch, height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatisticsOver {
    /// Each time step is normalised with its own statistics (the paper's code).
    Step,
    /// All time steps together (tdBN and others).
    Time,
}

/// Batch norm over the last axis: y = γ · scale · (x − μ) / √(σ² + ε) + β, with biased σ².
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// γ `[C]`, or one of each step, `[T, C]` (BNTT).
    pub weight: Tensor,
    /// β `[C]`; `None` shifts nothing and trains nothing.
    pub bias: Option<Tensor>,
    /// Mean used in evaluation, `[C]`, or that of each step, `[T, C]`.
    pub running_mean: Tensor,
    /// Variance used in evaluation, of the shape of the mean.
    pub running_var: Tensor,
    /// ε.
    pub eps: f64,
    /// What a training pass averages over.
    pub over: StatisticsOver,
    /// A constant factor of γ that is not learnt (tdBN's αθ).
    pub scale: f64,
    /// Part of the running statistics that a training pass replaces by its own.
    pub momentum: f64,
}

impl BatchStatistics {
    /// Running statistics `[C]` after this pass: once per row r ← (1 − momentum) · r + momentum ·
    /// row, which is T times when each step has its own statistics. Running statistics of each
    /// step, `[T, C]`, take the row of theirs, once.
    ///
    /// # Errors
    /// If there are fewer running statistics than steps.
    pub fn update(&self, running_mean: &Tensor, running_var: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.fold(running_mean, &self.mean)?, self.fold(running_var, &self.unbiased_var)?))
    }

    fn fold(&self, running: &Tensor, rows: &Tensor) -> Result<Tensor> {
        let momentum = self.momentum;
        if running.rank() == 2 {
            let kept = running.detach().affine(1.0 - momentum, 0.0)?;
            let (steps, has) = (rows.dim(0)?, running.dim(0)?);
            if steps > has {
                bail!("a batch norm with statistics of {has} steps was shown {steps}")
            }
            let now = (kept.narrow(0, 0, steps)? + rows.affine(momentum, 0.0)?)?;
            // steps that the pass did not have stay as they are
            return Tensor::cat(&[&now, &running.detach().narrow(0, steps, has - steps)?], 0);
        }
        #[cfg(feature = "cuda")]
        if running.device().is_cuda() {
            return crate::cuda::fold(running, rows, momentum);
        }
        let mut running = running.detach();
        for r in 0..rows.dim(0)? {
            running =
                (running.affine(1.0 - momentum, 0.0)? + rows.get(r)?.affine(momentum, 0.0)?)?;
        }
        Ok(running)
    }
}

impl BatchNorm {
    /// With PyTorch's constants: ε 1e-5, momentum 0.1, and a factor of 1.
    pub fn new(weight: Tensor, bias: Tensor, running: [Tensor; 2], over: StatisticsOver) -> Self {
        let [running_mean, running_var] = running;
        let (eps, scale, momentum) = (1e-5, 1.0, 0.1);
        let bias = Some(bias);
        BatchNorm { weight, bias, running_mean, running_var, eps, over, scale, momentum }
    }

    /// C.
    pub fn channels(&self) -> usize {
        self.weight.dims().last().copied().unwrap_or_default()
    }

    /// Whether γ or running statistics differ from step to step.
    pub fn by_step(&self) -> bool {
        self.weight.rank() > 1 || self.running_mean.rank() > 1
    }

    /// This norm for single steps: with the γ and the running statistics of step `t`.
    ///
    /// # Errors
    /// If it has none of that step.
    pub fn at(&self, t: usize) -> Result<BatchNorm> {
        let of = |tensor: &Tensor| match tensor.rank() {
            0 | 1 => Ok(tensor.clone()),
            _ if t < tensor.dim(0)? => tensor.get(t),
            _ => bail!("a batch norm of {} steps was asked for step {}", tensor.dim(0)?, t + 1),
        };
        Ok(BatchNorm {
            weight: of(&self.weight)?,
            running_mean: of(&self.running_mean)?,
            running_var: of(&self.running_var)?,
            ..self.clone()
        })
    }

    /// Normalises `x` `[T, …, C]`. In training also returns the statistics it used.
    ///
    /// # Errors
    /// In training if fewer than two values are normalised together: their variance is undefined.
    /// If it differs from step to step and `x` has more steps.
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<(Tensor, Option<BatchStatistics>)> {
        let x = x.contiguous()?;
        match mode {
            Mode::Eval => {
                let inverse = (along(&self.running_var, &x)? + self.eps)?.sqrt()?;
                let scale = along(&self.factor()?, &x)?.broadcast_div(&inverse)?;
                let shift = along(&self.running_mean, &x)?.broadcast_mul(&scale)?;
                let shift = match &self.bias {
                    Some(bias) => bias.broadcast_sub(&shift)?,
                    None => shift.neg()?,
                };
                Ok((x.broadcast_mul(&scale)?.broadcast_add(&shift)?, None))
            }
            Mode::Train { .. } => {
                let (moments, statistics) = self.moments(&x)?;
                Ok((self.normalise(&x, moments)?, Some(statistics)))
            }
        }
    }

    fn normalise(&self, x: &Tensor, moments: Tensor) -> Result<Tensor> {
        let (factor, shift) = (self.factor()?, self.shift()?);
        let of = |weight: &Tensor, bias: &Tensor| {
            let parameters = [weight.detach(), bias.detach()];
            x.apply_op3(weight, bias, Normalise { moments, parameters, eps: self.eps })
        };
        if self.weight.rank() == 1 {
            return of(&factor, &shift);
        }
        let alike = of(&shift.ones_like()?, &shift.zeros_like()?)?;
        alike.broadcast_mul(&along(&factor, x)?)?.broadcast_add(&shift)
    }

    /// γ · scale.
    fn factor(&self) -> Result<Tensor> {
        if self.scale == 1.0 {
            Ok(self.weight.clone())
        } else {
            self.weight.affine(self.scale, 0.0)
        }
    }

    /// β, or zeros.
    fn shift(&self) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => Ok(bias.clone()),
            None => Tensor::zeros(self.channels(), self.weight.dtype(), self.weight.device()),
        }
    }

    /// What a training pass of the contiguous `x` normalises with: `[3, sets, C]`, see [`Moments`].
    fn moments(&self, x: &Tensor) -> Result<(Tensor, BatchStatistics)> {
        let sets = match self.over {
            StatisticsOver::Step => x.dim(0)?,
            StatisticsOver::Time => 1,
        };
        let channels = x.dim(candle_core::D::Minus1)?;
        let shift = self.bias.as_ref().map_or_else(|| vec![channels], |bias| bias.dims().to_vec());
        if self.channels() != channels || shift != [channels] || self.weight.rank() > 2 {
            let weight = self.weight.shape();
            bail!(
                "batch norm of {channels} channels takes a weight and a bias [{channels}], found \
                 {weight:?}, {shift:?}"
            );
        }
        let n = x.elem_count() / (sets * channels).max(1);
        if n < 2 {
            bail!(
                "batch norm needs at least two values per channel, found {n} (shape {:?})",
                x.shape()
            );
        }
        let moments = x.apply_op1_no_bwd(&Moments { sets })?;
        let statistics = BatchStatistics {
            mean: moments.get(0)?,
            unbiased_var: moments.get(1)?.affine(n as f64 / (n - 1) as f64, 0.0)?,
            momentum: self.momentum,
        };
        Ok((moments, statistics))
    }
}

/// What a norm has of each channel as it multiplies `x` `[T, …, C]`: `[C]` as it is, `[T, C]` of
/// the steps that `x` has.
fn along(of: &Tensor, x: &Tensor) -> Result<Tensor> {
    if of.rank() == 1 {
        return Ok(of.clone());
    }
    let (has, c) = of.dims2()?;
    let steps = x.dim(0)?;
    if steps > has {
        bail!("a batch norm of {has} steps was shown {steps}; make the network for as many")
    }
    let mut dims = vec![1; x.rank()];
    (dims[0], dims[x.rank() - 1]) = (steps, c);
    of.narrow(0, 0, steps)?.reshape(dims)
}

/// Mean, biased variance and what rounding took from the mean, `[3, sets, c]`, of currents
/// `[sets, …, c]` that stand for so many equal `steps`.
///
/// # Errors
/// If fewer than two values are normalised together: their variance is undefined.
pub fn batch_moments(x: &[f32], sets: usize, c: usize, steps: usize) -> Result<Vec<f32>> {
    let n = x.len() / (sets * c).max(1) * steps;
    if n < 2 {
        bail!("batch norm needs at least two values per channel, found {n}");
    }
    Ok(Moments { sets }.run(x, c))
}
