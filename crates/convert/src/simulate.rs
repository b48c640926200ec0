//! One sample at a time, step by step, by the spikes that there are.

use crate::simulate_pool::LivePool;
use crate::soft_lif::LifState;
use crate::{Dynamics, Head, Pool, Product, Readout, Reset, Spiking, SpikingStage};
use candle_core::{DType, Result, Tensor, bail};
use layers::{Product as Event, Sizes};

/// A network with the state of one sample. All memory is taken when it is made, whatever the
/// number of steps. Equal to [`crate::Definition`] in single precision, but for the order of sums.
pub struct Simulator<'n> {
    network: &'n Spiking,
    sample: [usize; 3],
    stages: Vec<Live>,
    readout: Readout,
    counts: Counts,
    head: Vec<f32>,
}

/// What a sample cost until now.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Spikes of all neurons, those of poolings and of the head among them.
    pub spikes: u64,
    /// Additions of a weight, an entry (spike or mean of spikes) and synapse each.
    pub accumulates: u64,
    /// Multiplications with a weight: of the first stage, where its input is no spikes.
    pub multiply_accumulates: u64,
}

impl Counts {
    /// Adds those of another sample.
    pub fn add(&mut self, other: &Counts) {
        self.spikes += other.spikes;
        self.accumulates += other.accumulates;
        self.multiply_accumulates += other.multiply_accumulates;
    }
}

/// A stage with the state of its neurons.
struct Live {
    product: Event,
    weight: Vec<f32>,
    /// Of all outputs.
    bias: Vec<f32>,
    /// Synapses of each pixel of the input, of a linear stage of each input.
    fan: Vec<u32>,
    /// Channels of the input, or 1.
    channels: usize,
    pools: Vec<LivePool>,
    z: Vec<f32>,
    /// Membranes.
    v: Vec<f32>,
    /// LIF neurons, and what their synapses carry.
    lif: Vec<(LifState, [f64; 2])>,
    entries: Vec<(u32, f32)>,
    spare: Vec<(u32, f32)>,
}

impl<'n> Simulator<'n> {
    /// `network` for samples of `[height, width, channels]`.
    ///
    /// # Errors
    /// If such samples do not fit.
    pub fn new(network: &'n Spiking, sample: [usize; 3]) -> Result<Simulator<'n>> {
        let [h, w, c] = sample;
        let smaller = |size, pool: &Pool| pool.size(size);
        let Some([h, w]) = network.first.iter().try_fold([h, w], smaller) else {
            bail!("convert: a pooling of the input takes larger samples than {h}×{w}");
        };
        let lif = matches!(network.dynamics, Dynamics::Lif { .. });
        let mut shape = [h, w, c];
        let mut stages = Vec::new();
        for stage in &network.stages {
            let live = Live::new(stage, &mut shape, lif)?;
            stages.push(live);
        }
        let classes = network.classes()?;
        let (readout, head) = (network.head.readout(classes), vec![0.0; classes]);
        let counts = Counts::default();
        Ok(Simulator { network, sample, stages, readout, counts, head })
    }

    /// Begins a sample.
    pub fn begin(&mut self) {
        for stage in &mut self.stages {
            stage.v.fill(0.0);
            stage.lif.fill(Default::default());
            stage.pools.iter_mut().for_each(LivePool::reset);
        }
        self.readout.clear();
        self.counts = Counts::default();
    }

    /// One step with the frame `[H, W, C]`; `None` where it is that of the step before.
    ///
    /// # Errors
    /// If the frame has another size.
    pub fn step(&mut self, frame: Option<&[f32]>) -> Result<()> {
        let first = match frame {
            Some(frame) => Some(self.input(frame)?),
            None => None,
        };
        for i in 0..self.stages.len() {
            let (below, rest) = self.stages.split_at_mut(i);
            let Some((stage, _)) = rest.split_first_mut() else { break };
            match (below.last(), &first) {
                (Some(below), _) => self.counts.accumulates += stage.add(&below.entries),
                (None, Some(frame)) => {
                    let spikes = frame.iter().all(|(_, value)| value.abs() == 1.0);
                    let added = stage.add(frame);
                    let count = match spikes {
                        true => &mut self.counts.accumulates,
                        false => &mut self.counts.multiply_accumulates,
                    };
                    *count += added;
                }
                // a still frame gives the same currents at every step
                (None, None) => (),
            }
            let last = i + 1 == self.network.stages.len();
            let neurons = !last || self.network.head == Head::Spikes;
            self.counts.spikes += match self.network.dynamics {
                Dynamics::Lif { .. } => stage.lif(self.network, i, neurons),
                _ if !neurons => stage.silent(),
                Dynamics::Integrate(reset) => stage.fire(reset),
                Dynamics::Delayed => stage.fire_late(),
            };
            if last {
                match (neurons, stage.lif.is_empty()) {
                    (true, _) => {
                        self.head.fill(0.0);
                        stage.entries.iter().for_each(|&(i, o)| self.head[i as usize] = o);
                    }
                    (false, true) => self.head.copy_from_slice(&stage.z),
                    (false, false) => self.head.copy_from_slice(&stage.v),
                }
            } else {
                self.counts.spikes += stage.pool();
            }
        }
        self.readout.add(&self.head);
        Ok(())
    }

    /// Entries of a frame behind the poolings of the input.
    fn input(&self, frame: &[f32]) -> Result<Vec<(u32, f32)>> {
        let [h, w, c] = self.sample;
        if frame.len() != h * w * c {
            bail!("convert: expected a frame of {h}×{w}×{c}, found {} values", frame.len());
        }
        let some = |values: &[f32]| {
            let all = values.iter().enumerate().filter(|(_, v)| **v != 0.0);
            all.map(|(i, v)| (i as u32, *v)).collect()
        };
        if self.network.first.is_empty() {
            return Ok(some(frame));
        }
        let x = Tensor::from_slice(frame, (1, h, w, c), &candle_core::Device::Cpu)?;
        let x = crate::analogue::pooled(&x, &self.network.first)?;
        Ok(some(&x.flatten_all()?.to_vec1::<f32>()?))
    }

    /// What the head gave until now, and the decision.
    pub fn readout(&self) -> &Readout {
        &self.readout
    }

    /// What the sample cost until now.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

impl Live {
    /// A stage of inputs `shape`, which becomes that of its pooled spikes.
    fn new(stage: &SpikingStage, shape: &mut [usize; 3], lif: bool) -> Result<Live> {
        let [h, w, c] = *shape;
        let dims = stage.product.weight().dims();
        let (product, output, fan, channels) = match &stage.product {
            Product::Conv(conv) => {
                let s = Sizes::new([1, h, w, c], dims, conv.stride, conv.padding)?;
                (Event::Convolution(s), [s.oh, s.ow, s.co], fan(&s), c)
            }
            Product::Linear(_) => match *dims {
                [inputs, outputs] if inputs == h * w * c => {
                    let fan = vec![outputs as u32; inputs];
                    (Event::Linear { n: 1, inputs, outputs }, [1, 1, outputs], fan, 1)
                }
                _ => bail!("convert: {} takes {dims:?}, found maps of {h}×{w}×{c}", stage.name),
            },
        };
        *shape = output;
        let mut pools = Vec::new();
        for &kind in &stage.pools {
            let Some(pool) = LivePool::new(kind, *shape) else {
                bail!("convert: a pooling behind {} finds maps of {shape:?}", stage.name);
            };
            *shape = pool.output();
            pools.push(pool);
        }
        let neurons: usize = output.iter().product();
        let bias = match stage.product.bias() {
            Some(bias) => values(bias)?,
            None => vec![0.0; output[2]],
        };
        Ok(Live {
            product,
            weight: values(stage.product.weight())?,
            bias: bias.iter().copied().cycle().take(neurons).collect(),
            fan,
            channels,
            pools,
            z: vec![0.0; neurons],
            v: vec![0.0; neurons],
            lif: vec![Default::default(); if lif { neurons } else { 0 }],
            entries: Vec::with_capacity(neurons),
            spare: Vec::with_capacity(neurons),
        })
    }

    /// Currents of these entries; with how many synapses.
    fn add(&mut self, entries: &[(u32, f32)]) -> u64 {
        match self.lif.is_empty() {
            true => self.z.copy_from_slice(&self.bias),
            // a LIF neuron's bias passes no synapse
            false => self.z.fill(0.0),
        }
        self.product.add(entries, &self.weight, &mut self.z);
        let fan = |&(i, _): &(u32, f32)| u64::from(self.fan[i as usize / self.channels]);
        entries.iter().map(fan).sum()
    }

    /// No spikes.
    fn silent(&mut self) -> u64 {
        self.entries.clear();
        0
    }

    /// Spikes of integrate-and-fire neurons.
    fn fire(&mut self, reset: Reset) -> u64 {
        self.entries.clear();
        for (i, (v, z)) in self.v.iter_mut().zip(&self.z).enumerate() {
            *v += z;
            if *v >= 1.0 {
                *v = match reset {
                    Reset::Subtract => *v - 1.0,
                    Reset::Zero => 0.0,
                    Reset::Modulo => *v - v.floor(),
                };
                self.entries.push((i as u32, 1.0));
            }
        }
        self.entries.len() as u64
    }

    /// Spikes of the membranes of before this step.
    fn fire_late(&mut self) -> u64 {
        self.entries.clear();
        for (i, (v, z)) in self.v.iter_mut().zip(&self.z).enumerate() {
            let fires = *v > 1.0;
            *v += z;
            if fires {
                *v -= 1.0;
                self.entries.push((i as u32, 1.0));
            }
        }
        self.entries.len() as u64
    }

    /// Spikes of LIF neurons; of a head without any its filtered currents, in the membranes' place.
    fn lif(&mut self, network: &Spiking, stage: usize, neurons: bool) -> u64 {
        self.entries.clear();
        for (i, (state, carried)) in self.lif.iter_mut().enumerate() {
            let (z, bias) = (f64::from(self.z[i]), f64::from(self.bias[i]));
            let (x, fired) = network.dynamics.lif(stage > 0, z, bias, state, carried);
            if !neurons {
                self.v[i] = x as f32;
            } else if fired {
                self.entries.push((i as u32, 1.0));
            }
        }
        self.entries.len() as u64
    }

    /// Pools the spikes; how many more the poolings' neurons gave.
    fn pool(&mut self) -> u64 {
        let mut spikes = 0;
        for pool in &mut self.pools {
            pool.step(&self.entries, &mut self.spare);
            std::mem::swap(&mut self.entries, &mut self.spare);
            if pool.fires() {
                spikes += self.entries.len() as u64;
            }
        }
        spikes
    }
}

/// How many synapses each pixel of a convolution's input has.
fn fan(s: &Sizes) -> Vec<u32> {
    let windows = |at: usize, size: usize| {
        let tap = |tap: &usize| {
            let first = (at + s.padding).checked_sub(*tap);
            first.is_some_and(|first| first.is_multiple_of(s.stride) && first / s.stride < size)
        };
        (0..s.k).filter(tap).count()
    };
    let pixels = (0..s.h * s.w).map(|p| windows(p / s.w, s.oh) * windows(p % s.w, s.ow) * s.co);
    pixels.map(|n| n as u32).collect()
}
