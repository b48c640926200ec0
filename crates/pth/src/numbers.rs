//! The numbers of a tensor in its storage.

use crate::Tensor;
use half::{bf16, f16};

/// The values of a tensor in row-major order, or what is wrong with it. What is returned takes at
/// most four times the bytes of the storage.
pub fn values(tensor: &Tensor, storage: &[u8]) -> Result<Vec<f64>, String> {
    let Tensor { shape, strides, elements, offset, .. } = tensor;
    let Some((width, decode)) = element(&tensor.storage) else {
        return Err(format!(
            "is of {}, expected floating-point numbers: save it as float32",
            tensor.storage
        ));
    };
    if elements.checked_mul(width) != Some(storage.len()) {
        return Err(format!(
            "lies in a storage of {} bytes, expected {elements} numbers of {width}: copy the file again",
            storage.len()
        ));
    }
    let n = shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let (Some(n), true) = (n, spans_itself(shape, strides)) else {
        return Err(format!(
            "of shape {shape:?} lies in its storage with strides {strides:?}: save it with .contiguous()"
        ));
    };
    let bytes = offset.checked_mul(width).zip(n.checked_mul(width));
    let bytes = bytes.and_then(|(from, length)| storage.get(from..from.checked_add(length)?));
    let Some(bytes) = bytes else {
        return Err(format!(
            "of shape {shape:?} from number {offset} on reaches beyond its storage of {elements}: save it again with torch.save"
        ));
    };
    let mut values = Vec::with_capacity(n);
    for i in 0..n {
        // adjacent elements, so every place is below n
        let from = place(shape, strides, i) * width;
        let number = bytes.get(from..from + width).ok_or("reaches beyond its storage")?;
        values.push(decode(number));
    }
    Ok(values)
}

/// The number that bytes say.
type Decode = fn(&[u8]) -> f64;

/// Bytes of an element of a storage, and what they say.
fn element(storage: &str) -> Option<(usize, Decode)> {
    fn bytes<const N: usize>(b: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(b).for_each(|(to, from)| *to = *from);
        bytes
    }
    match storage {
        "FloatStorage" => Some((4, |b| f64::from(f32::from_le_bytes(bytes(b))))),
        "DoubleStorage" => Some((8, |b| f64::from_le_bytes(bytes(b)))),
        "HalfStorage" => Some((2, |b| f16::from_le_bytes(bytes(b)).to_f64())),
        "BFloat16Storage" => Some((2, |b| bf16::from_le_bytes(bytes(b)).to_f64())),
        _ => None,
    }
}

/// Whether a tensor's elements are as many adjacent ones of its storage, in whatever order of its
/// axes.
fn spans_itself(shape: &[usize], strides: &[usize]) -> bool {
    if shape.len() != strides.len() {
        return false;
    }
    if shape.contains(&0) {
        return true;
    }
    let mut axes: Vec<(usize, usize)> =
        strides.iter().copied().zip(shape.iter().copied()).collect();
    axes.retain(|&(_, size)| size != 1);
    axes.sort_unstable();
    let step = axes.iter().try_fold(1usize, |step, &(stride, size)| match stride == step {
        true => step.checked_mul(size),
        false => None,
    });
    step.is_some()
}

/// Where the i-th element in row-major order lies.
fn place(shape: &[usize], strides: &[usize], i: usize) -> usize {
    let mut rest = i;
    let mut at = 0;
    for (&size, &stride) in shape.iter().zip(strides).rev() {
        at += rest % size * stride;
        rest /= size;
    }
    at
}
