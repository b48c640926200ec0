//! Stages on a CUDA device: `stage.cu` specialised for what is asked, compiled when it is first
//! needed.
//!
//! The same arithmetic as on the CPU, rounding for rounding where tensors are f32 or f64: sums over
//! neurons alone are taken in another order. Nothing is kept between forward and backward but the
//! currents and the factors of the norm.

// Long: every launch of a stage, each beside what makes its addresses valid.

#![expect(
    unsafe_code,
    reason = "kernels are launched with addresses; each launch says what makes them valid"
)]

mod operations;
mod program;
mod step;

pub use operations::{backward, forward};
pub use step::Stepping;

use crate::{Pooling, Source};
use candle_core::cuda_backend::CudaStorage;
use candle_core::{DType, Layout, Result, Tensor, bail};
use device::{Arg, Gpu, Program, View};
use program::{Pass, Shape};
use std::sync::Arc;

/// What a neuron of this source does to currents `[T, B, H, W, C]` on a device.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The neuron, see [`crate::Neuron::source`].
    pub neuron: &'a Source,
    /// Its learnable parameters `[P]`, in what is computed in; `None` without any.
    pub learned: Option<&'a Tensor>,
    /// T.
    pub steps: usize,
    /// B, H, W, C.
    pub shape: [usize; 4],
    /// Whether z holds one step `[B, H, W, C]` that is the same at all T.
    pub still: bool,
    /// Batch norm, if there is one; the currents are then those without a bias.
    pub norm: Option<&'a Norm>,
    /// `[C]`, added to the currents where there is no norm.
    pub bias: Option<&'a Tensor>,
    /// Whether a ReLU follows.
    pub rectify: bool,
    /// Factors of the currents behind the ReLU, f32 `[B, H, W, C]`, or `[T, …]` of each step.
    pub mask: Option<&'a Tensor>,
    /// What happens to the spikes.
    pub pool: Pooling,
    /// Factors of the spikes behind the pool, f32 `[B, H/k, W/k, C]`, or `[T, …]` of each step.
    pub drop: Option<&'a Tensor>,
}

impl Stage<'_> {
    /// Numbers of one step behind the pool.
    fn pooled(&self) -> usize {
        let ([b, h, w, c], k) = (self.shape, self.pool.side().max(1));
        b * (h / k) * (w / k) * c
    }
}

/// What a batch norm normalises with: `[S, C]` numbers each, S = T if each step has its own
/// statistics, else 1.
#[derive(Clone, Debug)]
pub struct Norm {
    /// S.
    pub sets: usize,
    /// μ, variance, and what rounding took from the mean, `[3, S, C]`.
    moments: Tensor,
    /// 1/√(σ² + ε), scale and shift, `[3, S, C]`.
    factors: Tensor,
    /// γ `[C]`, or of at least S sets `[…, C]`.
    gamma: Tensor,
    /// A constant factor of γ.
    constant: f64,
}

/// What follows the moments of a norm.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// γ `[C]`, or of at least as many steps as there are sets of moments, `[…, C]`.
    pub gamma: &'a Tensor,
    /// A factor of γ that is not learnt.
    pub constant: f64,
    /// β `[C]`, if there is one.
    pub beta: Option<&'a Tensor>,
    /// ε.
    pub eps: f64,
}

/// Where the gradient of the activations comes from.
#[derive(Clone, Copy, Debug)]
pub enum Upstream<'a> {
    /// From the product above, `[T, B, H/k, W/k, C]` in the type of the activations.
    Activations(&'a Tensor),
    /// From class scores, f32 `[B, K]`: the mean over steps and `voters`.
    Scores {
        /// ∂L/∂scores.
        gradient: &'a Tensor,
        /// Units of a class.
        voters: usize,
    },
}

/// Gradients of a stage.
pub struct Gradient {
    /// ∂L/∂z in the shape and type of z.
    pub z: Tensor,
    /// ∂L/∂γ and ∂L/∂β.
    pub norm: Option<(Tensor, Tensor)>,
    /// Σ ∂L/∂z of each channel, if the stage has a bias.
    pub bias: Option<Tensor>,
    /// ∂L/∂parameters `[P]`, if the neuron has learnable ones.
    pub parameters: Option<Tensor>,
}

/// What is computed in for currents of a type.
fn computed(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

impl Norm {
    /// The factors of γ and β with `moments` `[3, S, C]`: mean, variance and what rounding took
    /// from the mean.
    ///
    /// # Errors
    /// If they do not belong together, or the device fails.
    pub fn new(moments: Tensor, affine: Affine) -> Result<Norm> {
        let Affine { gamma, constant, beta, eps } = affine;
        let (three, sets, c) = moments.dims3()?;
        let by_set = gamma.rank() == 2;
        if by_set && gamma.dim(0)? < sets {
            bail!(
                "a batch norm of {} steps was shown {sets}; make the network for as many",
                gamma.dim(0)?
            )
        }
        let fits = match *gamma.dims() {
            [own] => own == c,
            [_, own] => own == c,
            _ => false,
        };
        if three != 3 || !fits || beta.is_some_and(|beta| beta.dims() != [c]) {
            bail!(
                "batch norm of moments {:?} takes a weight and a bias of as many channels, found {:?}, {:?}",
                moments.shape(),
                gamma.shape(),
                beta.map(Tensor::shape)
            );
        }
        if [Some(gamma), beta].into_iter().flatten().any(|t| t.dtype() != moments.dtype()) {
            bail!(
                "batch norm's moments, weight and bias have one type, found {:?}",
                moments.dtype()
            );
        }
        let gpu = Gpu::of_tensor(&moments)?;
        let factors = gpu.empty((3, sets, c), moments.dtype())?;
        let kernel = gpu.kernel(small(moments.dtype())?, "affine")?;
        let args = [
            Arg::Pointer(gpu.pointer(&moments)?),
            Arg::Pointer(gpu.pointer(gamma)?),
            Arg::Pointer(beta.map_or(Ok(0), |beta| gpu.pointer(beta))?),
            Arg::Double(eps),
            Arg::Double(constant),
            Arg::Pointer(gpu.pointer(&factors)?),
            Arg::Int(sets as i32),
            Arg::Int(c as i32),
            Arg::Int(i32::from(by_set)),
        ];
        // SAFETY: moments and factors hold 3·S·C numbers, γ C or at least S·C, β C or is none, of
        // the type the program is made for.
        unsafe { gpu.launch(&kernel, [gpu.blocks(sets * c, 256), 1], 256, &args)? };
        Ok(Norm { sets, moments, factors, gamma: gamma.clone(), constant })
    }

    /// μ, variance, and what rounding took from the mean, `[3, S, C]`.
    pub fn moments(&self) -> &Tensor {
        &self.moments
    }

    /// 1/√(σ² + ε), scale γ/√(σ² + ε) and shift, `[3, S, C]`.
    pub fn factors(&self) -> &Tensor {
        &self.factors
    }

    /// What the parts `[blocks, S, 2, C]` of ΣD and ΣD·x̂ over `count` values each make of the
    /// gradients: p, q and r `[3, S, C]` of ∂L/∂z = p·(D − r − (z − μ)·q), ∂L/∂γ and ∂L/∂β.
    ///
    /// # Errors
    /// If the device fails.
    pub fn finish(
        &self,
        part: &Tensor,
        blocks: usize,
        count: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let gpu = Gpu::of_tensor(part)?;
        let c = self.moments.dim(2)?;
        let factors = gpu.empty((3, self.sets, c), self.moments.dtype())?;
        let sums = Sums { gpu: &gpu, sets: self.sets, c, dtype: self.moments.dtype() };
        let totals = sums.finish(part, blocks, count, Some((self, &factors)))?;
        let (beta, gamma) = sums.over_sets(&totals, Some(self))?;
        Ok((factors, gamma, beta))
    }
}

/// Sums over channels, and what adds them up.
struct Sums<'a> {
    gpu: &'a Gpu,
    sets: usize,
    c: usize,
    dtype: DType,
}

impl Sums<'_> {
    /// Sums over the blocks of `part`, `[sets, 2, C]` in double, and with a norm what its writing
    /// pass takes.
    fn finish(
        &self,
        part: &Tensor,
        blocks: usize,
        count: f64,
        norm: Option<(&Norm, &Tensor)>,
    ) -> Result<Tensor> {
        let Sums { gpu, sets, c, dtype } = *self;
        if part.dims() != [blocks, sets, 2, c] {
            bail!("parts [{blocks}, {sets}, 2, {c}] were expected, found {:?}", part.shape());
        }
        let totals = gpu.empty((sets, 2, c), DType::F64)?;
        let pointers = match norm {
            Some((norm, factors)) => {
                let inverse = gpu.pointer(&norm.factors)?;
                let scale = inverse + (sets * c * dtype.size_in_bytes()) as u64;
                [scale, inverse, gpu.pointer(factors)?]
            }
            None => [0; 3],
        };
        let [scale, inverse, factors] = pointers.map(Arg::Pointer);
        let args = [
            Arg::Pointer(gpu.pointer(part)?),
            Arg::Int(blocks as i32),
            scale,
            inverse,
            Arg::Double(count),
            factors,
            Arg::Pointer(gpu.pointer(&totals)?),
            Arg::Int(sets as i32),
            Arg::Int(c as i32),
        ];
        let kernel = gpu.kernel(small(dtype)?, "finish")?;
        // SAFETY: `part` holds `blocks` rows [sets, 2, C], totals one, factors three of [sets, C].
        unsafe { gpu.launch(&kernel, [c.div_ceil(32) as u32, sets as u32], 256, &args)? };
        Ok(totals)
    }

    /// Sums of `totals` over the sets: ΣD, and ΣD·x̂ in the shape of a norm's γ.
    fn over_sets(&self, totals: &Tensor, norm: Option<&Norm>) -> Result<(Tensor, Tensor)> {
        let Sums { gpu, sets, c, dtype } = *self;
        let constant = norm.map_or(1.0, |norm| norm.constant);
        let first = gpu.empty(c, dtype)?;
        let by_set = norm.filter(|norm| norm.gamma.rank() == 2);
        let second = match by_set {
            // steps that the pass did not have get no gradient
            Some(norm) if norm.gamma.elem_count() > sets * c => norm.gamma.zeros_like()?,
            Some(norm) => gpu.empty(norm.gamma.shape(), dtype)?,
            None => gpu.empty(c, dtype)?,
        };
        let args = [
            Arg::Pointer(gpu.pointer(totals)?),
            Arg::Pointer(gpu.pointer(&first)?),
            Arg::Pointer(gpu.pointer(&second)?),
            Arg::Double(constant),
            Arg::Int(sets as i32),
            Arg::Int(c as i32),
            Arg::Int(i32::from(by_set.is_some())),
        ];
        let kernel = gpu.kernel(small(dtype)?, "over_sets")?;
        // SAFETY: totals hold [sets, 2, C] doubles, both results C numbers, the second by set as
        // many of each.
        unsafe { gpu.launch(&kernel, [c.div_ceil(256) as u32, 1], 256, &args)? };
        Ok((first, second))
    }
}

/// ΣD of each channel of the parts `[blocks, 1, 2, C]` that `blocks` blocks left.
///
/// # Errors
/// If they are others, or the device fails.
pub fn channel_sums(part: &Tensor, blocks: usize) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(part)?;
    let sums = Sums { gpu: &gpu, sets: 1, c: part.dim(3)?, dtype: part.dtype() };
    Ok(sums.over_sets(&sums.finish(part, blocks, 1.0, None)?, None)?.0)
}

/// Σ over rows of doubles `[rows, P]`, in `dtype`.
fn sum_rows(gpu: &Gpu, part: &Tensor, dtype: DType) -> Result<Tensor> {
    let (rows, n) = part.dims2()?;
    let out = gpu.empty(n, dtype)?;
    let args = [
        Arg::Pointer(gpu.pointer(part)?),
        Arg::Pointer(gpu.pointer(&out)?),
        Arg::Int(rows as i32),
        Arg::Int(n as i32),
    ];
    let kernel = gpu.kernel(small(dtype)?, "sum_rows")?;
    // SAFETY: the parts hold rows·n doubles, `out` n numbers; a block for each of them.
    unsafe { gpu.launch(&kernel, [n as u32, 1], 256, &args)? };
    Ok(out)
}

/// The program of `norm.cu`.
fn small(dtype: DType) -> Result<Program> {
    Ok(Program::new(("norm.cu", include_str!("norm.cu")), computed(dtype), "", Vec::new()))
}

/// Activations `[T, B, H/k, W/k, C]` of type `to`. How many neurons fired at each step is added to
/// row `row` of `spikes`, u32 `[…, T]`.
///
/// # Errors
/// If the tensors do not fit the stage, or the device fails.
pub fn fire(
    stage: &Stage,
    z: &Tensor,
    to: DType,
    (spikes, row): (&Tensor, usize),
) -> Result<Tensor> {
    let gpu = Gpu::of_tensor(z)?;
    if spikes.dtype() != DType::U32 || (row + 1) * stage.steps > spikes.elem_count() {
        bail!("a row {row} of {} u32 counts was expected, found {:?}", stage.steps, spikes.shape());
    }
    let counts = gpu.pointer(spikes)? + (4 * row * stage.steps) as u64;
    let out = fire_into_storage(stage, &gpu, gpu.view(z)?, to, counts)?;
    let ([b, h, w, c], k) = (stage.shape, stage.pool.side());
    Ok(gpu.tensor(out, (stage.steps, b, h / k, w / k, c)))
}

/// [`fire`] for values that are no tensor yet; `counts` is the address of T counts, or 0.
fn fire_into_storage(
    stage: &Stage,
    gpu: &Arc<Gpu>,
    z: View,
    to: DType,
    counts: u64,
) -> Result<CudaStorage> {
    let call = Call::new(stage, gpu, z)?;
    let [b, _, _, c] = stage.shape;
    let (oh, ow) = call.shape.pooled();
    let out = gpu.empty_storage(stage.steps * b * oh * ow * c, to)?;
    let address = gpu.address(&out, &Layout::contiguous(stage.steps * b * oh * ow * c))?;
    let [mean, _, scale, shift] = call.norm()?;
    let mut args = vec![Arg::Pointer(z.address), mean, scale, shift];
    for tensor in [stage.mask, stage.drop, stage.learned] {
        args.push(call.optional(tensor)?);
    }
    args.extend([Arg::Pointer(address), Arg::Pointer(counts)]);
    args.extend(call.sizes());
    let shape = call.shape.forward(&[z.address, address], to);
    let kernel = gpu.kernel(
        shape.program(stage.neuron, Pass::Fire, z.dtype, to, false, counts != 0)?,
        "fire",
    )?;
    // SAFETY: `Call::new` has checked that z, masks and norm are those of the stage; `out` was made
    // above, the counts are T or none.
    unsafe { gpu.launch(&kernel, shape.blocks(16 * gpu.multiprocessors()), 256, &args)? };
    Ok(out)
}

/// Gradients from those of the activations.
///
/// # Errors
/// As [`fire`].
// Long: up to three launches, which share nearly all of their operands.
pub fn gradient(stage: &Stage, z: &Tensor, upstream: Upstream) -> Result<Gradient> {
    let to = match upstream {
        Upstream::Activations(g) => g.dtype(),
        Upstream::Scores { .. } => z.dtype(),
    };
    let gpu = Gpu::of_tensor(z)?;
    let call = Call::new(stage, &gpu, gpu.view(z)?)?;
    let c = stage.shape[3];
    let (vote, [g_out, g_scores], [classes, voters, share]) = call.upstream(upstream)?;
    let out = gpu.empty(z.shape(), z.dtype())?;
    let mut addresses = vec![gpu.pointer(z)?, gpu.pointer(&out)?];
    if let Arg::Pointer(address) = g_out {
        addresses.push(address);
    }
    let (summing, writing) =
        (call.shape.backward(true, &addresses, to), call.shape.backward(false, &addresses, to));
    // few blocks, since each leaves sums to be added up
    let blocks = summing.blocks(4 * gpu.multiprocessors());
    let sets = summing.statistics();
    let part = gpu.empty((blocks[0] as usize, sets, 2, c), computed(z.dtype()))?;
    let [mean, inverse, scale, shift] = call.norm()?;
    let learns = summing.parameters > 0;
    let run = |shape: Shape,
               pass: Pass,
               blocks: [u32; 2],
               factors: Option<&Tensor>|
     -> Result<Option<Tensor>> {
        let rows = (blocks[0] * blocks[1]) as usize;
        let of_learned = (learns && pass == Pass::Write)
            .then(|| gpu.empty((rows, shape.parameters), DType::F64))
            .transpose()?;
        let [p, q, r] = call.thirds(factors)?;
        let mut args = vec![Arg::Pointer(gpu.pointer(z)?), mean, inverse, scale, shift];
        args.extend([
            call.optional(stage.mask)?,
            call.optional(stage.drop)?,
            call.optional(stage.learned)?,
            g_out,
            g_scores,
            p,
            q,
            r,
        ]);
        args.extend([Arg::Pointer(gpu.pointer(&out)?), Arg::Pointer(gpu.pointer(&part)?)]);
        args.push(call.optional(of_learned.as_ref())?);
        args.extend(call.sizes());
        args.extend([classes, voters, share]);
        let kernel =
            gpu.kernel(shape.program(stage.neuron, pass, z.dtype(), to, vote, false)?, "gradient")?;
        // SAFETY: as in `fire`; the upstream was checked by `Call::upstream`, `part` holds a
        // row for each block, as does what is learnt, and the factors one number for each set
        // and channel.
        unsafe { gpu.launch(&kernel, blocks, 256, &args)? };
        of_learned.map(|part| sum_rows(&gpu, &part, computed(z.dtype()))).transpose()
    };
    let Some(norm) = stage.norm else {
        // the pass that writes D sums it as well
        let parameters = run(summing, Pass::Write, blocks, None)?;
        let sums = Sums { gpu: &gpu, sets, c, dtype: computed(z.dtype()) };
        let sum = || sums.over_sets(&sums.finish(&part, blocks[0] as usize, 1.0, None)?, None);
        let bias = stage.bias.map(|_| sum()).transpose()?;
        return Ok(Gradient { z: out, norm: None, bias: bias.map(|sums| sums.0), parameters });
    };
    run(summing, Pass::Sum, blocks, None)?;
    let count = (z.elem_count() / (sets * c)) as f64;
    let (factors, gamma, beta) = norm.finish(&part, blocks[0] as usize, count)?;
    let blocks = writing.blocks(16 * gpu.multiprocessors());
    let parameters = run(writing, Pass::Write, blocks, Some(&factors))?;
    Ok(Gradient { z: out, norm: Some((gamma, beta)), bias: None, parameters })
}

/// A stage whose tensors were found to be its own.
struct Call<'a> {
    stage: &'a Stage<'a>,
    shape: Shape,
    gpu: Arc<Gpu>,
}

/// Refuses learnable parameters that are not those of the neuron.
fn fits(neuron: &Source, learned: Option<&Tensor>, z: DType) -> Result<()> {
    let found = learned.map_or(0, Tensor::elem_count);
    if found != neuron.parameters || learned.is_some_and(|t| t.dtype() != computed(z)) {
        bail!(
            "a neuron of {} learnable parameters in {:?} was expected, found {found} {:?}",
            neuron.parameters,
            computed(z),
            learned.map(Tensor::dtype)
        );
    }
    Ok(())
}

impl<'a> Call<'a> {
    fn new(stage: &'a Stage<'a>, gpu: &Arc<Gpu>, z: View) -> Result<Self> {
        let [b, h, w, c] = stage.shape;
        let k = stage.pool.side();
        let steps = if stage.still { 1 } else { stage.steps };
        let size = b * h * w * c;
        if stage.steps == 0 || size == 0 || z.len != steps * size || !(1..16).contains(&k) {
            bail!("a stage of {steps} steps of {:?} cannot take {} currents", stage.shape, z.len);
        }
        if size / c >= i32::MAX as usize {
            bail!(
                "a stage takes fewer than 2³¹ pixels a step, found {:?}; take a smaller batch",
                stage.shape
            );
        }
        let expected = [(stage.mask, size), (stage.drop, stage.pooled())];
        for (tensor, size) in expected.into_iter().filter_map(|(t, size)| Some((t?, size))) {
            // a still map has no steps of its own to mask
            let of_steps = !stage.still && tensor.elem_count() == stage.steps * size;
            if (tensor.elem_count() != size && !of_steps) || tensor.dtype() != DType::F32 {
                bail!(
                    "a mask of {size} f32 factors was expected, found {:?} {:?}",
                    tensor.dtype(),
                    tensor.shape()
                );
            }
        }
        fits(stage.neuron, stage.learned, z.dtype)?;
        if let Some(bias) = stage.bias
            && (bias.dims() != [c] || bias.dtype() != computed(z.dtype))
        {
            bail!("a bias [{c}] was expected, found {:?} {:?}", bias.dtype(), bias.shape());
        }
        if let Some(norm) = stage.norm {
            let fits = norm.moments.dims() == [3, norm.sets, c]
                && norm.moments.dtype() == computed(z.dtype);
            if !fits || (norm.sets != 1 && (norm.sets != stage.steps || stage.still)) {
                bail!(
                    "batch norm of moments {:?} cannot take currents of {:?}",
                    norm.moments.shape(),
                    stage.shape
                );
            }
        }
        Ok(Call { stage, shape: Shape::of(stage, z.dtype), gpu: gpu.clone() })
    }

    fn optional(&self, tensor: Option<&Tensor>) -> Result<Arg> {
        Ok(Arg::Pointer(tensor.map_or(Ok(0), |t| self.gpu.pointer(t))?))
    }

    /// The three parts of a tensor `[3, S, C]`.
    fn thirds(&self, tensor: Option<&Tensor>) -> Result<[Arg; 3]> {
        let Some(tensor) = tensor else { return Ok([Arg::Pointer(0); 3]) };
        let first = self.gpu.pointer(tensor)?;
        let third = (tensor.elem_count() / 3 * tensor.dtype().size_in_bytes()) as u64;
        Ok([0, 1, 2].map(|i| Arg::Pointer(first + i * third)))
    }

    /// Mean, inverse deviation, scale, shift; of a bias the shift alone.
    fn norm(&self) -> Result<[Arg; 4]> {
        match self.stage.norm {
            Some(norm) => {
                let [mean, ..] = self.thirds(Some(&norm.moments))?;
                let [inverse, scale, shift] = self.thirds(Some(&norm.factors))?;
                Ok([mean, inverse, scale, shift])
            }
            None => {
                let none = Arg::Pointer(0);
                Ok([none, none, none, self.optional(self.stage.bias)?])
            }
        }
    }

    fn sizes(&self) -> [Arg; 5] {
        let [b, h, w, _] = self.stage.shape;
        let (oh, ow) = self.shape.pooled();
        [b, h, w, oh, ow].map(|n| Arg::Int(n as u32 as i32))
    }

    /// Whether the gradient comes from scores, its addresses, and what a vote is made of.
    fn upstream(&self, upstream: Upstream) -> Result<(bool, [Arg; 2], [Arg; 3])> {
        let [b, _, _, c] = self.stage.shape;
        let (oh, ow) = self.shape.pooled();
        let (none, int) = (Arg::Pointer(0), |n: usize| Arg::Int(n as i32));
        match upstream {
            Upstream::Activations(g) => {
                if g.elem_count() != self.stage.steps * b * oh * ow * c {
                    bail!(
                        "a gradient of {} steps of {:?} was expected, found {:?}",
                        self.stage.steps,
                        [b, oh, ow, c],
                        g.shape()
                    );
                }
                let address = Arg::Pointer(self.gpu.pointer(g)?);
                Ok((false, [address, none], [int(0), int(1), Arg::Float(0.0)]))
            }
            Upstream::Scores { gradient, voters } => {
                let (rows, classes) = gradient.dims2()?;
                if rows != b
                    || voters == 0
                    || classes * voters != c
                    || oh * ow != 1
                    || gradient.dtype() != DType::F32
                {
                    bail!(
                        "scores f32 [{b}, {c} / {voters}] were expected, found {:?} {:?}",
                        gradient.dtype(),
                        gradient.shape()
                    );
                }
                let share = 1.0 / (voters * self.stage.steps) as f32;
                let address = Arg::Pointer(self.gpu.pointer(gradient)?);
                Ok((true, [none, address], [int(classes), int(voters), Arg::Float(share)]))
            }
        }
    }
}
