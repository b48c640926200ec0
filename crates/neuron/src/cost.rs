use crate::Cell;
use crate::number::operations;
use std::array::from_fn;

/// What one neuron computes and carries at one step in evaluation: counts, of which columns of
/// energy are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Numbers carried from step to step, each read and written once.
    pub states: u64,
    /// Multiplications, divisions and functions.
    pub multiplications: u64,
    /// Additions and comparisons. What a spike chooses (a reset to zero) is neither.
    pub additions: u64,
}

impl Cost {
    /// Leak; charge and comparison.
    pub const LIF: Cost = Cost { states: 1, multiplications: 1, additions: 2 };

    /// Of a cell, counted on its equations; what is made of constants and parameters alone is
    /// computed once.
    pub fn of<C: Cell<S, P>, const S: usize, const P: usize>(cell: &C) -> Cost {
        let [multiplications, additions] = operations(1 + S + P, 1 + S, |i| {
            let (spike, next) = cell.step(i[0], from_fn(|s| i[1 + s]), from_fn(|p| i[1 + S + p]));
            [spike].into_iter().chain(next).collect()
        });
        Cost { states: S as u64, multiplications, additions }
    }
}
