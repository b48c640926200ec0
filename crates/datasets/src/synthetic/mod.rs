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
pub(crate) mod pictures;
pub(crate) mod shapes;
pub(crate) mod words;

use events::{
    Events, Grid, Shape,
    camera::{Camera, Pixels},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::{
    Content, Error, Name, Origin, Recording, Recordings, Source, files, recordings::Sources,
};

/// Raised whenever the same arguments give another recording; part of the manifest.
const VERSION: u32 = 3;

/// How a stand-in is made of a label and random numbers.
pub(crate) enum Generator {
    /// A scene in front of a simulated camera.
    Scene {
        /// The camera.
        camera: fn() -> Camera,
        /// Shows the scene to its pixels.
        show: fn(u32, &mut ChaCha8Rng, &mut Pixels),
    },
    /// The values of an image, channels last.
    Picture(fn(u32, &mut ChaCha8Rng) -> Vec<u8>),
    /// The samples of a sound.
    Sound(fn(u32, &mut ChaCha8Rng) -> Vec<i16>),
}

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
        test: half(test, true),
        manifest_sha256: files::hex(&Sha256::digest(&arguments)),
        split: arguments,
        notes: Vec::new(),
        sources: Sources::default(),
    }
}

/// The arguments of one recording.
#[derive(Clone, Copy)]
pub(crate) struct Make {
    pub name: Name,
    pub label: u32,
    pub seed: u64,
    pub test: bool,
    pub index: u32,
}

impl Make {
    /// One stream of random numbers for each recording: none depends on how many others were made.
    fn rng(self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(
            (self.name as u64) << 33 | u64::from(self.test) << 32 | u64::from(self.index),
        );
        rng
    }

    pub fn events(self) -> Result<Events, Error> {
        let Self { name, label, seed, index, .. } = self;
        let (Some(sensor), Generator::Scene { camera, show }) =
            (name.info().content.sensor(), &name.set().stand_in)
        else {
            return Err(self.holds_no("events"));
        };
        let mut rng = self.rng();
        // the seed of the set, not of the recording: one camera records them all
        let mut pixels = camera().pixels(sensor, seed);
        show(label, &mut rng, &mut pixels);
        pixels.finish(&mut rng).map_err(|source| Error::Synthetic { index, source })
    }

    pub fn image(self) -> Result<Grid<u8>, Error> {
        let Self { name, label, index, .. } = self;
        let (Content::Images { height, width, channels }, Generator::Picture(draw)) =
            (name.info().content, &name.set().stand_in)
        else {
            return Err(self.holds_no("images"));
        };
        let shape = Shape { steps: 1, height, width, channels };
        Grid::new(shape, draw(label, &mut self.rng()))
            .map_err(|source| Error::Synthetic { index, source })
    }

    pub fn waveform(self) -> Result<Vec<i16>, Error> {
        match &self.name.set().stand_in {
            Generator::Sound(speak) => Ok(speak(self.label, &mut self.rng())),
            Generator::Scene { .. } | Generator::Picture(_) => Err(self.holds_no("sounds")),
        }
    }

    fn holds_no(self, wanted: &'static str) -> Error {
        Error::Content { name: self.name, wanted, holds: self.name.info().content.noun() }
    }
}

#[cfg(test)]
mod tests;
