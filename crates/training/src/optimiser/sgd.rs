use super::Slots;
use super::slices::{CHUNK, of_gradient, with_values};
use candle_core::{Result, Tensor};
use rayon::prelude::*;

/// The numbers of one step, in PyTorch's order of operations:
///
/// ```text
/// g ← g + wd·w      b ← μ·b + g      w ← w − η·b,   Nesterov: w ← w − η·(g + μ·b)
/// ```
///
/// PyTorch's first b is g, which is what b = 0 before it gives. Without momentum there is no b.
pub struct Sgd {
    lr: f32,
    momentum: f32,
    nesterov: bool,
    decay: f32,
}

impl Sgd {
    pub fn new(lr: f64, momentum: f64, nesterov: bool, decay: f64) -> Sgd {
        Sgd { lr: lr as f32, momentum: momentum as f32, nesterov, decay: decay as f32 }
    }

    /// One variable; whether it stays finite.
    pub fn take(&self, s: &Slots, g: &Tensor) -> Result<bool> {
        let mut finite = true;
        of_gradient(g, |g| {
            with_values(s.var.as_tensor(), |w| match s.slots.first() {
                None => {
                    let all = w.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
                    finite = all.map(|(w, g)| self.plain(w, g)).reduce(|| true, |a, b| a & b);
                    Ok(())
                }
                Some(velocity) => with_values(velocity, |b| {
                    let all = w.par_chunks_mut(CHUNK).zip(b.par_chunks_mut(CHUNK));
                    let all = all.zip(g.par_chunks(CHUNK));
                    let piece = all.map(|((w, b), g)| self.piece(w, b, g));
                    finite = piece.reduce(|| true, |a, b| a & b);
                    Ok(())
                }),
            })
        })?;
        Ok(finite)
    }

    fn plain(&self, w: &mut [f32], g: &[f32]) -> bool {
        let mut finite = true;
        for (w, g) in w.iter_mut().zip(g) {
            *w -= self.lr * (g + self.decay * *w);
            finite &= w.is_finite();
        }
        finite
    }

    fn piece(&self, w: &mut [f32], b: &mut [f32], g: &[f32]) -> bool {
        let mut finite = true;
        for ((w, b), g) in w.iter_mut().zip(b).zip(g) {
            let g = g + self.decay * *w;
            *b = self.momentum * *b + g;
            *w -= self.lr * if self.nesterov { g + self.momentum * *b } else { *b };
            finite &= w.is_finite();
        }
        finite
    }
}
