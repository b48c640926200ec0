use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Input of a scan and of its backward pass, both `[steps, neurons]` in f32.
#[derive(Debug)]
pub struct Currents {
    /// Currents, uniform in [−0.5, 0.75): the paper's neurons then fire in about one step of five.
    pub x: Var,
    /// The gradient ∂L/∂o of the spikes, uniform in [−1, 1).
    pub g: Tensor,
}

impl Currents {
    /// Drawn from a seed, so that every run times the same numbers.
    pub fn new(steps: usize, neurons: usize, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = |range: std::ops::Range<f32>| {
            let values: Vec<f32> =
                (0..steps * neurons).map(|_| random.random_range(range.clone())).collect();
            Tensor::from_vec(values, (steps, neurons), &Device::Cpu)
        };
        Ok(Self { x: Var::from_tensor(&uniform(-0.5..0.75)?)?, g: uniform(-1.0..1.0)? })
    }
}

/// An operation that computes nothing: its value is zero, of any shape, and its gradient is the
/// given one.
///
/// With a scalar shape it stands for the layers above a scan, and a backward pass holds nothing but
/// the scan. With the scan's shape it stands for the scan, and a backward pass holds nothing but
/// candle's own work.
#[derive(Debug)]
pub struct GivenGradient {
    /// Shape of the value.
    pub shape: Shape,
    /// Gradient of the argument.
    pub gradient: Tensor,
}

impl CustomOp1 for GivenGradient {
    fn name(&self) -> &'static str {
        "given"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0; self.shape.elem_count()]), self.shape.clone()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.gradient.clone()))
    }
}
