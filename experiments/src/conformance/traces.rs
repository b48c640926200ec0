//! `tsslbp…`, `slayer…`, `hm2` and `strsbp` of the comparators: rules that train by traces and by
//! whole trains of spikes, of the crate `traces`.
//!
//! The references filter in front of a product, we behind it; so that spikes, losses and gradients
//! are compared, which are the same, and the filtered currents.

mod slayer;
mod trains;
mod tssl;

use super::axis_order::channels_last;
use super::check::{Limit, Rows};
use super::golden::Golden;
use ::traces::Real;
use anyhow::{Result, bail};
use candle_core::{DType, Device, Tensor, WithDType};

/// Files that this module checks, by how their names begin.
pub const FILES: [&str; 9] = [
    "tsslbp_neuron",
    "tsslbp2020_neuron",
    "tsslbp_network",
    "tsslbp2020_network",
    "slayer_neuron",
    "slayer_loss",
    "slayer_network",
    "hm2",
    "strsbp",
];

/// A number of both worlds.
pub(super) trait Value: Real + WithDType {}

impl<T: Real + WithDType> Value for T {}

/// Checks every tensor of a file whose name begins with `file`.
pub fn check(golden: &Golden, file: &str, rows: &mut Rows) -> Result<()> {
    match file {
        "hm2" => return trains::check(golden, false, rows),
        "strsbp" => return trains::check(golden, true, rows),
        _ => (),
    }
    for (tag, dtype) in golden.precisions("")? {
        match dtype {
            DType::F64 => with::<f64>(&Case { golden, tag, dtype }, file, rows)?,
            _ => with::<f32>(&Case { golden, tag, dtype }, file, rows)?,
        }
    }
    Ok(())
}

fn with<F: Value>(case: &Case, file: &str, rows: &mut Rows) -> Result<()> {
    match file {
        "tsslbp_neuron" => tssl::neuron::<F>(case, false, rows),
        "tsslbp2020_neuron" => tssl::neuron::<F>(case, true, rows),
        "tsslbp_network" => tssl::network::<F>(case, false, rows),
        "tsslbp2020_network" => tssl::network::<F>(case, true, rows),
        "slayer_neuron" => slayer::neuron::<F>(case, rows),
        "slayer_loss" => slayer::losses::<F>(case, rows),
        "slayer_network" => slayer::network::<F>(case, rows),
        _ => bail!("no rule has this name"),
    }
}

/// A file in one precision.
pub(super) struct Case<'g> {
    pub golden: &'g Golden,
    pub tag: &'static str,
    pub dtype: DType,
}

impl Case<'_> {
    /// A value that both precisions share, in this one.
    pub fn shared(&self, name: &str) -> Result<Tensor> {
        Ok(self.golden.input(name)?.to_dtype(self.dtype)?)
    }

    /// What the reference found.
    pub fn stored(&self, name: &str) -> Result<Tensor> {
        self.golden.tensor(&format!("{}.{name}", self.tag))
    }

    /// The README's limit for gradients, and for other values what rounding does to them.
    pub fn limit(&self, name: &str) -> Limit {
        match (self.dtype, name.contains("grad")) {
            (DType::F64, _) => Limit::OfLargest(1e-9),
            (_, true) => Limit::OfLargest(1e-3),
            (_, false) => Limit::OfLargest(1e-5),
        }
    }

    /// Compares values, in row-major order, with a stored tensor.
    pub fn compare<F: Value>(&self, rows: &mut Rows, name: &str, limit: Limit, ours: &[F]) {
        let stored = self.stored(name);
        let ours = stored.as_ref().map_or_else(
            |_| Tensor::new(ours, &Device::Cpu),
            |stored| Tensor::from_slice(ours, stored.shape(), &Device::Cpu),
        );
        let row = format!("{} {name}", self.tag);
        rows.compare_one(&row, limit, ours.map_err(Into::into), stored);
    }

    /// [`Case::compare`] with the usual limit.
    pub fn values<F: Value>(&self, rows: &mut Rows, name: &str, ours: &[F]) {
        self.compare(rows, name, self.limit(name), ours);
    }

    /// Compares spikes with a tensor that both precisions share.
    pub fn spikes<F: Value>(&self, rows: &mut Rows, name: &str, ours: &[F]) {
        let stored = self.golden.tensor(name);
        let ours = stored.as_ref().map_or_else(
            |_| Tensor::new(ours, &Device::Cpu),
            |stored| Tensor::from_slice(ours, stored.shape(), &Device::Cpu),
        );
        let row = format!("{} {name}", self.tag);
        rows.compare_one(&row, Limit::Exactly, ours.map_err(Into::into), stored);
    }
}

/// Values of a tensor in row-major order.
pub(super) fn values<F: Value>(tensor: &Tensor) -> Result<Vec<F>> {
    Ok(tensor.to_dtype(F::DTYPE)?.flatten_all()?.to_vec1()?)
}

/// Rows of T values of `[T, B, …]`, time last.
pub(super) fn rows_of<F: Value>(x: &Tensor) -> Result<Vec<F>> {
    values(&x.permute((1..x.rank()).chain([0]).collect::<Vec<_>>())?)
}

/// The inverse, into a tensor of the shape of `like`.
pub(super) fn of_rows<F: Value>(rows: &[F], like: &Tensor) -> Result<Tensor> {
    let mut dims = like.dims().to_vec();
    dims.rotate_left(1);
    let last = dims.len() - 1;
    let order: Vec<usize> = std::iter::once(last).chain(0..last).collect();
    Ok(Tensor::from_slice(rows, dims, &Device::Cpu)?.permute(order)?.contiguous()?)
}

/// Maps `[B, C, H, W, T]` as ours, `[T, B, H, W, C]`; of a still image `steps` of them.
pub(super) fn time_first(maps: &Tensor, steps: usize) -> Result<Tensor> {
    let maps = channels_last(&maps.permute((4, 0, 1, 2, 3))?)?;
    match maps.dim(0)? {
        1 => Ok(Tensor::cat(&vec![&maps; steps], 0)?),
        _ => Ok(maps),
    }
}

/// `[T, B, H, W, C]`, or `[T, B, K]`, in the stored order `[B, C, H, W, T]`.
pub(super) fn time_last(maps: &Tensor) -> Result<Tensor> {
    match maps.rank() {
        5 => Ok(maps.permute((1, 4, 2, 3, 0))?.contiguous()?),
        _ => Ok(maps.permute((1, 2, 0))?.contiguous()?),
    }
}
