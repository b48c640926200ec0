//! Stand-ins for the data sets: index → label and random numbers → what a recording holds.
//!
//! Events: a scene of a drawn digit, a drawn shape or a pair of arms in motion stands before the
//! simulated [`Camera`]. Images: the drawn digits themselves (MNIST); bright shapes in colours and
//! noise, one shape a class (CIFAR-10) or each of them in ten hues (CIFAR-100). Sounds (Speech
//! Commands): two tones that glide, in noise; a class is the pair of pitches from and to which.
//!
//! They have the size, the classes and, of events, roughly the rate of the real recordings, so that
//! every program runs without data, and they are learnable; an accuracy on them says nothing about
//! the data set. Each recording is a function of seed, split and index alone.

pub(crate) mod digits;
mod exact;
pub(crate) mod gestures;
mod glyphs;
pub mod idx;
mod make;
pub(crate) mod pictures;
pub(crate) mod shapes;
pub(crate) mod words;

use events::camera::Camera;
use sha2::{Digest, Sha256};

use crate::{Name, Origin, Recording, Recordings, Source, files};

pub(crate) use make::{Generator, Make};

/// Raised whenever the same arguments give another recording; part of the manifest.
const VERSION: u32 = 3;

/// The camera before gestures and shapes, all chosen: thresholds below v2e's default of 0.2 for the
/// event counts of real gesture recordings, v2e's mismatch, and a quieter camera than the default,
/// whose noise would fill a sensor of this size.
pub(crate) fn dvs() -> Camera {
    Camera {
        threshold_on: 0.15,
        threshold_off: 0.15,
        mismatch: 0.15,
        refractory_us: 500,
        noise_on_hz: 0.1,
        noise_off_hz: 0.01,
    }
}

/// `train` and `test` stand-ins for recordings of `name`; labels run through the classes in turn.
/// What they hold is made when asked for.
pub fn recordings(name: Name, train: usize, test: usize, seed: u64) -> Recordings {
    let classes = name.info().classes.len() as u32;
    let half = |count: usize, test: bool| {
        let recording = |index: u32| Recording {
            name,
            label: index % classes,
            source: Source::Synthetic { seed, test, index },
        };
        (0..count as u32).map(recording).collect()
    };
    let arguments = format!("synthetic v{VERSION} {name} train {train} test {test} seed {seed}");
    Recordings {
        name,
        origin: Origin::Synthetic,
        train: half(train, false),
        validation: Vec::new(),
        held_out: Vec::new(),
        test: half(test, true),
        manifest_sha256: files::hex(&Sha256::digest(&arguments)),
        split: arguments,
        fold: None,
        notes: Vec::new(),
        sources: Box::default(),
    }
}

#[cfg(test)]
mod tests;
