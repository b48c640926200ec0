use crate::number::{Lifted, lifted, lifted_membrane};
use crate::scan::{Rows, scan, scan_learned, stage};
use crate::{Cell, Cost, Fired, Kernel, Neuron, Source, Stage, StageGradient, Upstream};
use candle_core::{DType, Device, Result, Tensor, Var, bail};
use std::array::from_fn;
use std::sync::Arc;
use surrogate::Real;

/// Neurons of a [`Cell`] with the values of their learnable parameters: a [`Neuron`] with all fast
/// paths.
#[derive(Clone, Debug)]
pub struct Population<C, const S: usize, const P: usize> {
    cell: C,
    parameters: [Tensor; P],
}

/// A population of `cell`, whose parameters are new variables (f32, on the CPU) with their initial
/// values.
///
/// # Errors
/// If a variable cannot be made.
pub fn population<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: C,
) -> Result<Arc<Population<C, S, P>>> {
    let variable = |initial: f64| Ok(Var::new(initial as f32, &Device::Cpu)?.into_inner());
    let parameters: Vec<Tensor> =
        cell.parameters().iter().map(|p| variable(p.initial)).collect::<Result<_>>()?;
    match parameters.try_into() {
        Ok(parameters) => Ok(Arc::new(Population::new(cell, parameters)?)),
        Err(_) => bail!("{cell:?} names other parameters than its step takes"),
    }
}

impl<C: Cell<S, P>, const S: usize, const P: usize> Population<C, S, P> {
    /// A population of `cell` with the given parameters, in the order of [`Cell::parameters`]: each
    /// f32 or f64, without an axis.
    ///
    /// # Errors
    /// If one is neither, or has an axis.
    pub fn new(cell: C, parameters: [Tensor; P]) -> Result<Self> {
        for (tensor, parameter) in parameters.iter().zip(cell.parameters()) {
            if tensor.rank() != 0 || !matches!(tensor.dtype(), DType::F32 | DType::F64) {
                bail!(
                    "a neuron's {} is one number in f32 or f64, found {:?} {:?}",
                    parameter.name,
                    tensor.dtype(),
                    tensor.shape()
                );
            }
        }
        Ok(Population { cell, parameters })
    }

    fn bound(&self) -> Result<Bound<C, S, P>> {
        let mut values = [0.0; P];
        for (value, tensor) in values.iter_mut().zip(&self.parameters) {
            *value = tensor.detach().to_dtype(DType::F64)?.to_scalar()?;
        }
        Ok(Bound { cell: self.cell, parameters: values })
    }

    /// What the equations of one step take: currents, states and parameters.
    fn inputs(&self, x: &Tensor, state: &Tensor) -> Result<Vec<Tensor>> {
        if state.rank() != x.rank() + 1 || state.dims()[0] != S || state.dims()[1..] != *x.dims() {
            bail!(
                "{S} states of currents {:?} were expected, found {:?}",
                x.shape(),
                state.shape()
            );
        }
        let mut inputs = vec![x.clone()];
        for s in 0..S {
            inputs.push(state.get(s)?);
        }
        for parameter in &self.parameters {
            inputs.push(parameter.to_device(x.device())?.to_dtype(x.dtype())?);
        }
        Ok(inputs)
    }

    /// Spike and states of those inputs.
    fn equations(&self, inputs: &[Lifted]) -> Vec<Lifted> {
        let (spike, next) = self.cell.step(
            inputs[0],
            from_fn::<Lifted, S, _>(|s| inputs[1 + s]),
            from_fn::<Lifted, P, _>(|p| inputs[1 + S + p]),
        );
        [spike].into_iter().chain(next).collect()
    }

    /// [`Population::bound`] for kernels, which cannot fail: a parameter that cannot be read is no
    /// number, and so is all that is made of it. On the CPU there is none.
    fn for_kernels(&self) -> Bound<C, S, P> {
        self.bound().unwrap_or(Bound { cell: self.cell, parameters: [f64::NAN; P] })
    }
}

impl<C: Cell<S, P>, const S: usize, const P: usize> Neuron for Population<C, S, P> {
    fn start(&self, x: &Tensor) -> Result<Tensor> {
        let shape: Vec<usize> = [S].iter().chain(x.dims()).copied().collect();
        Tensor::zeros(shape, x.dtype(), x.device())
    }

    /// The cell's equations in tensor operations.
    fn step(&self, x: &Tensor, state: &Tensor) -> Result<(Tensor, Tensor)> {
        let inputs = self.inputs(x, state)?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let outputs = lifted(&inputs, |inputs| self.equations(inputs))?;
        // an equation that forgets its current gives one number for all neurons
        let wide = |t: &Tensor| t.broadcast_as(x.shape());
        let next: Vec<Tensor> = outputs[1..].iter().map(wide).collect::<Result<_>>()?;
        Ok((wide(&outputs[0])?, Tensor::stack(&next, 0)?))
    }

    fn membrane(&self, x: &Tensor, state: &Tensor) -> Result<Tensor> {
        let inputs = self.inputs(x, state)?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        lifted_membrane(&inputs, |inputs| self.equations(inputs))?.broadcast_as(x.shape())
    }

    fn with_parameters(&self, parameters: &[Tensor]) -> Result<Option<Arc<dyn Neuron>>> {
        match parameters.to_vec().try_into() {
            Ok(parameters) => Ok(Some(Arc::new(Population::new(self.cell, parameters)?))),
            Err(_) => {
                bail!("{:?} has {P} learnable parameters, found {}", self.cell, parameters.len())
            }
        }
    }

    fn readings(&self) -> Result<Vec<(&'static str, f64)>> {
        Ok(self.cell.readings(self.bound()?.parameters))
    }

    fn cost(&self) -> Cost {
        Cost::of(&self.cell)
    }

    fn scan(&self, x: &Tensor) -> Result<Tensor> {
        if P == 0 {
            return scan(self.bound()?, x);
        }
        let parameters = Tensor::stack(&self.parameters, 0)?.to_device(x.device())?;
        if x.device().is_cpu() {
            return scan_learned(self.bound()?, x, &parameters.to_dtype(x.dtype())?);
        }
        // a device's kernels read them there, in what they compute in
        let rows = Bound { cell: self.cell, parameters: [f64::NAN; P] };
        let computed = if x.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        scan_learned(rows, x, &parameters.to_dtype(computed)?)
    }

    fn parameters(&self) -> Vec<(&'static str, Tensor)> {
        let names = self.cell.parameters().map(|parameter| parameter.name);
        names.into_iter().zip(self.parameters.iter().cloned()).collect()
    }

    fn stage(&self) -> Option<&dyn Kernel> {
        self.parameters.iter().all(|p| p.device().is_cpu()).then_some(self)
    }

    fn source(&self) -> Option<Source> {
        Some(Source::of_cell(&self.cell))
    }
}

impl<C: Cell<S, P>, const S: usize, const P: usize> Kernel for Population<C, S, P> {
    fn fire(&self, stage: &Stage, z: &[f32]) -> Fired {
        stage::fire(self.for_kernels(), stage, z)
    }

    fn backward(&self, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient {
        stage::backward(self.for_kernels(), stage, z, upstream)
    }

    fn variables(&self) -> Vec<Tensor> {
        self.parameters.to_vec()
    }

    fn states(&self) -> usize {
        S
    }

    fn kept(&self) -> usize {
        <Bound<C, S, P> as Rows>::KEPT
    }

    fn step(&self, x: &[f32], v: &mut [f32], fired: &mut [u8]) {
        stage::step(self.for_kernels(), x, v, fired);
    }

    fn only_where_fired(&self) -> bool {
        self.cell.only_where_fired()
    }
}

/// A cell with values for its parameters.
#[derive(Clone, Copy, Debug)]
struct Bound<C, const S: usize, const P: usize> {
    cell: C,
    parameters: [f64; P],
}

/// Neurons that go through the equations together. Their numbers lie in arrays on the stack, which
/// the compiler knows to be apart, so that it needs no checks before it uses vectors; a row of
/// another length ends in lanes whose results are dropped.
const LANES: usize = 64;

type Lanes<F> = [F; LANES];

/// The neurons from `from` on of a plane, into lanes.
#[inline(always)]
fn load<F: Real>(lanes: &mut Lanes<F>, plane: &[F], from: usize) {
    let len = (plane.len() - from).min(LANES);
    lanes[..len].copy_from_slice(&plane[from..][..len]);
}

#[inline(always)]
fn store<F: Real>(lanes: &Lanes<F>, plane: &mut [F], from: usize) {
    let len = (plane.len() - from).min(LANES);
    plane[from..][..len].copy_from_slice(&lanes[..len]);
}

/// The numbers of lane `i`; a loop, since a closure would be a call for each of them.
#[allow(clippy::needless_range_loop, reason = "see above")]
#[inline(always)]
fn at<F: Real, const S: usize>(lanes: &[Lanes<F>; S], i: usize) -> [F; S] {
    let mut numbers = [F::zero(); S];
    for s in 0..S {
        numbers[s] = lanes[s][i];
    }
    numbers
}

/// Plane `i` of planes of `n` numbers.
#[inline(always)]
fn plane<F>(planes: &mut [F], i: usize, n: usize) -> &mut [F] {
    &mut planes[i * n..][..n]
}

impl<C: Cell<S, P>, const S: usize, const P: usize> Bound<C, S, P> {
    /// Spikes of some neurons, whose states become those of the next step.
    #[inline(always)]
    fn step<F: Real>(&self, x: &Lanes<F>, state: &mut [Lanes<F>; S], o: &mut Lanes<F>) {
        let (cell, p) = (self.cell, self.parameters.map(F::of));
        for i in 0..LANES {
            let (spike, next) = cell.step(x[i], at(state, i), p);
            o[i] = spike;
            for s in 0..S {
                state[s][i] = next[s];
            }
        }
    }
}

impl<C: Cell<S, P>, const S: usize, const P: usize> Rows for Bound<C, S, P> {
    /// The spike, the current, and the states before the step.
    const KEPT: usize = 2 + S;
    const STATES: usize = S;
    const PARAMETERS: usize = P;
    const BACK: usize = 1 + S + P;

    type Forward = Self;

    fn forward(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn fired<F: Real>(&self, spike: F) -> bool {
        spike > F::zero()
    }

    #[inline(always)]
    fn fire<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]) {
        let n = x.len();
        let (mut current, mut spike) = ([F::zero(); LANES], [F::zero(); LANES]);
        let mut state = [[F::zero(); LANES]; S];
        for from in (0..n).step_by(LANES) {
            load(&mut current, x, from);
            (0..S).for_each(|s| load(&mut state[s], plane(v, s, n), from));
            self.step(&current, &mut state, &mut spike);
            (0..S).for_each(|s| store(&state[s], plane(v, s, n), from));
            o[from..].iter_mut().zip(&spike).for_each(|(o, s)| *o = O::from(self.fired(*s)));
        }
    }

    #[inline(always)]
    fn charge<F: Real>(&self, x: &[F], v: &mut [F], kept: &mut [F]) {
        let n = x.len();
        kept[n..2 * n].copy_from_slice(x);
        kept[2 * n..].copy_from_slice(v);
        let (mut current, mut spike) = ([F::zero(); LANES], [F::zero(); LANES]);
        let mut state = [[F::zero(); LANES]; S];
        for from in (0..n).step_by(LANES) {
            load(&mut current, x, from);
            (0..S).for_each(|s| load(&mut state[s], plane(v, s, n), from));
            self.step(&current, &mut state, &mut spike);
            (0..S).for_each(|s| store(&state[s], plane(v, s, n), from));
            store(&spike, plane(kept, 0, n), from);
        }
    }

    #[allow(clippy::needless_range_loop, reason = "a closure would be a call for each neuron")]
    #[inline(always)]
    fn back<F: Real>(&self, kept: &[F], g: &[F], back: &mut [F]) {
        let (cell, p, n) = (self.cell, self.parameters.map(F::of), g.len());
        let zeros = [F::zero(); LANES];
        let (mut current, mut upstream, mut d) = (zeros, zeros, zeros);
        let (mut state, mut m, mut sums) = ([zeros; S], [zeros; S], [zeros; P]);
        for from in (0..n).step_by(LANES) {
            load(&mut current, &kept[n..2 * n], from);
            load(&mut upstream, g, from);
            (0..S).for_each(|s| load(&mut state[s], &kept[(2 + s) * n..][..n], from));
            (0..S).for_each(|s| load(&mut m[s], plane(back, 1 + s, n), from));
            (0..P).for_each(|q| load(&mut sums[q], plane(back, 1 + S + q, n), from));
            for i in 0..LANES {
                let (state, next) = (at(&state, i), at(&m, i));
                let gradient = cell.backward(current[i], state, p, upstream[i], next);
                d[i] = gradient.x;
                for s in 0..S {
                    m[s][i] = gradient.state[s];
                }
                for q in 0..P {
                    sums[q][i] = sums[q][i] + gradient.parameters[q];
                }
            }
            store(&d, plane(back, 0, n), from);
            (0..S).for_each(|s| store(&m[s], plane(back, 1 + s, n), from));
            (0..P).for_each(|q| store(&sums[q], plane(back, 1 + S + q, n), from));
        }
    }

    fn source(&self) -> Source {
        Source::of_cell(&self.cell)
    }
}
