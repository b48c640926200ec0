//! The steps of [`Lif`] on slices.

use crate::lif::Unasked;
use crate::scan::{Back, Membrane};
use crate::{Lif, Stepwise};
use pulp::Arch;
use rayon::prelude::*;
use surrogate::Surrogate;

/// Neurons of one task.
const CHUNK: usize = 1 << 13;

impl<S: Surrogate> Stepwise for Lif<S> {
    fn forward(&self, x: &[f32], v: &mut [f32], u: &mut [f32], fired: &mut [u8]) {
        ahead(Membrane::forward(self), x, v, u, fired);
    }

    fn backward(&self, u: &[f32], g: &[f32], m: &mut [f32]) {
        assert_eq!([u.len(), g.len()], [m.len(); 2], "one number for each neuron");
        in_chunks(u, g, m, &|u, g, m| {
            Arch::new().dispatch(Back { rows: *self, kept: u, g, back: m, sum: None });
        });
    }
}

fn ahead(neuron: Lif<Unasked>, x: &[f32], v: &mut [f32], u: &mut [f32], fired: &mut [u8]) {
    let lengths = [v.len(), u.len(), fired.len()];
    assert_eq!(lengths, [x.len(); 3], "one number for each neuron");
    let states = v.par_chunks_mut(CHUNK).zip(u.par_chunks_mut(CHUNK));
    let given = fired.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    states.zip(given).for_each(|((v, u), (fired, x))| {
        for i in 0..x.len() {
            u[i] = x[i] + v[i];
            let now = Membrane::fires(&neuron, u[i]);
            fired[i] = u8::from(now);
            v[i] = neuron.carry(u[i], now);
        }
    });
}

/// One step back of some neurons: from their membranes and gradients into the last.
type Work<'a> = dyn Fn(&[f32], &[f32], &mut [f32]) + Sync + 'a;

/// Behind a pointer, so that the compiler makes one parallel loop and not one for each surrogate.
fn in_chunks(u: &[f32], g: &[f32], m: &mut [f32], back: &Work) {
    let given = u.par_chunks(CHUNK).zip(g.par_chunks(CHUNK));
    m.par_chunks_mut(CHUNK).zip(given).for_each(|(m, (u, g))| back(u, g, m));
}
