//! Numbers as bf16, in the order in which tiles read them.

use super::block::with_parts;
use super::{BLOCK, PACKED};
use pulp::{Arch, Simd, WithSimd};

/// The nearest bf16, ties to even; not a number stays so.
#[inline(always)]
pub fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() { 0x7fc0 } else { up }
}

/// The first `P` parts of a number, whose sum it is: to 2⁻⁸, 2⁻¹⁶ or, of three, exactly.
#[cfg(test)]
pub fn parts<const P: usize>(x: f32) -> [u16; P] {
    let mut parts = [0; P];
    spread(P, &[x], 1, &mut parts);
    parts
}

/// Packs two rows of up to 32 columns as pair `pair` of `P` right operands, which follow each
/// other; columns and rows that there are none of are zero.
#[inline(always)]
fn pair<const P: usize>(first: &[f32], second: &[f32], pair: usize, out: &mut [u32]) {
    if let (Some(first), Some(second)) =
        (first.first_chunk::<BLOCK>(), second.first_chunk::<BLOCK>())
    {
        return whole_pair::<P>(first, second, pair, out);
    }
    let (mut one, mut other) = ([0.0; BLOCK], [0.0; BLOCK]);
    one[..first.len()].copy_from_slice(first);
    other[..second.len()].copy_from_slice(second);
    whole_pair::<P>(&one, &other, pair, out);
}

#[inline(always)]
fn whole_pair<const P: usize>(
    first: &[f32; BLOCK],
    second: &[f32; BLOCK],
    pair: usize,
    out: &mut [u32],
) {
    // plain loops over a vector's numbers, which the compiler turns into one
    for half in 0..2 {
        let (mut low, mut high) = ([0.0f32; 16], [0.0f32; 16]);
        low.copy_from_slice(&first[half * 16..][..16]);
        high.copy_from_slice(&second[half * 16..][..16]);
        for p in 0..P {
            let out = &mut out[p * PACKED + half * PACKED / 2 + pair * 16..][..16];
            for i in 0..16 {
                let (a, b) = (rounded(low[i]), rounded(high[i]));
                low[i] -= f32::from_bits(a << 16);
                high[i] -= f32::from_bits(b << 16);
                out[i] = a | b << 16;
            }
        }
    }
}

/// Packs up to 32 rows of up to 32 columns as `parts` right operands, which follow each other;
/// `row(i)` is the i-th, of no columns where there is none.
pub fn pairs<'a>(parts: usize, row: impl Fn(usize) -> &'a [f32], out: &mut [u32]) {
    with_parts!(parts, P => Arch::new().dispatch(Pairs::<_, P> { row, out }));
}

struct Pairs<'a, R, const P: usize> {
    row: R,
    out: &'a mut [u32],
}

impl<'r, R: Fn(usize) -> &'r [f32], const P: usize> WithSimd for Pairs<'_, R, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for i in 0..BLOCK / 2 {
            pair::<P>((self.row)(2 * i), (self.row)(2 * i + 1), i, self.out);
        }
    }
}

/// Writes the first `parts` parts of numbers to as many rows that lie `plane` apart.
pub fn spread(parts: usize, values: &[f32], plane: usize, out: &mut [u16]) {
    with_parts!(parts, P => Arch::new().dispatch(Spread::<P> { values, plane, out }));
}

struct Spread<'a, const P: usize> {
    values: &'a [f32],
    plane: usize,
    out: &'a mut [u16],
}

impl<const P: usize> WithSimd for Spread<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Spread { values, plane, out } = self;
        let (whole, last) = values.as_chunks::<16>();
        for (at, values) in whole.iter().enumerate() {
            let mut rest = *values;
            for p in 0..P {
                let out = &mut out[p * plane + at * 16..][..16];
                for i in 0..16 {
                    let part = rounded(rest[i]);
                    rest[i] -= f32::from_bits(part << 16);
                    out[i] = part as u16;
                }
            }
        }
        let first = whole.len() * 16;
        for (i, &value) in last.iter().enumerate() {
            let mut rest = value;
            for p in 0..P {
                let part = rounded(rest);
                rest -= f32::from_bits(part << 16);
                out[p * plane + first + i] = part as u16;
            }
        }
    }
}
