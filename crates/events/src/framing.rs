use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Error, Events, Frames, accumulate, shape};

/// How a recording becomes frames: which run of events each frame counts (reference semantics of
/// the released code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Framing {
    /// A fixed number of frames with an equal number of events each; see [`number_ranges`].
    Number {
        /// Number of frames T.
        frames: usize,
    },
    /// A fixed number of frames of equal duration; see [`time_ranges`].
    Time {
        /// Number of frames T.
        frames: usize,
        /// What an empty window means.
        empty_window: EmptyWindow,
    },
    /// As many frames of a fixed duration as the recording fills; see [`duration_ranges`].
    Duration {
        /// Duration of a frame in microseconds.
        us: u32,
    },
}

/// What a time window without events means. The reference fails on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyWindow {
    /// An error that names the window.
    #[default]
    Error,
    /// A frame of zeros.
    ZeroFrame,
}

impl Framing {
    /// The most frames of a recording that can be asked for. Of more, most would be empty, and a
    /// frame takes memory whether it is or not.
    pub const MOST_FRAMES: usize = shape::MOST_FRAMES;

    /// Counts `events` into frames `[T, H, W, 2]`.
    ///
    /// # Errors
    /// No frame or more than [`Framing::MOST_FRAMES`], an empty window under
    /// [`EmptyWindow::Error`], or a count above 65535.
    pub fn frames(&self, events: &Events) -> Result<Frames, Error> {
        accumulate(events.sensor(), events.columns(), &self.ranges(events.t_us())?)
    }

    /// The index range of each frame over times in any order.
    ///
    /// # Errors
    /// No frame or more than [`Framing::MOST_FRAMES`], or an empty window under
    /// [`EmptyWindow::Error`].
    pub fn ranges(&self, t_us: &[i64]) -> Result<Vec<Range<usize>>, Error> {
        match *self {
            Self::Number { frames: 0 } => Err(Error::NoFrames),
            Self::Number { frames } | Self::Time { frames, .. } if frames > Self::MOST_FRAMES => {
                Err(Error::TooManyFrames(frames))
            }
            Self::Number { frames } => Ok(number_ranges(t_us.len(), frames)),
            Self::Time { frames, empty_window } => time_ranges(t_us, frames, empty_window),
            Self::Duration { us } => Ok(duration_ranges(t_us, us)),
        }
    }
}

/// Frame j takes the events `[j·d, (j+1)·d)`, d = ⌊events/frames⌋; the last frame also takes the
/// remainder. Zero frames, no range.
///
/// With fewer events than frames d is 0: the last frame takes everything, the others nothing.
pub fn number_ranges(events: usize, frames: usize) -> Vec<Range<usize>> {
    let d = events.checked_div(frames).unwrap_or(0);
    (1..=frames)
        .map(|next| (next - 1) * d..if next == frames { events } else { next * d })
        .collect()
}

/// Frame j takes the events of `[t₀ + j·dt, t₀ + (j+1)·dt)`, dt = ⌊(t_last − t₀)/frames⌋, with t₀
/// and t_last the first and last in file order; the last frame also takes all events after it.
///
/// A range runs from the first event inside the window to the last one inside it, so on unsorted
/// times ranges overlap and events count more than once, as in the reference. An allowed empty
/// window is the empty range before the first event at or after its start.
///
/// Under [`EmptyWindow::Error`] a last window without an event is refused as well, though its frame
/// takes the events after it: the reference does that, so one frame of a recording whose events are
/// all at one time needs [`EmptyWindow::ZeroFrame`].
///
/// # Errors
/// [`Error::NoFrames`]; under [`EmptyWindow::Error`] also [`Error::EmptyWindow`] and, without any
/// event, [`Error::NoEvents`].
pub fn time_ranges(
    t_us: &[i64],
    frames: usize,
    empty: EmptyWindow,
) -> Result<Vec<Range<usize>>, Error> {
    let find = if t_us.is_sorted() { find_sorted } else { find_anywhere };
    time_ranges_by(find, t_us, frames, empty)
}

/// A frame starts at the first event that no frame has taken yet, at t₀, and takes events while t −
/// t₀ ≤ `us` (closed).
pub fn duration_ranges(t_us: &[i64], us: u32) -> Vec<Range<usize>> {
    let end = if t_us.is_sorted() { run_end_sorted } else { run_end };
    duration_ranges_by(end, t_us, us)
}

type Find = fn(&[i64], Range<i128>) -> Range<usize>;

fn time_ranges_by(
    find: Find,
    t_us: &[i64],
    frames: usize,
    empty: EmptyWindow,
) -> Result<Vec<Range<usize>>, Error> {
    if frames == 0 {
        return Err(Error::NoFrames);
    }
    let (&[first, ..], &[.., last]) = (t_us, t_us) else {
        return match empty {
            EmptyWindow::Error => Err(Error::NoEvents),
            EmptyWindow::ZeroFrame => Ok(vec![0..0; frames]),
        };
    };
    // 128 bits: no pair of times and no number of frames overflows
    let (first, last) = (i128::from(first), i128::from(last));
    let dt = (last - first).div_euclid(frames as i128);
    let mut ranges = Vec::new();
    for frame in 0..frames {
        let start_us = first + frame as i128 * dt;
        let mut range = find(t_us, start_us..start_us + dt);
        if range.is_empty() && empty == EmptyWindow::Error {
            // both bounds lie between the first and the last time
            let (start_us, end_us) = (start_us as i64, (start_us + dt) as i64);
            return Err(Error::EmptyWindow { frame, frames, start_us, end_us });
        }
        if frame + 1 == frames {
            range.end = t_us.len();
        }
        ranges.push(range);
    }
    Ok(ranges)
}

/// The definition: from the first event inside the window to the last one inside it.
fn find_anywhere(t_us: &[i64], window: Range<i128>) -> Range<usize> {
    let inside = |&t: &i64| window.contains(&i128::from(t));
    match (t_us.iter().position(inside), t_us.iter().rposition(inside)) {
        (Some(start), Some(last)) => start..last + 1,
        _ => {
            let next =
                t_us.iter().position(|&t| i128::from(t) >= window.start).unwrap_or(t_us.len());
            next..next
        }
    }
}

/// The same by bisection, for times that never decrease.
fn find_sorted(t_us: &[i64], window: Range<i128>) -> Range<usize> {
    let before = |bound: i128| t_us.partition_point(|&t| i128::from(t) < bound);
    before(window.start)..before(window.end).max(before(window.start))
}

type RunEnd = fn(&[i64], usize, i64) -> usize;

fn duration_ranges_by(end: RunEnd, t_us: &[i64], us: u32) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while let Some(&t0) = t_us.get(start) {
        // saturating: a limit past the largest time admits every later event, which is right
        let next = end(t_us, start, t0.saturating_add(us.into()));
        ranges.push(start..next);
        start = next;
    }
    ranges
}

/// The definition: the first event from `start` on that is later than `limit`; `start` itself never
/// is.
fn run_end(t_us: &[i64], start: usize, limit: i64) -> usize {
    t_us[start..].iter().position(|&t| t > limit).map_or(t_us.len(), |n| start + n)
}

/// The same by bisection, for times that never decrease.
fn run_end_sorted(t_us: &[i64], start: usize, limit: i64) -> usize {
    start + t_us[start..].partition_point(|&t| t <= limit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_window_is_an_error_or_a_zero_frame_and_loses_no_event() {
        let t_us = [0, 1, 90, 100];
        let error = time_ranges(&t_us, 4, EmptyWindow::Error);
        assert!(matches!(
            error,
            Err(Error::EmptyWindow { frame: 1, start_us: 25, end_us: 50, .. })
        ));
        assert_eq!(
            time_ranges(&t_us, 4, EmptyWindow::ZeroFrame).unwrap(),
            [0..2, 2..2, 2..2, 2..4]
        );
        assert_eq!(time_ranges(&[7; 3], 2, EmptyWindow::ZeroFrame).unwrap(), [0..0, 0..3]);
        assert_eq!(time_ranges(&[], 2, EmptyWindow::ZeroFrame).unwrap(), [0..0, 0..0]);
    }

    #[test]
    fn no_frames_is_an_error() {
        let time = Framing::Time { frames: 0, empty_window: EmptyWindow::ZeroFrame };
        for framing in [Framing::Number { frames: 0 }, time] {
            assert!(matches!(framing.ranges(&[1, 2]), Err(Error::NoFrames)));
        }
        assert!(number_ranges(3, 0).is_empty());
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let t_us = [i64::MIN, 0, i64::MAX];
        assert_eq!(time_ranges(&t_us, 2, EmptyWindow::Error).unwrap(), [0..1, 1..3]);
        assert_eq!(duration_ranges(&t_us, u32::MAX), [0..1, 1..2, 2..3]);
        assert_eq!(duration_ranges(&[5, i64::MIN, 6, i64::MAX], 0), [0..2, 2..3, 3..4]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn bisection_equals_the_definition(
            mut t_us in proptest::collection::vec(0_i64..300, 0..60),
            frames in 1_usize..20,
            us in 0_u32..80,
        ) {
            t_us.sort_unstable();
            for empty in [EmptyWindow::Error, EmptyWindow::ZeroFrame] {
                let plain = time_ranges_by(find_anywhere, &t_us, frames, empty).ok();
                let fast = time_ranges_by(find_sorted, &t_us, frames, empty).ok();
                prop_assert_eq!(plain, fast);
            }
            let plain = duration_ranges_by(run_end, &t_us, us);
            prop_assert_eq!(plain, duration_ranges_by(run_end_sorted, &t_us, us));
        }

        #[test]
        fn every_event_of_a_sorted_recording_is_in_one_frame(
            mut t_us in proptest::collection::vec(-300_i64..300, 1..60),
            frames in 1_usize..20,
            us in 0_u32..80,
        ) {
            t_us.sort_unstable();
            let time = time_ranges(&t_us, frames, EmptyWindow::ZeroFrame).unwrap();
            for ranges in [number_ranges(t_us.len(), frames), time, duration_ranges(&t_us, us)] {
                let taken: Vec<usize> = ranges.into_iter().flatten().collect();
                prop_assert_eq!(taken, (0..t_us.len()).collect::<Vec<_>>());
            }
        }
    }
}
