use crate::BadField;
use crate::range::check;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Storage, Tensor, Var, bail};
use models::Gradients;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

type Result<T, E = candle_core::Error> = std::result::Result<T, E>;

/// Constants of [`AdamW`]; the default is the paper's code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay, on every variable.
    pub weight_decay: f64,
}

impl AdamWConfig {
    /// Proves that every constant lies in its range: 0 ≤ β < 1, 0 < ε, 0 ≤ weight decay.
    ///
    /// # Errors
    /// The first that does not; it names field, range and value.
    pub fn check(&self) -> Result<(), BadField> {
        check("adamw.beta1", self.beta1)?;
        check("adamw.beta2", self.beta2)?;
        check("adamw.eps", self.eps)?;
        check("adamw.weight_decay", self.weight_decay)
    }
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-4 }
    }
}

/// AdamW (Loshchilov & Hutter 2019) in the operation order of PyTorch, with its state in the open:
///
/// ```text
/// w ← w · (1 − η·wd)      m ← m + (1 − β₁)(g − m)      v ← β₂·v + (1 − β₂)·g²
/// w ← w − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
pub struct AdamW {
    /// Its constants.
    pub config: AdamWConfig,
    /// Steps taken so far, t.
    pub steps: u64,
    /// Each variable with its first and second moment, in the order given.
    pub state: Vec<Moments>,
    /// Of variables on a device, for each whether it was ever not finite after a step, u32.
    #[cfg(feature = "cuda")]
    lost: Option<Tensor>,
}

/// A variable and its moments.
pub struct Moments {
    /// The variable's name.
    pub name: String,
    /// w.
    pub var: Var,
    /// m.
    pub first: Tensor,
    /// v.
    pub second: Tensor,
}

/// Where an optimiser finds the gradients of its variables.
pub trait GradientsOf {
    /// The gradient of a variable, if there is one.
    fn of(&self, var: &Var) -> Option<&Tensor>;
}

impl GradientsOf for GradStore {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.get(var)
    }
}

impl GradientsOf for Gradients {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.get(var)
    }
}

impl AdamW {
    /// Moments of zero for f32 variables.
    ///
    /// # Errors
    /// If a variable is not f32, or a constant lies outside its range.
    pub fn new(vars: Vec<(String, Var)>, config: AdamWConfig) -> Result<Self> {
        config.check().map_err(candle_core::Error::wrap)?;
        let moments = |(name, var): (String, Var)| {
            if var.dtype() != DType::F32 {
                bail!("AdamW trains f32 variables, {name} is {:?}", var.dtype());
            }
            Ok(Moments { name, first: var.zeros_like()?, second: var.zeros_like()?, var })
        };
        let state: Vec<Moments> = vars.into_iter().map(moments).collect::<Result<_>>()?;
        #[cfg(feature = "cuda")]
        let lost = match state.first().map(|s| s.var.device()) {
            Some(device) if device.is_cuda() => {
                Some(Tensor::zeros(state.len(), DType::U32, device)?)
            }
            _ => None,
        };
        Ok(Self {
            config,
            steps: 0,
            state,
            #[cfg(feature = "cuda")]
            lost,
        })
    }

    /// One step at learning rate `lr`. A variable without a gradient is left alone.
    ///
    /// Returns the name of the first variable with a value that is not finite any more. The caller
    /// must not go on then: a NaN current never reaches a threshold, so behind a neuron NaN weights
    /// look like a silent network with a perfectly finite loss.
    pub fn step(&mut self, grads: &(impl GradientsOf + ?Sized), lr: f64) -> Result<Option<String>> {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = self.config;
        self.steps += 1;
        let t = self.steps as f64;
        let update = Update {
            first: (1.0 - beta1) as f32,
            second: (1.0 - beta2) as f32,
            second_keep: beta2 as f32,
            keep: (1.0 - lr * weight_decay) as f32,
            size: (lr / (1.0 - beta1.powf(t))) as f32,
            root: (1.0 - beta2.powf(t)).sqrt() as f32,
            eps: eps as f32,
        };
        #[cfg(feature = "cuda")]
        if let Some(lost) = &self.lost {
            return self.step_on_device(grads, &update, lost);
        }
        let mut lost = None;
        for s in &self.state {
            if let Some(g) = grads.of(&s.var) {
                let g = g.contiguous()?;
                if !update.take(&s.var, &s.first, &s.second, &g)? {
                    lost.get_or_insert_with(|| s.name.clone());
                }
            }
        }
        Ok(lost)
    }

    /// After weights that were not finite have been replaced.
    pub(crate) fn forget_losses(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(lost) = &self.lost {
            self.lost = Some(lost.zeros_like()?);
        }
        Ok(())
    }

    /// One launch a variable; what was lost is asked once, at the end.
    #[cfg(feature = "cuda")]
    fn step_on_device(
        &self,
        grads: &(impl GradientsOf + ?Sized),
        update: &Update,
        lost: &Tensor,
    ) -> Result<Option<String>> {
        let Update { first, second, second_keep, keep, size, root, eps } = *update;
        let constants = [first, second, second_keep, keep, size, root, eps];
        for (i, s) in self.state.iter().enumerate() {
            if let Some(g) = grads.of(&s.var) {
                let all = [s.var.as_tensor(), &s.first, &s.second, &g.contiguous()?];
                models::adamw(all, constants, lost, i)?;
            }
        }
        let lost: Vec<u32> = lost.to_vec1()?;
        Ok(lost.iter().position(|&l| l != 0).map(|i| self.state[i].name.clone()))
    }
}

/// Elements of one task: enough to be worth handing to a thread.
const CHUNK: usize = 1 << 15;

/// Hands the values of a contiguous f32 tensor on the CPU to a function that may change them.
fn with_values(tensor: &Tensor, mut f: impl FnMut(&mut [f32]) -> Result<()>) -> Result<()> {
    type Changes<'f> = dyn FnMut(&mut [f32]) -> Result<()> + 'f;
    struct Handed<'f>(RefCell<&'f mut Changes<'f>>);
    impl InplaceOp1 for Handed<'_> {
        fn name(&self) -> &'static str {
            "adamw"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets()) {
                (CpuStorage::F32(v), Some((start, end))) => {
                    (self.0.borrow_mut())(&mut v[start..end])
                }
                _ => bail!("AdamW takes contiguous f32 tensors"),
            }
        }
    }
    tensor.inplace_op1(&Handed(RefCell::new(&mut f)))
}

struct Update {
    first: f32,
    second: f32,
    second_keep: f32,
    keep: f32,
    size: f32,
    root: f32,
    eps: f32,
}

impl Update {
    /// One variable in one pass over it, its moments and its gradient; whether it stays finite.
    fn take(&self, w: &Tensor, m: &Tensor, v: &Tensor, g: &Tensor) -> Result<bool> {
        let (g, layout) = g.storage_and_layout();
        let g = match (&*g, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(g)), Some((start, end))) => &g[start..end],
            _ => bail!("AdamW takes contiguous f32 gradients on the CPU"),
        };
        let mut finite = true;
        with_values(m, |m| {
            with_values(v, |v| {
                with_values(w, |w| {
                    let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
                    let all = w.par_chunks_mut(CHUNK).zip(moments).zip(g.par_chunks(CHUNK));
                    finite = all
                        .map(|((w, (m, v)), g)| self.piece(w, m, v, g))
                        .reduce(|| true, |a, b| a & b);
                    Ok(())
                })
            })
        })?;
        Ok(finite)
    }

    fn piece(&self, w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32]) -> bool {
        let mut finite = true;
        for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
            *m += self.first * (g - *m);
            *v = *v * self.second_keep + self.second * g * g;
            *w = *w * self.keep - self.size * (*m / (v.sqrt() / self.root + self.eps));
            finite &= w.is_finite();
        }
        finite
    }
}
