use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

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

impl AdamW {
    /// Moments of zero for f32 variables.
    ///
    /// # Errors
    /// If a variable is not f32.
    pub fn new(vars: Vec<(String, Var)>, config: AdamWConfig) -> Result<Self> {
        let moments = |(name, var): (String, Var)| {
            if var.dtype() != DType::F32 {
                bail!("AdamW trains f32 variables, {name} is {:?}", var.dtype());
            }
            Ok(Moments { name, first: var.zeros_like()?, second: var.zeros_like()?, var })
        };
        Ok(Self { config, steps: 0, state: vars.into_iter().map(moments).collect::<Result<_>>()? })
    }

    /// One step at learning rate `lr`. A variable without a gradient is left alone.
    ///
    /// Returns the name of the first variable with a value that is not finite any more. The caller must not
    /// go on then: a NaN current never reaches a threshold, so behind a neuron NaN weights look like a
    /// silent network with a perfectly finite loss.
    pub fn step(&mut self, grads: &GradStore, lr: f64) -> Result<Option<String>> {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = self.config;
        self.steps += 1;
        let t = self.steps as f64;
        let update = Update {
            keep: (1.0 - lr * weight_decay) as f32,
            size: (lr / (1.0 - beta1.powf(t))) as f32,
            root: (1.0 - beta2.powf(t)).sqrt() as f32,
            eps: eps as f32,
            finite: AtomicBool::new(true),
        };
        let mut lost = None;
        for s in &self.state {
            if let Some(g) = grads.get(&s.var) {
                let g = g.contiguous()?;
                s.first.inplace_op2(&g, &First { rate: (1.0 - beta1) as f32 })?;
                s.second.inplace_op2(&g, &Second { keep: beta2 as f32, rate: (1.0 - beta2) as f32 })?;
                s.var.inplace_op3(&s.first, &s.second, &update)?;
                if !update.finite.load(Ordering::Relaxed) {
                    lost.get_or_insert_with(|| s.name.clone());
                }
            }
        }
        Ok(lost)
    }
}

/// Elements of one task: enough to be worth handing to a thread.
const CHUNK: usize = 1 << 15;

fn f32s<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(v), Some((start, end))) => Ok(&v[start..end]),
        _ => bail!("AdamW takes contiguous f32 tensors"),
    }
}

fn f32s_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(v), Some((start, end))) => Ok(&mut v[start..end]),
        _ => bail!("AdamW takes contiguous f32 tensors"),
    }
}

struct First {
    rate: f32,
}

impl InplaceOp2 for First {
    fn name(&self) -> &'static str {
        "adamw-first-moment"
    }

    fn cpu_fwd(&self, m: &mut CpuStorage, ml: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
        f32s_mut(m, ml)?.par_chunks_mut(CHUNK).zip(f32s(g, gl)?.par_chunks(CHUNK)).for_each(|(m, g)| {
            m.iter_mut().zip(g).for_each(|(m, &g)| *m += self.rate * (g - *m));
        });
        Ok(())
    }
}

struct Second {
    keep: f32,
    rate: f32,
}

impl InplaceOp2 for Second {
    fn name(&self) -> &'static str {
        "adamw-second-moment"
    }

    fn cpu_fwd(&self, v: &mut CpuStorage, vl: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
        f32s_mut(v, vl)?.par_chunks_mut(CHUNK).zip(f32s(g, gl)?.par_chunks(CHUNK)).for_each(|(v, g)| {
            v.iter_mut().zip(g).for_each(|(v, &g)| *v = *v * self.keep + self.rate * g * g);
        });
        Ok(())
    }
}

struct Update {
    keep: f32,
    size: f32,
    root: f32,
    eps: f32,
    /// Cleared by the first update that is not finite.
    finite: AtomicBool,
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw-update"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        wl: &Layout,
        m: &CpuStorage,
        ml: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<()> {
        let moments = f32s(m, ml)?.par_chunks(CHUNK).zip(f32s(v, vl)?.par_chunks(CHUNK));
        f32s_mut(w, wl)?.par_chunks_mut(CHUNK).zip(moments).for_each(|(w, (m, v))| {
            let mut finite = true;
            for ((w, &m), &v) in w.iter_mut().zip(m).zip(v) {
                *w = *w * self.keep - self.size * (m / (v.sqrt() / self.root + self.eps));
                finite &= w.is_finite();
            }
            if !finite {
                self.finite.store(false, Ordering::Relaxed);
            }
        });
        Ok(())
    }
}
