use crate::kernel::{Stored, by_precision, maps, slice, with_maps};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, WithDType, bail,
};
use neuron::Pooling;
use rayon::prelude::*;

/// Max pooling with a k×k window and stride k, `[…, H, W, C]` → `[…, ⌊H/k⌋, ⌊W/k⌋, C]`; rows and
/// columns that fill no window are dropped. The gradient goes to the **first** maximum of a window
/// in row-major order, so of a window of equal spikes to its top-left one: 0/1 values tie almost
/// always, and other rules change a network's gradients by 30 % and more.
pub fn max_pool2d(x: &Tensor, k: usize) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Pool { k, kind: Kind::Max })
}

/// Average pooling with a k×k window and stride k; sizes as [`max_pool2d`]. The gradient is shared
/// equally by the members of a window.
pub fn avg_pool2d(x: &Tensor, k: usize) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Pool { k, kind: Kind::Average })
}

/// [`max_pool2d`] or [`avg_pool2d`] of maps `[n, h, w, c]` on slices.
///
/// # Panics
/// If `x` has another size, or the window does not fit.
pub fn pooled(x: &[f32], shape: [usize; 4], pooling: Pooling) -> Vec<f32> {
    match Kind::of(pooling) {
        None => x.to_vec(),
        Some((kind, k)) => forward(x, Sizes::checked(x.len(), shape, k), kind),
    }
}

/// The gradient of [`pooled`] with respect to `x` from that of what it gave.
///
/// # Panics
/// As there.
pub fn pooled_gradient(x: &[f32], g: &[f32], shape: [usize; 4], pooling: Pooling) -> Vec<f32> {
    match Kind::of(pooling) {
        None => g.to_vec(),
        Some((kind, k)) => backward(x, g, Sizes::checked(x.len(), shape, k), kind),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Max,
    Average,
}

impl Kind {
    fn of(pooling: Pooling) -> Option<(Kind, usize)> {
        match pooling {
            Pooling::None => None,
            Pooling::Max(k) => Some((Kind::Max, k)),
            Pooling::Average(k) => Some((Kind::Average, k)),
        }
    }
}

#[derive(Clone, Copy)]
struct Pool {
    k: usize,
    kind: Kind,
}

struct PoolGradient(Pool);

/// Sizes of one map before (`h`, `w`) and after (`oh`, `ow`) pooling.
#[derive(Clone, Copy)]
struct Sizes {
    k: usize,
    w: usize,
    c: usize,
    ow: usize,
    /// Elements of one map before and after.
    input: usize,
    output: usize,
}

impl Sizes {
    fn checked(len: usize, [n, h, w, c]: [usize; 4], k: usize) -> Sizes {
        assert!(k > 0 && k <= h && k <= w && len == n * h * w * c, "{len} values, window {k}");
        Sizes { k, w, c, ow: w / k, input: h * w * c, output: (h / k) * (w / k) * c }
    }

    fn of(layout: &Layout, k: usize) -> Result<(Sizes, Shape)> {
        let (_, h, w, c) = maps(layout)?;
        if k == 0 || h < k || w < k {
            bail!("pooling with a {k}×{k} window needs maps of at least that size, found {h}×{w}");
        }
        let (oh, ow) = (h / k, w / k);
        Ok((
            Sizes { k, w, c, ow, input: h * w * c, output: oh * ow * c },
            with_maps(layout, oh, ow, c),
        ))
    }

    /// Where the window of output pixel `p` starts, and the offsets of its members in row-major
    /// order.
    fn window(self, p: usize) -> impl Iterator<Item = usize> + Clone {
        let first = ((p / self.ow) * self.k * self.w + (p % self.ow) * self.k) * self.c;
        (0..self.k * self.k).map(move |i| first + ((i / self.k) * self.w + i % self.k) * self.c)
    }
}

fn forward<F: Stored>(x: &[F], s: Sizes, kind: Kind) -> Vec<F> {
    let mut y = vec![F::zero(); x.len() / s.input * s.output];
    let share = F::of(1.0 / (s.k * s.k) as f64);
    y.par_chunks_mut(s.output).zip(x.par_chunks(s.input)).for_each(|(y, x)| {
        for (p, y) in y.chunks_exact_mut(s.c).enumerate() {
            for (i, at) in s.window(p).enumerate() {
                let member = &x[at..][..s.c];
                match kind {
                    _ if i == 0 => y.copy_from_slice(member),
                    Kind::Max => y.iter_mut().zip(member).for_each(|(y, &x)| *y = larger(*y, x)),
                    Kind::Average => y.iter_mut().zip(member).for_each(|(y, &x)| *y += x),
                }
            }
            if let Kind::Average = kind {
                y.iter_mut().for_each(|y| *y *= share);
            }
        }
    });
    y
}

/// The larger of two; the first of equals, and a NaN rather than a number, as PyTorch has it.
#[inline(always)]
fn larger<F: Stored>(y: F, x: F) -> F {
    if x > y || x.is_nan() { x } else { y }
}

fn backward<F: Stored>(x: &[F], g: &[F], s: Sizes, kind: Kind) -> Vec<F> {
    let mut d = vec![F::zero(); x.len()];
    let share = F::of(1.0 / (s.k * s.k) as f64);
    d.par_chunks_mut(s.input).zip(x.par_chunks(s.input)).zip(g.par_chunks(s.output)).for_each(
        |((d, x), g)| {
            let (mut largest, mut left) = (vec![F::zero(); s.c], vec![F::zero(); s.c]);
            for (p, g) in g.chunks_exact(s.c).enumerate() {
                match kind {
                    Kind::Average => {
                        for at in s.window(p) {
                            d[at..][..s.c].iter_mut().zip(g).for_each(|(d, &g)| *d = g * share);
                        }
                    }
                    Kind::Max => {
                        for (i, at) in s.window(p).enumerate() {
                            let member = &x[at..][..s.c];
                            match i {
                                0 => largest.copy_from_slice(member),
                                _ => largest
                                    .iter_mut()
                                    .zip(member)
                                    .for_each(|(y, &x)| *y = larger(*y, x)),
                            }
                        }
                        // the first member that is the largest takes the gradient and leaves none
                        left.copy_from_slice(g);
                        for at in s.window(p) {
                            let members = d[at..][..s.c].iter_mut().zip(&x[at..][..s.c]);
                            for (((d, &x), &largest), left) in members.zip(&largest).zip(&mut left)
                            {
                                let wins = x == largest || x.is_nan();
                                *d = if wins { *left } else { F::zero() };
                                *left = if wins { F::zero() } else { *left };
                            }
                        }
                    }
                }
            }
        },
    );
    d
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (sizes, shape) = Sizes::of(layout, self.k)?;
        let y = by_precision!(x, F => F::to_cpu_storage_owned(forward::<F>(slice(x, layout)?, sizes, self.kind)));
        Ok((y, shape))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (_, shape) = Sizes::of(layout, self.k)?;
        let (n, h, w, c) = maps(layout)?;
        Ok((
            crate::cuda::pool_forward(x, layout, [n, h, w, c], self.k, self.kind == Kind::Max)?,
            shape,
        ))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let (n, h, w, c) = maps(x.layout())?;
            let max = self.kind == Kind::Max;
            return crate::cuda::pool_backward(x, &g.contiguous()?, [n, h, w, c], self.k, max)
                .map(Some);
        }
        Ok(Some(x.apply_op2_no_bwd(&g.contiguous()?, &PoolGradient(*self))?))
    }
}

impl CustomOp2 for PoolGradient {
    fn name(&self) -> &'static str {
        "pool-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (sizes, _) = Sizes::of(xl, self.0.k)?;
        let d = by_precision!(x, F => F::to_cpu_storage_owned(
            backward::<F>(slice(x, xl)?, slice(g, gl)?, sizes, self.0.kind)));
        Ok((d, xl.shape().clone()))
    }
}
