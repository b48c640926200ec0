//! The command `convert`: weights → analogue network → a spiking network by each rule → what it
//! does with each test image, one at a time → a network file, numbers, a curve.

mod outcome;
mod rule;
mod run_images;
mod source;
mod state_dict;

pub use rule::Rule;

use crate::{data, outputs, publish, receipt, stop};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor};
use convert::Analogue;
use datasets::Name;
use outcome::Outcome;
use report::write_bytes;
use run_images::Images;
use source::Source;
use std::path::PathBuf;
use training::Set;

/// What was asked for.
pub struct Request {
    /// The file of weights.
    pub weights: PathBuf,
    /// By which rules.
    pub rules: Vec<Rule>,
    /// Time steps of each image.
    pub steps: usize,
    /// Test images; all where nothing is said.
    pub images: Option<usize>,
    /// Training images that scales are taken from.
    pub samples: usize,
    /// Of a state dict the data set.
    pub on: Option<Name>,
    /// Of a state dict the network.
    pub network: Option<String>,
    /// Of a state dict its modules in order.
    pub order: Vec<String>,
    /// Of a state dict whether pixels are from 0 to 1.
    pub raw_pixels: bool,
    /// Of activations, for ContinueSNN and soft LIF.
    pub percentile: f64,
    /// p of RNL.
    pub rate_scale: f64,
    /// Steps in which Spike-Norm balances.
    pub balance_steps: usize,
    /// Of the spikes of Spike-Norm's input.
    pub seed: u64,
    /// Root of the data sets.
    pub data: Option<PathBuf>,
    /// Folder of results.
    pub results: PathBuf,
    /// Whether what an interrupted command left is not taken up.
    pub force: bool,
}

/// Images of a batch of the analogue network.
const BATCH: usize = 50;

/// Converts and runs.
///
/// # Errors
/// Weights, data or a network that cannot be had, files that cannot be written, a signal.
pub fn run(request: &Request) -> Result<()> {
    stop::listen()?;
    let source = Source::read(request)
        .with_context(|| format!("cannot convert {}", request.weights.display()))?;
    let folder = request.results.join("convert");
    outputs::try_folder(&folder, "--results", true)?;
    let root = data::root(request.data.clone())?;
    let chosen = data::choose(source.data, root.as_deref(), None, true, None)?;
    let mut chosen = chosen.with_context(|| format!("{} is not here", source.data.title()))?;
    if let Some(classes) = &source.classes {
        data::only(&mut chosen, classes)?;
    }
    data::take(&mut chosen, Some(request.samples), request.images);
    chosen.say();
    let sets = data::load(&chosen.recordings, source.encoding(), None)?;
    let (train, test) = (sets.train(), sets.test());
    let samples = batches(train, &source)?;
    let mut outcomes = Vec::new();
    let percent = analogue_percent(&source.analogue, test, &source)?;
    terminal::say!("the analogue network: {percent:.2} % of {} images", test.samples.len());
    for &rule in &request.rules {
        let (network, about) = rule.convert(request, &source, &samples)?;
        let name = format!("{}-{}", source.name, rule.id());
        let bytes = network.to_bytes(about.clone())?;
        write_bytes(&folder.join(format!("{name}.safetensors")), &bytes)?;
        let images = Images {
            network: &network,
            set: test,
            source: &source,
            steps: request.steps,
            spikes: rule.draws(&samples)?.map(|encoding| (encoding, request.seed)),
        };
        let state = folder.join(format!("{name}.state.json"));
        let ran = images.run(&format!("{name} T={}", request.steps), &state, request.force)?;
        let outcome = Outcome::new(rule, request, &source, &chosen.says, percent, about, ran);
        outcome.write(&folder, &name)?;
        publish::print(&outcome.said())?;
        outcomes.push(outcome);
        // what it was kept for is in its results
        let _ = std::fs::remove_file(&state);
    }
    let origin = receipt::identity(&chosen.recordings).origin;
    outcome::draw(&outcomes, &folder, &source.name, origin)
}

/// All samples of a set as batches `[B, H, W, C]`.
fn batches(set: Set<'_>, source: &Source) -> Result<Vec<Tensor>> {
    let all: Vec<usize> = (0..set.samples.len()).collect();
    let batches = all.chunks(BATCH).map(|indices| Ok(frames(set, indices, source)?.0));
    batches.collect()
}

/// Some samples `[B, H, W, C]` and their classes.
fn frames(set: Set<'_>, indices: &[usize], source: &Source) -> Result<(Tensor, Vec<u32>)> {
    let (frames, labels) = set.frames(indices, &source.setup, &Device::Cpu)?;
    if frames.dim(0)? != 1 {
        bail!("expected samples of one frame, found {}; conversion takes images", frames.dim(0)?);
    }
    let frames = frames.squeeze(0)?.to_dtype(DType::F32)?;
    // a state dict may be of pixels from 0 to 1
    Ok((source.shown(&frames)?, labels))
}

/// Accuracy of the analogue network in percent.
fn analogue_percent(analogue: &Analogue, set: Set<'_>, source: &Source) -> Result<f64> {
    let all: Vec<usize> = (0..set.samples.len()).collect();
    let mut correct = 0;
    for indices in all.chunks(BATCH) {
        let (x, labels) = frames(set, indices, source)?;
        let scores = analogue.forward(&x, &mut |_, _| Ok(()))?;
        let said: Vec<u32> = scores.argmax(1)?.to_vec1()?;
        correct += said.iter().zip(&labels).filter(|(said, label)| said == label).count();
    }
    Ok(100.0 * correct as f64 / all.len().max(1) as f64)
}
