use crate::number::{Dual, Gradient};
use std::fmt::Debug;
use surrogate::Number;

/// A learnable parameter of a [`Cell`]: one number for all neurons of a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as a checkpoint has it behind the name of its layer.
    pub name: &'static str,
    /// Its value before training.
    pub initial: f64,
}

/// A spiking neuron, written once: S states, P learnable parameters, and the equations of one
/// step.
///
/// All else follows from [`Cell::step`]: run over floats it is the kernel of the CPU, over
/// [`Dual`] its backward pass, over [`Traced`](crate::Traced) both in CUDA C++, and over
/// [`Lifted`](crate::Lifted) the definition in tensor operations. [`population`](crate::population)
/// makes a [`Neuron`](crate::Neuron) of a cell, and [`prove`](crate::prove) holds its forms equal.
///
/// ```
/// use neuron::{Cell, Fires, Number, Parameter};
/// use surrogate::Atan;
///
/// /// Integrates its currents, fires above 1, and subtracts the threshold after a spike.
/// #[derive(Clone, Copy, Debug)]
/// struct Integrator;
///
/// impl Cell<1, 0> for Integrator {
///     fn step<N: Number>(&self, x: N, [v]: [N; 1], _: [N; 0]) -> (N, [N; 1]) {
///         let u = v + x;
///         let o = N::spike(u, N::of(1.0), Fires::AboveThreshold, &Atan::default());
///         (o, [u - o])
///     }
/// }
/// # neuron::prove(&Integrator).unwrap();
/// ```
pub trait Cell<const S: usize, const P: usize>: Copy + Debug + Send + Sync + 'static {
    /// The learnable parameters, in the order in which [`Cell::step`] takes them. A cell without
    /// any needs no line for it.
    fn parameters(&self) -> [Parameter; P] {
        const { assert!(P == 0, "a cell with learnable parameters names them: Cell::parameters") };
        [Parameter { name: "parameter", initial: 0.0 }; P]
    }

    /// One step: the current `x`, the carried states and the parameters to a spike, exactly 0 or
    /// 1, and the states carried on. All states are 0 before the first step.
    fn step<N: Number>(&self, x: N, state: [N; S], parameters: [N; P]) -> (N, [N; S]);

    /// ∂L/∂x, ∂L/∂state and ∂L/∂parameters of one step from `g` = ∂L/∂o and `m`, the gradients of
    /// the states carried on. By [`Dual`] unless a cell has it by hand.
    #[allow(clippy::needless_range_loop, reason = "a closure would be a call for each neuron")]
    #[inline(always)]
    fn backward<N: Number>(
        &self,
        x: N,
        state: [N; S],
        parameters: [N; P],
        g: N,
        m: [N; S],
    ) -> Gradient<N, S, P> {
        let (x, state, parameters) = Dual::inputs(x, state, parameters);
        let (spike, next) = self.step(x, state, parameters);
        let mut sum = spike.by.times(g);
        for s in 0..S {
            sum = sum.plus(m[s], next[s].by);
        }
        sum
    }

    /// Whether ∂o/∂(x, state, parameters) is 0 wherever the neuron did not fire. Training then
    /// needs no gradient there, and takes none. [`prove`](crate::prove) tries it.
    fn only_where_fired(&self) -> bool {
        false
    }

    /// What the parameters mean where they have these values, by name, as receipts have it: the
    /// parameters themselves unless a cell says better.
    fn readings(&self, parameters: [f64; P]) -> Vec<(&'static str, f64)> {
        self.parameters().iter().map(|parameter| parameter.name).zip(parameters).collect()
    }
}
