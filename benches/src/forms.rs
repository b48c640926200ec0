use crate::GivenGradient;
use candle_core::{Result, Shape, Tensor, Var, bail};
use neuron::{Neuron, unroll};

/// Who computes the spikes and their gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// [`Neuron::scan`].
    Fused,
    /// [`unroll`], the definition.
    Unrolled,
    /// The definition on a variable of its own for each step. candle's gradient of a slice `x[t]`
    /// has the size of x, so that the definition's backward pass grows with T²; this form's grows
    /// with T.
    Steps,
}

impl Form {
    /// The variables it differentiates by: x, or a copy of each of its steps.
    pub fn variables(self, x: &Var) -> Result<Vec<Var>> {
        match self {
            Form::Fused | Form::Unrolled => Ok(vec![x.clone()]),
            Form::Steps => (0..x.dim(0)?).map(|t| Var::from_tensor(&x.get(t)?.copy()?)).collect(),
        }
    }

    /// Forward: the spikes `[T, …]`.
    fn spikes(self, neuron: &dyn Neuron, variables: &[Var]) -> Result<Tensor> {
        let [x, ..] = variables else { bail!("a neuron scans at least one step, found none") };
        match self {
            Form::Fused => neuron.scan(x),
            Form::Unrolled => unroll(neuron, x),
            Form::Steps => {
                let mut v = x.zeros_like()?;
                let mut spikes = Vec::with_capacity(variables.len());
                for x in variables {
                    let (o, next) = neuron.step(x, &v)?;
                    spikes.push(o);
                    v = next;
                }
                Tensor::stack(&spikes, 0)
            }
        }
    }

    /// Forward and backward through candle's autograd: the spikes, and ∂L/∂ of each variable where
    /// ∂L/∂o is `g`.
    ///
    /// # Errors
    /// Those of candle, and a variable without a gradient.
    pub fn gradients(
        self,
        neuron: &dyn Neuron,
        variables: &[Var],
        g: &Tensor,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let spikes = self.spikes(neuron, variables)?;
        let mut grads = loss(&spikes, g)?.backward()?;
        let gradients = variables.iter().map(|x| match grads.remove(x) {
            Some(gradient) => Ok(gradient),
            None => bail!("{self:?} made no gradient of a variable of shape {:?}", x.shape()),
        });
        Ok((spikes, gradients.collect::<Result<_>>()?))
    }
}

/// A loss L with ∂L/∂`spikes` = `g` and no work of its own.
pub fn loss(spikes: &Tensor, g: &Tensor) -> Result<Tensor> {
    spikes.apply_op1(GivenGradient { shape: Shape::from(()), gradient: g.clone() })
}
