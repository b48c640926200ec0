use super::{Halves, LoadError};
use crate::{Example, Recording};
use events::Framing;
use rayon::prelude::*;

/// Frames of training, held-out and test recordings, counted into memory.
pub(super) fn counted(
    parts: [&[Recording]; 3],
    framing: Framing,
    progress: &(dyn Fn() + Sync),
) -> Result<Halves, LoadError> {
    let mut frames: [Box<Vec<Example>>; 3] = Default::default();
    for (frames, part) in frames.iter_mut().zip(parts) {
        **frames = half(part, framing, progress)?;
    }
    one_size(parts.into_iter().flatten(), frames.iter().flat_map(|part| part.iter()))?;
    Ok(Halves::of(frames))
}

fn half(
    recordings: &[Recording],
    framing: Framing,
    progress: &(dyn Fn() + Sync),
) -> Result<Vec<Example>, LoadError> {
    let of_one_file = |recordings: &[Recording]| -> Result<Vec<Example>, LoadError> {
        let columns = recordings[0].columns()?;
        let example = |recording: &Recording| {
            let events = recording.cut(&columns)?;
            let frames = framing.frames(&events).map_err(|source| LoadError::Framing {
                what: recording.source.to_string(),
                source,
            })?;
            progress();
            Ok(Example { frames, label: recording.label })
        };
        recordings.iter().map(example).collect()
    };
    // collecting the results first keeps the error that is reported the same for any number of
    // threads
    let files: Vec<&[Recording]> = recordings.chunk_by(Recording::same_file).collect();
    let examples: Vec<Result<_, LoadError>> = files.into_par_iter().map(of_one_file).collect();
    let mut all = Vec::with_capacity(recordings.len());
    for examples in examples {
        all.extend(examples?);
    }
    Ok(all)
}

/// Refuses recordings of which some have more frames than others.
fn one_size<'a>(
    recordings: impl Iterator<Item = &'a Recording>,
    examples: impl Iterator<Item = &'a Example>,
) -> Result<(), LoadError> {
    let mut expected = None;
    for (recording, example) in recordings.zip(examples) {
        let found = example.frames.shape().steps;
        let expected = *expected.get_or_insert(found);
        if found != expected {
            let what = recording.source.to_string();
            return Err(LoadError::Unequal { what, expected, found });
        }
    }
    Ok(())
}
