//! The terms of a product of two operands in parts.

use super::{PACKED, Tiles};

/// Which parts of the left operand are multiplied with which of the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// One of each.
    One,
    /// The left one is exact, the right one has three parts.
    ThreeRight,
    /// Two of each, but not the second with the second.
    Cross,
}

impl Terms {
    /// Parts of the left operand.
    pub const fn left(self) -> usize {
        match self {
            Terms::One | Terms::ThreeRight => 1,
            Terms::Cross => 2,
        }
    }

    /// Parts of the right operand.
    pub const fn right(self) -> usize {
        match self {
            Terms::One => 1,
            Terms::ThreeRight => 3,
            Terms::Cross => 2,
        }
    }

    /// Numbers of a packed right operand.
    pub const fn packed(self) -> usize {
        self.right() * PACKED
    }

    /// Adds all terms of one block: rows of the left operand `stride` apart, whose second part
    /// starts at `plane`; the right operand's parts follow each other.
    #[inline(always)]
    pub(super) fn add<T: Tiles>(
        self,
        unit: &mut T,
        left: &[u16],
        (stride, plane): (usize, usize),
        right: &[u32],
    ) {
        unit.left(left, stride);
        match self {
            Terms::One => {
                unit.right(right);
                unit.multiply();
            }
            Terms::ThreeRight => {
                for part in 0..3 {
                    unit.right(&right[part * PACKED..]);
                    unit.multiply();
                }
            }
            Terms::Cross => {
                unit.right(&right[PACKED..]);
                unit.multiply();
                unit.right(right);
                unit.multiply();
                unit.left(&left[plane..], stride);
                unit.multiply();
            }
        }
    }
}

/// Calls a function that is generic over how many parts a number has.
macro_rules! with_parts {
    ($parts:expr, $p:ident => $body:expr) => {
        match $parts {
            1 => {
                const $p: usize = 1;
                $body
            }
            2 => {
                const $p: usize = 2;
                $body
            }
            _ => {
                const $p: usize = 3;
                $body
            }
        }
    };
}
pub(super) use with_parts;
