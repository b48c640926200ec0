//! BackEISNN's neurons: their spikes return to gate their currents, and their membranes decide
//! whether a spike excites or inhibits.

use candle_core::{Result, Tensor};
use layers::Conv2d;
use neuron::Neuron;

/// What BackEISNN adds to neurons, u their membranes before the reset:
///
/// ```text
/// u[t] = v[t-1] + σ(B ∗ y[t-1]) · x[t]      y[t] = sign(E ∗ u[t]) · o[t]
/// ```
///
/// o and v are the neurons' own; y, of −1, 0 and 1, is what leaves the layer. The slope of the sign
/// is 1 where its argument is smaller than ½.
///
/// Source: Zhao, Zeng & Li, arXiv 2105.13004, and its code in BrainCog (`BackEINode`).
#[derive(Clone, Debug)]
pub struct BackEi {
    /// B, with a bias; without it currents come in whole.
    pub back: Option<Conv2d>,
    /// E, with a bias; without it every spike excites.
    pub ei: Option<Conv2d>,
}

/// All that a pass computes, each `[T, B, H, W, C]`.
pub struct Parts {
    /// What B is given at each step: y of the step before.
    pub before: Tensor,
    /// B ∗ y\[t−1\].
    pub returned: Option<Tensor>,
    /// Gated currents.
    pub currents: Tensor,
    /// Membranes before the reset.
    pub membranes: Tensor,
    /// E ∗ u.
    pub signed: Option<Tensor>,
    /// o.
    pub spikes: Tensor,
    /// y.
    pub outputs: Tensor,
}

impl BackEi {
    /// y of currents `x` `[T, B, H, W, C]`, in tensor operations, and the spikes o.
    ///
    /// # Errors
    /// If the windows do not keep the maps, or the neurons have no membrane to look at.
    pub fn forward(&self, x: &Tensor, neuron: &dyn Neuron) -> Result<(Tensor, Tensor)> {
        let [.., spikes, outputs] = self.steps(x, neuron)?;
        let spikes = Tensor::stack(&spikes, 0)?;
        if neuron.at_rate(0.0).is_some()
            && let Some(other) = neuron.at_rate(neuron::firing_rate(&spikes)?)
        {
            // the same spikes, with another slope
            let [.., spikes, outputs] = self.steps(x, other)?;
            return Ok((Tensor::stack(&outputs, 0)?, Tensor::stack(&spikes, 0)?));
        }
        Ok((Tensor::stack(&outputs, 0)?, spikes))
    }

    /// The same with all that it is made of.
    ///
    /// # Errors
    /// As there.
    pub fn parts(&self, x: &Tensor, neuron: &dyn Neuron) -> Result<Parts> {
        let all = self.steps(x, neuron)?;
        let whole = |of: &Vec<Tensor>| Tensor::stack(of, 0);
        let perhaps = |of: &Vec<Tensor>| if of.is_empty() { Ok(None) } else { whole(of).map(Some) };
        let [before, returned, currents, membranes, signed, spikes, outputs] = &all;
        Ok(Parts {
            before: whole(before)?,
            returned: perhaps(returned)?,
            currents: whole(currents)?,
            membranes: whole(membranes)?,
            signed: perhaps(signed)?,
            spikes: whole(spikes)?,
            outputs: whole(outputs)?,
        })
    }

    /// What [`Parts`] are stacks of, in their order.
    fn steps(&self, x: &Tensor, neuron: &dyn Neuron) -> Result<[Vec<Tensor>; 7]> {
        let mut y = x.get(0)?.zeros_like()?;
        let mut v = neuron.start(&y)?;
        let mut all: [Vec<Tensor>; 7] = Default::default();
        for t in 0..x.dim(0)? {
            let q = self.back.as_ref().map(|back| of_step(back, &y)).transpose()?;
            let current = match &q {
                Some(q) => (x.get(t)? * sigmoid(q)?)?,
                None => x.get(t)?,
            };
            let u = neuron.membrane(&current, &v)?;
            let (o, next) = neuron.step(&current, &v)?;
            let z = self.ei.as_ref().map(|ei| of_step(ei, &u)).transpose()?;
            let out = match &z {
                Some(z) => (sign(z)? * &o)?,
                None => o.clone(),
            };
            for (all, one) in all.iter_mut().zip([
                Some(y),
                q,
                Some(current),
                Some(u),
                z,
                Some(o),
                Some(out.clone()),
            ]) {
                all.extend(one);
            }
            (y, v) = (out, next);
        }
        Ok(all)
    }
}

/// A convolution of maps `[B, H, W, C]` of one step.
fn of_step(conv: &Conv2d, x: &Tensor) -> Result<Tensor> {
    conv.forward(&x.unsqueeze(0)?)?.squeeze(0)
}

/// By the hyperbolic tangent: e^(−q) overflows, and its gradient would be no number.
fn sigmoid(q: &Tensor) -> Result<Tensor> {
    (q * 0.5)?.tanh()?.affine(0.5, 0.5)
}

/// −1, 0 or 1, whose derivative is 1 where |z| < ½ and 0 elsewhere.
fn sign(z: &Tensor) -> Result<Tensor> {
    let value = z.detach();
    let inside = value.abs()?.lt(0.5)?.to_dtype(z.dtype())?;
    let passed = (z * inside)?;
    // no value, and the gradient of what passes
    value.sign()? + (&passed - passed.detach())?
}
