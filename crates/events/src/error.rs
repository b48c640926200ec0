use std::io;

use crate::Shape;
use crate::formats::Format;
use crate::shape::MOST_FRAMES;

/// What can go wrong between bytes and frames; every message is one sentence: where, what was
/// expected, what was found, what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes do not follow the format.
    #[error("{format}, byte {offset}: expected {expected}, found {found}; {advice}")]
    Format {
        /// The format's name.
        format: &'static str,
        /// Offset of the offending byte from the start of the data.
        offset: usize,
        /// What the format asks for at this place.
        expected: String,
        /// What stands there.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The bytes have the mark of no format, nor are they plausible as one without a mark.
    #[error(
        "expected a recording in one of the formats {names}, found {0}; check the file, or name its format if it is one of these",
        names = Format::names()
    )]
    Unrecognised(String),
    /// A name that is no format's.
    #[error("format: expected one of {names}, found \"{0}\"; choose one of these", names = Format::names())]
    UnknownFormat(String),
    /// The data could not be read at all.
    #[error(
        "expected to read the recording to its end, found {}; check the file and its permissions", sentence::cause(.0)
    )]
    Read(#[from] io::Error),
    /// The four columns have different lengths.
    #[error(
        "expected four columns of one length, found {t_us} times, {x} x, {y} y and {on} polarities; give one value of each per event"
    )]
    Columns {
        /// Number of times.
        t_us: usize,
        /// Number of x coordinates.
        x: usize,
        /// Number of y coordinates.
        y: usize,
        /// Number of polarities.
        on: usize,
    },
    /// An event lies outside the sensor.
    #[error(
        "event {index}: expected a pixel of the {width}x{height} sensor, found x = {x}, y = {y}; check that the recording comes from this sensor"
    )]
    Outside {
        /// Index of the event.
        index: usize,
        /// Its column.
        x: u16,
        /// Its row.
        y: u16,
        /// Columns of the sensor.
        width: u16,
        /// Rows of the sensor.
        height: u16,
    },
    /// Time runs backwards.
    #[error(
        "event {index}: expected a time of at least {previous_us} µs (the event before it), found {t_us} µs; sort the events by time where the format allows disorder"
    )]
    Backwards {
        /// Index of the first event that is earlier than the one before it.
        index: usize,
        /// Its time.
        t_us: i64,
        /// Time of the event before it.
        previous_us: i64,
    },
    /// A time window of [`crate::Framing::Time`] holds no event; one of 0 µs, of a recording
    /// shorter than a microsecond a frame, never does.
    #[error(
        "frame {frame} of {frames}: expected an event {}, found none; frame by number of events, or take windows without events as frames of zeros",
        window(*start_us, *end_us)
    )]
    EmptyWindow {
        /// Index of the frame.
        frame: usize,
        /// Number of frames asked for.
        frames: usize,
        /// First microsecond of the window.
        start_us: i64,
        /// First microsecond after the window.
        end_us: i64,
    },
    /// There is no event to frame or to look at.
    #[error("expected at least one event, found none; choose another recording")]
    NoEvents,
    /// Zero frames were asked for.
    #[error("framing: expected at least one frame, found 0; ask for 1 or more")]
    NoFrames,
    /// More frames than [`crate::Framing::MOST_FRAMES`] were asked for.
    #[error("framing: expected at most {most} frames, found {0}; ask for fewer", most = MOST_FRAMES)]
    TooManyFrames(usize),
    /// An index range reaches past the recording, or runs backwards.
    #[error(
        "frame {frame}: expected a range within {events} events, found {start}..{end}; take the ranges from the same recording"
    )]
    Range {
        /// Index of the frame.
        frame: usize,
        /// Number of events.
        events: usize,
        /// First event of the range.
        start: usize,
        /// End of the range.
        end: usize,
    },
    /// A pixel counted more events than a `u16` holds.
    #[error(
        "frame {frame}, pixel x = {x}, y = {y}, channel {channel}: expected at most 65535 events, found more; use more or shorter frames"
    )]
    Overflow {
        /// Index of the frame.
        frame: usize,
        /// Column of the pixel.
        x: u16,
        /// Row of the pixel.
        y: u16,
        /// 0 = OFF, 1 = ON.
        channel: usize,
    },
    /// The frames would not fit in memory.
    #[error(
        "expected frames that fit in memory, found {0} counts; use fewer or longer frames, or check the size of the sensor"
    )]
    TooLarge(Shape),
    /// The values of a grid do not fill its shape.
    #[error(
        "expected one value for each place of {shape} (frames, rows, columns, channels), found {values} values; check the order of the axes"
    )]
    Shape {
        /// The shape asked for.
        shape: Shape,
        /// Number of values given.
        values: usize,
    },
    /// A parameter of a transform or of a grid lies outside its range.
    #[error("{what}: expected {expected}, found {found}; {advice}")]
    Parameter {
        /// The transform or grid.
        what: &'static str,
        /// What its parameter may be.
        expected: String,
        /// What it is.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
}

/// A time window in words.
fn window(start_us: i64, end_us: i64) -> String {
    if start_us < end_us {
        return format!("from {start_us} µs to before {end_us} µs");
    }
    format!("in a window of 0 µs at {start_us} µs, for there are more frames than microseconds")
}
