//! The steps of [`Lif`] on slices.

use crate::scan::Membrane;
use crate::{Lif, Stepwise};
use rayon::prelude::*;
use surrogate::Surrogate;

/// Neurons of one task.
const CHUNK: usize = 1 << 13;

impl<S: Surrogate> Stepwise for Lif<S> {
    fn forward(&self, x: &[f32], v: &mut [f32], u: &mut [f32], fired: &mut [u8]) {
        let lengths = [v.len(), u.len(), fired.len()];
        assert_eq!(lengths, [x.len(); 3], "one number for each neuron");
        let states = v.par_chunks_mut(CHUNK).zip(u.par_chunks_mut(CHUNK));
        let given = fired.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
        states.zip(given).for_each(|((v, u), (fired, x))| {
            let cell = *self; // on the stack, where no write to a slice can change it
            for i in 0..x.len() {
                u[i] = x[i] + v[i];
                let now = Membrane::fires(&cell, u[i]);
                fired[i] = u8::from(now);
                v[i] = cell.carry(u[i], now);
            }
        });
    }

    fn backward(&self, u: &[f32], g: &[f32], m: &mut [f32]) {
        assert_eq!([u.len(), g.len()], [m.len(); 2], "one number for each neuron");
        let given = u.par_chunks(CHUNK).zip(g.par_chunks(CHUNK));
        m.par_chunks_mut(CHUNK).zip(given).for_each(|(m, (u, g))| {
            let cell = *self;
            for i in 0..m.len() {
                m[i] = Membrane::backward(&cell, u[i], Membrane::fires(&cell, u[i]), g[i], m[i]);
            }
        });
    }
}
