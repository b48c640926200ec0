//! The one place where the stored layouts (channels first, OIHW, `[out, in]` after a flattened C,
//! H, W map) meet ours (channels last, `[k, k, in, out]`, `[in, out]` after a flattened H, W, C
//! map); stored in golden files, and in checkpoints of the paper's released code, which have the
//! same.

use candle_core::{Result, Tensor, bail};

/// `[T, B, C, H, W]` → `[T, B, H, W, C]`; any number of leading axes.
pub fn channels_last(maps: &Tensor) -> Result<Tensor> {
    let axes = maps.rank();
    if axes < 3 {
        bail!("expected maps […, C, H, W], found shape {:?}", maps.dims());
    }
    let order: Vec<usize> = (0..axes - 3).chain([axes - 2, axes - 1, axes - 3]).collect();
    maps.permute(order)?.contiguous()
}

/// The inverse of [`channels_last`].
pub fn channels_first(maps: &Tensor) -> Result<Tensor> {
    let axes = maps.rank();
    if axes < 3 {
        bail!("expected maps […, H, W, C], found shape {:?}", maps.dims());
    }
    let order: Vec<usize> = (0..axes - 3).chain([axes - 1, axes - 3, axes - 2]).collect();
    maps.permute(order)?.contiguous()
}

/// The input of a network as frames `[T, B, H, W, C]`: a static image `[B, C, H, W]` is repeated
/// `steps` times, event counts are stored as `[B, T, C, H, W]`.
pub fn frames(input: &Tensor, steps: usize) -> Result<Tensor> {
    match *input.dims() {
        [b, c, h, w] => {
            channels_last(input)?.unsqueeze(0)?.broadcast_as((steps, b, h, w, c))?.contiguous()
        }
        [_, t, ..] if input.rank() == 5 && t == steps => channels_last(&input.transpose(0, 1)?),
        _ => bail!(
            "expected an image [B,C,H,W] or frames [B,{steps},C,H,W], found shape {:?}",
            input.dims()
        ),
    }
}

/// How a parameter is laid out on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// The same on both.
    Vector,
    /// OIHW and `[k, k, in, out]`.
    Conv,
    /// `[C, H, W]` and `[H, W, C]`.
    Map,
    /// `[out, in]` and `[in, out]`, where `in` is a flattened map of so many channels, rows and
    /// columns.
    Linear([usize; 3]),
}

impl Layout {
    /// A stored parameter in our layout.
    pub fn ours(self, golden: &Tensor) -> Result<Tensor> {
        match self {
            Layout::Vector => Ok(golden.clone()),
            Layout::Conv => golden.permute((2, 3, 1, 0))?.contiguous(),
            Layout::Map => golden.permute((1, 2, 0))?.contiguous(),
            Layout::Linear([c, h, w]) => {
                let out = golden.dim(0)?;
                golden.reshape((out, c, h, w))?.permute((2, 3, 1, 0))?.reshape((h * w * c, out))
            }
        }
    }

    /// One of our parameters, or its gradient, in the stored layout.
    pub fn golden(self, ours: &Tensor) -> Result<Tensor> {
        match self {
            Layout::Vector => Ok(ours.clone()),
            Layout::Conv => ours.permute((3, 2, 0, 1))?.contiguous(),
            Layout::Map => ours.permute((2, 0, 1))?.contiguous(),
            Layout::Linear([c, h, w]) => {
                let out = ours.dim(1)?;
                ours.reshape((h, w, c, out))?.permute((3, 2, 0, 1))?.reshape((out, c * h * w))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    fn counted(dims: &[usize]) -> Tensor {
        let n: usize = dims.iter().product();
        Tensor::arange(0u32, n as u32, &Device::Cpu).unwrap().reshape(dims).unwrap()
    }

    fn flat(tensor: &Tensor) -> Vec<u32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn there_and_back_is_the_identity() {
        for (layout, dims) in [
            (Layout::Vector, &[7][..]),
            (Layout::Conv, &[5, 2, 3, 3]),
            (Layout::Map, &[5, 2, 3]),
            (Layout::Linear([2, 3, 4]), &[5, 24]),
        ] {
            let golden = counted(dims);
            assert_eq!(
                flat(&layout.golden(&layout.ours(&golden).unwrap()).unwrap()),
                flat(&golden)
            );
        }
        let maps = counted(&[2, 3, 4, 5, 6]);
        assert_eq!(channels_last(&maps).unwrap().dims(), [2, 3, 5, 6, 4]);
        assert_eq!(flat(&channels_first(&channels_last(&maps).unwrap()).unwrap()), flat(&maps));
    }

    #[test]
    fn elements_land_where_they_should() {
        // map of 2 channels, 1 row, 3 columns, one output: c0 w0..2, c1 w0..2 becomes w0 c0, w0 c1,
        // w1 c0 …
        assert_eq!(
            flat(&Layout::Linear([2, 1, 3]).ours(&counted(&[1, 6])).unwrap()),
            [0, 3, 1, 4, 2, 5]
        );
        // o1 i0 of [2, 1, 1, 2] at column 1 is element 3 and becomes row 0, column 1, in 0, out 1
        assert_eq!(flat(&Layout::Conv.ours(&counted(&[2, 1, 1, 2])).unwrap()), [0, 2, 1, 3]);
        assert_eq!(frames(&counted(&[2, 3, 4, 5]), 6).unwrap().dims(), [6, 2, 4, 5, 3]);
        let events = frames(&counted(&[2, 6, 1, 1, 1]), 6).unwrap();
        assert_eq!(
            (events.dims(), flat(&events)),
            (&[6, 2, 1, 1, 1][..], vec![0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11])
        );
        assert!(frames(&counted(&[2, 5, 1, 1, 1]), 6).is_err());
    }
}
