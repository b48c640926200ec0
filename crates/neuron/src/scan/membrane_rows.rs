//! A membrane neuron's rows, and its CUDA C++.

use super::Membrane;
use super::rows::Rows;
use super::source::{Source, function, input, output};
use crate::number::Line;
use surrogate::Real;

impl<M: Membrane> Rows for M {
    const KEPT: usize = 1;
    const STATES: usize = 1;
    const PARAMETERS: usize = 0;
    const BACK: usize = 1;

    type Forward = M::Forward;

    fn forward(&self) -> M::Forward {
        Membrane::forward(self)
    }

    #[inline(always)]
    fn fired<F: Real>(&self, u: F) -> bool {
        self.fires(u)
    }

    #[inline(always)]
    fn fire<F: Real, O: From<bool>>(&self, x: &[F], v: &mut [F], o: &mut [O]) {
        self.fire_row(x, v, o);
    }

    #[inline(always)]
    fn charge<F: Real>(&self, x: &[F], v: &mut [F], u: &mut [F]) {
        self.charge_row(x, v, u);
    }

    #[inline(always)]
    fn back<F: Real>(&self, u: &[F], g: &[F], m: &mut [F]) {
        self.back_row(u, g, m);
    }

    fn source(&self) -> Source {
        of_membrane(self)
    }
}

/// A neuron that carries its membrane alone, in CUDA C++.
fn of_membrane(neuron: &impl Membrane) -> Source {
    let charge = function(
        "void charge(real x, Carried& v, Kept& k)",
        &vec![input("x"), ("v0".into(), "v.at[0]".into())],
        |i| {
            let u = i[0] + i[1];
            let next = neuron.carry(u, neuron.fires(u));
            vec![output("k.at[0]".into(), u), output("v.at[0]".into(), next)]
        },
    );
    let u = ("u".to_owned(), "k.at[0]".to_owned());
    let fires = function("bool fires(const Kept& k)", &vec![u.clone()], |i| {
        vec![("return".into(), Line::Mask(neuron.fires(i[0])))]
    });
    let backward = function(
        "real backward(const Kept& k, real g, Carried& m)",
        &vec![u, input("g"), ("m0".into(), "m.at[0]".into())],
        |i| {
            let d = neuron.backward(i[0], neuron.fires(i[0]), i[1], i[2]);
            vec![output("m.at[0]".into(), d), output("return".into(), d)]
        },
    );
    Source::new([charge, fires, backward], [1, 1, 0])
}
