//! A recording of any size as a few frames, in memory that its size does not bound.

use std::io::{Read, Seek};

use crate::formats::{Chunks, Extent};
use crate::frames::filled;
use crate::{Columns, Error, FirstRow, Frames, Grid, Order, Sensor, Shape};

/// Bins into which a range of times is divided in one pass.
const BINS: usize = 1 << 14;

/// Counts of all frames together, of 2 bytes each: 512 MiB, which is 128 frames of 1280x720.
const MOST_VALUES: usize = 1 << 28;

/// A recording as frames of equally many events each, in order of time, and the rate of its
/// events: [`crate::Framing::Number`] for looking at, not for training. Events outside the sensor
/// are left out and counted; a pixel's count ends at 65535.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The sensor; where nothing tells it, the smallest usual one that the events fit.
    pub sensor: Sensor,
    /// Counts `[T, H, W, 2]`.
    pub frames: Frames,
    /// Times in µs of the first and the last event of each frame.
    pub spans_us: Vec<(i64, i64)>,
    /// OFF and ON events in bins of equal duration, from the first event to the last.
    pub rates: Vec<[u64; 2]>,
    /// Number of events, without those left out.
    pub events: usize,
    /// Events outside the sensor.
    pub left_out: usize,
    /// Times that the clock starts again in the file: then the frames show its parts as if they
    /// were one over the other. See [`Order`].
    pub clock_restarts: usize,
}

impl Overview {
    /// Reads the recording several times, each time as `open` gives it, into at most `frames`
    /// frames: no more than there are events.
    ///
    /// # Errors
    /// As [`Chunks::next`]; [`Error::NoEvents`] without an event on the sensor; frames too large
    /// for memory.
    pub fn read<R: Read + Seek>(
        mut open: impl FnMut() -> Result<Chunks<R>, Error>,
        frames: usize,
    ) -> Result<Self, Error> {
        let survey = Survey::read(open()?)?;
        if survey.events == 0 {
            return Err(Error::NoEvents);
        }
        let frames = frames.clamp(1, survey.events);
        let mut bounds = Bounds::new(&survey, frames);
        while bounds.narrow() {
            each(open()?, &survey, |event| bounds.count(event.t_us))?;
        }
        let mut counter = Counter::new(&survey, frames, bounds)?;
        each(open()?, &survey, |event| counter.count(event))?;
        Ok(counter.overview(survey))
    }
}

/// What a first look at a recording tells.
struct Survey {
    sensor: Sensor,
    first_row: FirstRow,
    events: usize,
    left_out: usize,
    first_us: i64,
    last_us: i64,
    clock_restarts: usize,
}

impl Survey {
    fn read<R: Read + Seek>(mut chunks: Chunks<R>) -> Result<Self, Error> {
        let known = chunks.sensor().map(|(sensor, _)| sensor);
        let first_row = FirstRow::of(chunks.format(), known.is_some());
        let (mut extent, mut order) = (Extent::default(), Order::default());
        let (mut events, mut outside, mut first_us, mut last_us) = (0, 0, i64::MAX, i64::MIN);
        while let Some(columns) = chunks.next()? {
            if known.is_none() {
                extent.add(columns);
            }
            events += columns.t_us.len();
            order.add(&columns.t_us);
            let all = Sensor { width: u16::MAX, height: u16::MAX };
            for event in on_sensor(columns, known.unwrap_or(all)) {
                (first_us, last_us) = (first_us.min(event.t_us), last_us.max(event.t_us));
            }
            outside += known.map_or(0, |known| crate::formats::count_outside(known, columns));
        }
        let sensor = known.unwrap_or_else(|| extent.smallest());
        let left_out = if known.is_some() { outside } else { extent.outside(sensor).unwrap_or(0) };
        let (events, clock_restarts) = (events - left_out, order.restarts);
        Ok(Self { sensor, first_row, events, left_out, first_us, last_us, clock_restarts })
    }
}

/// One event.
#[derive(Clone, Copy)]
struct Event {
    t_us: i64,
    x: u16,
    y: u16,
    on: bool,
}

fn on_sensor(columns: &Columns, sensor: Sensor) -> impl Iterator<Item = Event> {
    let event = |i: usize| Event {
        t_us: columns.t_us[i],
        x: columns.x[i],
        y: columns.y[i],
        on: columns.on[i],
    };
    let is_on = move |event: &Event| event.x < sensor.width && event.y < sensor.height;
    (0..columns.t_us.len()).map(event).filter(is_on)
}

fn each<R: Read + Seek>(
    mut chunks: Chunks<R>,
    survey: &Survey,
    mut see: impl FnMut(Event),
) -> Result<(), Error> {
    while let Some(columns) = chunks.next()? {
        on_sensor(columns, survey.sensor).for_each(&mut see);
    }
    Ok(())
}

/// Where a frame begins in the events in order of time: after all events before `t_us`, and `equal`
/// of those at `t_us`, in file order.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// Its place among all events in order of time.
    rank: usize,
    /// The time is from here …
    low_us: i64,
    /// … up to here, both included.
    high_us: i64,
    /// Events before `low_us`.
    below: usize,
}

impl Bound {
    /// The width of a bin, in µs: at most [`BINS`] of them cover all times.
    fn bin_us(&self) -> u128 {
        self.width_us().div_ceil(BINS as u128)
    }

    fn width_us(&self) -> u128 {
        (i128::from(self.high_us) - i128::from(self.low_us)) as u128 + 1
    }
}

/// The beginnings of all frames but the first, found by halving as often as needed the times that
/// they may lie at: so that events out of order need not be held to be sorted.
struct Bounds {
    bounds: Vec<Bound>,
    /// How many events lie in each bin of each different range of times.
    counts: Vec<Vec<usize>>,
    counted: bool,
}

impl Bounds {
    fn new(survey: &Survey, frames: usize) -> Self {
        let each = survey.events / frames;
        let bound = |frame: usize| Bound {
            rank: frame * each,
            low_us: survey.first_us,
            high_us: survey.last_us,
            below: 0,
        };
        Self { bounds: (1..frames).map(bound).collect(), counts: Vec::new(), counted: false }
    }

    /// Takes in what the last pass counted; whether another pass is needed.
    fn narrow(&mut self) -> bool {
        if self.counted {
            for (bound, counts) in self.bounds.iter_mut().zip(&self.counts) {
                narrowed(bound, counts);
            }
        }
        self.counted = true;
        self.counts.clear();
        let wide = |bound: &Bound| bound.low_us < bound.high_us;
        self.counts.extend(self.bounds.iter().map(|_| Vec::new()));
        for (bound, counts) in self.bounds.iter().zip(&mut self.counts) {
            if wide(bound) {
                counts.resize(bound.width_us().div_ceil(bound.bin_us()) as usize, 0);
            }
        }
        self.bounds.iter().any(wide)
    }

    fn count(&mut self, t_us: i64) {
        for (bound, counts) in self.bounds.iter().zip(&mut self.counts) {
            if !counts.is_empty() && (bound.low_us..=bound.high_us).contains(&t_us) {
                counts[bin(bound, t_us)] += 1;
            }
        }
    }
}

fn bin(bound: &Bound, t_us: i64) -> usize {
    ((i128::from(t_us) - i128::from(bound.low_us)) as u128 / bound.bin_us()) as usize
}

/// Narrows the bound to the bin that holds its rank.
fn narrowed(bound: &mut Bound, counts: &[usize]) {
    if counts.is_empty() {
        return;
    }
    let mut below = bound.below;
    for (bin, &count) in counts.iter().enumerate() {
        if bound.rank < below + count {
            let low = i128::from(bound.low_us) + (bound.bin_us() * bin as u128) as i128;
            let high = low + bound.bin_us() as i128 - 1;
            // both lie within the bound, which is of 64 bits
            let high = high.min(bound.high_us.into());
            (bound.low_us, bound.high_us) = (low as i64, high as i64);
            bound.below = below;
            return;
        }
        below += count;
    }
    // fewer events than the pass before saw: the file changed, and no bin has the rank
    bound.low_us = bound.high_us;
}

/// Counts events into frames.
struct Counter {
    bounds: Vec<Bound>,
    /// Events seen at the time of each bound.
    equal: Vec<usize>,
    counts: Vec<u16>,
    spans_us: Vec<(i64, i64)>,
    rates: Vec<[u64; 2]>,
    shape: Shape,
    first_us: i64,
    duration_us: f64,
    flipped: bool,
}

impl Counter {
    fn new(survey: &Survey, frames: usize, bounds: Bounds) -> Result<Self, Error> {
        let Sensor { width, height } = survey.sensor;
        let shape =
            Shape { steps: frames, height: height.into(), width: width.into(), channels: 2 };
        // a header may claim any size: a picture's frames need no more memory than this
        if shape.len().is_none_or(|values| values > MOST_VALUES) {
            return Err(Error::TooLarge(shape));
        }
        let duration = i128::from(survey.last_us) - i128::from(survey.first_us);
        let duration_us = (duration as f64).max(1.0);
        // enough events in a bin that a curve shows the scene more than chance, and no bin shorter
        // than the clock's tick
        let most = (survey.events / 40).clamp(10, 120);
        let bins = if duration_us < most as f64 { duration_us as usize } else { most };
        Ok(Self {
            equal: vec![0; bounds.bounds.len()],
            bounds: bounds.bounds,
            counts: filled(shape, 0)?,
            spans_us: vec![(i64::MAX, i64::MIN); frames],
            rates: vec![[0; 2]; bins],
            shape,
            first_us: survey.first_us,
            duration_us,
            flipped: survey.first_row == FirstRow::Bottom,
        })
    }

    fn count(&mut self, event: Event) {
        let Event { t_us, x, y, on } = event;
        let frame = self.frame(t_us);
        let (first_us, last_us) = &mut self.spans_us[frame];
        (*first_us, *last_us) = ((*first_us).min(t_us), (*last_us).max(t_us));
        let Shape { height, width, .. } = self.shape;
        let y = if self.flipped { height - 1 - usize::from(y) } else { y.into() };
        let place = (frame * height + y) * width + usize::from(x);
        let count = &mut self.counts[place * 2 + usize::from(on)];
        *count = count.saturating_add(1);
        let since_us = (i128::from(t_us) - i128::from(self.first_us)) as f64;
        let bins = self.rates.len();
        let bin = (since_us / self.duration_us * bins as f64) as usize;
        self.rates[bin.min(bins - 1)][usize::from(on)] += 1;
    }

    /// The frame of the next event, which is at `t_us`.
    fn frame(&mut self, t_us: i64) -> usize {
        let mut frame = self.bounds.partition_point(|bound| bound.low_us < t_us);
        let at = frame;
        for (bound, equal) in self.bounds[at..].iter().zip(&mut self.equal[at..]) {
            if bound.low_us > t_us {
                break;
            }
            frame += usize::from(bound.below + *equal >= bound.rank);
            *equal += 1;
        }
        frame
    }

    fn overview(self, survey: Survey) -> Overview {
        Overview {
            sensor: survey.sensor,
            frames: Grid::of(self.shape, self.counts),
            spans_us: self.spans_us,
            rates: self.rates,
            events: survey.events,
            left_out: survey.left_out,
            clock_restarts: survey.clock_restarts,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::formats::{Format, dat};
    use crate::{Events, Framing};

    fn file(events: &[(u32, u32)]) -> Vec<u8> {
        let words = events.iter().flat_map(|&(t, place)| [t, place & 3 | (place >> 2 & 3) << 14]);
        let data = words.flat_map(u32::to_le_bytes);
        b"% Width 4\n% Height 3\n% end\n\x0c\x08".iter().copied().chain(data).collect()
    }

    /// Many events at one time, or times that need several passes.
    fn time() -> impl Strategy<Value = u32> {
        prop_oneof![0_u32..9, 0..2_000_000_000_u32]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn frames_are_those_of_sorted_events(
            events in prop::collection::vec((time(), 0_u32..16), 1..80),
            frames in 1_usize..20,
        ) {
            let bytes = file(&events);
            let open = || Chunks::open(std::io::Cursor::new(&bytes), bytes.len() as u64, Some(Format::Dat));
            let all = dat::decode(&bytes).unwrap();
            let sensor = Sensor { width: 4, height: 3 };
            let mut inside = Columns::default();
            for event in on_sensor(&all, sensor) {
                inside.push(event.t_us, event.x, event.y, event.on);
            }
            let left_out = all.t_us.len() - inside.t_us.len();
            let overview = Overview::read(open, frames);
            if inside.t_us.is_empty() {
                prop_assert!(matches!(overview, Err(Error::NoEvents)));
                return Ok(());
            }
            let overview = overview.unwrap();
            let sorted = Events::sorted(sensor, inside).unwrap();
            let framing = Framing::Number { frames: frames.min(sorted.len()) };
            prop_assert_eq!(&overview.frames, &framing.frames(&sorted).unwrap());
            let t_us = sorted.t_us();
            let ranges = framing.ranges(t_us).unwrap();
            let spans = ranges.iter().map(|range| (t_us[range.start], t_us[range.end - 1]));
            let spans: Vec<(i64, i64)> = spans.collect();
            prop_assert_eq!(overview.spans_us, spans);
            prop_assert_eq!((overview.events, overview.left_out), (sorted.len(), left_out));
            let rated: u64 = overview.rates.iter().flatten().sum();
            prop_assert_eq!(rated, sorted.len() as u64);
        }
    }
}
