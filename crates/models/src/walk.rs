use crate::{Layer, Mode, Network};
use candle_core::{Result, Tensor};

/// Sees one operation of a network with its input and its output, both `[T, B, …]`.
type Visit<'a> = &'a mut dyn FnMut(&Layer, &Tensor, &Tensor) -> Result<()>;

impl Network {
    /// Class scores `[B, K]` of frames `[T, B, H, W, C]` in evaluation mode, layer by layer in
    /// plain tensor operations: `visit` is handed each operation with its input and its output, in
    /// order, before the next one starts. Equal to [`Network::forward`] with [`Mode::Eval`], but
    /// slower: nothing is fused, so that nothing is hidden.
    ///
    /// # Errors
    /// If the frames do not fit the network, or the one that `visit` returns.
    pub fn walk(&self, frames: &Tensor, visit: Visit<'_>) -> Result<Tensor> {
        through(self.layers(), frames, visit)?.mean(0)
    }
}

/// The output of `layers` in turn; of a residual block its body, its shortcut, and then the whole
/// of it; of recurrent neurons, and of those with feedback and signs, products and neurons.
fn through(layers: &[Layer], frames: &Tensor, visit: Visit<'_>) -> Result<Tensor> {
    let mut x = frames.clone();
    for layer in layers {
        let y = match layer {
            Layer::Residual { body, shortcut } => {
                (through(body, &x, visit)? + through(shortcut, &x, visit)?)?
            }
            Layer::Recurrent { name, neuron, weight } => {
                let y = layer.forward(&x, Mode::Eval, &mut ())?.detach();
                // in its parts: the product of the spikes of the step before, and neurons that
                // are given what it adds too
                let none = y.narrow(0, 0, 1)?.zeros_like()?;
                let before = Tensor::cat(&[&none, &y.narrow(0, 0, y.dim(0)? - 1)?], 0)?;
                let returned = weight.forward(&before)?.detach();
                visit(&weight.clone().into(), &before, &returned)?;
                visit(&Layer::Neuron(name.clone(), neuron.clone()), &(&x + returned)?, &y)?;
                x = y;
                continue;
            }
            Layer::BackEi { name, neuron, back_ei } => {
                // in its parts: both products and the neurons
                let parts = back_ei.parts(&x, neuron.as_ref())?;
                if let (Some(back), Some(returned)) = (&back_ei.back, &parts.returned) {
                    visit(&Layer::Conv(back.clone()), &parts.before, returned)?;
                }
                let neurons = Layer::Neuron(name.clone(), neuron.clone());
                visit(&neurons, &parts.currents, &parts.spikes)?;
                if let (Some(ei), Some(signed)) = (&back_ei.ei, &parts.signed) {
                    visit(&Layer::Conv(ei.clone()), &parts.membranes, signed)?;
                }
                x = parts.outputs.detach();
                continue;
            }
            layer => layer.forward(&x, Mode::Eval, &mut ())?,
        };
        // without the graph, which would keep every activation until the end
        let y = y.detach();
        visit(layer, &x, &y)?;
        x = y;
    }
    Ok(x)
}
