//! Gradients as far as they are found.

use crate::Block;
use candle_core::{Result, Tensor, TensorId};
use layers::cuda::{add, sum_into};

/// A gradient as far as its readers have given it.
#[derive(Default)]
pub struct Sum(Option<(Tensor, bool)>);

impl Sum {
    /// Adds `more`, which is `own` if nothing else reads it.
    pub fn add(&mut self, more: Tensor, own: bool) -> Result<()> {
        self.0 = Some(match self.0.take() {
            None => (more, own),
            Some((sum, true)) => {
                sum_into(&sum, &sum, Some(&more))?;
                (sum, true)
            }
            Some((sum, false)) => (add(&sum, Some(&more), sum.shape())?, true),
        });
        Ok(())
    }

    pub fn take(self) -> Option<Tensor> {
        self.0.map(|(sum, _)| sum)
    }
}

/// What a backward pass has found so far.
#[derive(Default)]
pub struct Found(pub Vec<(TensorId, Tensor)>);

impl Found {
    /// Adds to the gradient of a variable, which may have several uses.
    pub fn add(&mut self, of: &Tensor, more: Tensor) -> Result<()> {
        match self.0.iter_mut().find(|(id, _)| *id == of.id()) {
            // what was found may be shared with another variable: the biases of one block
            Some((_, sum)) => *sum = add(sum, Some(&more), of.shape())?,
            None => self.0.push((of.id(), more)),
        }
        Ok(())
    }

    /// Those of a block's γ and β.
    pub fn norm(&mut self, block: &Block, found: Option<[Tensor; 2]>) -> Result<()> {
        if let (Some((_, norm)), Some([gamma, beta])) = (&block.affine, found) {
            self.add(&norm.weight, gamma)?;
            norm.bias.as_ref().map_or(Ok(()), |bias| self.add(bias, beta))?;
        }
        Ok(())
    }

    /// Those of its neurons' learnable parameters, `[P]`.
    pub fn parameters(&mut self, block: &Block, found: Option<Tensor>) -> Result<()> {
        let parameters = block.neuron.as_ref().map(|n| n.parameters()).unwrap_or_default();
        let Some(found) = found else { return Ok(()) };
        for (i, (_, parameter)) in parameters.iter().enumerate() {
            self.add(parameter, found.get(i)?)?;
        }
        Ok(())
    }
}
