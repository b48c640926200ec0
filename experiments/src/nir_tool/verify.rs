use super::trained::Trained;
use crate::data;
use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::{DType, Device, Tensor};
use models::{Mode, Network, Observer};
use std::path::PathBuf;

/// Flags of `nir verify`.
#[derive(clap::Args)]
pub struct Flags {
    /// The weights that the file was made of
    #[arg(value_name = "WEIGHTS.safetensors")]
    weights: PathBuf,
    /// The NIR file
    #[arg(value_name = "NETWORK.nir")]
    file: PathBuf,
    /// Folder of data sets [default: $SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many test recordings are shown to both
    #[arg(long, value_name = "N", default_value_t = 100)]
    recordings: usize,
    /// Also write the frames `[N, T, C, H, W]` that were shown, each layer's spikes and the votes,
    /// for other simulators to be compared with
    #[arg(long, value_name = "FILE.safetensors")]
    spikes: Option<PathBuf>,
}

/// Shows test recordings to the trained network and to the one that the file describes, and counts
/// the spikes that differ, layer by layer.
///
/// # Errors
/// As the other commands; and if any spike differs.
pub fn run(flags: &Flags) -> Result<()> {
    let trained = Trained::read(&flags.weights)?;
    let shown = shown(flags, &trained)?;
    let ours = Spikes::of(&trained.network, &shown)?;
    if let Some(path) = &flags.spikes {
        let bytes = ours.file(&shown)?;
        report::write_bytes(path, &bytes)?;
    }
    let read = || -> Result<nir::Imported, nir::Error> {
        nir::network(&nir::Graph::read(&flags.file)?, nir::DT)
    };
    let imported = read()
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("cannot read {}", flags.file.display()))?;
    ensure!(
        imported.sample == trained.run.frame(),
        "{}: expected a network for frames {:?}, found {:?}",
        flags.file.display(),
        trained.run.frame(),
        imported.sample
    );
    let theirs = Spikes::of(&imported.network, &shown)?;
    ensure!(
        ours.layers.len() == theirs.layers.len(),
        "{}: expected {} layers of neurons, found {}",
        flags.file.display(),
        ours.layers.len(),
        theirs.layers.len()
    );
    let mut different = 0;
    for ((layer, a), (_, b)) in ours.layers.iter().zip(&theirs.layers) {
        ensure!(a.len() == b.len(), "{layer}: the file has another number of neurons");
        let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
        let fired = a.iter().filter(|&&spike| spike > 0).count();
        terminal::out!("{layer}: {differ} of {} differ, {fired} spikes", a.len())?;
        different += differ;
    }
    let n = shown.len();
    match different {
        0 => Ok(terminal::out!("0 spikes differ on {}", sentence::counted(n, "recording"))?),
        some => bail!("{} differ on {n} recordings", sentence::counted(some, "spike")),
    }
}

/// The frames of the first test recordings, each `[T, 1, H, W, C]`.
fn shown(flags: &Flags, trained: &Trained) -> Result<Vec<Tensor>> {
    let Trained { run, .. } = trained;
    let root = data::root(flags.data.clone())?;
    let chosen = data::choose(run.data, root.as_deref(), None, true, None)?;
    let mut chosen = chosen.with_context(|| format!("{} is not here", run.data.title()))?;
    data::only(&mut chosen, run.classes.as_deref().unwrap_or_default())?;
    data::take(&mut chosen, Some(0), Some(flags.recordings));
    let sets = data::load(&chosen.recordings, run.encoding, None)?;
    let set = sets.test();
    ensure!(!set.samples.is_empty(), "{}: there is no test recording", run.data.title());
    let frames = |i: usize| Ok(set.frames(&[i], &run.setup, &Device::Cpu)?.0);
    (0..set.samples.len()).map(frames).collect()
}

/// What a network did: each layer's spikes, in the order of the layers, and its votes.
#[derive(Default)]
struct Spikes {
    layers: Vec<(String, Vec<u8>)>,
    /// `[T, …, C]` of a recording, per layer.
    shapes: Vec<Vec<usize>>,
    votes: Vec<f32>,
    /// Layers seen of the recording under way.
    seen: usize,
}

impl Spikes {
    fn of(network: &Network, shown: &[Tensor]) -> Result<Spikes> {
        let mut all = Spikes::default();
        for frames in shown {
            all.seen = 0;
            let votes = network.votes(frames, Mode::Eval, &mut all)?;
            all.votes.extend(votes.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(all)
    }

    /// All of it for other simulators, channels first.
    fn file(&self, shown: &[Tensor]) -> Result<Vec<u8>> {
        let n = shown.len();
        let frames =
            shown.iter().map(|frames| frames.squeeze(1)?.permute((0, 3, 1, 2))?.contiguous());
        let frames = frames.collect::<candle_core::Result<Vec<_>>>()?;
        let mut tensors = vec![("frames".to_owned(), Tensor::stack(&frames, 0)?)];
        for ((layer, spikes), shape) in self.layers.iter().zip(&self.shapes) {
            let shape: Vec<usize> = [n].iter().chain(shape).copied().collect();
            let mut spikes = Tensor::from_vec(spikes.clone(), shape, &Device::Cpu)?;
            if spikes.rank() == 5 {
                spikes = spikes.permute((0, 1, 4, 2, 3))?.contiguous()?;
            }
            tensors.push((format!("spikes.{layer}"), spikes));
        }
        let steps = shown.first().map_or(Ok(0), |frames| frames.dim(0))?;
        let shape = (n, steps, self.votes.len() / (n * steps).max(1));
        tensors.push(("votes".into(), Tensor::from_slice(&self.votes, shape, &Device::Cpu)?));
        super::safetensors(&tensors)
    }
}

impl Observer for Spikes {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        let values = spikes.detach().to_dtype(DType::U8)?.flatten_all()?.to_vec1::<u8>()?;
        let at = self.seen;
        self.seen += 1;
        match self.layers.get_mut(at) {
            Some((_, all)) => all.extend(values),
            None => {
                let mut shape = spikes.dims().to_vec();
                shape.remove(1);
                self.shapes.push(shape);
                self.layers.push((layer.into(), values));
            }
        }
        Ok(())
    }
}
