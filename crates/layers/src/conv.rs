use crate::Sizes;
use crate::kernel::{Stored, by_precision, maps, slice, with_maps};
#[cfg(feature = "cuda")]
use candle_core::cuda_backend::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;

/// Two-dimensional convolution (cross-correlation, as everywhere), channels last:
/// `[…, H, W, Cin]` → `[…, H', W', Cout]`, H' = (H + 2·padding − k)/stride + 1.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `[k, k, Cin, Cout]`: row, column, input channel, output channel.
    pub weight: Tensor,
    /// `[Cout]`; `None` adds nothing and trains nothing, as where a batch norm follows that would
    /// take it off again.
    pub bias: Option<Tensor>,
    /// Step of the window.
    pub stride: usize,
    /// Zeros around the map.
    pub padding: usize,
}

impl Conv2d {
    /// Currents of the maps `x`.
    ///
    /// # Errors
    /// If `x` has other channels than the weight, or maps smaller than the window.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight.contiguous()?;
        let bias = match &self.bias {
            Some(bias) => bias.contiguous()?,
            None => {
                Tensor::zeros(weight.dim(candle_core::D::Minus1)?, weight.dtype(), weight.device())?
            }
        };
        let parameters = [weight.detach(), bias.detach()];
        x.contiguous()?.apply_op3(
            &weight,
            &bias,
            Conv { stride: self.stride, padding: self.padding, parameters },
        )
    }
}

/// Rows of the unfolded input that one matrix product takes: at most this many elements, so that
/// they stay in the second-level cache between being written and being multiplied.
const TILE: usize = 96 << 10;

struct Conv {
    stride: usize,
    padding: usize,
    /// Weight and bias as tensors: kernels of a device are handed those, where the CPU takes their
    /// storages.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code))]
    parameters: [Tensor; 2],
}

impl Sizes {
    /// Output pixels of a tile.
    fn tile(&self) -> usize {
        (TILE / self.window()).clamp(32, self.pixels().max(32))
    }

    /// Calls `f(offset in the window, offset in the map, length)` for each run of the window of
    /// output pixel `p` that lies inside the map: one run per window row, since columns and
    /// channels are adjacent.
    fn runs(&self, p: usize, mut f: impl FnMut(usize, usize, usize)) {
        let (y, x) = (p / self.ow * self.stride, p % self.ow * self.stride);
        let left = self.padding.saturating_sub(x);
        let right = self.k.min((self.w + self.padding).saturating_sub(x));
        if left >= right {
            return;
        }
        for ky in
            self.padding.saturating_sub(y)..self.k.min((self.h + self.padding).saturating_sub(y))
        {
            let row = y + ky - self.padding;
            let column = x + left - self.padding;
            f(
                (ky * self.k + left) * self.ci,
                (row * self.w + column) * self.ci,
                (right - left) * self.ci,
            );
        }
    }

    /// Writes the windows of the output pixels from `first` on into the rows of `rows`.
    fn unfold<F: Stored>(&self, x: &[F], first: usize, rows: &mut [F]) {
        for (i, row) in rows.chunks_exact_mut(self.window()).enumerate() {
            let whole = self.padding == 0;
            if !whole {
                row.fill(F::zero());
            }
            self.runs(first + i, |to, from, len| {
                row[to..to + len].copy_from_slice(&x[from..from + len])
            });
        }
    }

    /// Adds the rows of `rows` back to where [`Sizes::unfold`] took them from.
    fn fold<F: Stored>(&self, rows: &[F], first: usize, d: &mut [F]) {
        for (i, row) in rows.chunks_exact(self.window()).enumerate() {
            self.runs(first + i, |from, to, len| {
                d[to..to + len].iter_mut().zip(&row[from..from + len]).for_each(|(d, &r)| *d += r);
            });
        }
    }
}

impl Conv {
    fn sizes(&self, xl: &Layout, wl: &Layout) -> Result<Sizes> {
        let (n, h, w, ci) = maps(xl)?;
        Sizes::new([n, h, w, ci], wl.dims(), self.stride, self.padding)
    }
}

/// A row-major matrix, or the transpose of one.
#[derive(Clone, Copy)]
pub struct Matrix<'a, F> {
    data: &'a [F],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a, F> Matrix<'a, F> {
    /// `[rows, columns]`.
    pub fn new(data: &'a [F], rows: usize, columns: usize) -> Self {
        Matrix { data, rows, columns, transposed: false }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Matrix { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }

    fn strides(&self) -> (isize, isize) {
        if self.transposed { (1, self.rows as isize) } else { (self.columns as isize, 1) }
    }
}

/// `out` (row-major) = a·b, or += when `accumulate`; on the calling thread.
fn product<F: Stored>(out: &mut [F], a: Matrix<F>, b: Matrix<F>, accumulate: bool) {
    product_on(gemm::Parallelism::None, out, a, b, accumulate);
}

/// [`product`] on several threads, which share the rows and columns of `out` but no sum: the same
/// bits for any number.
pub fn parallel_product<F: Stored>(out: &mut [F], a: Matrix<F>, b: Matrix<F>, accumulate: bool) {
    product_on(gemm::Parallelism::Rayon(0), out, a, b, accumulate);
}

fn product_on<F: Stored>(
    threads: gemm::Parallelism,
    out: &mut [F],
    a: Matrix<F>,
    b: Matrix<F>,
    accumulate: bool,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert!(k == b.rows && out.len() == m * n && a.data.len() == m * k && b.data.len() == k * n);
    let ((ar, ac), (br, bc)) = (a.strides(), b.strides());
    #[expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]
    // SAFETY: the assertion above makes each slice hold exactly its matrix, and the strides stay
    // inside it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            accumulate,
            a.data.as_ptr(),
            ac,
            ar,
            b.data.as_ptr(),
            bc,
            br,
            F::one(),
            F::one(),
            false,
            false,
            false,
            threads,
        );
    }
}

/// y = x ∗ w + b.
pub fn forward<F: Stored>(s: Sizes, x: &[F], weight: &[F], bias: &[F]) -> Vec<F> {
    let mut y = vec![F::zero(); s.n * s.pixels() * s.co];
    let weight = Matrix::new(weight, s.window(), s.co);
    let maps = y.par_chunks_mut(s.pixels() * s.co).zip(x.par_chunks(s.h * s.w * s.ci));
    maps.for_each_init(Vec::new, |rows, (y, x)| {
        for (i, y) in y.chunks_mut(s.tile() * s.co).enumerate() {
            let pixels = y.len() / s.co;
            rows.resize(pixels * s.window(), F::zero());
            s.unfold(x, i * s.tile(), rows);
            y.chunks_exact_mut(s.co).for_each(|y| y.copy_from_slice(bias));
            product(y, Matrix::new(rows, pixels, s.window()), weight, true);
        }
    });
    y
}

/// ∂L/∂x.
pub fn input_gradient<F: Stored>(s: Sizes, weight: &[F], g: &[F]) -> Vec<F> {
    let mut d = vec![F::zero(); s.n * s.h * s.w * s.ci];
    let weight = Matrix::new(weight, s.window(), s.co).t();
    let maps = d.par_chunks_mut(s.h * s.w * s.ci).zip(g.par_chunks(s.pixels() * s.co));
    maps.for_each_init(Vec::new, |rows, (d, g)| {
        for (i, g) in g.chunks(s.tile() * s.co).enumerate() {
            let pixels = g.len() / s.co;
            rows.resize(pixels * s.window(), F::zero());
            product(rows, Matrix::new(g, pixels, s.co), weight, false);
            s.fold(rows, i * s.tile(), d);
        }
    });
    d
}

/// Weight gradient followed by bias gradient. The maps are cut into groups whose number depends on
/// sizes alone, each group is summed by one task and the groups in order: the same bits for any
/// thread count.
pub fn weight_gradient<F: Stored>(s: Sizes, x: &[F], g: &[F]) -> (Vec<F>, Vec<F>) {
    let size = s.window() * s.co;
    let groups = ((16 << 20) / size.max(1)).clamp(2, 64).min(s.n.max(1));
    let maps = s.n.div_ceil(groups).max(1);
    let (input, output) = (s.h * s.w * s.ci, s.pixels() * s.co);
    let parts: Vec<(Vec<F>, Vec<F>)> = x
        .par_chunks(maps * input)
        .zip(g.par_chunks(maps * output))
        .map_init(Vec::new, |rows, (x, g)| {
            let (mut dw, mut db) = (vec![F::zero(); size], vec![F::zero(); s.co]);
            for (x, g) in x.chunks(input).zip(g.chunks(output)) {
                for (i, g) in g.chunks(s.tile() * s.co).enumerate() {
                    let pixels = g.len() / s.co;
                    rows.resize(pixels * s.window(), F::zero());
                    s.unfold(x, i * s.tile(), rows);
                    let unfolded = Matrix::new(&rows[..], pixels, s.window());
                    product(&mut dw, unfolded.t(), Matrix::new(g, pixels, s.co), true);
                    g.chunks_exact(s.co)
                        .for_each(|g| db.iter_mut().zip(g).for_each(|(b, &g)| *b += g));
                }
            }
            (dw, db)
        })
        .collect();
    let (mut dw, mut db) = (vec![F::zero(); size], vec![F::zero(); s.co]);
    for (w, b) in &parts {
        dw.par_iter_mut().with_min_len(1 << 14).zip(w).for_each(|(d, &w)| *d += w);
        db.iter_mut().zip(b).for_each(|(d, &b)| *d += b);
    }
    (dw, db)
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv2d-channels-last"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes(xl, wl)?;
        if bl.dims() != [s.co] {
            bail!(
                "a convolution to {} channels takes as many biases, found {:?}",
                s.co,
                bl.shape()
            );
        }
        let y = by_precision!(x, F => F::to_cpu_storage_owned(
            forward::<F>(s, slice(x, xl)?, slice(w, wl)?, slice(b, bl)?)));
        Ok((y, with_maps(xl, s.oh, s.ow, s.co)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        xl: &Layout,
        _: &CudaStorage,
        wl: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let s = self.sizes(xl, wl)?;
        let y = crate::cuda::conv_forward(&s, x, xl, &self.parameters[0], &self.parameters[1])?;
        Ok((y, with_maps(xl, s.oh, s.ow, s.co)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let s = self.sizes(x.layout(), w.layout())?;
        let g = g.contiguous()?;
        #[cfg(feature = "cuda")]
        if x.device().is_cuda() {
            let (dx, dw, db) = crate::cuda::conv_backward(&s, x, w, &g, x.track_op())?;
            return Ok((dx, Some(dw), Some(db)));
        }
        let wanted = |gradient| Gradient {
            sizes: s,
            x_shape: x.shape().clone(),
            w_shape: w.shape().clone(),
            gradient,
        };
        // The first layer's input is data: nobody asks for its gradient.
        let dx = match x.track_op() {
            true => Some(x.apply_op3_no_bwd(w, &g, &wanted(Wanted::Input))?),
            false => None,
        };
        let packed = x.apply_op3_no_bwd(w, &g, &wanted(Wanted::WeightAndBias))?;
        let weights = w.elem_count();
        let dw = packed.narrow(0, 0, weights)?.reshape(w.shape())?;
        let db = packed.narrow(0, weights, s.co)?;
        Ok((dx, Some(dw), Some(db)))
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Input,
    /// Both in one flat tensor, because an operation has one result.
    WeightAndBias,
}

struct Gradient {
    sizes: Sizes,
    x_shape: Shape,
    w_shape: Shape,
    gradient: Wanted,
}

impl CustomOp3 for Gradient {
    fn name(&self) -> &'static str {
        "conv2d-channels-last-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        w: &CpuStorage,
        wl: &Layout,
        g: &CpuStorage,
        gl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes;
        by_precision!(x, F => match self.gradient {
            Wanted::Input => {
                let d = input_gradient::<F>(s, slice(w, wl)?, slice(g, gl)?);
                Ok((F::to_cpu_storage_owned(d), self.x_shape.clone()))
            }
            Wanted::WeightAndBias => {
                let (mut packed, bias) = weight_gradient::<F>(s, slice(x, xl)?, slice(g, gl)?);
                packed.extend(bias);
                Ok((F::to_cpu_storage_owned(packed), (self.w_shape.elem_count() + s.co).into()))
            }
        })
    }
}
