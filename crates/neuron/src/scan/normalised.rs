//! Batch norm, ReLU and neurons as one operation: the currents between them are never written.
//!
//! Forward reads z and writes o. Backward reads z and G, keeps D for one more look at it (the sums
//! that batch norm's gradient needs are known only at the end), and turns D into ∂L/∂z in place.

use super::Membrane;
#[cfg(feature = "cuda")]
use super::Rows;
use super::cpu::blocks;
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{
    CpuStorage, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor, WithDType, bail,
};
use rayon::prelude::*;
use surrogate::Real;

/// Neurons of one block. Smaller than the plain scan's, since a block also carries three patterns a
/// step.
const BLOCK: usize = 512;

/// What stands between the currents z `[T, …, C]` of a convolution and its neurons in a training
/// pass: x = max(0, γ · (z − μ)/√(σ² + ε) + β), with the moments of z itself.
#[derive(Clone, Debug)]
pub struct Normalisation {
    /// γ `[C]`.
    pub weight: Tensor,
    /// β `[C]`.
    pub bias: Tensor,
    /// Mean, biased variance and what rounding took from the mean, `[3, S, C]`: S = T sets if each
    /// step has its own statistics, S = 1 over time.
    pub moments: Tensor,
    /// ε.
    pub eps: f64,
}

/// Spikes of the currents that `n` makes of `z`.
pub fn scan_normalised<C: Membrane>(cell: C, z: &Tensor, n: &Normalisation) -> Result<Tensor> {
    let (_, sets, c) = n.moments.dims3()?;
    if n.moments.dim(0)? != 3
        || z.dims().len() < 2
        || z.dims().last() != Some(&c)
        || (sets != 1 && sets != z.dim(0)?)
        || z.elem_count() == 0
    {
        bail!("moments {:?} do not belong to currents {:?}", n.moments.shape(), z.shape());
    }
    let (weight, bias) = (n.weight.contiguous()?, n.bias.contiguous()?);
    let norm = Normalisation {
        weight: weight.detach(),
        bias: bias.detach(),
        moments: n.moments.clone(),
        eps: n.eps,
    };
    z.contiguous()?.apply_op3(&weight, &bias, Normalised { cell, norm })
}

struct Normalised<C> {
    cell: C,
    norm: Normalisation,
}

/// One number per channel, for each set.
struct Channels<F> {
    c: usize,
    sets: usize,
    mean: Vec<F>,
    /// What rounding took from the mean.
    lost: Vec<F>,
    /// 1/√(σ² + ε)
    inverse: Vec<F>,
    gamma: Vec<F>,
    beta: Vec<F>,
}

/// The same numbers repeated along the channels, so that a block that starts anywhere reads a plain
/// slice.
struct Patterns<F> {
    c: usize,
    sets: usize,
    mean: Vec<F>,
    scale: Vec<F>,
    shift: Vec<F>,
}

impl<F: Real + WithDType> Channels<F> {
    fn new(moments: &Tensor, eps: f64, gamma: &[F], beta: &[F]) -> Result<Self> {
        let (_, sets, c) = moments.dims3()?;
        let all: Vec<F> = moments.flatten_all()?.to_vec1()?;
        let (mean, others) = all.split_at(sets * c);
        let (var, lost) = others.split_at(sets * c);
        let inverse =
            var.iter().map(|&v| F::of(1.0 / (WithDType::to_f64(v) + eps).sqrt())).collect();
        let (mean, lost) = (mean.to_vec(), lost.to_vec());
        Ok(Self { c, sets, mean, lost, inverse, gamma: gamma.to_vec(), beta: beta.to_vec() })
    }

    fn set(&self, t: usize) -> std::ops::Range<usize> {
        let set = if self.sets == 1 { 0 } else { t };
        set * self.c..(set + 1) * self.c
    }

    fn patterns(&self) -> Patterns<F> {
        let repeat = |value: &dyn Fn(usize, usize) -> F| {
            let lane = |set| (0..BLOCK + self.c).map(move |i| value(set, i % self.c));
            (0..self.sets).flat_map(lane).collect()
        };
        Patterns {
            c: self.c,
            sets: self.sets,
            mean: repeat(&|set, c| self.mean[set * self.c + c]),
            scale: repeat(&|set, c| self.gamma[c] * self.inverse[set * self.c + c]),
            shift: repeat(&|set, c| {
                self.beta[c]
                    - self.gamma[c] * self.inverse[set * self.c + c] * self.lost[set * self.c + c]
            }),
        }
    }
}

impl<F> Patterns<F> {
    /// Mean, scale and shift of the `len` neurons from `first` on, at step t.
    fn at(&self, t: usize, first: usize, len: usize) -> (&[F], &[F], &[F]) {
        let set = if self.sets == 1 { 0 } else { t };
        let from = set * (BLOCK + self.c) + first % self.c;
        (&self.mean[from..][..len], &self.scale[from..][..len], &self.shift[from..][..len])
    }
}

#[inline(always)]
fn rectified<F: Real>(z: F, mean: F, scale: F, shift: F) -> F {
    let y = (z - mean) * scale + shift;
    if y > F::zero() { y } else { F::zero() }
}

fn forward<C: Membrane, F: Real>(cell: &C, z: &[F], steps: usize, p: &Patterns<F>) -> Vec<F> {
    let n = z.len() / steps;
    let mut out = vec![F::zero(); z.len()];
    blocks(&mut out, n, BLOCK).into_par_iter().enumerate().for_each(|(b, mut rows)| {
        let cell = *cell;
        let first = b * BLOCK;
        let mut v = [F::zero(); BLOCK];
        for (t, o) in rows.iter_mut().enumerate() {
            let (mean, scale, shift) = p.at(t, first, o.len());
            let z = &z[t * n + first..][..o.len()];
            let row = o.iter_mut().zip(&mut v).zip(z).zip(mean).zip(scale).zip(shift);
            for (((((o, v), &z), &mean), &scale), &shift) in row {
                let u = rectified(z, mean, scale, shift) + *v;
                let fired = cell.fires(u);
                *o = if fired { F::one() } else { F::zero() };
                *v = cell.carry(u, fired);
            }
        }
    });
    out
}

/// ∂L/∂z, ∂L/∂γ, ∂L/∂β.
fn backward<C: Membrane, F: Real + WithDType>(
    cell: &C,
    z: &[F],
    g: &[F],
    steps: usize,
    ch: &Channels<F>,
) -> [Vec<F>; 3] {
    let n = z.len() / steps;
    let p = ch.patterns();
    let mut out = vec![F::zero(); z.len()];
    // A task sums about BLOCK values per channel in the working precision; tasks are added in order
    // in f64.
    let task = ch.c.clamp(4, 32);
    let mut pieces = blocks(&mut out, n, BLOCK);
    let parts: Vec<Vec<F>> = pieces
        .par_chunks_mut(task)
        .enumerate()
        .map_init(
            || vec![F::zero(); steps * BLOCK],
            |membranes, (i, blocks)| {
                let mut sums = vec![F::zero(); 2 * steps * ch.c];
                for (b, rows) in blocks.iter_mut().enumerate() {
                    let first = (i * task + b) * BLOCK;
                    block_gradient(cell, z, g, n, first, rows, &p, membranes);
                    for (t, d) in rows.iter().enumerate() {
                        let z = &z[t * n + first..][..d.len()];
                        let (sd, sx) = sums[2 * t * ch.c..][..2 * ch.c].split_at_mut(ch.c);
                        let set = ch.set(t);
                        add_sums(
                            d,
                            z,
                            first % ch.c,
                            &ch.mean[set.clone()],
                            &ch.inverse[set],
                            sd,
                            sx,
                        );
                    }
                }
                sums
            },
        )
        .collect();
    drop(pieces);
    let mut sums = vec![0.0; 2 * ch.sets * ch.c];
    for part in &parts {
        for t in 0..steps {
            let set = ch.set(t).start;
            let part = &part[2 * t * ch.c..][..2 * ch.c];
            sums[2 * set..][..2 * ch.c]
                .iter_mut()
                .zip(part)
                .for_each(|(s, &p)| *s += WithDType::to_f64(p));
        }
    }
    finish(&mut out, z, n, &sums, steps, ch);
    let total = |which: usize| {
        let channel = |c| (0..ch.sets).map(|s| sums[(2 * s + which) * ch.c + c]).sum::<f64>();
        (0..ch.c).map(|c| F::of(channel(c))).collect()
    };
    [out, total(1), total(0)]
}

/// D of one block, already 0 where the ReLU was shut.
#[allow(clippy::too_many_arguments)]
fn block_gradient<C: Membrane, F: Real>(
    cell: &C,
    z: &[F],
    g: &[F],
    n: usize,
    first: usize,
    rows: &mut [&mut [F]],
    p: &Patterns<F>,
    membranes: &mut [F],
) {
    let cell = *cell; // a copy on the stack: the optimiser then knows that no write changes its fields
    let mut v = [F::zero(); BLOCK];
    for (t, d) in rows.iter().enumerate() {
        let (mean, scale, shift) = p.at(t, first, d.len());
        let z = &z[t * n + first..][..d.len()];
        let row = membranes[t * BLOCK..][..BLOCK]
            .iter_mut()
            .zip(&mut v)
            .zip(z)
            .zip(mean)
            .zip(scale)
            .zip(shift);
        for (((((u, v), &z), &mean), &scale), &shift) in row {
            *u = rectified(z, mean, scale, shift) + *v;
            *v = cell.carry(*u, cell.fires(*u));
        }
    }
    let mut m = [F::zero(); BLOCK];
    for (t, d) in rows.iter_mut().enumerate().rev() {
        let (mean, scale, shift) = p.at(t, first, d.len());
        let (z, g) = (&z[t * n + first..][..d.len()], &g[t * n + first..][..d.len()]);
        let row = d.iter_mut().zip(&mut m).zip(&membranes[t * BLOCK..][..BLOCK]).zip(g);
        for ((((((d, m), &u), &g), &z), &mean), (&scale, &shift)) in
            row.zip(z).zip(mean).zip(scale.iter().zip(shift))
        {
            *m = cell.backward(u, cell.fires(u), g, *m);
            let open = (z - mean) * scale + shift > F::zero();
            *d = if open { *m } else { F::zero() };
        }
    }
}

/// Adds ΣD and ΣD·x̂ of one row of a block to its channels.
fn add_sums<F: Real>(
    d: &[F],
    z: &[F],
    first: usize,
    mean: &[F],
    inverse: &[F],
    sd: &mut [F],
    sx: &mut [F],
) {
    let c = mean.len();
    let (mut at, mut channel) = (0, first);
    while at < d.len() {
        let len = (c - channel).min(d.len() - at);
        let (d, z) = (&d[at..][..len], &z[at..][..len]);
        let (mean, inverse) = (&mean[channel..][..len], &inverse[channel..][..len]);
        let (sd, sx) = (&mut sd[channel..][..len], &mut sx[channel..][..len]);
        let row = sd.iter_mut().zip(sx).zip(d).zip(z).zip(mean).zip(inverse);
        for (((((sd, sx), &d), &z), &mean), &inverse) in row {
            *sd = *sd + d;
            *sx = *sx + d * ((z - mean) * inverse);
        }
        at += len;
        channel = 0;
    }
}

/// D → ∂L/∂z = γ/√(σ² + ε) · (D − ΣD/n − x̂ · Σ(D·x̂)/n) in place.
fn finish<F: Real>(d: &mut [F], z: &[F], n: usize, sums: &[f64], steps: usize, ch: &Channels<F>) {
    let c = ch.c;
    let count = (n / c * steps / ch.sets) as f64;
    for (t, (d, z)) in d.chunks_mut(n).zip(z.chunks(n)).enumerate() {
        let set = if ch.sets == 1 { 0 } else { t };
        let (sd, sx) = sums[2 * set * c..][..2 * c].split_at(c);
        let at = set * c..(set + 1) * c;
        let (mean, inverse) = (&ch.mean[at.clone()], &ch.inverse[at]);
        let p: Vec<F> = ch.gamma.iter().zip(inverse).map(|(&g, &i)| g * i).collect();
        let q: Vec<F> = sx.iter().zip(inverse).map(|(&s, &i)| F::of(s / count) * i).collect();
        let r: Vec<F> = sd.iter().map(|&s| F::of(s / count)).collect();
        let chunk = BLOCK.div_ceil(c) * 8 * c;
        d.par_chunks_mut(chunk).zip(z.par_chunks(chunk)).for_each(|(d, z)| {
            for (d, z) in d.chunks_exact_mut(c).zip(z.chunks_exact(c)) {
                let row = d.iter_mut().zip(z).zip(mean).zip(&p).zip(&q).zip(&r);
                for (((((d, &z), &mean), &p), &q), &r) in row {
                    *d = p * (*d - r - (z - mean) * q);
                }
            }
        });
    }
}

impl<C: Membrane> Normalised<C> {
    fn forward<F: Real + WithDType>(
        &self,
        z: &[F],
        gamma: &[F],
        beta: &[F],
        steps: usize,
    ) -> Result<Vec<F>> {
        let channels = Channels::new(&self.norm.moments, self.norm.eps, gamma, beta)?;
        Ok(forward(&self.cell, z, steps, &channels.patterns()))
    }

    fn backward<F: Real + WithDType>(
        &self,
        z: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        g: &Tensor,
    ) -> Result<Gradients> {
        let (gamma_v, beta_v): (Vec<F>, Vec<F>) = (gamma.to_vec1()?, beta.to_vec1()?);
        let channels = Channels::new(&self.norm.moments, self.norm.eps, &gamma_v, &beta_v)?;
        let [dz, dgamma, dbeta] = {
            let ((zs, zl), (gs, gl)) = (z.storage_and_layout(), g.storage_and_layout());
            let (Storage::Cpu(zs), Storage::Cpu(gs)) = (&*zs, &*gs) else {
                bail!("the fused block of batch norm and neurons runs on the CPU only")
            };
            let (z_v, g_v) =
                (super::part(zs.as_slice::<F>()?, zl)?, super::part(gs.as_slice::<F>()?, gl)?);
            backward(&self.cell, z_v, g_v, z.dim(0)?, &channels)
        };
        let tensor = |v: Vec<F>, like: &Tensor| Tensor::from_vec(v, like.shape(), like.device());
        Ok((Some(tensor(dz, z)?), Some(tensor(dgamma, gamma)?), Some(tensor(dbeta, beta)?)))
    }
}

type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

impl<C: Membrane> CustomOp3 for Normalised<C> {
    fn name(&self) -> &'static str {
        "normalise-rectify-fire"
    }

    fn cpu_fwd(
        &self,
        z: &CpuStorage,
        zl: &Layout,
        gamma: &CpuStorage,
        gl: &Layout,
        beta: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let steps = super::steps(zl)?;
        let spikes = match (z, gamma, beta) {
            (CpuStorage::F32(z), CpuStorage::F32(g), CpuStorage::F32(b)) => CpuStorage::F32(
                self.forward(super::part(z, zl)?, super::part(g, gl)?, super::part(b, bl)?, steps)?,
            ),
            (CpuStorage::F64(z), CpuStorage::F64(g), CpuStorage::F64(b)) => CpuStorage::F64(
                self.forward(super::part(z, zl)?, super::part(g, gl)?, super::part(b, bl)?, steps)?,
            ),
            (z, ..) => bail!(
                "currents, weight and bias are all f32 or all f64, found {:?} currents",
                super::dtype(z)
            ),
        };
        Ok((spikes, zl.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        z: &CudaStorage,
        zl: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        super::steps(zl)?;
        let spikes = super::cuda::normalised_forward(&self.cell.source(), z, zl, &self.norm)?;
        Ok((spikes, zl.shape().clone()))
    }

    fn bwd(
        &self,
        z: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _spikes: &Tensor,
        g: &Tensor,
    ) -> Result<Gradients> {
        let g = g.contiguous()?;
        #[cfg(feature = "cuda")]
        if z.device().is_cuda() {
            let (z, gamma, beta) =
                super::cuda::normalised_backward(&self.cell.source(), z, &self.norm, &g)?;
            return Ok((Some(z), Some(gamma), Some(beta)));
        }
        match z.dtype() {
            DType::F64 => self.backward::<f64>(z, gamma, beta, &g),
            _ => self.backward::<f32>(z, gamma, beta, &g),
        }
    }
}
