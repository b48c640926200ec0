//! What a converted network does, step by step in tensor operations: the definition, in any
//! precision and for several samples at once.

use crate::analogue::pooled;
use crate::soft_lif::LifState;
use crate::{Dynamics, Head, Pool, Reset, Spiking, SpikingPool};
use candle_core::{D, DType, Result, Tensor};
use layers::Windows;

/// A network between two steps of a batch.
#[derive(Clone, Debug)]
pub struct Definition<'n> {
    network: &'n Spiking,
    states: Vec<State>,
}

/// What a stage carries from step to step.
#[derive(Clone, Debug, Default)]
struct State {
    membrane: Option<Tensor>,
    lif: Vec<(LifState, [f64; 2])>,
    /// Of each pooling the counts of its inputs, or its membranes.
    pools: Vec<Option<Tensor>>,
}

/// What a stage did in a step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its currents z.
    pub currents: Tensor,
    /// Its spikes; of a head without neurons the currents again.
    pub output: Tensor,
    /// What each of its poolings made of them.
    pub pooled: Vec<Tensor>,
}

impl<'n> Definition<'n> {
    /// `network` before the first step.
    pub fn new(network: &'n Spiking) -> Definition<'n> {
        let state = |pools: usize| State { pools: vec![None; pools], ..State::default() };
        let states = network.stages.iter().map(|stage| state(stage.pools.len())).collect();
        Definition { network, states }
    }

    /// One step with the input `x` `[B, H, W, C]`: what each stage did, the head last.
    ///
    /// # Errors
    /// If `x` does not fit.
    pub fn step(&mut self, x: &Tensor) -> Result<Vec<Step>> {
        let mut x = pooled(x, &self.network.first)?;
        let mut steps = Vec::new();
        for (i, (stage, state)) in self.network.stages.iter().zip(&mut self.states).enumerate() {
            let last = i + 1 == self.network.stages.len();
            let neurons = !last || self.network.head == Head::Spikes;
            let (currents, output) = match self.network.dynamics {
                Dynamics::Lif { .. } => state.lif(self.network, i, &x, neurons)?,
                dynamics => {
                    let z = stage.product.forward(&x)?.detach();
                    let o = match (neurons, dynamics) {
                        (true, Dynamics::Integrate(reset)) => state.integrate(&z, reset)?,
                        (true, _) => state.delayed(&z)?,
                        (false, _) => z.clone(),
                    };
                    (z, o)
                }
            };
            let mut pooled = Vec::new();
            x = output.clone();
            for (pool, carried) in stage.pools.iter().zip(&mut state.pools) {
                x = pool.step(&x, carried)?;
                pooled.push(x.clone());
            }
            steps.push(Step { currents, output, pooled });
        }
        Ok(steps)
    }
}

impl State {
    /// Membranes of before this step.
    fn membrane(&mut self, z: &Tensor) -> Result<Tensor> {
        match self.membrane.take() {
            Some(v) => Ok(v),
            None => z.zeros_like(),
        }
    }

    /// Spikes of integrate-and-fire neurons.
    fn integrate(&mut self, z: &Tensor, reset: Reset) -> Result<Tensor> {
        let (spikes, v) = integrate(&self.membrane(z)?, z, reset)?;
        self.membrane = Some(v);
        Ok(spikes)
    }

    /// Spikes of the membranes of before this step.
    fn delayed(&mut self, z: &Tensor) -> Result<Tensor> {
        let v = self.membrane(z)?;
        let spikes = v.gt(1.0)?.to_dtype(z.dtype())?;
        self.membrane = Some(((v + z)? - &spikes)?);
        Ok(spikes)
    }

    /// Currents and spikes of LIF neurons, or the currents of a head without any.
    fn lif(
        &mut self,
        network: &Spiking,
        stage: usize,
        x: &Tensor,
        neurons: bool,
    ) -> Result<(Tensor, Tensor)> {
        let product = &network.stages[stage].product;
        let z = product.with(product.weight().clone(), None).forward(x)?;
        let values: Vec<f64> = z.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let bias: Vec<f64> = match product.bias() {
            Some(bias) => bias.to_dtype(DType::F64)?.to_vec1()?,
            None => vec![0.0],
        };
        self.lif.resize(values.len(), Default::default());
        let (mut currents, mut spikes) = (Vec::new(), Vec::new());
        for (i, (z, (state, carried))) in values.iter().zip(&mut self.lif).enumerate() {
            let (x, fired) =
                network.dynamics.lif(stage > 0, *z, bias[i % bias.len()], state, carried);
            currents.push(x);
            spikes.push(f64::from(u8::from(fired)));
        }
        let tensor =
            |values: Vec<f64>| Tensor::from_vec(values, z.shape(), z.device())?.to_dtype(z.dtype());
        let currents = tensor(currents)?;
        let output = if neurons { tensor(spikes)? } else { currents.clone() };
        Ok((currents, output))
    }
}

impl Dynamics {
    /// The input of a LIF neuron whose spikes from below sum up to `z`, and whether it fires;
    /// `filtered` where these were spikes.
    pub(crate) fn lif(
        &self,
        filtered: bool,
        z: f64,
        bias: f64,
        state: &mut LifState,
        carried: &mut [f64; 2],
    ) -> (f64, bool) {
        let Dynamics::Lif { neuron, synapse, dt } = self else { return (z, false) };
        let x = bias + if filtered { synapse.step(z, *dt, carried) } else { z };
        (x, neuron.step(x, *dt, state))
    }
}

/// Spikes of membranes `v` with currents `z`, and the membranes that are left.
///
/// # Errors
/// If their shapes differ.
pub fn integrate(v: &Tensor, z: &Tensor, reset: Reset) -> Result<(Tensor, Tensor)> {
    let u = (v + z)?;
    let fired = u.ge(1.0)?;
    let spikes = fired.to_dtype(u.dtype())?;
    let v = match reset {
        Reset::Subtract => (u - &spikes)?,
        Reset::Zero => fired.where_cond(&u.zeros_like()?, &u)?,
        Reset::Modulo => fired.where_cond(&(&u - u.floor()?)?, &u)?,
    };
    Ok((spikes, v))
}

impl SpikingPool {
    /// The pooled spikes of one step.
    fn step(self, x: &Tensor, carried: &mut Option<Tensor>) -> Result<Tensor> {
        let mean = |windows: Windows| Pool::Average(windows).forward(x);
        match self {
            SpikingPool::Average(windows) => mean(windows),
            SpikingPool::Neurons(windows) => {
                let z = mean(windows)?;
                let v = match carried.take() {
                    Some(v) => v,
                    None => z.zeros_like()?,
                };
                let (spikes, v) = integrate(&v, &z, Reset::Subtract)?;
                *carried = Some(v);
                Ok(spikes)
            }
            SpikingPool::Gated(k) => {
                let counts = match carried.take() {
                    Some(counts) => (counts + x)?,
                    None => x.clone(),
                };
                let most = windows(&counts, k)?.argmax_keepdim(D::Minus1)?;
                *carried = Some(counts);
                windows(x, k)?.gather(&most, D::Minus1)?.squeeze(D::Minus1)
            }
        }
    }
}

/// `[B, H, W, C]` as the members of each k×k window, `[B, H/k, W/k, C, k·k]`, row by row.
fn windows(x: &Tensor, k: usize) -> Result<Tensor> {
    let (b, h, w, c) = x.dims4()?;
    let (rows, columns) = (h / k, w / k);
    let whole = x.narrow(1, 0, rows * k)?.narrow(2, 0, columns * k)?.contiguous()?;
    let parts = whole.reshape((b, rows, k, columns, k, c))?.permute((0, 1, 3, 5, 2, 4))?;
    parts.contiguous()?.reshape((b, rows, columns, c, k * k))
}
