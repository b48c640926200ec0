use std::{ops::Range, path::Path};

use events::{Events, Framing, Grid, transforms::resize_nearest};

use super::{Dtype, Error, Items, Key, Prepared, Report, write::write_if};
use crate::{Recording, Recordings};

/// Counts `recordings` into frames by `framing`, resizes them to `side` x `side` pixels if asked,
/// and keeps them in `folder`.
///
/// A file with many cuts is decoded once for the cuts that follow each other.
///
/// # Errors
/// As [`super::write()`]; a file that changed since it was found; a framing whose number of frames
/// depends on the recording; `f32`, which counts are not; a count above 255 for `u8`.
pub fn prepare(
    recordings: &Recordings,
    framing: Framing,
    side: Option<usize>,
    dtype: Dtype,
    folder: &Path,
    report: &mut Report,
) -> Result<Prepared, Error> {
    if let Framing::Duration { us } = framing {
        return Err(Error::Unfit {
            expected: "a framing that gives every recording the same number of frames",
            found: format!("frames of {us} µs each"),
            advice: "frame by number or by time",
        });
    }
    let all: Vec<&Recording> = recordings.train.iter().chain(&recordings.test).collect();
    let labels: Vec<u32> = all.iter().map(|recording| recording.label).collect();
    let groups = groups(&all);
    let items = Items { labels: &labels, train: recordings.train.len(), groups: &groups };
    let key = Key::of_recordings(recordings, framing, side, dtype);
    let frames = |group: Range<usize>| -> Result<Vec<Grid<u16>>, Error> {
        let group = &all[group];
        let framed = events_of(group)?.into_iter().zip(group).map(|(events, recording)| {
            let frames = framing.frames(&events);
            let frames = frames
                .map_err(|source| Error::Framing { what: recording.source.to_string(), source })?;
            Ok(side.map(|side| resize_nearest(&frames, side, side)).unwrap_or(frames))
        });
        framed.collect()
    };
    // frames of other content than the manifest names must never stand under its name
    let confirm = || match recordings.changed()? {
        Some(folder) => Err(Error::Changed { folder: folder.to_owned() }),
        None => Ok(()),
    };
    match dtype {
        Dtype::U16 => write_if(folder, &key, items, &frames, confirm, report),
        Dtype::U8 => {
            let narrow = |group: Range<usize>| {
                let wide = frames(group.clone())?;
                wide.iter()
                    .zip(&all[group])
                    .map(|(frames, recording)| narrow(frames, recording))
                    .collect()
            };
            write_if::<u8>(folder, &key, items, &narrow, confirm, report)
        }
        Dtype::F32 => Err(Error::Unfit {
            expected: "u8 or u16 for counts of events",
            found: "f32".to_owned(),
            advice: "take u8, or u16 for counts above 255",
        }),
    }
}

/// Runs of recordings that lie in one file.
fn groups(all: &[&Recording]) -> Vec<Range<usize>> {
    let mut start = 0;
    let run = |run: &[&Recording]| {
        start += run.len();
        start - run.len()..start
    };
    all.chunk_by(|a, b| a.same_file(b)).map(run).collect()
}

/// The events of recordings that lie in one file, which is decoded once.
fn events_of(group: &[&Recording]) -> Result<Vec<Events>, Error> {
    let columns = group[0].columns()?;
    Ok(group.iter().map(|recording| recording.cut(&columns)).collect::<Result<_, _>>()?)
}

fn narrow(frames: &Grid<u16>, recording: &Recording) -> Result<Grid<u8>, Error> {
    let largest = frames.values().iter().copied().max().unwrap_or_default();
    if largest > u8::MAX.into() {
        return Err(Error::Count { what: recording.source.to_string(), found: largest });
    }
    let values = frames.values().iter().map(|&count| count as u8).collect();
    Grid::new(frames.shape(), values)
        .map_err(|source| Error::Framing { what: recording.source.to_string(), source })
}
