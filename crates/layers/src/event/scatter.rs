use crate::Product;
use crate::sizes::Sizes;
use pulp::{Arch, Simd, WithSimd};

/// Adds to `y` of one sample, `[oh, ow, co]` or `[outputs]`, what the entries (index in the
/// flattened map, value) give: for a single step there are too few of them to sort them by output.
pub fn scatter(product: &Product, entries: &[(u32, f32)], weight: &[f32], y: &mut [f32]) {
    Arch::new().dispatch(Scatter { product, entries, weight, y });
}

struct Scatter<'a> {
    product: &'a Product,
    entries: &'a [(u32, f32)],
    weight: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Scatter { product, entries, weight, y } = self;
        for &(index, value) in entries {
            match product {
                Product::Linear { outputs, .. } => {
                    add(y, &weight[index as usize * outputs..][..*outputs], value)
                }
                Product::Depthwise(s) => s.scatter(index as usize, value, weight, y),
                Product::Convolution(s) => window(*s, index as usize, value, weight, y),
            }
        }
    }
}

/// What one entry gives to all windows that it lies in.
#[inline(always)]
fn window(s: Sizes, index: usize, value: f32, weight: &[f32], y: &mut [f32]) {
    let (pixel, c) = (index / s.ci, index % s.ci);
    let (row, column) = (pixel / s.w + s.padding, pixel % s.w + s.padding);
    let place = |at: usize, tap: usize, size: usize| {
        let first = at.checked_sub(tap)?;
        (first.is_multiple_of(s.stride) && first / s.stride < size).then_some(first / s.stride)
    };
    for ky in 0..s.k {
        let Some(oy) = place(row, ky, s.oh) else { continue };
        for kx in 0..s.k {
            let Some(ox) = place(column, kx, s.ow) else { continue };
            let weight = &weight[((ky * s.k + kx) * s.ci + c) * s.co..][..s.co];
            add(&mut y[(oy * s.ow + ox) * s.co..][..s.co], weight, value);
        }
    }
}

#[inline(always)]
fn add(y: &mut [f32], weight: &[f32], value: f32) {
    y.iter_mut().zip(weight).for_each(|(y, w)| *y += value * w);
}
