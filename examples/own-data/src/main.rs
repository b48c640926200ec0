//! A data set of one's own: `cargo run --release -- DIR` here. DIR holds a folder for each class,
//! and in it grey images of 8×8 bytes, a file each. Without DIR it draws 16 of two classes, which
//! it learns in a second.

use candle_core::{DType, Device};
use events::{Grid, Shape};
use models::{Network, Spec, StatisticsOver};
use neuron::Config;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use training::{
    Compute, History, InputEncoding, Refusal, Samples, SeededVars, Set, Setup, Values, train,
};

/// What may fail here, in one sentence.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Files of grey images and their classes, from 0.
pub struct Mine {
    /// Each file and its class.
    pub files: Vec<(PathBuf, u32)>,
}

impl Samples for Mine {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.files[index].1
    }

    fn values(&self, index: usize) -> std::result::Result<Values<'_>, Refusal> {
        let pixels = std::fs::read(&self.files[index].0)?; // an error ends the run with its sentence
        let shape = Shape { steps: 1, height: 8, width: 8, channels: 1 };
        Ok(Values::Bytes(Cow::Owned(Grid::new(shape, pixels)?)))
    }
}

impl Mine {
    /// Every file of the folders in `root`, which are the classes.
    pub fn find(root: &Path) -> Result<Mine> {
        let mut files = Vec::new();
        for (class, folder) in sorted(root)?.iter().enumerate() {
            files.extend(sorted(folder)?.into_iter().map(|file| (file, class as u32)));
        }
        Ok(Mine { files })
    }

    /// Draws `n` files: class 0 is bright above, class 1 below.
    pub fn draw(root: &Path, n: usize) -> Result<()> {
        for i in 0..n {
            let pixel = |k: usize| if k / 32 == i % 2 { 255 - (k * i % 50) as u8 } else { 0 };
            let folder = root.join(["above", "below"][i % 2]);
            std::fs::create_dir_all(&folder)?;
            std::fs::write(
                folder.join(format!("{i:02}")),
                (0..64).map(pixel).collect::<Vec<u8>>(),
            )?;
        }
        Ok(())
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// Trains, and tests on what it was trained on.
pub fn train_on(mine: &Mine) -> Result<History> {
    let encoding = InputEncoding::direct(3, &[(127.5, 127.5)]); // the image at each of 3 steps
    let set = Set { samples: mine, encoding: &encoding };
    let (mut vars, device) = (SeededVars::new(0), Device::Cpu);
    let builder = vars.builder(DType::F32, &device);
    let (spec, neuron): (Spec, _) = ("4C3-MP2-5Voting".parse()?, Config::bpsa_bpta().build()?);
    let classes = mine.files.iter().map(|(_, class)| 1 + *class as usize).max().unwrap_or(1);
    let network = Network::new(&spec, [8, 8, 1], classes, neuron, StatisticsOver::Step, builder)?;
    let setup = Setup { epochs: 8, batch: 8, ramp_epochs: 0, learning_rate: 1e-2, ..Setup::PAPER };
    let compute = Compute::default();
    Ok(train(&network, &mut vars, (set, set), &setup, &compute, 0, &device, &mut ())?)
}

fn main() -> Result<()> {
    let root = match std::env::args_os().nth(1) {
        Some(root) => root.into(),
        None => {
            let drawn = std::env::temp_dir().join("own-data");
            Mine::draw(&drawn, 16)?;
            drawn
        }
    };
    for (index, epoch) in train_on(&Mine::find(&root)?)?.epochs.iter().enumerate() {
        println!("epoch {}: {:.1} % right", index + 1, epoch.test.accuracy_percent());
    }
    Ok(())
}
