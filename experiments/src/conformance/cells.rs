//! `…_neuron` of the comparators: single populations of other systems' neurons, each a cell, by
//! the scan and by the equations step by step.
//!
//! What of a file is no neuron of its own (lateral kernels, filters of synapses) is left out.

use super::check::{Limit, Rows};
use super::form::gradient;
use super::golden::Golden;
use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor, Var};
use neuron::cells::sbpsnn::Factor;
use neuron::{
    Cell, Fires, Firing, Lif, Neuron, Number, Parameter, Plif, Population, Refractory, Reset,
    ResetGradient, Sbpsnn, unroll,
};
use std::array::from_fn;
use surrogate::{Atan, Rectangular, Surrogate, Triangular, WhereFired};

/// The README's limit for single neurons: 1e-6 relative; in single precision of what cancels, of
/// the largest.
const LIMIT: Limit = Limit::OfLargest(1e-6);

/// Files that this module checks.
pub const FILES: [&str; 6] =
    ["tdbn_neuron", "plif_neuron", "bntt_neuron", "sbpsnn_neuron", "iirsnn_neuron", "salt_neuron"];

/// Checks every tensor of the file `stem`.
pub fn check(golden: &Golden, stem: &str, rows: &mut Rows) -> Result<()> {
    for seed in golden.keys("/seeds")? {
        for (tag, dtype) in golden.precisions(&format!("{seed}."))? {
            let case = Case { golden, seed: &seed, tag, dtype };
            match stem {
                "tdbn_neuron" => tdbn(&case, rows),
                "plif_neuron" => plif(&case, rows),
                "bntt_neuron" => bntt(&case, rows),
                "sbpsnn_neuron" => sbpsnn(&case, rows),
                "iirsnn_neuron" => iirsnn(&case, rows),
                "salt_neuron" => salt(&case, rows),
                _ => bail!("no neuron has this name"),
            }?;
        }
    }
    Ok(())
}

/// The values of one seed in one precision.
struct Case<'g> {
    golden: &'g Golden,
    seed: &'g str,
    tag: &'g str,
    dtype: DType,
}

impl Case<'_> {
    /// A constant of the seed.
    fn constant(&self, name: &str) -> Result<f64> {
        self.golden.field(&format!("/seeds/{}/{name}", self.seed))
    }

    /// A value that both precisions share, in this one.
    fn shared(&self, name: &str) -> Result<Tensor> {
        Ok(self.golden.input(&format!("{}.{name}", self.seed))?.to_dtype(self.dtype)?)
    }

    /// What the reference found.
    fn stored(&self, name: &str) -> Result<Tensor> {
        self.golden.tensor(&format!("{}.{}.{name}", self.seed, self.tag))
    }

    fn leave_out(&self, name: &str) {
        self.golden.leave_out(&format!("{}.{}.{name}", self.seed, self.tag));
    }

    fn row(&self, name: &str) -> String {
        format!("{} {} {name}", self.seed, self.tag)
    }

    fn compare(&self, rows: &mut Rows, name: &str, limit: Limit, ours: Result<Tensor>) {
        rows.compare_one(&self.row(name), limit, ours, self.stored(name));
    }

    /// Spikes of currents `x` and from `g` ∂L/∂x of a cell, by its scan and by its step, under the
    /// names that `prefix` begins, and the gradients of its parameters, stored as `parameters`.
    fn neuron<C: Cell<S, P>, const S: usize, const P: usize>(
        &self,
        rows: &mut Rows,
        cell: C,
        prefix: &str,
        parameters: [&str; P],
        [x, g]: [&Tensor; 2],
    ) -> Result<()> {
        for form in ["scan", "step"] {
            let initial = cell.parameters().map(|parameter| parameter.initial);
            let mut variables = Vec::new();
            for value in initial {
                let value = Tensor::new(value, &Device::Cpu)?.to_dtype(self.dtype)?;
                variables.push(Var::from_tensor(&value)?);
            }
            let tensors: [Tensor; P] = from_fn(|i| variables[i].as_tensor().clone());
            let neuron = Population::new(cell, tensors)?;
            let x = Var::from_tensor(x)?;
            let spikes = if form == "scan" { neuron.scan(&x)? } else { unroll(&neuron, &x)? };
            let gradients = (&spikes * g)?.sum_all()?.backward()?;
            let stored = |name: &str| self.stored(&format!("{prefix}{name}"));
            let row = |name: &str| self.row(&format!("{prefix}{name} {form}"));
            if prefix.is_empty() || prefix == "pool." {
                rows.compare_one(&row("spike"), Limit::Exactly, Ok(spikes), stored("spike"));
            }
            let by_x = gradient(&gradients, "input", &x);
            rows.compare_one(&row("grad_in"), LIMIT, by_x, stored("grad_in"));
            for (name, variable) in parameters.iter().zip(&variables) {
                let golden = stored(name).and_then(|stored| Ok(stored.reshape(())?));
                rows.compare_one(&row(name), LIMIT, gradient(&gradients, name, variable), golden);
            }
        }
        Ok(())
    }

    /// The file's only neuron.
    fn alone<C: Cell<S, 0>, const S: usize>(&self, rows: &mut Rows, cell: C) -> Result<()> {
        self.neuron(rows, cell, "", [], [&self.shared("input")?, &self.shared("grad_out")?])
    }

    /// [`Lif`] with its kernels of its own, and its membranes.
    fn lif<S: Surrogate>(&self, rows: &mut Rows, lif: Lif<S>) -> Result<()> {
        let x = Var::from_tensor(&self.shared("input")?)?;
        let spikes = lif.scan(&x)?;
        let gradients = (&spikes * self.shared("grad_out")?)?.sum_all()?.backward()?;
        let golden = |name: &str| self.stored(name);
        let row = |name: &str| self.row(&format!("{name} by hand"));
        rows.compare_one(&row("spike"), Limit::Exactly, Ok(spikes), golden("spike"));
        rows.compare_one(&row("grad_in"), LIMIT, gradient(&gradients, "x", &x), golden("grad_in"));
        let (u, _) = neuron::membranes(&lif, &x)?;
        rows.compare_one(&row("u"), LIMIT, Ok(u), golden("u"));
        self.alone(rows, lif)
    }
}

fn tdbn(case: &Case, rows: &mut Rows) -> Result<()> {
    let lif = Lif {
        threshold: case.constant("theta")?,
        decay: case.constant("tau")?,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Differentiated,
        surrogate: Rectangular { half_width: case.constant("half_width")? },
    };
    case.lif(rows, lif)
}

fn bntt(case: &Case, rows: &mut Rows) -> Result<()> {
    let threshold = case.golden.field("/theta")?;
    let lif = Lif {
        threshold,
        decay: case.constant("leak")?,
        fires: Fires::AboveThreshold,
        reset: Reset::Subtract,
        reset_gradient: ResetGradient::Detached,
        surrogate: Triangular { half_width: threshold, height: 0.3 },
    };
    case.lif(rows, lif)
}

fn plif(case: &Case, rows: &mut Rows) -> Result<()> {
    let firing = |reset_gradient| Firing {
        threshold: 1.0,
        fires: Fires::AtThreshold,
        reset: Reset::ToZero,
        reset_gradient,
        surrogate: Atan { alpha: 2.0 },
    };
    let cell = Plif { firing: firing(ResetGradient::Detached), tau: case.constant("tau0")? };
    let initial = Tensor::new(cell.parameters()[0].initial, &Device::Cpu)?;
    case.compare(rows, "w", LIMIT, Ok(initial.to_dtype(case.dtype)?));
    case.leave_out("u");
    let (x, g) = (case.shared("input")?, case.shared("grad_out")?);
    case.neuron(rows, cell, "", ["grad.w"], [&x, &g])?;
    let cell = Plif { firing: firing(ResetGradient::Differentiated), ..cell };
    case.neuron(rows, cell, "attached.", ["grad.w"], [&x, &g])
}

/// The neuron with its factor of ∂L/∂o, made of all its spikes, and the one behind poolings.
fn sbpsnn(case: &Case, rows: &mut Rows) -> Result<()> {
    let (threshold, decay) = (case.constant("theta")?, case.constant("leak")?);
    let Factor { filtered, count, factor } = Factor::of(&case.stored("spike")?, decay)?;
    case.compare(rows, "filtered", LIMIT, Ok(filtered));
    case.compare(rows, "count", Limit::Exactly, Ok(count));
    case.compare(rows, "factor", LIMIT, Ok(factor.clone()));
    case.leave_out("u");
    let (x, g) = (case.shared("input")?, case.shared("grad_out")?);
    let firing = |threshold: f64, height: f64| Firing {
        threshold,
        fires: Fires::AboveThreshold,
        reset: Reset::ToZero,
        reset_gradient: ResetGradient::Detached,
        surrogate: WhereFired { height },
    };
    let cell = Sbpsnn { firing: firing(threshold, 1.0 / threshold), decay };
    case.neuron(rows, cell, "", [], [&x, &g.broadcast_mul(&factor)?])?;
    // what a pooling gives lies between 0 and 1
    let pooled = x.abs()?.clamp(0.0, 1.0)?;
    let pooling = Sbpsnn { firing: firing(0.75, 1.0), decay: 1.0 };
    case.neuron(rows, pooling, "pool.", [], [&pooled, &g])
}

/// The reference's density, whose √(2π) has seven digits.
#[derive(Clone, Copy, Debug)]
struct Density {
    sigma: f64,
}

impl Surrogate for Density {
    fn slope<N: Number>(&self, u: N, threshold: N) -> N {
        let z = u - threshold;
        let variance = N::of(2.0 * self.sigma * self.sigma);
        (-(z * z) / variance).exp() / N::of(2.506628 * self.sigma)
    }
}

/// The neuron behind a linear layer of filtered spikes; the filters are synapses, and left out.
fn iirsnn(case: &Case, rows: &mut Rows) -> Result<()> {
    // gradients are sums behind a layer, so the limit is that of networks
    let limit = Limit::OfLargest(if case.dtype == DType::F64 { 1e-9 } else { 1e-4 });
    case.golden.leave_out(&format!("{}.input", case.seed));
    let trace_decay = (-1.0 / case.constant("tau_m")?).exp();
    let surrogate = Density { sigma: case.golden.field("/sigma")? };
    case.leave_out("spike");
    for (form, decay) in [("dual", 0.0), ("low", 0.0), ("low_membrane", trace_decay)] {
        for name in ["alpha_1", "alpha_2", "beta_1"] {
            case.leave_out(&format!("{form}.{name}"));
            case.leave_out(&format!("{form}.grad.{name}"));
        }
        for name in ["grad_in", "u"] {
            case.leave_out(&format!("{form}.{name}"));
        }
        let fires = Fires::AboveThreshold;
        let cell = Refractory { threshold: 1.0, fires, trace_decay, decay, surrogate };
        let neuron = Population::new(cell, [])?;
        let weight = Var::from_tensor(&case.shared("weight")?)?;
        let bias = Var::from_tensor(&case.shared("bias")?)?;
        // [B, C, T] there, time first here
        let psp = case.stored(&format!("{form}.psp"))?.permute((2, 0, 1))?.contiguous()?;
        let g = case.shared("grad_out")?.permute((2, 0, 1))?.contiguous()?;
        let currents = psp.broadcast_matmul(&weight.t()?)?.broadcast_add(&bias)?;
        let spikes = neuron.scan(&currents)?;
        let gradients = (&spikes * g)?.sum_all()?.backward()?;
        let name = |name: &str| format!("{form}.{name}");
        let spikes = spikes.permute((1, 2, 0))?;
        case.compare(rows, &name("spike"), Limit::Exactly, Ok(spikes));
        let by_weight = gradient(&gradients, "weight", &weight);
        case.compare(rows, &name("grad.weight"), limit, by_weight);
        case.compare(rows, &name("grad.bias"), limit, gradient(&gradients, "bias", &bias));
    }
    Ok(())
}

/// A learnable threshold, in the form that the file assumes.
#[derive(Clone, Copy, Debug)]
struct Salt {
    leak: f64,
    theta: f64,
}

impl Cell<1, 1> for Salt {
    fn parameters(&self) -> [Parameter; 1] {
        [Parameter { name: "theta", initial: self.theta }]
    }

    fn step<N: Number>(&self, x: N, [v]: [N; 1], [theta]: [N; 1]) -> (N, [N; 1]) {
        let u = N::of(self.leak) * v + x;
        let surrogate = Triangular { half_width: 1.0, height: 0.3 };
        let o = N::spike(u / theta, N::of(1.0), Fires::AboveThreshold, &surrogate);
        (o, [u - theta * o.detach()])
    }
}

fn salt(case: &Case, rows: &mut Rows) -> Result<()> {
    // a parameter is stored in single precision, for both runs
    let theta = f64::from(case.constant("theta")? as f32);
    let cell = Salt { leak: case.constant("leak")?, theta };
    case.leave_out("u");
    let (x, g) = (case.shared("input")?, case.shared("grad_out")?);
    case.neuron(rows, cell, "", ["grad.theta"], [&x, &g])?;
    let mean = (g.ones_like()? * (-1.0 / g.elem_count() as f64))?;
    case.neuron(rows, cell, "lift.", ["grad.theta"], [&x, &mean])
}
