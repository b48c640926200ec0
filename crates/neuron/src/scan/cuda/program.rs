//! Which text `stage.cu` becomes: how many channels a thread takes, how many steps it holds, and
//! the choices of a stage.

use super::Stage;
use crate::{Pooling, Source};
use candle_core::{DType, Result};
use device::{Program, real};

/// Numbers kept of steps, a membrane each for LIF, that a thread of a backward pass holds at most.
/// With all else it then takes about half of the 255 registers that there are, so that a processor
/// holds threads enough to wait for memory.
const MEMBRANES: usize = 64;
/// The same with the sums of the summing pass, two for each channel and set of statistics.
const WITH_SUMS: usize = 96;
const THREADS: usize = 256;

/// A pass over a stage's currents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Forward.
    Fire,
    /// Backward: sums for the norm.
    Sum,
    /// Backward: gradients.
    Write,
}

/// All of a stage that is known when its kernels are compiled, and its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub steps: usize,
    pub sizes: [usize; 4],
    pub pool: Pooling,
    /// Side of the window that a thread takes.
    pub side: usize,
    /// Channels of a thread.
    pub v: usize,
    /// Steps of a segment.
    pub l: usize,
    pub sets: usize,
    /// Numbers that a step of the neuron keeps, and that it carries on.
    kept: usize,
    states: usize,
    /// Learnable parameters of the neuron.
    pub parameters: usize,
    norm: bool,
    bias: bool,
    rectify: bool,
    mask: bool,
    drop: bool,
    still: bool,
    z: DType,
}

impl Shape {
    pub fn of(stage: &Stage, z: DType) -> Shape {
        Shape {
            steps: stage.steps,
            sizes: stage.shape,
            pool: stage.pool,
            side: stage.pool.side(),
            v: 1,
            l: stage.steps,
            sets: stage.norm.map_or(1, |n| n.sets),
            kept: stage.neuron.kept,
            states: stage.neuron.states,
            parameters: stage.neuron.parameters,
            norm: stage.norm.is_some(),
            bias: stage.bias.is_some(),
            rectify: stage.rectify,
            mask: stage.mask.is_some(),
            drop: stage.drop.is_some(),
            still: stage.still,
            z,
        }
    }

    pub fn pooled(&self) -> (usize, usize) {
        (self.sizes[1] / self.pool.side(), self.sizes[2] / self.pool.side())
    }

    fn members(&self) -> usize {
        self.side * self.side
    }

    /// Sets of statistics that the sums of a backward pass tell apart.
    pub fn statistics(&self) -> usize {
        if self.norm { self.sets } else { 1 }
    }

    /// The most channels, a power of two, that `most` allows, that divide C, and whose accesses are
    /// aligned.
    fn channels(&self, most: usize, addresses: &[u64], to: DType) -> usize {
        let bytes = self.z.size_in_bytes().max(to.size_in_bytes());
        let fits = |v: &usize| {
            let aligned = |address: &u64| address.is_multiple_of((v * bytes) as u64);
            *v <= most.max(1)
                && v * bytes <= 16
                && self.sizes[3].is_multiple_of(*v)
                && addresses.iter().all(aligned)
        };
        [8, 4, 2].into_iter().find(fits).unwrap_or(1)
    }

    /// Channels of the forward pass: accesses of 16 bytes, as long as membranes stay few.
    pub fn forward(&self, addresses: &[u64], to: DType) -> Shape {
        Shape { v: self.channels(32 / (self.members() * self.states), addresses, to), ..*self }
    }

    /// Channels and segments of a backward pass: accesses of 4 bytes, membranes of all steps if
    /// they fit.
    pub fn backward(&self, sums: bool, addresses: &[u64], to: DType) -> Shape {
        let side = if let Pooling::Average(_) = self.pool { 1 } else { self.pool.side() };
        let shape = Shape { side, ..*self };
        let own_sums = if sums { 2 * self.statistics() } else { 0 };
        // of each neuron, and so as many as membranes of one more step
        let own_sums = own_sums + shape.members() * self.parameters;
        let fits =
            |v: usize| (self.steps * shape.members() * self.kept + own_sums) * v <= WITH_SUMS;
        let narrow = 4 / self.z.size_in_bytes().min(4);
        let v = self.channels(if fits(narrow) { narrow } else { 1 }, addresses, to);
        let room = MEMBRANES - (own_sums * v).min(MEMBRANES / 2);
        let l = (room / (shape.members() * self.kept * v)).clamp(1, self.steps);
        // segments of one length: 17 steps become 9 and 8, not 16 and 1
        Shape { v, l: self.steps.div_ceil(self.steps.div_ceil(l)), ..shape }
    }

    /// Blocks along windows, at most `most`, and along channels.
    pub fn blocks(&self, most: u32) -> [u32; 2] {
        let ([b, h, w, c], k) = (self.sizes, self.side);
        let lanes = c / self.v;
        let rows = (THREADS / lanes).max(1);
        let windows = b * h.div_ceil(k) * w.div_ceil(k);
        let along_channels = lanes.div_ceil(THREADS);
        let most = (most as usize).div_ceil(along_channels);
        [windows.div_ceil(rows).clamp(1, most) as u32, along_channels as u32]
    }

    pub fn program(
        &self,
        neuron: &Source,
        pass: Pass,
        z: DType,
        to: DType,
        vote: bool,
        count: bool,
    ) -> Result<Program> {
        let flag = |on: bool| u8::from(on).to_string();
        let pool = match self.pool {
            Pooling::None => 0,
            Pooling::Max(_) => 1,
            Pooling::Average(_) => 2,
        };
        let which = if pass == Pass::Fire { "FORWARD" } else { "BACKWARD" };
        let definitions = vec![
            (which, String::new()),
            ("T", self.steps.to_string()),
            ("L", self.l.to_string()),
            ("C", self.sizes[3].to_string()),
            ("K", self.pool.side().to_string()),
            ("SIDE", self.side.to_string()),
            ("V", self.v.to_string()),
            ("POOL", pool.to_string()),
            ("TZ", real(z)?),
            ("TO", real(to)?),
            ("NORM", flag(self.norm)),
            ("BIAS", flag(self.bias)),
            ("SETS", flag(self.sets > 1)),
            ("RECTIFY", flag(self.rectify)),
            ("MASK", flag(self.mask)),
            ("DROP", flag(self.drop)),
            ("STILL", flag(self.still)),
            ("PARAMETERS", self.parameters.to_string()),
            ("VOTE", flag(vote)),
            ("COUNT", flag(count)),
            ("SUMS", flag(pass == Pass::Sum)),
        ];
        Ok(Program::new(
            ("stage.cu", include_str!("stage.cu")),
            super::computed(z),
            &neuron.text,
            definitions,
        ))
    }
}
