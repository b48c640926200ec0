use super::slices::{CHUNK, of_gradient, with_values};
use super::{OptimiserKind, Slots};
use crate::BadField;
use crate::range::check;
use candle_core::{Result, Tensor, bail};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Constants of AdamW, Adam and AMSGrad; the default is the paper's code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay, on every variable.
    pub weight_decay: f64,
}

impl AdamWConfig {
    /// The paper's code.
    pub const PAPER: Self = Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-4 };

    /// Proves that every constant lies in its range: 0 ≤ β < 1, 0 < ε, 0 ≤ weight decay.
    ///
    /// # Errors
    /// The first that does not; it names field, range and value.
    pub fn check(&self) -> std::result::Result<(), BadField> {
        check("adamw.beta1", self.beta1)?;
        check("adamw.beta2", self.beta2)?;
        check("adamw.eps", self.eps)?;
        check("adamw.weight_decay", self.weight_decay)
    }
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self::PAPER
    }
}

/// The numbers of one step t, in PyTorch's order of operations:
///
/// ```text
/// AdamW    w ← w · (1 − η·wd)
/// others   g ← g + wd·w
///          m ← m + (1 − β₁)(g − m)      v ← β₂·v + (1 − β₂)·g²
/// AMSGrad  v̂ ← max(v̂, v), which takes the place of v below
///          w ← w − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
pub struct Adam {
    first: f32,
    second: f32,
    second_keep: f32,
    keep: f32,
    size: f32,
    root: f32,
    eps: f32,
    decay: f32,
}

impl Adam {
    pub fn new(config: &AdamWConfig, steps: u64, lr: f64) -> Adam {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = *config;
        let t = steps as f64;
        Adam {
            first: (1.0 - beta1) as f32,
            second: (1.0 - beta2) as f32,
            second_keep: beta2 as f32,
            keep: (1.0 - lr * weight_decay) as f32,
            size: (lr / (1.0 - beta1.powf(t))) as f32,
            root: (1.0 - beta2.powf(t)).sqrt() as f32,
            eps: eps as f32,
            decay: weight_decay as f32,
        }
    }

    /// What the device's AdamW takes.
    #[cfg(feature = "cuda")]
    pub fn constants(&self) -> [f32; 7] {
        let Self { first, second, second_keep, keep, size, root, eps, .. } = *self;
        [first, second, second_keep, keep, size, root, eps]
    }

    /// One variable; whether it stays finite.
    pub fn take(&self, kind: OptimiserKind, s: &Slots, g: &Tensor) -> Result<bool> {
        let [m, v, ..] = &s.slots[..] else { bail!("{} has no moments", s.name) };
        let mut finite = true;
        of_gradient(g, |g| {
            with_values(m, |m| {
                with_values(v, |v| {
                    with_values(s.var.as_tensor(), |w| {
                        finite = match (kind, s.slots.get(2)) {
                            (OptimiserKind::AmsGrad, Some(largest)) => {
                                let mut stays = true;
                                with_values(largest, |largest| {
                                    stays = self.all_with_largest((w, g), (m, v), largest);
                                    Ok(())
                                })?;
                                stays
                            }
                            (OptimiserKind::AdamW, _) => self.all::<false>((w, g), m, v),
                            _ => self.all::<true>((w, g), m, v),
                        };
                        Ok(())
                    })
                })
            })
        })?;
        Ok(finite)
    }

    fn all<const COUPLED: bool>(
        &self,
        (w, g): (&mut [f32], &[f32]),
        m: &mut [f32],
        v: &mut [f32],
    ) -> bool {
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let all = w.par_chunks_mut(CHUNK).zip(moments).zip(g.par_chunks(CHUNK));
        // a function that is compiled for this CPU's vectors: roots and quotients of four numbers
        // at a time took as long as the memory
        let piece =
            |((w, (m, v)), g)| Arch::new().dispatch(Step::<COUPLED> { adam: self, w, m, v, g });
        all.map(piece).reduce(|| true, |a, b| a & b)
    }

    #[inline(always)]
    fn piece<const COUPLED: bool>(
        &self,
        w: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
        g: &[f32],
    ) -> bool {
        let mut finite = true;
        for (((w, m), v), &g) in w.iter_mut().zip(m).zip(v).zip(g) {
            self.moments(m, v, if COUPLED { g + self.decay * *w } else { g });
            let kept = if COUPLED { *w } else { *w * self.keep };
            *w = self.moved(kept, *m, *v);
            finite &= w.is_finite();
        }
        finite
    }

    /// [`Adam::all`] of AMSGrad.
    fn all_with_largest(
        &self,
        (w, g): (&mut [f32], &[f32]),
        (m, v): (&mut [f32], &mut [f32]),
        largest: &mut [f32],
    ) -> bool {
        let (mut ws, mut gs) = (w.chunks_mut(CHUNK), g.chunks(CHUNK));
        let (mut ms, mut vs) = (m.chunks_mut(CHUNK), v.chunks_mut(CHUNK));
        let mut all = Vec::new();
        for largest in largest.chunks_mut(CHUNK) {
            if let (Some(w), Some(g), Some(m), Some(v)) =
                (ws.next(), gs.next(), ms.next(), vs.next())
            {
                all.push(Piece { w, g, m, v, largest });
            }
        }
        all.into_par_iter().map(|piece| self.largest_piece(piece)).reduce(|| true, |a, b| a & b)
    }

    fn largest_piece(&self, piece: Piece) -> bool {
        let Piece { w, g, m, v, largest } = piece;
        let mut finite = true;
        for i in 0..w.len() {
            self.moments(&mut m[i], &mut v[i], g[i] + self.decay * w[i]);
            largest[i] = largest[i].max(v[i]);
            w[i] = self.moved(w[i], m[i], largest[i]);
            finite &= w[i].is_finite();
        }
        finite
    }

    #[inline(always)]
    fn moments(&self, m: &mut f32, v: &mut f32, g: f32) {
        *m += self.first * (g - *m);
        *v = *v * self.second_keep + self.second * g * g;
    }

    #[inline(always)]
    fn moved(&self, w: f32, m: f32, v: f32) -> f32 {
        w - self.size * (m / (v.sqrt() / self.root + self.eps))
    }
}

/// A part of a variable, for one thread.
struct Step<'a, const COUPLED: bool> {
    adam: &'a Adam,
    w: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    g: &'a [f32],
}

impl<const COUPLED: bool> WithSimd for Step<'_, COUPLED> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        self.adam.piece::<COUPLED>(self.w, self.m, self.v, self.g)
    }
}

/// A part of a variable under AMSGrad, for one thread.
struct Piece<'a> {
    w: &'a mut [f32],
    g: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    largest: &'a mut [f32],
}
