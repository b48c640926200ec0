//! A network that has seen simulated digits only, tested on real recordings.

use super::{Model, RealData};
use crate::compute::ComputeTarget;
use crate::preset::{self, Overrides};
use crate::receipt::{self, Clock, Label};
use crate::systems::BPSA_BPTA;
use crate::{Encoding, Profile, Run, data, machine, progress};
use anyhow::{Context, Result, bail};
use candle_core::Device;
use datasets::{Name, synthetic::idx};
use rayon::prelude::*;
use report::{DataIdentity, Record};
use sha2::{Digest, Sha256};
use training::Example;

/// Seed of the simulated camera and its noise.
const SEED: u64 = 0;

/// Trains table 2's short-profile network for N-MNIST (the paper's method) on the first `digits`
/// images of MNIST's train half, simulated, and tests it on the real test recordings, which show
/// images of MNIST's other half.
///
/// # Errors
/// If data are missing or broken, or training stops.
pub fn run(
    reality: &RealData,
    digits: usize,
    epochs: Option<usize>,
    seed: u64,
    device: &Device,
) -> Result<Record> {
    let overrides = Overrides { epochs, ..Overrides::default() };
    let run = preset::run(Name::NMnist, &BPSA_BPTA, Profile::Short, &overrides)?;
    let simulated = simulated(reality, &run, digits)?;
    // the real train half is left out before anything is loaded
    let mut recordings = reality.recordings.clone();
    recordings.train.clear();
    let sets = data::load(&recordings, run.encoding, None)?.with_train(simulated);

    let profile = preset::profile_name(Profile::Short, &overrides);
    let label = Label {
        experiment: "simulator".into(),
        row: format!("n-mnist-simulated-{digits}-{profile}"),
        title: format!("N-MNIST, trained on {digits} simulated digits, tested on real recordings"),
        profile,
    };
    let mut watch =
        progress::RunProgress::new(label.title.clone(), run.setup.epochs, run.setup.batch);
    let clock = Clock::start();
    let place = ComputeTarget {
        compute: training::Compute::default(),
        device: device.clone(),
        name: device::name(device),
    };
    let history = run.train(&sets, &place.compute, seed, device, &mut watch)?;
    let identity = identity(reality, digits)?;
    let mut record = receipt::record(
        &label,
        &run,
        identity,
        seed,
        &history,
        &clock,
        &machine::program_sha256()?,
    )?;
    record.compute = crate::compute::said(
        &place,
        &run.network(&training::SeededVars::new(seed), device)?,
        &watch.layers,
    );
    Ok(record)
}

/// The first `digits` images of MNIST's train half as the simulated camera sees them.
fn simulated(reality: &RealData, run: &Run, digits: usize) -> Result<Vec<Example>> {
    let Encoding::Events(framing) = run.encoding else {
        bail!("the run of N-MNIST has no framing of events")
    };
    let images = idx::images(&reality.file("train-images-idx3-ubyte")?, digits)?;
    let labels = idx::labels(&reality.file("train-labels-idx1-ubyte")?, digits)?;
    let model = Model::default();
    let example = |index: usize| -> Result<Example> {
        let events = model.record(&images[index], SEED, index as u64)?;
        Ok(Example { frames: framing.frames(&events)?, label: labels[index].into() })
    };
    let all: Result<_> = (0..images.len().min(labels.len())).into_par_iter().map(example).collect();
    all.context("cannot simulate the training set")
}

/// What the network learns from and is tested on, with the digest of MNIST's files in it.
fn identity(reality: &RealData, digits: usize) -> Result<DataIdentity> {
    let mut identity = receipt::identity(&reality.recordings);
    let constants = serde_json::to_string(&Model::default())?;
    // no result on N-MNIST: what the network learned from is synthetic
    identity.origin = report::Origin::Synthetic;
    identity.split = format!(
        "train: the first {digits} images of MNIST's train half, simulated with seed {SEED} and the constants {constants}; \
         test: real recordings, {} of N-MNIST's test half",
        reality.recordings.test.len()
    );
    identity.train = digits as u64;
    let files =
        [reality.file("train-images-idx3-ubyte")?, reality.file("train-labels-idx1-ubyte")?];
    let mut hasher =
        Sha256::new_with_prefix(format!("{}\n{}\n", identity.manifest_sha256, identity.split));
    for file in &files {
        hasher.update(
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
        );
    }
    identity.manifest_sha256 = sentence::hex(&hasher.finalize());
    Ok(identity)
}
