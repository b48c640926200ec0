//! One recording of a stand-in, made of its arguments.

use events::{
    Events, Grid, Shape,
    camera::{Camera, Pixels},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Content, Error, Name};

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
