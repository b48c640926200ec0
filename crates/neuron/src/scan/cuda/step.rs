//! Neurons one step at a time, forward and backward: `step.cu`.

use super::{computed, fits, sum_rows};
use crate::Source;
use candle_core::{DType, Result, Tensor, bail};
use device::{Arg, Gpu, Kernel, Program, real};

/// Neurons to which their own spikes return, so that they run one step at a time. States before
/// every step are kept, in what is computed in.
pub struct Stepping {
    neuron: Source,
    learned: Option<Tensor>,
    /// Neurons.
    n: usize,
    /// Of currents.
    z: DType,
    /// Of spikes.
    to: DType,
    /// Of all steps but the first, before which they are 0: `[T, S, N]`.
    states: Tensor,
    /// Gradients of the states on the way back, `[S, N]`.
    back: Option<Tensor>,
    /// Each neuron's sums for the gradients of the parameters, `[P, N]`.
    sums: Option<Tensor>,
}

impl Stepping {
    /// `n` neurons of this source and these learnable parameters `[P]` (in what is computed in),
    /// for so many steps of currents of type `z` to spikes of type `to`.
    ///
    /// # Errors
    /// Other parameters than the neuron's, or no memory.
    pub fn new(
        gpu: &Gpu,
        (neuron, learned): (Source, Option<Tensor>),
        [steps, n]: [usize; 2],
        [z, to]: [DType; 2],
    ) -> Result<Stepping> {
        fits(&neuron, learned.as_ref(), z)?;
        let states = gpu.empty((steps, neuron.states, n), computed(z))?;
        Ok(Stepping { neuron, learned, n, z, to, states, back: None, sums: None })
    }

    /// The same neurons with another backward pass.
    ///
    /// # Errors
    /// A neuron of other states.
    pub fn backward_of(&mut self, neuron: Source) -> Result<()> {
        if (neuron.states, neuron.parameters) != (self.neuron.states, self.neuron.parameters) {
            bail!(
                "a neuron of {} states was expected, found one of other states",
                self.neuron.states
            );
        }
        self.neuron = neuron;
        Ok(())
    }

    fn kernel(&self, gpu: &Gpu, which: &'static str, name: &'static str) -> Result<Kernel> {
        let definitions = vec![
            (which, String::new()),
            ("TZ", real(self.z)?),
            ("TO", real(self.to)?),
            ("STATES", self.neuron.states.to_string()),
            ("PARAMETERS", self.neuron.parameters.to_string()),
        ];
        let text = ("step.cu", include_str!("step.cu"));
        gpu.kernel(Program::new(text, computed(self.z), &self.neuron.text, definitions), name)
    }

    fn check(&self, tensors: &[(&Tensor, DType)], t: usize) -> Result<()> {
        let others = |(tensor, dtype): &&(&Tensor, DType)| {
            tensor.elem_count() != self.n || tensor.dtype() != *dtype
        };
        match tensors.iter().find(others) {
            Some((tensor, dtype)) => bail!(
                "{} numbers of {dtype:?} were expected for a step, found {:?} {:?}",
                self.n,
                tensor.dtype(),
                tensor.shape()
            ),
            None if t >= self.states.dim(0)? => bail!("a step {t} of {}", self.states.dim(0)?),
            None => Ok(()),
        }
    }

    /// States before step `t`, and behind it.
    fn states(&self, gpu: &Gpu, t: usize) -> Result<[Arg; 2]> {
        let all = gpu.pointer(&self.states)?;
        let step = (self.neuron.states * self.n * self.states.dtype().size_in_bytes()) as u64;
        let before = t.checked_sub(1).map_or(0, |before| all + before as u64 * step);
        Ok([Arg::Pointer(before), Arg::Pointer(all + t as u64 * step)])
    }

    /// Spikes of the currents `x` `[N]` of step `t` into `out` `[N]`; how many there are is added
    /// to number `at` of `spikes`, u32.
    ///
    /// # Errors
    /// If they do not fit, or the device fails.
    pub fn forward(
        &self,
        x: &Tensor,
        t: usize,
        out: &Tensor,
        (spikes, at): (&Tensor, usize),
    ) -> Result<()> {
        self.check(&[(x, self.z), (out, self.to)], t)?;
        if spikes.dtype() != DType::U32 || at >= spikes.elem_count() {
            bail!("a u32 count {at} was expected, found {:?}", spikes.shape());
        }
        let gpu = Gpu::of_tensor(x)?;
        let [before, after] = self.states(&gpu, t)?;
        let args = [
            Arg::Pointer(gpu.pointer(x)?),
            before,
            after,
            Arg::Pointer(self.learned.as_ref().map_or(Ok(0), |t| gpu.pointer(t))?),
            Arg::Pointer(gpu.pointer(out)?),
            Arg::Pointer(gpu.pointer(spikes)? + 4 * at as u64),
            Arg::Size(self.n as u64),
        ];
        let kernel = self.kernel(&gpu, "FORWARD", "step")?;
        // SAFETY: x, out and the states of a step hold as many numbers as there are neurons (and
        // states), of the types that the program is made for; the count lies inside `spikes`.
        unsafe { gpu.launch(&kernel, [gpu.blocks(self.n, 256), 1], 256, &args) }
    }

    /// ∂L/∂x of step `t` from ∂L/∂o, `g`, both `[N]`. Steps are to come from the last to the first.
    ///
    /// # Errors
    /// As [`Stepping::forward`].
    pub fn backward(&mut self, x: &Tensor, t: usize, g: &Tensor) -> Result<Tensor> {
        self.check(&[(x, self.z), (g, self.to)], t)?;
        let gpu = Gpu::of_tensor(x)?;
        let (dtype, last) = (computed(self.z), self.back.is_none());
        if last {
            self.back = Some(gpu.empty((self.neuron.states, self.n), dtype)?);
            let parameters = self.neuron.parameters;
            self.sums = match parameters {
                0 => None,
                _ => Some(gpu.empty((parameters, self.n), dtype)?),
            };
        }
        let d = gpu.empty(x.shape(), self.z)?;
        let optional = |t: &Option<Tensor>| -> Result<Arg> {
            Ok(Arg::Pointer(t.as_ref().map_or(Ok(0), |t| gpu.pointer(t))?))
        };
        let args = [
            Arg::Pointer(gpu.pointer(x)?),
            self.states(&gpu, t)?[0],
            Arg::Pointer(gpu.pointer(g)?),
            optional(&self.back)?,
            optional(&self.learned)?,
            optional(&self.sums)?,
            Arg::Pointer(gpu.pointer(&d)?),
            Arg::Size(self.n as u64),
            Arg::Int(i32::from(last)),
        ];
        let kernel = self.kernel(&gpu, "BACKWARD", "step_gradient")?;
        // SAFETY: as in `forward`; what goes back holds S·N and P·N numbers, which the last step
        // writes before another reads them.
        unsafe { gpu.launch(&kernel, [gpu.blocks(self.n, 256), 1], 256, &args)? };
        Ok(d)
    }

    /// ∂L/∂parameters `[P]` of all steps that have come back, if there are any.
    ///
    /// # Errors
    /// If the device fails.
    pub fn parameters(&self) -> Result<Option<Tensor>> {
        let Some(sums) = &self.sums else { return Ok(None) };
        let gpu = Gpu::of_tensor(sums)?;
        let blocks = gpu.blocks(self.n, 256);
        let part = gpu.empty((blocks as usize, self.neuron.parameters), DType::F64)?;
        let args = [
            Arg::Pointer(gpu.pointer(sums)?),
            Arg::Pointer(gpu.pointer(&part)?),
            Arg::Size(self.n as u64),
        ];
        let kernel = self.kernel(&gpu, "BACKWARD", "learned_part")?;
        // SAFETY: the sums hold P·N numbers, the parts P doubles for each block.
        unsafe { gpu.launch(&kernel, [blocks, 1], 256, &args)? };
        sum_rows(&gpu, &part, sums.dtype()).map(Some)
    }
}
