//! From recordings to samples as a network sees them.

use super::in_one_sentence;
use crate::{Encoding, framing, progress};
use anyhow::{Result, anyhow, bail};
use datasets::cache::Cache;
use datasets::{Content, Form, Halves, LoadError, Recordings};
use events::Framing;
use std::path::Path;
use training::{Bernoulli, Example, InputEncoding, Set};

/// Train and test samples, in memory or in a cache, and how a network sees them.
pub struct Sets {
    halves: Halves,
    encoding: InputEncoding,
}

impl Sets {
    /// The training samples.
    pub fn train(&self) -> Set<'_> {
        Set { samples: &*self.halves.train, encoding: &self.encoding }
    }

    /// The same with another training half.
    pub fn with_train(mut self, train: Vec<Example>) -> Self {
        self.halves.train = Box::new(train);
        self
    }

    /// What is held out of the training samples, if anything is.
    pub fn held_out(&self) -> Option<Set<'_>> {
        let samples = self.halves.held_out.as_deref()?;
        Some(Set { samples, encoding: &self.encoding })
    }

    /// The test samples.
    pub fn test(&self) -> Set<'_> {
        Set { samples: &*self.halves.test, encoding: &self.encoding }
    }
}

/// Makes every recording what `encoding` wants of it, see [`datasets::load()`]; where its frames
/// come from the folder `cache`, that is said.
///
/// # Errors
/// The first recording, in that order, that cannot be decoded or framed; an encoding that is not
/// for such recordings.
pub fn load(recordings: &Recordings, encoding: Encoding, cache: Option<&Path>) -> Result<Sets> {
    let name = recordings.name;
    let Some((form, what)) = form(recordings, encoding) else {
        bail!(
            "{} cannot be shown to a network as framing={}; leave framing as its profile has it",
            name.title(),
            framing::encoding_words(encoding)
        )
    };
    let encoding = shown(recordings, encoding);
    if let (Form::Frames(framing), Some(folder)) = (form, cache)
        && let Some(cache) = cached(recordings, framing, folder)?
    {
        terminal::say!("{}: frames from {}", name.title(), cache.path().display());
        return Ok(Sets { halves: Halves::of_cache(cache), encoding });
    }
    let n = (recordings.train.len() + recordings.held_out.len() + recordings.test.len()) as u64;
    let halves = match what {
        // nothing is decoded that a person would wait for
        None => datasets::load(recordings, form, None, &|| ()),
        Some(what) => {
            let bar = progress::counter(&format!("{}: {what}", name.title()), n);
            let halves = datasets::load(recordings, form, None, &|| bar.inc(1));
            bar.finish_and_clear();
            halves
        }
    };
    Ok(Sets { halves: halves.map_err(|error| advised(error, form))?, encoding })
}

/// Whether a cache of exactly these recordings and this framing is there.
///
/// # Errors
/// A damaged cache.
pub fn is_cached(recordings: &Recordings, framing: Framing, folder: Option<&Path>) -> Result<bool> {
    let Some(folder) = folder else { return Ok(false) };
    Ok(cached(recordings, framing, folder)?.is_some())
}

fn cached(recordings: &Recordings, framing: Framing, folder: &Path) -> Result<Option<Cache>> {
    Cache::of_recordings(folder, recordings, framing).map_err(in_one_sentence)
}

/// What becomes of such recordings, and what a person waits for meanwhile; `None` where the
/// encoding is not for them.
fn form(recordings: &Recordings, encoding: Encoding) -> Option<(Form, Option<&'static str>)> {
    let frames = Some("events to frames");
    let sounds = Some("sounds to spectrograms");
    Some(match (recordings.name.info().content, encoding) {
        (Content::Events { .. }, Encoding::Events(framing)) => (Form::Frames(framing), frames),
        (Content::Images { .. }, Encoding::Direct { .. } | Encoding::Bernoulli { .. }) => {
            (Form::Images, None)
        }
        (Content::Speech { .. }, Encoding::Direct { .. } | Encoding::Bernoulli { .. }) => {
            (Form::Spectrograms, sounds)
        }
        (Content::Speech { .. }, Encoding::Chunks) => (Form::Chunks, sounds),
        _ => return None,
    })
}

/// How a network sees them.
fn shown(recordings: &Recordings, encoding: Encoding) -> InputEncoding {
    let standard = recordings.name.info().standard;
    match encoding {
        Encoding::Events(_) | Encoding::Chunks => InputEncoding::RECORDED,
        Encoding::Direct { steps } => InputEncoding::direct(steps, standard),
        Encoding::Bernoulli { steps, scale, raw } => {
            // a raw pixel is a byte as a part of the largest
            let raw_pixels = vec![(0.0, 255.0); standard.len()];
            let standard = if raw { &raw_pixels } else { standard };
            InputEncoding {
                bernoulli: Some(Bernoulli { scale }),
                ..InputEncoding::direct(steps, standard)
            }
        }
    }
}

/// The error with the setting that would help.
fn advised(error: LoadError, form: Form) -> anyhow::Error {
    match (form, error) {
        (Form::Frames(framing), LoadError::Framing { what, source }) => {
            let advice = framing::advice(&source, framing, "--set framing=");
            anyhow!("{what}: {source}{advice}")
        }
        (Form::Frames(framing), error @ LoadError::Unequal { .. }) => {
            anyhow!("framing={}: {error}", framing::words(framing))
        }
        (_, error) => in_one_sentence(error),
    }
}
