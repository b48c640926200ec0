use super::norms::Affine;
use super::spikes::pool_spikes;
use super::values::Values;
use super::{EventDriven, kernel};
use crate::layout::{Layout, layouts};
use crate::{Block, Delay, Frames, Origin};
use candle_core::{Result, bail};
use layers::{Product, pooled};
use neuron::Pooling;

/// A network that classifies one sample at a time, step by step, and stops as soon as no later vote
/// can change the class; where currents are voted on any later step could, so that all steps run.
/// All memory is taken when it is made: a sample allocates nothing, but for pooled currents.
pub struct Inference<'n> {
    layers: Vec<Live<'n>>,
    voters: usize,
    /// The most that a class's votes can grow in a step: of average pooling a voter is a whole
    /// window of neurons.
    most: u64,
    /// Non-zero values of the frame: index in its flattened map, value.
    frame: Vec<(u32, f32)>,
    votes: Vec<u64>,
    /// Without last neurons, for each class what its voters' currents have charged.
    charges: Vec<f64>,
    /// The part of a charge that stays from step to step.
    decay: f64,
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
    block: &'n Block,
    // copies: a lock held on the network's own weights would have their next update wait for ever
    /// Of each source with a weight.
    weights: Vec<Option<(Product, Vec<f32>)>>,
    /// The sum of the biases.
    bias: Vec<f32>,
    /// Factor and shift of each channel, or of each step and channel: batch norm with its running
    /// statistics.
    affine: Option<(Vec<f32>, Vec<f32>)>,
    shape: [usize; 3],
    /// Whether the currents are the same at every step of a still image.
    still: bool,
    /// Currents before norm and behind, membranes, spikes, pooled counts.
    z: Vec<f32>,
    x: Vec<f32>,
    v: Vec<f32>,
    fired: Vec<u8>,
    counts: Vec<u8>,
    /// Non-zero activations of this step and of the one before: index in the flattened map, value.
    entries: Vec<(u32, f32)>,
    before: Vec<(u32, f32)>,
}

impl EventDriven {
    /// This network for single samples of `[height, width, channels]`, with the running statistics
    /// of its norms and without dropout. Classes are read off the votes of its last neurons, or
    /// without any off the sum of currents over time.
    ///
    /// # Errors
    /// If such samples do not fit the network.
    pub fn inference(&self, sample: [usize; 3]) -> Result<Inference<'_>> {
        self.live(sample, 1.0)
    }

    /// The same of a network without last neurons, whose currents x charge membranes that leak:
    /// v\[t\] = decay · v\[t−1\] + x\[t\], of which the largest at the end is the class.
    ///
    /// # Errors
    /// As [`EventDriven::inference`], and if the network has last neurons.
    pub fn inference_of_membranes(&self, sample: [usize; 3], decay: f64) -> Result<Inference<'_>> {
        match self.graph.blocks.last() {
            Some(last) if last.neuron.is_none() => self.live(sample, decay),
            _ => bail!("membranes are read off currents, but this network ends in neurons"),
        }
    }

    fn live(&self, sample: [usize; 3], decay: f64) -> Result<Inference<'_>> {
        let [h, w, c] = sample;
        let layouts = layouts(&self.graph, ([1, h, w, c], true), 1)?;
        let blocks = self.graph.blocks.iter().zip(&layouts);
        let layers: Vec<Live> =
            blocks.map(|(block, l)| Live::new(block, l)).collect::<Result<_>>()?;
        let Some(last) = layers.last() else { bail!("a network without layers") };
        let (units, voters) = (last.counts.len(), self.graph.voters);
        if voters == 0 || !units.is_multiple_of(voters) {
            bail!("voting takes a multiple of {voters} units, found {units}");
        }
        let window = match last.block.pool {
            Pooling::Average(k) => k * k,
            Pooling::None | Pooling::Max(_) => 1,
        };
        let most = (voters * window) as u64;
        let classes = units / voters;
        let charged = if last.block.neuron.is_none() { classes } else { 0 };
        let (frame, votes) = (Vec::with_capacity(h * w * c), vec![0; classes]);
        let charges = vec![0.0; charged];
        Ok(Inference { layers, voters, most, frame, votes, charges, decay, shape: sample })
    }
}

impl<'n> Live<'n> {
    fn new(block: &'n Block, layout: &Layout) -> Result<Live<'n>> {
        let [_, h, w, c] = layout.currents;
        let neurons = h * w * c;
        let pooled = layout.activations.iter().product();
        let mut bias = vec![0.0; c];
        let mut weights = Vec::new();
        for (source, product) in block.sources.iter().zip(&layout.products) {
            let weight = source.weight.as_ref().zip(*product);
            if let Some(of) = weight.and_then(|(weight, _)| weight.bias()) {
                bias.iter_mut().zip(&*Values::of(of)?).for_each(|(sum, b)| *sum += b);
            }
            weights.push(match weight {
                Some((weight, product)) => Some((product, Values::of(weight.weight())?.to_vec())),
                None => None,
            });
        }
        Ok(Live {
            block,
            weights,
            bias,
            affine: affine(block)?,
            shape: [h, w, c],
            still: layout.still,
            z: vec![0.0; neurons],
            x: vec![0.0; neurons],
            v: vec![0.0; neurons * kernel(block).map_or(1, |kernel| kernel.states())],
            fired: vec![0; neurons],
            counts: vec![0; pooled],
            entries: Vec::with_capacity(pooled),
            before: Vec::with_capacity(pooled),
        })
    }
}

/// Factor and shift of a block's norm in evaluation.
fn affine(block: &Block) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
    let Some((_, norm)) = &block.affine else { return Ok(None) };
    let (mean, var) = (Values::of(&norm.running_mean)?, Values::of(&norm.running_var)?);
    let steps = norm.weight.elem_count().max(var.len()) / norm.channels().max(1);
    let Affine { gamma, beta } = Affine::of(norm, steps)?;
    let inverse = |v: f32| (1.0 / (f64::from(v) + norm.eps).sqrt()) as f32;
    // each is of all steps or of every one
    let of = |values: &[f32], i: usize| values[i % values.len()];
    let all = 0..steps * norm.channels();
    let scale: Vec<f32> = all.clone().map(|i| of(&gamma, i) * inverse(of(&var, i))).collect();
    let shift = all.map(|i| of(&beta, i) - scale[i] * of(&mean, i)).collect();
    Ok(Some((scale, shift)))
}

impl Inference<'_> {
    /// Classifies the one sample of `frames`; with `early`, stops when the class can no longer
    /// change, which it always can where currents are read.
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
        self.charges.fill(0.0);
        for layer in &mut self.layers {
            layer.v.fill(0.0);
            layer.entries.clear();
        }
        for t in 0..frames.steps {
            // of a still image what no neuron has seen is the same at every step
            let again = frames.still && t > 0;
            if !again {
                self.frame.clear();
                let frame = frames.values[if frames.still { 0 } else { t * size }..][..size]
                    .iter()
                    .enumerate();
                self.frame.extend(frame.filter(|(_, v)| **v != 0.0).map(|(i, v)| (i as u32, *v)));
            }
            self.step(t, again)?;
            let left = (frames.steps - 1 - t) as u64 * self.most;
            let charged = !self.charges.is_empty();
            let class = if charged { leader(&self.charges) } else { leader(&self.votes) };
            let early = early && !charged;
            if t + 1 == frames.steps || early && decided(&self.votes, class, left) {
                return Ok(Decision { class, steps: t + 1 });
            }
        }
        bail!("a sample without steps")
    }

    /// Votes of the last sample: for each class the spikes of its voters in the steps that were
    /// run; behind average pooling those of all neurons in their windows.
    pub fn votes(&self) -> &[u64] {
        &self.votes
    }

    /// Without last neurons: for each class what the currents of its voters have charged, their
    /// sum over voters.
    pub fn charges(&self) -> &[f64] {
        &self.charges
    }

    /// Step `t` of all layers; `again` if the frame is that of the step before.
    fn step(&mut self, t: usize, again: bool) -> Result<()> {
        for i in 0..self.layers.len() {
            let (below, rest) = self.layers.split_at_mut(i);
            let Some((layer, above)) = rest.split_first_mut() else { return Ok(()) };
            let same = again && layer.still;
            std::mem::swap(&mut layer.entries, &mut layer.before);
            if !same {
                layer.currents(t, &self.frame, below, above)?;
            }
            layer.give(same);
        }
        let Some(last) = self.layers.last() else { return Ok(()) };
        if !self.charges.is_empty() {
            self.charges.iter_mut().for_each(|charge| *charge *= self.decay);
            for &(i, x) in &last.entries {
                self.charges[i as usize / self.voters] += f64::from(x);
            }
            return Ok(());
        }
        for (votes, units) in self.votes.iter_mut().zip(last.counts.chunks_exact(self.voters)) {
            *votes += units.iter().map(|&n| u64::from(n)).sum::<u64>();
        }
        Ok(())
    }
}

impl Live<'_> {
    /// The currents of step `t`, before norm and behind. Layers `above` have not yet run in it.
    fn currents(
        &mut self,
        t: usize,
        frame: &[(u32, f32)],
        below: &[Live],
        above: &[Live],
    ) -> Result<()> {
        let c = self.bias.len();
        let now = match &self.affine {
            None => None,
            Some((scale, shift)) => {
                let first = if scale.len() == c { 0 } else { t * c };
                let (Some(scale), Some(shift)) =
                    (scale.get(first..first + c), shift.get(first..first + c))
                else {
                    bail!("a batch norm of {} steps was shown more", scale.len() / c)
                };
                Some((scale, shift))
            }
        };
        self.z.chunks_exact_mut(c).for_each(|z| z.copy_from_slice(&self.bias));
        for (source, weight) in self.block.sources.iter().zip(&self.weights) {
            let entries = match (source.from, source.delay) {
                (Origin::Frames, _) => frame,
                (Origin::Block(j), Delay::Now) => &below[j].entries,
                (Origin::Block(j), Delay::Next) => match j.checked_sub(below.len()) {
                    None => &below[j].before,
                    Some(0) => &self.before,
                    Some(j) => &above[j - 1].entries,
                },
            };
            match weight {
                Some((product, weight)) => product.add(entries, weight, &mut self.z),
                None => entries.iter().for_each(|&(i, value)| self.z[i as usize] += value),
            }
        }
        for (x, z) in self.x.chunks_exact_mut(c).zip(self.z.chunks_exact(c)) {
            match now {
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
        Ok(())
    }

    /// The activations of these currents; the `same` again where there are no neurons.
    fn give(&mut self, same: bool) {
        match kernel(self.block) {
            Some(kernel) => {
                kernel.step(&self.x, &mut self.v, &mut self.fired);
                let [h, w, c] = self.shape;
                pool_spikes(&self.fired, [1, h, w, c], self.block.pool, &mut self.counts);
                let scale = match self.block.pool {
                    Pooling::Average(k) => 1.0 / (k * k) as f32,
                    Pooling::None | Pooling::Max(_) => 1.0,
                };
                self.entries.clear();
                let counts = self.counts.iter().enumerate().filter(|(_, n)| **n != 0);
                self.entries.extend(counts.map(|(i, &n)| (i as u32, scale * f32::from(n))));
            }
            None if same => self.entries.clone_from(&self.before),
            None => {
                let [h, w, c] = self.shape;
                let values = match (self.block.windows, self.block.pool) {
                    (Some(windows), _) => &windows.averaged(&self.x, [1, h, w, c]),
                    (None, Pooling::None) => &self.x,
                    (None, pool) => &pooled(&self.x, [1, h, w, c], pool),
                };
                self.entries.clear();
                let some = values.iter().enumerate().filter(|(_, v)| **v != 0.0);
                self.entries.extend(some.map(|(i, v)| (i as u32, *v)));
            }
        }
    }
}

/// The first of the classes with the most votes.
fn leader<V: PartialOrd>(votes: &[V]) -> usize {
    (0..votes.len()).fold(0, |best, i| if votes[i] > votes[best] { i } else { best })
}

/// Whether `class` leads whatever the others still get: at most `left` votes each.
fn decided(votes: &[u64], class: usize, left: u64) -> bool {
    let mine = votes[class];
    votes
        .iter()
        .enumerate()
        .all(|(i, &v)| i == class || mine > v + left || (mine == v + left && class < i))
}
