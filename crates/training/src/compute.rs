use crate::Criterion;
use candle_core::{Device, Result, Tensor};
use models::{EventDriven, Frames, Gradients, Math, Mode, Network, Observer, Options, Precision};

/// How passes are computed: beside rounding, and time and memory, it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compute {
    /// Whether passes go block by block and without a graph where a network can be taken so:
    /// event-driven on the CPU, by cuDNN and fused stages on a CUDA device, with neurons that have
    /// the kernels. If not, they are tensor operations, which are the definition.
    pub blocks: bool,
    /// How event-driven passes choose.
    pub options: Options,
    /// How a CUDA device multiplies.
    pub math: Math,
}

impl Default for Compute {
    /// Blocks, with the default options, in f32.
    fn default() -> Self {
        Self { blocks: true, options: Options::default(), math: Math::default() }
    }
}

/// What passes of a network are made of.
pub enum Engine {
    /// Tensor operations.
    Tensors,
    /// Blocks on the CPU.
    Events(EventDriven),
    /// Blocks on a CUDA device.
    #[cfg(feature = "cuda")]
    Device(models::OnDevice),
}

impl Compute {
    /// The same by tensor operations in f32.
    pub(crate) fn in_tensors(&self) -> Self {
        Self { blocks: false, math: Math { precision: Precision::F32, ..self.math }, ..*self }
    }

    /// What passes of this network are made of on that device.
    ///
    /// # Errors
    /// A precision that tensor operations do not have, for a network that has no blocks on the
    /// device.
    pub fn engine(&self, network: &Network, device: &Device) -> Result<Engine> {
        let engine = match device {
            _ if !self.blocks => Engine::Tensors,
            Device::Cpu => network.event_driven().map_or(Engine::Tensors, Engine::Events),
            #[cfg(feature = "cuda")]
            Device::Cuda(_) => network.on_device().map_or(Engine::Tensors, Engine::Device),
            _ => Engine::Tensors,
        };
        match (&engine, self.math.precision) {
            (Engine::Tensors, Precision::Tf32 | Precision::Bf16) => candle_core::bail!(
                "{} is for networks whose neurons have CUDA kernels, and this one runs by tensor operations; train it in f32",
                self.math.precision.id()
            ),
            _ => Ok(engine),
        }
    }
}

impl Engine {
    /// Whether frames are best given as bytes where they can be.
    pub(crate) fn takes_bytes(&self) -> bool {
        match self {
            #[cfg(feature = "cuda")]
            Engine::Device(_) => true,
            _ => false,
        }
    }

    /// Votes of blocks, as [`Criterion::scores`] takes them; `None` if passes are tensor
    /// operations.
    pub(crate) fn votes(
        &self,
        frames: Frames,
        mode: Mode,
        criterion: &Criterion,
        compute: &Compute,
        observer: &mut dyn Observer,
    ) -> Result<Option<Tensor>> {
        match self {
            Engine::Tensors => Ok(None),
            Engine::Events(blocks) if criterion.by_step() => {
                blocks.votes(frames, mode, compute.options, observer).map(Some)
            }
            Engine::Events(blocks) => {
                blocks.scores(frames, mode, compute.options, observer).map(Some)
            }
            #[cfg(feature = "cuda")]
            Engine::Device(blocks) if criterion.by_step() => {
                blocks.votes(frames, mode, compute.math, observer).map(Some)
            }
            #[cfg(feature = "cuda")]
            Engine::Device(blocks) => blocks.scores(frames, mode, compute.math, observer).map(Some),
        }
    }

    /// Gradients of blocks, see [`EventDriven::gradients`]; `None` if passes are tensor operations.
    /// `loss` is given votes as [`Criterion::gradient`] takes them.
    pub(crate) fn gradients(
        &self,
        frames: Frames,
        seed: u64,
        criterion: &Criterion,
        compute: &Compute,
        observer: &mut dyn Observer,
        loss: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Option<Gradients>> {
        match self {
            Engine::Tensors => Ok(None),
            Engine::Events(blocks) if criterion.by_step() => {
                blocks.gradients_by_step(frames, seed, compute.options, observer, loss).map(Some)
            }
            Engine::Events(blocks) => {
                blocks.gradients(frames, seed, compute.options, observer, loss).map(Some)
            }
            #[cfg(feature = "cuda")]
            Engine::Device(blocks) if criterion.by_step() => {
                blocks.gradients_by_step(frames, seed, compute.math, observer, loss).map(Some)
            }
            #[cfg(feature = "cuda")]
            Engine::Device(blocks) => {
                blocks.gradients(frames, seed, compute.math, observer, loss).map(Some)
            }
        }
    }
}
