//! Writes a cache of more than 4 GiB, for `tests/h5py_reads_the_cache --large`: 1,100 samples of
//! 4 MiB, every value of a sample being its index.
//!
//! `cargo run -p spikegrad-datasets --example large_cache -- FOLDER`
#![allow(clippy::unwrap_used)]

use std::{ops::ControlFlow, ops::Range, path::Path};

use datasets::{
    Name,
    cache::{Dtype, Items, Key, write},
    synthetic,
};
use events::{Framing, Grid, Shape};

const SAMPLES: usize = 1_100;

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "large-cache".to_owned());
    let shape = Shape { steps: 1, height: 1_024, width: 1_024, channels: 1 };
    let make = |group: Range<usize>| {
        group.map(|index| Ok(Grid::new(shape, vec![index as f32; 1 << 20]).unwrap())).collect()
    };
    let groups: Vec<Range<usize>> = (0..SAMPLES).map(|index| index..index + 1).collect();
    let labels: Vec<u32> = (0..SAMPLES as u32).collect();
    let items = Items { labels: &labels, train: SAMPLES, groups: &groups };
    let stand_in = synthetic::recordings(Name::NMnist, 1, 1, 0);
    let framing = Framing::Number { frames: 1 };
    let key = Key::of_recordings(&stand_in, framing, None, Dtype::F32);
    let made =
        write::<f32>(Path::new(&folder), &key, items, &make, &mut |_| ControlFlow::Continue(()))
            .unwrap();
    terminal::out!("{}", made.cache.path().display()).unwrap();
}
