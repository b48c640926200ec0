//! The camera simulator held to real recordings: the N-MNIST recordings found are simulated from
//! the very MNIST digits that they show, and compared pair by pair.

pub mod lay_out;
pub mod measure;
pub mod training;
mod tune;

pub use tune::search;

use crate::data;
use anyhow::{Context, Result, anyhow, bail};
use datasets::{Name, Origin, Recording, Recordings, Source, synthetic::idx};
use events::Events;
use events::camera::{Camera, Saccades};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// An image of 28×28 bytes.
pub type Image = [u8; idx::PIXELS];

/// What is simulated: pixels and scene.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The pixels.
    pub camera: Camera,
    /// The scene.
    pub saccades: Saccades,
}

impl Model {
    /// The recording of `image`: a function of the constants, `seed` (camera and noise) and `index`
    /// alone.
    ///
    /// # Errors
    /// None that an image can cause.
    pub fn record(&self, image: &Image, seed: u64, index: u64) -> Result<Events, events::Error> {
        let mut pixels = self.camera.pixels(Saccades::SENSOR, seed);
        self.saccades.show(image, &mut pixels);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // stream 0 gave the camera's thresholds
        rng.set_stream(index + 1);
        pixels.finish(&mut rng)
    }

    /// The recordings of images, the first with index 0.
    ///
    /// # Errors
    /// As [`Model::record`].
    pub fn record_all(&self, images: &[Image], seed: u64) -> Result<Vec<Events>> {
        let record = |(index, image)| Ok(self.record(image, seed, index as u64)?);
        images.par_iter().enumerate().map(record).collect()
    }
}

/// Real recordings and the images that they show.
pub struct Pairs {
    /// Recordings in the order of their numbers.
    pub real: Vec<Events>,
    /// Their images.
    pub images: Vec<Image>,
}

impl Pairs {
    /// Every `n`-th pair, from the first on.
    pub fn every(self, n: usize) -> Self {
        let n = n.max(1);
        Self {
            real: self.real.into_iter().step_by(n).collect(),
            images: self.images.into_iter().step_by(n).collect(),
        }
    }
}

/// The data of a check: N-MNIST, and MNIST's files below the same root.
pub struct RealData {
    /// N-MNIST as found.
    pub recordings: Recordings,
    root: PathBuf,
}

impl RealData {
    /// Finds it below `--data`, SPIKEGRAD_DATA or `data/`.
    ///
    /// # Errors
    /// If there is no data root, or no N-MNIST below it.
    pub fn find(flag: Option<PathBuf>) -> Result<Self> {
        let root = data::root(flag)?
            .context("the check needs real recordings; name the folder that holds the data sets with --data DIR")?;
        let chosen = data::choose(Name::NMnist, Some(&root), None, true, None)?;
        match chosen.map(|chosen| chosen.recordings) {
            Some(recordings) if recordings.origin != Origin::Synthetic => {
                Ok(Self { recordings, root })
            }
            Some(_) => bail!(
                "the N-MNIST below {} is simulated; the check needs real recordings",
                root.display()
            ),
            None => {
                bail!("the check needs real recordings; lay out N-MNIST below {}", root.display())
            }
        }
    }

    /// The recordings of the train half and their images.
    ///
    /// # Errors
    /// If a file cannot be read or decoded, or there is no image of a recording's number.
    pub fn train(&self) -> Result<Pairs> {
        pairs(&self.recordings.train, &self.file("train-images-idx3-ubyte")?)
    }

    /// The recordings of the test half and their images.
    ///
    /// # Errors
    /// As [`RealData::train`].
    pub fn test(&self) -> Result<Pairs> {
        pairs(&self.recordings.test, &self.file("t10k-images-idx3-ubyte")?)
    }

    /// A file of MNIST, packed or not.
    ///
    /// # Errors
    /// If it is not there.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        let folders =
            ["mnist", "MNIST", "mnist/raw", "MNIST/raw"].map(|folder| self.root.join(folder));
        let mut paths = folders
            .iter()
            .flat_map(|folder| ["", ".gz"].map(|end| folder.join(format!("{name}{end}"))));
        paths.find(|path| path.is_file()).ok_or_else(|| {
            anyhow!(
                "expected {name}.gz in {}, found no such file; fetch MNIST there",
                folders[0].display()
            )
        })
    }
}

/// The recordings in the order of their numbers: N-MNIST's file `00001.bin` shows image 0.
fn pairs(recordings: &[Recording], images: &Path) -> Result<Pairs> {
    let mut numbered = Vec::new();
    for recording in recordings {
        numbered.push((number(recording)?, recording));
    }
    numbered.sort_by_key(|(number, _)| *number);
    let most = numbered.last().map_or(0, |(number, _)| *number);
    let images = idx::images(images, most)?;
    let real: Result<_, datasets::Error> =
        numbered.par_iter().map(|(_, recording)| recording.events()).collect();
    Ok(Pairs {
        real: real?,
        images: numbered.iter().map(|(number, _)| images[number - 1]).collect(),
    })
}

fn number(recording: &Recording) -> Result<usize> {
    let Source::File(path) = &recording.source else {
        bail!("expected recordings in files, found {:?}", recording.source)
    };
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    let number =
        stem.and_then(|stem| stem.parse().ok()).filter(|number| (1..=70_000).contains(number));
    number.ok_or_else(|| {
        anyhow!(
            "{}: expected a name such as 00001.bin, 1 more than the image's index; lay N-MNIST out as published",
            path.display()
        )
    })
}
