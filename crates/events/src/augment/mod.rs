//! Changes of recordings, `Events` → `Events`: an [`EventTransform`] is plain data for a
//! configuration file or a receipt, and [`apply_all`] runs a list of them. Each leaves its input
//! untouched and returns events that are sorted and on the sensor.
//!
//! What needs no random number is also a function here. `docs/transforms.md` shows each in a
//! picture, and where the meaning differs from Tonic's documentation.
//!
//! ```
//! use events::augment::{EventTransform, Key, apply_all};
//! # use events::{Columns, Events, Sensor};
//! # let sensor = Sensor { width: 34, height: 34 };
//! # let on = vec![true, false];
//! # let columns = Columns { t_us: vec![1, 5], x: vec![3, 4], y: vec![9, 9], on };
//! # let events = Events::new(sensor, columns)?;
//! let list = [
//!     EventTransform::RandomCrop { padding: 4, width: 34, height: 34 },
//!     EventTransform::DropEvents { probability: 0.1 },
//! ];
//! let augmented = apply_all(&list, &events, Key { seed: 1, epoch: 0, index: 42 })?;
//! assert_eq!(augmented.sensor(), events.sensor());
//! # Ok::<(), events::Error>(())
//! ```

mod plain;
mod random;

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::{Columns, Error, Events};
pub use plain::{crop, denoise, flip_horizontal, flip_polarity, refractory, reverse_time};

/// What the random numbers of a transform depend on, besides its position in the list: nothing
/// else, so that threads, their number and the order of samples cannot change a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// Pass over the data, from 0.
    pub epoch: u64,
    /// Index of the recording in its data set.
    pub index: u64,
}

impl Key {
    /// The random numbers of the transform at `position`: the four numbers, little-endian, are
    /// ChaCha8's 256-bit key, so different keys never share a stream.
    fn stream(self, position: usize) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, self.epoch, self.index, position as u64];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// One change of a recording. A probability, share, spread or count of 0 gives events equal to the
/// input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EventTransform {
    /// A fixed window becomes the sensor; see [`crop`].
    Crop {
        /// Column of its left edge, negative for outside.
        x: i32,
        /// Row of its upper edge, negative for outside.
        y: i32,
        /// Columns, at least 1.
        width: u16,
        /// Rows, at least 1.
        height: u16,
    },
    /// A window at a uniform place of the sensor with `padding` empty pixels on every side becomes
    /// the sensor; see [`crop`].
    RandomCrop {
        /// Empty pixels around the sensor.
        padding: u16,
        /// Columns, at least 1.
        width: u16,
        /// Rows, at least 1.
        height: u16,
    },
    /// Mirrors the whole recording; see [`flip_horizontal`].
    FlipHorizontal {
        /// How often, in [0, 1].
        probability: f64,
    },
    /// Exchanges ON and OFF in the whole recording; see [`flip_polarity`].
    FlipPolarity {
        /// How often, in [0, 1].
        probability: f64,
    },
    /// Plays the whole recording backwards; see [`reverse_time`].
    ReverseTime {
        /// How often, in [0, 1].
        probability: f64,
        /// Whether a reversed recording also exchanges ON and OFF, as a camera would see it.
        flip_polarity: bool,
    },
    /// Drops each event on its own.
    DropEvents {
        /// How many of them, in [0, 1].
        probability: f64,
    },
    /// Drops what falls into one window of time at a uniform place within the recording.
    DropTime {
        /// The window's share of the microseconds from the first to the last event, in [0, 1].
        share: f64,
    },
    /// Drops what falls into one rectangle at a uniform place within the sensor.
    DropArea {
        /// The rectangle's share of the sensor's area, in [0, 1]: sides W·√share and H·√share, each
        /// rounded to a pixel.
        share: f64,
    },
    /// Moves each event by a normal number of pixels along x and along y, rounded; what leaves the
    /// sensor is dropped.
    JitterSpace {
        /// Standard deviation along each axis in pixels, finite.
        std_px: f64,
    },
    /// Moves each event in time by a normal number of microseconds, rounded, then sorts by time;
    /// equal times keep their order.
    JitterTime {
        /// Standard deviation in microseconds, finite.
        std_us: f64,
    },
    /// A dead time per pixel; see [`refractory`].
    Refractory {
        /// Least distance of two events of a pixel in microseconds.
        dt_us: u32,
    },
    /// Background activity filter; see [`denoise`]. It has no identity: an isolated event never
    /// stays.
    Denoise {
        /// How long before an event a neighbour may have fired, in microseconds.
        dt_us: u32,
    },
    /// Adds events uniform over the pixels, the microseconds from the first to the last event, and
    /// both polarities; none to an empty recording, which has no span.
    UniformNoise {
        /// Number of events added.
        count: u32,
    },
}

impl EventTransform {
    /// Whether the parameters are in their ranges, before any recording is at hand.
    ///
    /// # Errors
    /// [`Error::Parameter`] that names the transform, the range and the value.
    pub fn check(&self) -> Result<(), Error> {
        match *self {
            Self::Crop { width, height, .. } => at_least_a_pixel("crop", width, height),
            Self::RandomCrop { width, height, .. } => {
                at_least_a_pixel("random_crop", width, height)
            }
            Self::FlipHorizontal { probability } => {
                fraction("flip_horizontal", "probability", probability)
            }
            Self::FlipPolarity { probability } => {
                fraction("flip_polarity", "probability", probability)
            }
            Self::ReverseTime { probability, .. } => {
                fraction("reverse_time", "probability", probability)
            }
            Self::DropEvents { probability } => fraction("drop_events", "probability", probability),
            Self::DropTime { share } => fraction("drop_time", "share", share),
            Self::DropArea { share } => fraction("drop_area", "share", share),
            Self::JitterSpace { std_px } => deviation("jitter_space", "std_px", std_px),
            Self::JitterTime { std_us } => deviation("jitter_time", "std_us", std_us),
            Self::Refractory { .. } | Self::Denoise { .. } | Self::UniformNoise { .. } => Ok(()),
        }
    }

    /// The changed recording; the same as [`apply_all`] with this transform alone.
    ///
    /// # Errors
    /// [`EventTransform::check`]'s; a random window that does not fit the sensor; a sensor whose
    /// pixels do not fit in memory.
    pub fn apply(&self, events: &Events, key: Key) -> Result<Events, Error> {
        self.apply_with(events, &mut key.stream(0))
    }

    fn apply_with(&self, events: &Events, rng: &mut ChaCha8Rng) -> Result<Events, Error> {
        self.check()?;
        let mut happens = |probability: f64| random::uniform(rng) < probability;
        Ok(match *self {
            Self::Crop { x, y, width, height } => crop(events, x, y, width, height),
            Self::RandomCrop { padding, width, height } => {
                random::random_crop(events, padding, width, height, rng)?
            }
            Self::FlipHorizontal { probability } if happens(probability) => flip_horizontal(events),
            Self::FlipPolarity { probability } if happens(probability) => flip_polarity(events),
            Self::ReverseTime { probability, flip_polarity } if happens(probability) => {
                match flip_polarity {
                    true => plain::flip_polarity(&reverse_time(events)),
                    false => reverse_time(events),
                }
            }
            Self::FlipHorizontal { .. } | Self::FlipPolarity { .. } | Self::ReverseTime { .. } => {
                events.clone()
            }
            Self::DropEvents { probability } => random::drop_events(events, probability, rng),
            Self::DropTime { share } => random::drop_time(events, share, rng),
            Self::DropArea { share } => random::drop_area(events, share, rng),
            Self::JitterSpace { std_px } => random::jitter_space(events, std_px, rng),
            Self::JitterTime { std_us } => random::jitter_time(events, std_us, rng)?,
            Self::Refractory { dt_us } => refractory(events, dt_us)?,
            Self::Denoise { dt_us } => denoise(events, dt_us)?,
            Self::UniformNoise { count } => random::uniform_noise(events, count, rng)?,
        })
    }
}

/// Applies `transforms` in their order, each to the result of the one before it, a pure function of
/// its arguments: the random numbers of each depend on `key` and on its place in the list.
///
/// # Errors
/// Those of [`EventTransform::apply`], of the first transform that fails.
pub fn apply_all(
    transforms: &[EventTransform],
    events: &Events,
    key: Key,
) -> Result<Events, Error> {
    let mut current = Cow::Borrowed(events);
    for (position, transform) in transforms.iter().enumerate() {
        current = Cow::Owned(transform.apply_with(&current, &mut key.stream(position))?);
    }
    Ok(current.into_owned())
}

fn at_least_a_pixel(what: &'static str, width: u16, height: u16) -> Result<(), Error> {
    if width > 0 && height > 0 {
        return Ok(());
    }
    let (expected, found) = ("a window of at least 1x1 pixel".into(), format!("{width}x{height}"));
    Err(Error::Parameter { what, expected, found, advice: "give it a width and a height" })
}

fn fraction(what: &'static str, parameter: &str, value: f64) -> Result<(), Error> {
    in_range(what, value, (0.0..=1.0).contains(&value), format!("{parameter} between 0 and 1"))
}

fn deviation(what: &'static str, parameter: &str, value: f64) -> Result<(), Error> {
    in_range(
        what,
        value,
        value.is_finite() && value >= 0.0,
        format!("{parameter} finite and at least 0"),
    )
}

fn in_range(what: &'static str, value: f64, right: bool, expected: String) -> Result<(), Error> {
    let error = || Error::Parameter {
        what,
        expected,
        found: value.to_string(),
        advice: "change the parameter",
    };
    if right { Ok(()) } else { Err(error()) }
}

/// The columns of what `change` makes of each event (t_us, x, y, on) in turn.
fn rebuild(
    events: &Events,
    mut change: impl FnMut(i64, u16, u16, bool) -> Option<(i64, u16, u16, bool)>,
) -> Columns {
    let mut columns = Columns::with_capacity(events.len());
    let pixels = events.x().iter().zip(events.y()).zip(events.on());
    for (&t_us, ((&x, &y), &on)) in events.t_us().iter().zip(pixels) {
        if let Some((t_us, x, y, on)) = change(t_us, x, y, on) {
            columns.push(t_us, x, y, on);
        }
    }
    columns
}
