use super::{Halves, LoadError};
use crate::{Error, Recording, Refusal, Samples, Values, speech};
use events::Grid;
use rayon::prelude::*;
use std::borrow::Cow;

/// What makes windows of a spectrogram.
type Windows = fn(&Grid<f32>) -> Result<Grid<f32>, Error>;

/// Spectrograms of training, held-out and test recordings in memory, standardised by those of
/// training, which are rebalanced.
pub(super) fn heard(
    [train, held_out, test]: [&[Recording]; 3],
    windows: Option<Windows>,
    progress: &(dyn Fn() + Sync),
) -> Result<Halves, LoadError> {
    let front = speech::LogMel::default();
    let spectrogram = |recording: &Recording| -> Result<Grid<f32>, Error> {
        let made = front.spectrogram(&recording.waveform()?)?;
        progress();
        Ok(made)
    };
    let all = |list: &[Recording]| -> Result<Vec<Grid<f32>>, Error> {
        // collected first, so that the error reported is the same for any number of threads
        let made: Vec<Result<Grid<f32>, Error>> = list.par_iter().map(spectrogram).collect();
        made.into_iter().collect()
    };
    let (train_maps, held_out_maps, test_maps) = (all(train)?, all(held_out)?, all(test)?);
    let bands = speech::BandStatistics::of(&train_maps)?;
    let half = |maps: Vec<Grid<f32>>, list: &[Recording]| -> Result<Sounds, Error> {
        let maps = maps.iter().map(|map| bands.standardise(map)).collect::<Result<_, _>>()?;
        let labels = list.iter().map(|recording| recording.label).collect();
        Ok(Sounds { maps, labels, order: (0..list.len()).collect(), windows })
    };
    let mut train = half(train_maps, train)?;
    let (held_out, test) = (half(held_out_maps, held_out)?, half(test_maps, test)?);
    // a repeat is an index, not a copy
    train.order = speech::rebalance_indices(&train.labels, 0);
    Ok(Halves::of([train, held_out, test].map(Box::new)))
}

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
