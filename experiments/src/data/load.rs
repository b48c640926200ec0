//! From recordings to samples as a network sees them.

use super::cached::cached;
use super::in_one_sentence;
use super::sounds::spoken;
use crate::{Encoding, framing, preset, progress};
use anyhow::{Context, Result, bail};
use datasets::{Content, Recording, Recordings, speech};
use events::Framing;
use indicatif::ProgressBar;
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::Path;
use training::{Bernoulli, Example, InputEncoding, Refusal, Samples, Set, Values};

/// Train and test samples, in memory or in a cache, and how a network sees them.
pub struct Sets {
    pub(super) train: Box<dyn Samples>,
    pub(super) test: Box<dyn Samples>,
    pub(super) encoding: InputEncoding,
}

impl Sets {
    /// The training samples.
    pub fn train(&self) -> Set<'_> {
        Set { samples: &*self.train, encoding: &self.encoding }
    }

    /// The same with another training half.
    pub fn with_train(self, train: Vec<Example>) -> Self {
        Self { train: Box::new(train), ..self }
    }

    /// The test samples.
    pub fn test(&self) -> Set<'_> {
        Set { samples: &*self.test, encoding: &self.encoding }
    }
}

/// Makes every recording what `encoding` wants of it: events become frames, read from the folder
/// `cache` where `data prepare` has put these very frames, else counted into memory (in parallel,
/// in the order given, all before the first step); images stay the bytes they are until a batch
/// asks for them.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed; an encoding that is not
/// for such recordings.
pub fn load(recordings: &Recordings, encoding: Encoding, cache: Option<&Path>) -> Result<Sets> {
    let Recordings { name, train, test, .. } = recordings;
    match (name.info().content, encoding) {
        (Content::Events { .. }, Encoding::Events(framing)) => {
            if let Some(sets) =
                cache.map(|folder| cached(recordings, framing, folder)).transpose()?.flatten()
            {
                return Ok(sets);
            }
            let bar = progress::counter(
                &format!("{}: events to frames", name.title()),
                (train.len() + test.len()) as u64,
            );
            let halves = frames(train, framing, &bar)
                .and_then(|train| Ok((train, frames(test, framing, &bar)?)));
            bar.finish_and_clear();
            let (train, test) = halves?;
            one_size(&train, &test, framing)?;
            let encoding = InputEncoding::default();
            Ok(Sets { train: Box::new(train), test: Box::new(test), encoding })
        }
        (Content::Images { .. }, Encoding::Direct { steps }) => {
            let (train, test) = (Images(train.clone()), Images(test.clone()));
            let standard = preset::standard(*name);
            let encoding = InputEncoding { still: Some(steps), standard, bernoulli: None };
            Ok(Sets { train: Box::new(train), test: Box::new(test), encoding })
        }
        (Content::Images { .. }, Encoding::Bernoulli { steps, scale }) => {
            let (train, test) = (Images(train.clone()), Images(test.clone()));
            let (standard, bernoulli) = (preset::standard(*name), Some(Bernoulli { scale }));
            let encoding = InputEncoding { still: Some(steps), standard, bernoulli };
            Ok(Sets { train: Box::new(train), test: Box::new(test), encoding })
        }
        (Content::Speech { .. }, Encoding::Bernoulli { steps, scale }) => {
            let bernoulli = Some(Bernoulli { scale });
            let encoding =
                InputEncoding { still: Some(steps), bernoulli, ..InputEncoding::default() };
            spoken(recordings, encoding, None)
        }
        (Content::Speech { .. }, Encoding::Direct { steps }) => {
            let encoding = InputEncoding { still: Some(steps), ..InputEncoding::default() };
            spoken(recordings, encoding, None)
        }
        (Content::Speech { .. }, Encoding::Chunks) => {
            spoken(recordings, InputEncoding::default(), Some(speech::chunks))
        }
        _ => bail!(
            "{} cannot be shown to a network as framing={}; leave framing as its profile has it",
            name.title(),
            framing::encoding_words(encoding)
        ),
    }
}

/// Training and test samples that recordings make.
pub fn samples(recordings: &Recordings) -> (usize, usize) {
    let Recordings { name, train, test, .. } = recordings;
    let train = match name.info().content {
        Content::Speech { .. } => {
            let labels: Vec<u32> = train.iter().map(|recording| recording.label).collect();
            speech::rebalance_indices(&labels, 0).len()
        }
        _ => train.len(),
    };
    (train, test.len())
}

/// Refuses recordings of which some have more frames than others: a batch has one size.
fn one_size(train: &[Example], test: &[Example], framing: Framing) -> Result<()> {
    let mut all = train.iter().chain(test).map(|example| example.frames.shape().steps);
    let Some(first) = all.next() else { return Ok(()) };
    match all.find(|&steps| steps != first) {
        Some(other) => bail!(
            "framing={}: expected one number of frames of all recordings, found {first} and {other}; \
             frame by number or by time, not by duration",
            framing::words(framing)
        ),
        None => Ok(()),
    }
}

fn frames(recordings: &[Recording], framing: Framing, bar: &ProgressBar) -> Result<Vec<Example>> {
    let of_one_file = |recordings: &[Recording]| -> Result<Vec<Example>> {
        let columns = recordings[0].columns().map_err(in_one_sentence)?;
        let example = |recording: &Recording| {
            let events = recording.cut(&columns).map_err(in_one_sentence)?;
            let frames = framing
                .frames(&events)
                .map_err(|error| framing::advised(error, framing, "--set framing="))
                .with_context(|| recording.source.to_string())?;
            bar.inc(1);
            Ok(Example { frames, label: recording.label })
        };
        recordings.iter().map(example).collect()
    };
    // collecting the results first keeps the error that is reported the same for any number of
    // threads
    let files: Vec<&[Recording]> = recordings.chunk_by(Recording::same_file).collect();
    let examples: Vec<Result<Vec<Example>>> = files.into_par_iter().map(of_one_file).collect();
    let mut all = Vec::with_capacity(recordings.len());
    for examples in examples {
        all.extend(examples?);
    }
    Ok(all)
}

/// Images, read from the data set's own bytes for each batch.
struct Images(Vec<Recording>);

impl Samples for Images {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.0[index].label
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        Ok(Values::Bytes(Cow::Owned(self.0[index].image()?)))
    }
}
