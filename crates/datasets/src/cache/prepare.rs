use std::{ops::Range, path::Path};

use events::{Columns, Events, Framing, Grid, transforms::resize_nearest};

use super::{Dtype, Error, Items, Key, Prepared, Step, write};
use crate::{Recording, Recordings, Source};

/// Counts `recordings` into frames by `framing`, resizes them to `side` x `side` pixels if asked, and keeps them in `folder`.
///
/// A file with many cuts is decoded once for the cuts that follow each other.
///
/// # Errors
/// As [`write()`]; a framing whose number of frames depends on the recording; `f32`, which counts are not; a count above 255 for
/// `u8`.
pub fn prepare(
    recordings: &Recordings,
    framing: Framing,
    side: Option<usize>,
    dtype: Dtype,
    folder: &Path,
    report: &mut dyn FnMut(Step),
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
        let framed = events_of(group).zip(group).map(|(events, recording)| {
            let frames = framing.frames(&events?);
            let frames = frames.map_err(|source| Error::Framing { what: place(recording), source })?;
            Ok(side.map(|side| resize_nearest(&frames, side, side)).unwrap_or(frames))
        });
        framed.collect()
    };
    match dtype {
        Dtype::U16 => write(folder, &key, items, &frames, report),
        Dtype::U8 => {
            let narrow = |group: Range<usize>| {
                let wide = frames(group.clone())?;
                wide.iter().zip(&all[group]).map(|(frames, recording)| narrow(frames, recording)).collect()
            };
            write::<u8>(folder, &key, items, &narrow, report)
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
    let runs = all.chunk_by(|a, b| file_of(a).is_some() && file_of(a) == file_of(b));
    let run = |run: &[&Recording]| {
        start += run.len();
        start - run.len()..start
    };
    runs.map(run).collect()
}

/// The file that a recording is cut from, if it is one of several.
fn file_of(recording: &Recording) -> Option<&Path> {
    match &recording.source {
        Source::Cut { path, .. } => Some(path),
        _ => None,
    }
}

/// The events of recordings that lie in one file: it is decoded once, as one long cut, and cut here.
fn events_of<'a>(group: &'a [&Recording]) -> impl Iterator<Item = Result<Events, Error>> + 'a {
    let whole = match group {
        [first, _, ..] => whole(first),
        _ => None,
    };
    group.iter().map(move |recording| match (&whole, &recording.source) {
        (Some(whole), &Source::Cut { start_us, end_us, .. }) => cut(whole, start_us..end_us, recording),
        _ => Ok(recording.events()?),
    })
}

/// All events of a recording's file; `None` if that fails, be it for events outside every cut: then each cut speaks for itself.
fn whole(recording: &Recording) -> Option<Events> {
    let Source::Cut { path, occurrence, .. } = &recording.source else { return None };
    let source = Source::Cut { path: path.clone(), start_us: i64::MIN, end_us: i64::MAX, occurrence: *occurrence };
    Recording { source, ..recording.clone() }.events().ok()
}

fn cut(whole: &Events, time_us: Range<i64>, recording: &Recording) -> Result<Events, Error> {
    let before = |t_us: i64| whole.t_us().partition_point(|&t| t < t_us);
    let (start, end) = (before(time_us.start), before(time_us.end));
    let range = start..end.max(start);
    let columns = Columns {
        t_us: whole.t_us()[range.clone()].to_vec(),
        x: whole.x()[range.clone()].to_vec(),
        y: whole.y()[range.clone()].to_vec(),
        on: whole.on()[range].to_vec(),
    };
    Events::new(whole.sensor(), columns).map_err(|source| Error::Framing { what: place(recording), source })
}

fn narrow(frames: &Grid<u16>, recording: &Recording) -> Result<Grid<u8>, Error> {
    let largest = frames.values().iter().copied().max().unwrap_or_default();
    if largest > u8::MAX.into() {
        return Err(Error::Count { what: place(recording), found: largest });
    }
    let values = frames.values().iter().map(|&count| count as u8).collect();
    Grid::new(frames.shape(), values).map_err(|source| Error::Framing { what: place(recording), source })
}

/// A recording's place, for an error message.
fn place(recording: &Recording) -> String {
    match &recording.source {
        Source::File(path) => path.display().to_string(),
        Source::Cut { path, start_us, end_us, .. } => format!("{}, {start_us} to {end_us} µs", path.display()),
        Source::Synthetic { test, index, .. } => {
            format!("synthetic {} recording {index}", if *test { "test" } else { "train" })
        }
    }
}
