use super::values::Values;
use super::{EventDriven, Frames};
use crate::blocks::Block;
use candle_core::{Result, bail};
use layers::Product;
use neuron::Pooling;

/// A network that classifies one sample at a time, step by step, and stops as soon as no later vote
/// can change the class. All memory is taken when it is made: a sample allocates nothing.
pub struct Inference<'n> {
    layers: Vec<Live<'n>>,
    voters: usize,
    /// Non-zero inputs of the layer in turn: index in its flattened map, value.
    entries: Vec<(u32, f32)>,
    votes: Vec<u32>,
    shape: [usize; 3],
}

/// What was decided of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The class with the most votes; of equals the lowest.
    pub class: usize,
    /// Steps that were run.
    pub steps: usize,
}

/// A block with the state of its neurons.
struct Live<'n> {
    block: &'n Block<'n>,
    product: Product,
    // copies: a lock held on the network's own weights would have their next update wait for ever
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// Factor and shift of each channel: batch norm with its running statistics.
    affine: Option<(Vec<f32>, Vec<f32>)>,
    shape: [usize; 3],
    /// Currents before norm and behind, membranes, spikes, pooled counts.
    z: Vec<f32>,
    x: Vec<f32>,
    v: Vec<f32>,
    fired: Vec<u8>,
    counts: Vec<u8>,
}

impl<'n> EventDriven<'n> {
    /// This network for single samples of `[height, width, channels]`, with the running statistics
    /// of its norms and without dropout.
    ///
    /// # Errors
    /// If such samples do not fit the network.
    pub fn inference(&'n self, sample: [usize; 3]) -> Result<Inference<'n>> {
        let mut shape = sample;
        let mut layers = Vec::new();
        let mut most = sample.iter().product::<usize>();
        for block in &self.blocks {
            let (product, [h, w, c]) = block.weight.product([1, shape[0], shape[1], shape[2]])?;
            let k = block.pool.side();
            shape = [h / k, w / k, c];
            let (weight, bias) = block.weight.tensors();
            let (neurons, pooled) = (h * w * c, shape.iter().product::<usize>());
            most = most.max(pooled);
            layers.push(Live {
                block,
                product,
                weight: Values::of(weight)?.to_vec(),
                bias: Values::of(bias)?.to_vec(),
                affine: affine(block)?,
                shape: [h, w, c],
                z: vec![0.0; neurons],
                x: vec![0.0; neurons],
                v: vec![0.0; neurons * block.kernel.states()],
                fired: vec![0; neurons],
                counts: vec![0; pooled],
            });
        }
        let units = shape[2];
        if self.voters == 0 || !units.is_multiple_of(self.voters) {
            bail!("voting takes a multiple of {} units, found {units}", self.voters);
        }
        let (entries, votes) = (Vec::with_capacity(most), vec![0; units / self.voters]);
        Ok(Inference { layers, voters: self.voters, entries, votes, shape: sample })
    }
}

/// Factor and shift of a block's norm in evaluation.
fn affine(block: &Block) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
    let Some((_, norm)) = block.norm else { return Ok(None) };
    let (mean, var) = (Values::of(&norm.running_mean)?, Values::of(&norm.running_var)?);
    let (gamma, beta) = (Values::of(&norm.weight)?, Values::of(&norm.bias)?);
    let inverse = |v: f32| (1.0 / (f64::from(v) + norm.eps).sqrt()) as f32;
    let scale: Vec<f32> = gamma.iter().zip(var.iter()).map(|(g, v)| g * inverse(*v)).collect();
    let shift = beta.iter().zip(&scale).zip(mean.iter()).map(|((b, k), m)| b - k * m).collect();
    Ok(Some((scale, shift)))
}

impl Inference<'_> {
    /// Classifies the one sample of `frames`; with `early`, stops when the class can no longer
    /// change.
    ///
    /// # Errors
    /// If `frames` are not one sample of this network's shape.
    pub fn classify(&mut self, frames: Frames, early: bool) -> Result<Decision> {
        let [h, w, c] = self.shape;
        let size = h * w * c;
        let shown = if frames.still { 1 } else { frames.steps };
        if frames.shape != [1, h, w, c] || frames.values.len() != shown * size || frames.steps == 0
        {
            bail!(
                "this network classifies one sample of {h}×{w}×{c}, found frames of {:?}",
                frames.shape
            );
        }
        self.votes.fill(0);
        self.layers.iter_mut().for_each(|layer| layer.v.fill(0.0));
        for t in 0..frames.steps {
            // a still image gives the first layer the same currents at every step
            let again = frames.still && t > 0;
            if !again {
                self.entries.clear();
                let frame = frames.values[if frames.still { 0 } else { t * size }..][..size]
                    .iter()
                    .enumerate();
                self.entries.extend(frame.filter(|(_, v)| **v != 0.0).map(|(i, v)| (i as u32, *v)));
            }
            self.step(again);
            let left = (frames.steps - 1 - t) * self.voters;
            let class = leader(&self.votes);
            if t + 1 == frames.steps || early && decided(&self.votes, class, left as u32) {
                return Ok(Decision { class, steps: t + 1 });
            }
        }
        bail!("a sample without steps")
    }

    /// Votes of the last sample: for each class the spikes of its voters in the steps that were
    /// run.
    pub fn votes(&self) -> &[u32] {
        &self.votes
    }

    /// One step of all layers. With `again` the first layer's currents are those of the step
    /// before.
    fn step(&mut self, again: bool) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            if i > 0 || !again {
                layer.currents(&self.entries);
            }
            layer.fire();
            self.entries.clear();
            let scale = match layer.block.pool {
                Pooling::Average(k) => 1.0 / (k * k) as f32,
                Pooling::None | Pooling::Max(_) => 1.0,
            };
            let counts = layer.counts.iter().enumerate().filter(|(_, n)| **n != 0);
            self.entries.extend(counts.map(|(i, &n)| (i as u32, scale * f32::from(n))));
        }
        let Some(last) = self.layers.last() else { return };
        for (votes, units) in self.votes.iter_mut().zip(last.counts.chunks_exact(self.voters)) {
            *votes += units.iter().map(|&n| u32::from(n)).sum::<u32>();
        }
    }
}

impl Live<'_> {
    fn currents(&mut self, entries: &[(u32, f32)]) {
        let c = self.bias.len();
        self.z.chunks_exact_mut(c).for_each(|z| z.copy_from_slice(&self.bias));
        self.product.add(entries, &self.weight, &mut self.z);
        for (x, z) in self.x.chunks_exact_mut(c).zip(self.z.chunks_exact(c)) {
            match &self.affine {
                None => x.copy_from_slice(z),
                Some((scale, shift)) => {
                    let all = x.iter_mut().zip(z).zip(scale.iter().zip(shift));
                    all.for_each(|((x, z), (scale, shift))| *x = z * scale + shift);
                }
            }
            if self.block.rectify {
                x.iter_mut().for_each(|x| *x = if *x > 0.0 { *x } else { 0.0 });
            }
        }
    }

    fn fire(&mut self) {
        self.block.kernel.step(&self.x, &mut self.v, &mut self.fired);
        let ([_, w, c], k) = (self.shape, self.block.pool.side());
        if k == 1 {
            self.counts.copy_from_slice(&self.fired);
            return;
        }
        self.counts.fill(0);
        let any = matches!(self.block.pool, Pooling::Max(_));
        let columns = w / k;
        for (p, counts) in self.counts.chunks_exact_mut(c).enumerate() {
            for i in 0..k * k {
                let pixel = (p / columns * k + i / k) * w + p % columns * k + i % k;
                let fired = counts.iter_mut().zip(&self.fired[pixel * c..][..c]);
                fired.for_each(|(count, fired)| {
                    *count = if any { *count | fired } else { *count + fired }
                });
            }
        }
    }
}

/// The first of the classes with the most votes.
fn leader(votes: &[u32]) -> usize {
    let most = votes.iter().max().copied().unwrap_or(0);
    votes.iter().position(|&v| v == most).unwrap_or(0)
}

/// Whether `class` leads whatever the others still get: at most `left` votes each.
fn decided(votes: &[u32], class: usize, left: u32) -> bool {
    let mine = votes[class];
    votes
        .iter()
        .enumerate()
        .all(|(i, &v)| i == class || mine > v + left || (mine == v + left && class < i))
}
