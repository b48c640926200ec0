//! Dense products on matrix units: of numbers in bf16, with sums in f32.
//!
//! A number in f32 has 24 bits, one in bf16 has 8, so that every f32 is the exact sum of three
//! bf16. Spikes, quarters of them behind average pooling and counts up to 256 are bf16 as they are.
//! Then
//!
//! ```text
//! x·w = x·w₁ + x·w₂ + x·w₃,     w = w₁ + w₂ + w₃,     |w₂| ≤ 2⁻⁸·|w|,  |w₃| ≤ 2⁻¹⁶·|w|
//! g·w ≈ g₁·w₁ + g₁·w₂ + g₂·w₁   to 3·2⁻¹⁶ of |g|·|w|, where neither side is spikes
//! ```
//!
//! and each term is one instruction for a tile of 16 × 16 × 32 numbers (`tdpbf16ps`). Products of
//! two bf16 are exact in f32; sums are rounded as every sum in f32 is. Numbers below 2⁻¹²⁶ are
//! taken as zero, those from 3.39·10³⁸ on are no number.
//!
//! Kernels are written over the trait [`Tiles`]: what a unit does with a block of 32 × 32 sums.
//! [`amx::Unit`] does it by instructions, [`model::Model`] in plain Rust, so that packing and
//! blocking are tested on every machine. Tasks are cut by sizes alone and no two of them add to the
//! same number: results have the same bits for any number of threads.

mod aligned;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod block;
mod convolution;
mod linear;
mod model;
mod pack;
#[cfg(test)]
mod tests;

use crate::{Sizes, Sparse};
pub use block::Terms;

/// What a matrix unit does: a block of 32 × 32 sums, to which products of two operands are added.
trait Tiles {
    /// Sets all sums to zero.
    fn clear(&mut self);
    /// Takes the sums from rows of `sums` that lie `stride` apart.
    fn load(&mut self, sums: &[f32], stride: usize);
    /// Writes the sums to rows of `sums` that lie `stride` apart.
    fn store(&mut self, sums: &mut [f32], stride: usize);
    /// Takes the left operand: 32 rows of 32 bf16, which lie `stride` apart.
    fn left(&mut self, rows: &[u16], stride: usize);
    /// Takes the right operand, 32 × 32, as [`pack::pairs`] has it: of each half of its columns, 16
    /// pairs of rows, of each column two bf16.
    fn right(&mut self, packed: &[u32]);
    /// sums ← sums + left · right.
    fn multiply(&mut self);
}

/// Rows and columns of a block.
const BLOCK: usize = 32;
/// Numbers that hold a packed right operand.
const PACKED: usize = BLOCK * BLOCK / 2;

/// Code that is compiled for each implementation of [`Tiles`].
trait OnTiles {
    fn run<T: Tiles>(self, unit: &mut T);
}

/// Which implementation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The CPU's instructions.
    Instructions,
    /// What they do, in plain Rust: slow, for tests.
    Model,
}

impl Unit {
    /// The CPU's matrix unit, if it has one that this process may use.
    pub fn found() -> Option<Unit> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if amx::permitted() {
            return Some(Unit::Instructions);
        }
        None
    }

    fn run(self, code: impl OnTiles) {
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Unit::Instructions => amx::with(|unit| code.run(unit)),
            _ => code.run(&mut model::Model::default()),
        }
    }
}

/// How exactly products are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// As exact as f32 with spikes, to 3·2⁻¹⁶ of the factors without.
    Single,
    /// Of numbers rounded to bf16 once, as autocast takes them.
    Bf16,
}

impl Parts {
    /// Of spikes with real numbers.
    fn of_spikes(self) -> Terms {
        match self {
            Parts::Single => Terms::ThreeRight,
            Parts::Bf16 => Terms::One,
        }
    }

    /// Of real numbers with real numbers.
    fn of_reals(self) -> Terms {
        match self {
            Parts::Single => Terms::Cross,
            Parts::Bf16 => Terms::One,
        }
    }
}

/// Products on a matrix unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileProducts {
    /// What computes.
    pub unit: Unit,
    /// How exactly.
    pub parts: Parts,
}

impl TileProducts {
    /// y = x ∗ w + b, `[n, oh, ow, co]`.
    pub fn conv_forward(self, s: Sizes, x: &Sparse, weight: &[f32], bias: &[f32]) -> Vec<f32> {
        convolution::forward(self, s, x, weight, bias)
    }

    /// ∂L/∂w `[k, k, ci, co]`.
    pub fn conv_weight_gradient(self, s: Sizes, x: &Sparse, g: &[f32]) -> Vec<f32> {
        convolution::weight_gradient(self, s, x, g)
    }

    /// ∂L/∂x `[n, h, w, ci]`.
    pub fn conv_input_gradient(self, s: Sizes, weight: &[f32], g: &[f32]) -> Vec<f32> {
        convolution::input_gradient(self, s, weight, g)
    }

    /// y = x·w + b, `[n, outputs]`.
    pub fn linear_forward(self, x: &Sparse, weight: &[f32], bias: &[f32]) -> Vec<f32> {
        linear::forward(self, x, weight, bias)
    }

    /// ∂L/∂w `[inputs, outputs]`.
    pub fn linear_weight_gradient(self, x: &Sparse, g: &[f32], outputs: usize) -> Vec<f32> {
        linear::weight_gradient(self, x, g, outputs)
    }

    /// ∂L/∂x `[n, inputs]`.
    pub fn linear_input_gradient(self, n: usize, weight: &[f32], g: &[f32]) -> Vec<f32> {
        linear::input_gradient(self, n, weight, g)
    }
}
