use crate::Mode;
use candle_core::{DType, Device, Result, Shape, Tensor};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How long a dropout's mask stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masks {
    /// One mask for all time steps of a training pass.
    #[default]
    Pass,
    /// Another mask at each time step.
    Step,
}

impl Masks {
    /// Neuron dropout of `x` `[T, B, …]` with these masks, see [`dropout`]. A mask of a step is a
    /// function of seed, name and step.
    ///
    /// # Errors
    /// If `x` has no axis of time.
    pub fn drop(self, x: &Tensor, p: f64, name: &str, mode: Mode) -> Result<Tensor> {
        self.drop_from(0, x, p, name, mode)
    }

    /// The same of steps from `first` on.
    ///
    /// # Errors
    /// As there.
    pub fn drop_from(
        self,
        first: usize,
        x: &Tensor,
        p: f64,
        name: &str,
        mode: Mode,
    ) -> Result<Tensor> {
        let Mode::Train { seed } = mode else { return Ok(x.clone()) };
        if self == Masks::Pass {
            return dropout(x, p, name, mode);
        }
        let shape = x.dims()[1..].into();
        let mask =
            |t: usize| dropout_mask(&shape, p, &of_step(name, t), seed, x.dtype(), x.device());
        let masks = (first..first + x.dim(0)?).map(mask).collect::<Result<Vec<_>>>()?;
        x * Tensor::stack(&masks, 0)?
    }

    /// The factors that [`Masks::drop`] multiplies so many steps of `shape` with: of one step where
    /// all have the same, else of each.
    ///
    /// # Errors
    /// If a mask cannot be made.
    pub fn factors(
        self,
        steps: usize,
        shape: &[usize],
        p: f64,
        name: &str,
        seed: u64,
    ) -> Result<Vec<f32>> {
        let mask = |name: &str| -> Result<Vec<f32>> {
            let mask = dropout_mask(&shape.into(), p, name, seed, DType::F32, &Device::Cpu)?;
            mask.flatten_all()?.to_vec1()
        };
        if self == Masks::Pass {
            return mask(name);
        }
        let all = (0..steps).map(|t| mask(&of_step(name, t))).collect::<Result<Vec<_>>>()?;
        Ok(all.concat())
    }
}

/// The name of a step's mask.
fn of_step(name: &str, t: usize) -> String {
    format!("{name}, step {t}")
}

/// Neuron dropout of `x` `[T, B, …]`: one mask `[B, …]` for all time steps of a training pass, the
/// identity in evaluation. Masks of equal seed and different `name` are independent.
pub fn dropout(x: &Tensor, p: f64, name: &str, mode: Mode) -> Result<Tensor> {
    match mode {
        Mode::Eval => Ok(x.clone()),
        Mode::Train { seed } => {
            let mask = dropout_mask(&x.dims()[1..].into(), p, name, seed, x.dtype(), x.device())?;
            x.broadcast_mul(&mask.unsqueeze(0)?)
        }
    }
}

/// A mask of zeros (with probability `p`) and 1/(1 − p), a pure function of its arguments.
pub fn dropout_mask(
    shape: &Shape,
    p: f64,
    name: &str,
    seed: u64,
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    // FNV-1a mixes the layer's name into the seed; ChaCha makes the rest of it.
    let stream = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ b as u64).wrapping_mul(0x0100_0000_01b3));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let keep = (1.0 / (1.0 - p)) as f32;
    let mask: Vec<f32> =
        (0..shape.elem_count()).map(|_| if rng.random_bool(p) { 0.0 } else { keep }).collect();
    Tensor::from_vec(mask, shape.clone(), device)?.to_dtype(dtype)
}
