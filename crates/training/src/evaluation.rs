use crate::batches::{Gathering, each_batch};
use crate::silence::{Listener, heard_channels, most_of_channels};
use crate::{Compute, Error, Set, Setup, Silence};
use candle_core::{Device, Tensor};
use models::{Mode, Network, Observer};

/// What a network does on a set of samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Samples whose largest score is their class; of equal scores the lowest class counts.
    pub correct: usize,
    /// Samples.
    pub samples: usize,
    /// Mean loss over the samples.
    pub loss: f64,
    /// For each layer of neurons, in order: its name and spikes ÷ (neurons · steps), over all
    /// samples.
    pub firing_rates: Vec<(String, f64)>,
    /// For each layer how many of its neurons never fired; empty where that is not known, on a CUDA
    /// device.
    pub silence: Vec<Silence>,
    /// For each class how many of its voters never fired; empty where that is not known.
    pub silent_voters: Vec<usize>,
    /// Whether each sample was right, in order. In a [`crate::History`] only the last epoch has it.
    pub outcome: Vec<bool>,
}

impl Evaluation {
    /// Correct samples in percent.
    pub fn accuracy_percent(&self) -> f64 {
        100.0 * self.correct as f64 / self.samples.max(1) as f64
    }

    /// The same without what is known of layers and single samples.
    pub(crate) fn alone(self) -> Self {
        let Self { correct, samples, loss, .. } = self;
        Self { correct, samples, loss, ..Self::default() }
    }
}

/// Evaluates in the order given, in batches of the setup's size and without its augmentation.
///
/// # Errors
/// A sample that cannot be read, or a failing device.
pub fn evaluate(
    network: &Network,
    set: Set,
    setup: &Setup,
    compute: &Compute,
    device: &Device,
) -> Result<Evaluation, Error> {
    evaluate_while(network, set, setup, compute, device, &mut || true)
}

/// [`evaluate`], ending with [`Error::Interrupted`] before the first batch at which it is not to go
/// on.
pub(crate) fn evaluate_while(
    network: &Network,
    set: Set,
    setup: &Setup,
    compute: &Compute,
    device: &Device,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Evaluation, Error> {
    let criterion = setup.criterion();
    let engine = compute.engine(network, device)?;
    let mut rates = Rates::default();
    let (mut outcome, mut loss) = (Vec::new(), 0.0);
    let samples = set.samples.len();
    let indices: Vec<usize> = (0..samples).collect();
    let batches: Vec<&[usize]> = indices.chunks(setup.batch.max(1)).collect();
    let work = Gathering { set, setup, epoch: None, bytes: engine.takes_bytes() };
    each_batch(work, &batches, |step, mut batch| -> Result<(), Error> {
        if !go_on() {
            return Err(Error::Interrupted);
        }
        let labels = std::mem::take(&mut batch.labels);
        let steps = batch.frames().steps;
        let found = engine.votes(batch.frames(), Mode::Eval, &criterion, compute, &mut rates)?;
        let (scores, error) = match found {
            Some(votes) => {
                let error = criterion.value(&votes, steps, &labels)?;
                (criterion.scores(&votes, steps)?, error)
            }
            None => {
                let frames = batch.into_tensor(device)?;
                let votes = network.votes(&frames, Mode::Eval, &mut rates)?.detach();
                let (scores, error) = criterion.define(&votes, &labels)?;
                (scores, f64::from(error.to_scalar::<f32>()?))
            }
        };
        loss += error * batches[step].len() as f64;
        outcome.extend(right(&scores, &labels)?);
        Ok(())
    })?;
    let Rates { of, listener } = rates;
    Ok(Evaluation {
        correct: outcome.iter().filter(|right| **right).count(),
        samples,
        loss: loss / samples.max(1) as f64,
        firing_rates: of.into_iter().map(|(name, spikes, n)| (name, spikes / n)).collect(),
        silence: listener.silence(),
        silent_voters: listener.voters(network.voters()),
        outcome,
    })
}

/// How many rows of scores have their largest value, the first if several, at their label.
pub(crate) fn count_correct(scores: &Tensor, labels: &[u32]) -> candle_core::Result<usize> {
    Ok(right(scores, labels)?.into_iter().filter(|right| *right).count())
}

/// Which rows do.
fn right(scores: &Tensor, labels: &[u32]) -> candle_core::Result<Vec<bool>> {
    let rows: Vec<Vec<f32>> = scores.to_vec2()?;
    let first_largest = |row: &[f32]| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter().position(|&s| s == largest)
    };
    Ok(rows
        .iter()
        .zip(labels)
        .map(|(row, label)| first_largest(row) == Some(*label as usize))
        .collect())
}

/// Spikes and opportunities to spike of each layer, in the order first seen, and which of its
/// neurons fired.
#[derive(Default)]
struct Rates {
    of: Vec<(String, f64, f64)>,
    listener: Listener,
}

impl Rates {
    fn add(&mut self, layer: &str, spikes: f64, chances: f64) {
        match self.of.iter_mut().find(|(name, ..)| name == layer) {
            Some(entry) => (entry.1, entry.2) = (entry.1 + spikes, entry.2 + chances),
            None => self.of.push((layer.into(), spikes, chances)),
        }
    }
}

impl Observer for Rates {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        // A sum of 0s and 1s: exact in f32 up to 2²⁴ a step, so sum each step and add up in f64.
        let steps: Vec<f32> = spikes.flatten_from(1)?.sum(1)?.to_vec1()?;
        self.add(layer, steps.iter().map(|&s| f64::from(s)).sum(), spikes.elem_count() as f64);
        let most: Vec<f32> = most_of_channels(spikes)?.to_vec1()?;
        self.listener.hear(layer, most.into_iter().map(|most| most > 0.0).collect());
        Ok(())
    }

    fn outputs(&mut self, layer: &str, spikes: &[u8], channels: usize) -> candle_core::Result<()> {
        self.listener.hear(layer, heard_channels(spikes, channels));
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], chances: u64) -> candle_core::Result<()> {
        self.add(layer, spikes.iter().sum::<u64>() as f64, chances as f64 * spikes.len() as f64);
        Ok(())
    }
}
