use crate::Cell;
use crate::number::{Dual, Gradient, lifted, traced_values};
use candle_core::{Device, Tensor, Var};
use std::array::from_fn;
use std::slice;

/// How many steps a proof draws.
const DRAWS: usize = 512;
/// Largest difference, in parts of the largest value.
const TOLERANCE: f64 = 1e-12;

/// Holds all forms of a cell equal, in f64 on 512 random steps:
///
/// - its spikes are exactly 0 or 1, and some of each are found;
/// - the step over tensors gives what the step over floats gives;
/// - [`Cell::backward`], [`Dual`] and the CUDA form of the first give the gradient that candle's
///   autograd finds, to 10⁻¹² of the largest;
/// - if [`Cell::only_where_fired`], no gradient passes a spike that was not fired.
///
/// ```
/// use neuron::{Fires, Refractory};
/// let surrogate = neuron::surrogate::Gaussian::default();
/// let (threshold, fires) = (1.0, Fires::AboveThreshold);
/// let cell = Refractory { threshold, fires, trace_decay: 0.8, decay: 0.8, surrogate };
/// neuron::prove(&cell).unwrap();
/// ```
///
/// # Errors
/// What differs, in one sentence.
pub fn prove<C: Cell<S, P>, const S: usize, const P: usize>(cell: &C) -> Result<(), String> {
    let draws = Draws::<S, P>::new(cell.parameters().map(|parameter| parameter.initial));
    let autograd = by_autograd(cell, &draws).map_err(|e| format!("the step over tensors: {e}"))?;
    let here: Vec<(f64, [f64; S])> =
        draws.of.iter().map(|draw| cell.step(draw.x, draw.state, draws.parameters)).collect();
    let fired = here.iter().filter(|(spike, _)| *spike == 1.0).count();
    if here.iter().any(|(spike, _)| *spike != 0.0 && *spike != 1.0) {
        return Err("a spike is exactly 0 or 1, found another number".to_owned());
    }
    if fired == 0 || fired == DRAWS {
        return Err(format!("some of {DRAWS} random steps should fire, found {fired}"));
    }
    let values: Vec<Vec<f64>> = here.iter().map(|(o, next)| joined(*o, next)).collect();
    equal("the values of the step over tensors", &values, &autograd.values)?;
    type Backward<'a, const S: usize, const P: usize> = &'a dyn Fn(&Draw<S>) -> Gradient<f64, S, P>;
    let p = draws.parameters;
    let forms: [(&str, Backward<S, P>); 3] = [
        ("Cell::backward", &|d| cell.backward(d.x, d.state, p, d.g, d.m)),
        ("the derivatives by Dual", &|d| by_dual(cell, d, p)),
        ("the CUDA form of Cell::backward", &|d| by_traced(cell, d, p)),
    ];
    for (name, form) in forms {
        let found: Vec<Gradient<f64, S, P>> = draws.of.iter().map(form).collect();
        let inputs: Vec<Vec<f64>> = found.iter().map(|g| joined(g.x, &g.state)).collect();
        equal(name, &inputs, &autograd.inputs)?;
        let sums = (0..P).map(|i| found.iter().map(|g| g.parameters[i]).sum()).collect();
        equal(name, &[sums], slice::from_ref(&autograd.parameters))?;
    }
    only_where_fired(cell, &draws)
}

/// One step with the gradients that arrive at it.
struct Draw<const S: usize> {
    x: f64,
    state: [f64; S],
    g: f64,
    m: [f64; S],
}

struct Draws<const S: usize, const P: usize> {
    of: Vec<Draw<S>>,
    parameters: [f64; P],
}

impl<const S: usize, const P: usize> Draws<S, P> {
    fn new(parameters: [f64; P]) -> Self {
        let mut seed = 1u64;
        // uniform from −1 to 2, about where thresholds lie
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 11) as f64 / (1u64 << 53) as f64 * 3.0 - 1.0
        };
        let draw =
            |_| Draw { x: next(), state: from_fn(|_| next()), g: next(), m: from_fn(|_| next()) };
        Draws { of: (0..DRAWS).map(draw).collect(), parameters }
    }
}

fn joined<const S: usize>(first: f64, others: &[f64; S]) -> Vec<f64> {
    [first].iter().chain(others).copied().collect()
}

/// What candle finds: values and gradients of each step, sums of the parameters' gradients.
struct Autograd {
    values: Vec<Vec<f64>>,
    inputs: Vec<Vec<f64>>,
    parameters: Vec<f64>,
}

fn by_autograd<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: &C,
    draws: &Draws<S, P>,
) -> candle_core::Result<Autograd> {
    let column = |of: &dyn Fn(&Draw<S>) -> f64| -> candle_core::Result<Tensor> {
        Tensor::from_vec(draws.of.iter().map(of).collect::<Vec<_>>(), DRAWS, &Device::Cpu)
    };
    let mut variables = vec![Var::from_tensor(&column(&|draw| draw.x)?)?];
    for s in 0..S {
        variables.push(Var::from_tensor(&column(&|draw| draw.state[s])?)?);
    }
    for value in draws.parameters {
        variables.push(Var::new(value, &Device::Cpu)?);
    }
    let tensors: Vec<&Tensor> = variables.iter().map(|v| v.as_tensor()).collect();
    let outputs = lifted(&tensors, |i| {
        let state = from_fn(|s| i[1 + s]);
        let (spike, next) = cell.step(i[0], state, from_fn(|p| i[1 + S + p]));
        [spike].into_iter().chain(next).collect()
    })?;
    let mut loss = (&outputs[0] * column(&|draw| draw.g)?)?.sum_all()?;
    for s in 0..S {
        loss = (loss + (&outputs[1 + s] * column(&|draw| draw.m[s])?)?.sum_all()?)?;
    }
    let gradients = loss.backward()?;
    let gradient = |variable: &Var| match gradients.get(variable) {
        Some(gradient) => gradient.clone().flatten_all()?.to_vec1::<f64>(),
        None => Ok(vec![0.0; variable.elem_count()]),
    };
    let rows = |columns: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
        (0..DRAWS).map(|i| columns.iter().map(|column| column[i]).collect()).collect()
    };
    let wide = |t: &Tensor| t.broadcast_as(DRAWS)?.to_vec1::<f64>();
    let values = outputs.iter().map(wide).collect::<candle_core::Result<_>>()?;
    let inputs = variables[..1 + S].iter().map(gradient).collect::<candle_core::Result<_>>()?;
    let parameters =
        variables[1 + S..].iter().map(gradient).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Autograd { values: rows(values), inputs: rows(inputs), parameters: parameters.concat() })
}

/// The gradient by [`Dual`], whether a cell has another backward pass or not.
fn by_dual<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: &C,
    draw: &Draw<S>,
    parameters: [f64; P],
) -> Gradient<f64, S, P> {
    let (x, state, parameters) = Dual::inputs(draw.x, draw.state, parameters);
    let (spike, next) = cell.step(x, state, parameters);
    let sum = spike.by.times(draw.g);
    next.iter().zip(draw.m).fold(sum, |sum, (next, m)| sum.plus(m, next.by))
}

fn by_traced<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: &C,
    draw: &Draw<S>,
    parameters: [f64; P],
) -> Gradient<f64, S, P> {
    let mut inputs = joined(draw.x, &draw.state);
    inputs.extend(parameters);
    inputs.push(draw.g);
    inputs.extend(draw.m);
    let values = traced_values(&inputs, |i| {
        let (state, p) = (from_fn(|s| i[1 + s]), from_fn(|p| i[1 + S + p]));
        let gradient = cell.backward(i[0], state, p, i[1 + S + P], from_fn(|s| i[2 + S + P + s]));
        [gradient.x].into_iter().chain(gradient.state).chain(gradient.parameters).collect()
    });
    Gradient {
        x: values[0],
        state: from_fn(|s| values[1 + s]),
        parameters: from_fn(|p| values[1 + S + p]),
    }
}

fn only_where_fired<C: Cell<S, P>, const S: usize, const P: usize>(
    cell: &C,
    draws: &Draws<S, P>,
) -> Result<(), String> {
    let passes = |draw: &Draw<S>| {
        let (x, state, parameters) = Dual::inputs(draw.x, draw.state, draws.parameters);
        let (spike, _) = cell.step(x, state, parameters);
        let by = spike.by;
        let mut all = [by.x].into_iter().chain(by.state).chain(by.parameters);
        spike.value == 0.0 && all.any(|d| d != 0.0)
    };
    match cell.only_where_fired() && draws.of.iter().any(passes) {
        true => Err("a gradient passes where the neuron did not fire".to_owned()),
        false => Ok(()),
    }
}

fn equal(what: &str, found: &[Vec<f64>], expected: &[Vec<f64>]) -> Result<(), String> {
    let (found, expected) = (found.concat(), expected.concat());
    let scale = expected.iter().fold(1e-300f64, |m, v| m.max(v.abs()));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let off = (found - expected).abs();
        if off.is_nan() || off > TOLERANCE * scale {
            return Err(format!(
                "{what} differs from candle's autograd at number {i}: {found} instead of {expected}"
            ));
        }
    }
    Ok(())
}
