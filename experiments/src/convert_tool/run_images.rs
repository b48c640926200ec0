//! Test images one by one, each with a simulator of its own thread; what is done is kept in a file,
//! so that an interrupted command goes on.

use super::{Source, frames};
use crate::{import, progress, stop};
use anyhow::{Context, Result};
use convert::{Counts, Simulator, Spiking};
use rayon::prelude::*;
use report::write_text;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};
use training::{Bernoulli, Set};

/// What is run.
pub struct Images<'a> {
    pub network: &'a Spiking,
    pub set: Set<'a>,
    pub source: &'a Source,
    /// What the recordings are.
    pub recordings: &'a str,
    /// Steps of each image.
    pub steps: usize,
    /// How an image's spikes are drawn, and from which seed; else it is shown as it is.
    pub spikes: Option<(Bernoulli, u64)>,
}

/// What is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// Network, images and steps that it is of.
    pub(super) identity: String,
    /// Images, from the first on.
    pub images: usize,
    /// Of these, how many are right after each step.
    pub correct: Vec<u64>,
    /// What they cost.
    pub counts: Counts,
    /// Seconds of one core that they took.
    pub seconds: f64,
}

/// One image.
struct Image {
    /// Whether it is right after each step.
    correct: Vec<bool>,
    counts: Counts,
    seconds: f64,
}

/// Time between two writes of what is done.
const EVERY: Duration = Duration::from_secs(10);

impl Images<'_> {
    /// Runs what is missing of the file `state`, or with `anew` all.
    ///
    /// # Errors
    /// An image that cannot be read or does not fit, a file that cannot be written, a signal.
    pub fn run(&self, title: &str, state: &Path, anew: bool) -> Result<Ran> {
        let identity = self.identity()?;
        let none = Ran { correct: vec![0; self.steps], identity, ..Ran::default() };
        let all = self.set.samples.len();
        let mut ran = match std::fs::read_to_string(state).ok().filter(|_| !anew) {
            Some(text) => taken_up(&text, &none, all),
            None => none,
        };
        if ran.images > 0 {
            terminal::say!("{title}: goes on behind image {} of {all}", ran.images);
        }
        let _saving = stop::under_way();
        let bar = progress::counter(title, all as u64);
        bar.set_position(ran.images as u64);
        bar.reset_eta();
        let mut kept = Instant::now();
        let group = 4 * rayon::current_num_threads();
        while ran.images < all {
            let these: Vec<usize> = (ran.images..all.min(ran.images + group)).collect();
            let images: Vec<Image> = these
                .par_iter()
                .map(|&index| {
                    let image = self.image(index);
                    bar.inc(1);
                    image
                })
                .collect::<Result<_>>()?;
            images.iter().for_each(|image| ran.add(image));
            let stopped = stop::asked();
            if stopped || kept.elapsed() > EVERY {
                write_text(state, &serde_json::to_string(&ran)?)?;
                kept = Instant::now();
            }
            if stopped && ran.images < all {
                bar.abandon();
                return Err(training::Error::Interrupted.into());
            }
        }
        bar.finish_and_clear();
        // a command of several rules may be interrupted in a later one
        write_text(state, &serde_json::to_string(&ran)?)?;
        Ok(ran)
    }

    /// What tells one command's images from another's.
    fn identity(&self) -> Result<String> {
        let network = self.network.to_bytes(serde_json::Value::Null)?;
        let labels: Vec<u32> =
            (0..self.set.samples.len()).map(|i| self.set.samples.label(i)).collect();
        let Images { source, recordings, spikes, steps, .. } = self;
        let shown = source.shown_as()?;
        let network = import::sha256(&network);
        let all = format!("{network} {shown} {recordings} {spikes:?} {steps} {labels:?}");
        Ok(import::sha256(all.as_bytes()))
    }

    fn image(&self, index: usize) -> Result<Image> {
        let (frame, labels) = frames(self.set, &[index], self.source)?;
        let (frame, label): (Vec<f32>, _) = (frame.flatten_all()?.to_vec1()?, labels[0] as usize);
        let began = Instant::now();
        let mut run = Simulator::new(self.network, self.source.shape)?;
        run.begin();
        let mut correct = Vec::with_capacity(self.steps);
        for t in 0..self.steps {
            match self.spikes {
                None => run.step((t == 0).then_some(&frame[..]))?,
                Some((encoding, seed)) => {
                    run.step(Some(&encoding.spikes(&frame, Some((seed, 0)), index, t)))?;
                }
            }
            correct.push(run.readout().class() == Some(label));
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Image { correct, counts: run.counts().clone(), seconds })
    }
}

/// What a file says is done, if it is of this command.
fn taken_up(text: &str, none: &Ran, all: usize) -> Ran {
    let stored: Option<Ran> = serde_json::from_str(text).context("no state").ok();
    let fits = |ran: &Ran| {
        ran.identity == none.identity
            && ran.images <= all
            && ran.correct.len() == none.correct.len()
            && ran.seconds.is_finite()
    };
    stored.filter(fits).unwrap_or_else(|| none.clone())
}

impl Ran {
    fn add(&mut self, image: &Image) {
        self.images += 1;
        self.counts.add(&image.counts);
        self.seconds += image.seconds;
        for (sum, &correct) in self.correct.iter_mut().zip(&image.correct) {
            *sum += u64::from(correct);
        }
    }

    /// Accuracy in percent after each step.
    pub fn percent(&self) -> Vec<f64> {
        let all = self.images.max(1) as f64;
        self.correct.iter().map(|&correct| 100.0 * correct as f64 / all).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Tensor};
    use convert::{Analogue, rules};
    use datasets::Name;
    use events::{Frames, Shape};
    use layers::Linear;
    use models::{Layer, Network};
    use training::{Example, InputEncoding, Setup};

    #[test]
    fn what_was_interrupted_goes_on_to_the_same_numbers() {
        let shape = Shape { steps: 1, height: 1, width: 1, channels: 2 };
        let example = |i: u16| Example {
            frames: Frames::new(shape, vec![1 + i % 3, 1 + i / 3]).unwrap(),
            label: u32::from(i % 2),
        };
        let samples: Vec<Example> = (0..9).map(example).collect();
        let linear = |w: [f32; 4]| {
            let weight = Tensor::new(&w, &Device::Cpu).unwrap().reshape((2, 2)).unwrap();
            Layer::Linear(Linear { weight, bias: None })
        };
        let (first, head) = (linear([0.5, 0.1, 0.0, 0.7]), linear([1.0, 0.0, 0.0, 1.0]));
        let layers = vec![first, Layer::Rectify, head, Layer::Vote(1)];
        let analogue = Analogue::of(&Network::of(layers)).unwrap();
        let set = Tensor::new(&[3f32, 3.0], &Device::Cpu).unwrap().reshape((1, 1, 1, 2)).unwrap();
        let network = rules::continuous(&analogue, &[set], 99.9, false).unwrap().network;
        let source = Source::of_parts(analogue, Name::Mnist, [1, 1, 2], Setup::PAPER);
        let encoding = InputEncoding { still: Some(1), ..InputEncoding::default() };
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.json");
        for spikes in [None, Some((Bernoulli { scale: 4.0 }, 7))] {
            let set = Set { samples: &samples, encoding: &encoding };
            let (network, source, recordings) = (&network, &source, "of a test");
            let images = Images { network, set, source, recordings, steps: 12, spikes };
            let whole = images.run("whole", &state, true).unwrap();
            assert!(whole.counts.spikes > 0 && whole.images == 9);
            // done is done: not even the time is another
            assert_eq!(images.run("done", &state, false).unwrap(), whole);
            // as a signal behind four images leaves it
            let identity = images.identity().unwrap();
            let mut part = Ran { identity, correct: vec![0; 12], ..Ran::default() };
            (0..4).for_each(|i| part.add(&images.image(i).unwrap()));
            std::fs::write(&state, serde_json::to_string(&part).unwrap()).unwrap();
            let again = images.run("again", &state, false).unwrap();
            assert_eq!(Ran { seconds: 0.0, ..again }, Ran { seconds: 0.0, ..whole.clone() });
            // of other images, or another number of steps, nothing is taken up
            let others = Images { recordings: "of others", ..images };
            assert_ne!(others.identity().unwrap(), images.identity().unwrap());
            let longer = Images { steps: 13, ..images };
            assert_eq!(longer.run("longer", &state, false).unwrap().correct.len(), 13);
            std::fs::write(&state, "{").unwrap();
            assert_eq!(longer.run("broken", &state, false).unwrap().images, 9);
        }
    }
}
