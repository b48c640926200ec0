//! All that lies between the currents of one product and the activations that the next one reads,
//! as one pass over slices of f32: batch norm, ReLU, dropout of currents, neurons, pooling.
//!
//! Forward reads z and writes counts of spikes in bytes, already pooled. Backward reads z again and
//! computes the membranes again, keeps D for one more look at it (the sums that batch norm's
//! gradient needs are known only at the end), and turns D into ∂L/∂z in place. A tile is one pooled
//! pixel and some of its channels through all steps; it stays in the second-level cache.

mod pass;
mod place;
mod tile;

pub use pass::{backward, fire, step};

use candle_core::Tensor;

/// What a [`Kernel`] does to currents `[T, B, H, W, C]`.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// T.
    pub steps: usize,
    /// B, H, W, C.
    pub shape: [usize; 4],
    /// Whether z holds one step `[B, H, W, C]` that is the same at all T.
    pub still: bool,
    /// Batch norm, if there is one.
    pub norm: Option<Norm<'a>>,
    /// Whether a ReLU follows.
    pub rectify: bool,
    /// Factors of the currents behind the ReLU, `[B, H, W, C]`, or those of each step,
    /// `[T, B, H, W, C]`, where z holds every step.
    pub mask: Option<&'a [f32]>,
    /// What happens to the spikes.
    pub pool: Pooling,
}

/// Batch norm with given moments: one number per channel for each set of steps that shares them,
/// `[S, C]`; S = 1 if all steps do, else T.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// μ.
    pub mean: &'a [f32],
    /// What rounding took from the mean.
    pub lost: &'a [f32],
    /// 1/√(σ² + ε).
    pub inverse: &'a [f32],
    /// γ `[C]`, or one of each step, `[T, C]`, where z holds every step.
    pub gamma: &'a [f32],
    /// β `[C]`.
    pub beta: &'a [f32],
}

/// How the spikes of k×k pixels become one number; rows and columns that fill no window are
/// dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Every pixel for itself.
    None,
    /// Whether any of them fired. The gradient goes to the first that did, else to the first.
    Max(usize),
    /// How many of them fired; the caller divides by k². The gradient is that of the mean.
    Average(usize),
}

impl Norm<'_> {
    /// Numbers that x = (z − mean) · factor + shift takes of each kind.
    fn factors(&self) -> usize {
        self.mean.len().max(self.gamma.len())
    }

    /// The part of `all`, `[C]` or `[T, C]`, that is step t's.
    fn at<'v>(&self, all: &'v [f32], t: usize) -> &'v [f32] {
        let c = self.beta.len();
        &all[t * c % all.len()..][..c]
    }
}

impl Pooling {
    /// k.
    pub fn side(self) -> usize {
        match self {
            Pooling::None => 1,
            Pooling::Max(k) | Pooling::Average(k) => k,
        }
    }
}

/// What a stage gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Fired {
    /// Spikes of each window, `[T, B, H/k, W/k, C]`.
    pub counts: Vec<u8>,
    /// Spikes of all neurons at each step, pooled or not.
    pub spikes: Vec<u64>,
}

/// Gradients of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct StageGradient {
    /// ∂L/∂z, in the shape of z.
    pub z: Vec<f32>,
    /// ∂L/∂γ, in the shape of γ, and ∂L/∂β.
    pub norm: Option<(Vec<f32>, Vec<f32>)>,
    /// ∂L/∂parameter of each learnable parameter of the neurons, in their order.
    pub parameters: Vec<f32>,
}

/// Writes the gradient of one pooled pixel, counted through `[T, B, H/k, W/k]`, into a row of
/// channels: all of them, since the row holds whatever was there.
pub type Upstream<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

/// The kernels of a neuron that computes whole stages.
pub trait Kernel: Send + Sync {
    /// Spikes of the currents `z`.
    ///
    /// # Panics
    /// If they, or the norm's or the mask's numbers, are not those of the stage.
    fn fire(&self, stage: &Stage, z: &[f32]) -> Fired;

    /// Gradients from those of the pooled spikes.
    ///
    /// # Panics
    /// As [`Kernel::fire`].
    fn backward(&self, stage: &Stage, z: &[f32], upstream: &Upstream) -> StageGradient;

    /// The learnable parameters, of whose gradients [`StageGradient::parameters`] has one each.
    fn variables(&self) -> Vec<Tensor> {
        Vec::new()
    }

    /// Numbers that a neuron carries from step to step.
    fn states(&self) -> usize {
        1
    }

    /// Numbers that a step leaves of a neuron for its way back.
    fn kept(&self) -> usize {
        1
    }

    /// Bytes that a backward pass of so many steps lays out for each neuron of a map, of all at
    /// once.
    fn laid_out(&self, steps: usize) -> usize {
        let _ = steps;
        0
    }

    /// One step alone: currents `x` behind norm and ReLU and what the neurons carry, `v`
    /// `[states, neurons]`, which is changed and was 0 before the first step, to spikes.
    ///
    /// # Panics
    /// If the lengths do not belong together.
    fn step(&self, x: &[f32], v: &mut [f32], fired: &mut [u8]);

    /// Whether a gradient passes a neuron only where it fired, so that all others may be left out.
    fn only_where_fired(&self) -> bool;
}

impl Stage<'_> {
    fn map(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Steps of z.
    fn z_steps(&self) -> usize {
        if self.still { 1 } else { self.steps }
    }

    /// The factors of step t.
    fn mask_at(&self, t: usize) -> Option<&[f32]> {
        let map = self.shape[0] * self.map();
        self.mask.map(|mask| &mask[t * map % mask.len().max(1)..][..map])
    }

    /// Height and width behind the pool.
    pub fn pooled(&self) -> (usize, usize) {
        let k = self.pool.side();
        (self.shape[1] / k, self.shape[2] / k)
    }

    /// Sets of steps that the sums of the backward pass tell apart: those that share statistics
    /// and γ.
    fn sets(&self) -> usize {
        match self.norm {
            Some(norm) if !self.still && norm.factors() > self.shape[3] => self.steps,
            _ => 1,
        }
    }

    /// Windows that a tile takes side by side: of few channels as many as fill vectors, and still
    /// lie in the first-level cache through all steps.
    fn side_by_side(&self) -> usize {
        (128 / self.shape[3]).max(1)
    }

    /// Channels of a tile: as many as keep `rows` rows of them in the second-level cache.
    fn tile(&self, rows: usize) -> usize {
        ((32 << 10) / rows.max(1)).next_multiple_of(16).min(self.shape[3]).max(1)
    }

    fn check(&self, z: &[f32]) {
        let [batch, .., c] = self.shape;
        assert!(
            self.steps > 0 && c > 0 && self.pool.side() > 0 && self.pool.side() < 16,
            "{self:?}"
        );
        assert_eq!(z.len(), self.z_steps() * batch * self.map(), "currents of {:?}", self.shape);
        if let Some(norm) = self.norm {
            let sets = norm.mean.len() / c;
            assert!(
                sets == 1 || sets == self.steps,
                "{sets} sets of moments for {} steps",
                self.steps
            );
            let of_steps = norm.gamma.len() == self.steps * c && !self.still;
            assert!(norm.gamma.len() == c || of_steps, "{c} channels");
            assert_eq!(norm.beta.len(), c, "{c} channels");
            let rest = [norm.lost.len(), norm.inverse.len()];
            assert_eq!(rest, [norm.mean.len(); 2], "one number for each mean");
        }
        if let Some(mask) = self.mask {
            let of_steps = mask.len() == self.steps * batch * self.map() && !self.still;
            assert!(mask.len() == batch * self.map() || of_steps, "a mask of {:?}", self.shape);
        }
    }
}
