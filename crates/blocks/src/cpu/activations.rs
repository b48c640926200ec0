//! What blocks give to each other, and sums of it.

use super::values::Values;
use crate::Weight;
use candle_core::Result;
use layers::{Consumer, Crossovers, Path, Product, Sparse};
use rayon::prelude::*;
use std::sync::Arc;

/// A block's activations.
pub enum Activations {
    /// Of neurons: lists for each kind of reader.
    Lists { convolution: Option<Arc<Sparse>>, linear: Option<Arc<Sparse>> },
    /// Of a block without neurons.
    Values(Arc<Vec<f32>>),
}

/// Activations as one source of a block reads them.
#[derive(Clone)]
pub enum Input<'f> {
    /// The frames as they are.
    Frames(&'f [f32]),
    Values(Arc<Vec<f32>>),
    Lists(Arc<Sparse>),
}

impl Activations {
    /// For a source of that product.
    pub fn input<'f>(&self, product: Option<Product>) -> Input<'f> {
        match (self, product.map(|p| p.consumer())) {
            (Activations::Values(values), _) => Input::Values(values.clone()),
            (Activations::Lists { linear: Some(lists), .. }, Some(Consumer::Linear))
            | (Activations::Lists { convolution: Some(lists), .. }, _)
            | (Activations::Lists { linear: Some(lists), .. }, _) => Input::Lists(lists.clone()),
            (Activations::Lists { .. }, _) => Input::Frames(&[]),
        }
    }

    /// Any of the lists, to count entries by.
    pub fn lists(&self) -> Option<Arc<Sparse>> {
        match self {
            Activations::Lists { convolution, linear } => {
                convolution.as_ref().or(linear.as_ref()).cloned()
            }
            Activations::Values(_) => None,
        }
    }
}

impl Input<'_> {
    /// Values as lists, if they have few enough for any product to use them; and how dense they
    /// are.
    pub fn listed(self, shape: [usize; 4], product: Product, crossover: Crossovers) -> (Self, f64) {
        let values: &[f32] = match &self {
            Input::Lists(lists) => {
                let density = lists.density();
                return (self, density);
            }
            Input::Frames(values) => values,
            Input::Values(values) => values,
        };
        let nonzero: usize =
            values.par_chunks(1 << 16).map(|v| v.iter().filter(|v| **v != 0.0).count()).sum();
        let density = nonzero as f64 / values.len().max(1) as f64;
        let crossover = crossover.of(&product);
        match density < crossover.forward.max(crossover.weight) {
            true => {
                let lists = Sparse::of_dense(values, shape, product.consumer());
                (Input::Lists(Arc::new(lists)), density)
            }
            false => (self, density),
        }
    }

    /// x·w + b, and the path taken.
    pub fn multiplied(
        &self,
        product: Product,
        weight: &Weight,
        crossover: Crossovers,
    ) -> Result<(Vec<f32>, Path)> {
        let w = Values::of(weight.weight())?;
        let none = vec![0.0; w.len() / product.fan_in()];
        let bias = weight.bias().map(Values::of).transpose()?;
        let bias = bias.as_deref().unwrap_or(&none);
        Ok(match self {
            Input::Frames(x) => (product.dense_forward(x, &w, bias), Path::Dense),
            Input::Values(x) => (product.dense_forward(x, &w, bias), Path::Dense),
            Input::Lists(lists) => product.forward(lists, &w, bias, &crossover),
        })
    }

    /// ∂L/∂w from the gradient `g` of what [`Input::multiplied`] gave, and the path taken.
    pub fn weight_gradient(
        &self,
        product: Product,
        g: &[f32],
        crossover: Crossovers,
    ) -> (Vec<f32>, Path) {
        match self {
            Input::Frames(x) => (product.dense_weight_gradient(x, g), Path::Dense),
            Input::Values(x) => (product.dense_weight_gradient(x, g), Path::Dense),
            Input::Lists(lists) => product.weight_gradient(lists, g, &crossover),
        }
    }

    /// Adds the activations as they are; those of one step to every step.
    pub fn add_to(&self, z: &mut [f32]) {
        match self {
            Input::Frames(x) => add(z, x),
            Input::Values(x) => add(z, x),
            Input::Lists(lists) => lists.add_to(z),
        }
    }
}

/// Numbers of one task.
const CHUNK: usize = 1 << 14;

/// z + y; a `y` of one step is added to each.
pub fn add(z: &mut [f32], y: &[f32]) {
    for z in z.chunks_mut(y.len().max(1)) {
        z.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).for_each(|(z, y)| {
            z.iter_mut().zip(y).for_each(|(z, y)| *z += y);
        });
    }
}

/// z · mask; a mask of one step for each.
pub fn multiply(z: &mut [f32], mask: Option<&[f32]>) {
    let Some(mask) = mask else { return };
    for z in z.chunks_mut(mask.len().max(1)) {
        z.par_chunks_mut(CHUNK).zip(mask.par_chunks(CHUNK)).for_each(|(z, mask)| {
            z.iter_mut().zip(mask).for_each(|(z, mask)| *z *= mask);
        });
    }
}

/// The sum over steps of so many numbers each.
pub fn over_steps(g: &[f32], size: usize) -> Vec<f32> {
    let mut steps = g.chunks_exact(size.max(1));
    let mut sum = steps.next().unwrap_or_default().to_vec();
    steps.for_each(|g| add(&mut sum, g));
    sum
}
