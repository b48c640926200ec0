//! From spoken words to spectrograms in memory.

use super::{Sets, in_one_sentence};
use crate::progress;
use anyhow::Result;
use datasets::{Error, Recording, Recordings, speech};
use events::Grid;
use rayon::prelude::*;
use std::borrow::Cow;
use training::{InputEncoding, Refusal, Samples, Values};

/// Spectrograms, standardised by the training half; the training half rebalanced, as the paper
/// does, with the repeats of seed 0.
pub(super) fn spoken(
    recordings: &Recordings,
    encoding: InputEncoding,
    windows: Option<Windows>,
) -> Result<Sets> {
    let Recordings { name, train, test, .. } = recordings;
    let bar = progress::counter(
        &format!("{}: sounds to spectrograms", name.title()),
        (train.len() + test.len()) as u64,
    );
    let front = speech::LogMel::default();
    let spectrogram = |recording: &Recording| -> Result<Grid<f32>> {
        let made = recording
            .waveform()
            .and_then(|waveform| front.spectrogram(&waveform))
            .map_err(in_one_sentence)?;
        bar.inc(1);
        Ok(made)
    };
    let all = |list: &[Recording]| -> Result<Vec<Grid<f32>>> {
        let made: Vec<Result<Grid<f32>>> = list.par_iter().map(spectrogram).collect();
        made.into_iter().collect()
    };
    let halves = all(train).and_then(|train| Ok((train, all(test)?)));
    bar.finish_and_clear();
    let (train_maps, test_maps) = halves?;
    let bands = speech::BandStatistics::of(&train_maps).map_err(in_one_sentence)?;
    let sounds =
        |maps: Vec<Grid<f32>>, order: Vec<usize>, list: &[Recording]| -> Result<Box<dyn Samples>> {
            let maps = maps
                .iter()
                .map(|map| bands.standardise(map).map_err(in_one_sentence))
                .collect::<Result<_>>()?;
            Ok(Box::new(Sounds {
                maps,
                labels: list.iter().map(|r| r.label).collect(),
                order,
                windows,
            }))
        };
    // a repeat is an index, not a copy
    let labels: Vec<u32> = train.iter().map(|recording| recording.label).collect();
    let order = speech::rebalance_indices(&labels, 0);
    Ok(Sets {
        train: sounds(train_maps, order, train)?,
        test: sounds(test_maps, (0..test.len()).collect(), test)?,
        encoding,
    })
}

/// What makes windows of a spectrogram.
pub(super) type Windows = fn(&Grid<f32>) -> Result<Grid<f32>, Error>;

/// Spectrograms in memory, in an order that may repeat some.
struct Sounds {
    maps: Vec<Grid<f32>>,
    labels: Vec<u32>,
    order: Vec<usize>,
    windows: Option<Windows>,
}

impl Samples for Sounds {
    fn len(&self) -> usize {
        self.order.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.labels[self.order[index]]
    }

    fn values(&self, index: usize) -> Result<Values<'_>, Refusal> {
        let map = &self.maps[self.order[index]];
        Ok(Values::Features(match self.windows {
            Some(windows) => Cow::Owned(windows(map)?),
            None => Cow::Borrowed(map),
        }))
    }
}
