//! Weights from elsewhere: [`weights`] sets a network's variables to those of a file, a PyTorch
//! checkpoint (`.pth`, `.pt`) of the paper's released code or a `.safetensors` file of ours. What a
//! file is, its content tells.
//!
//! Nothing is changed unless everything fits: every variable must be there with its shape, nothing
//! else may be, every number must be finite, and what the file says of its run (ours all that
//! decides what a network computes, the released code's threshold and decay) must be the run's.

pub mod identity;
mod matched;
mod names;

use crate::Run;
use crate::conformance::Layout;
use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::{Device, Tensor};
use matched::Matched;
use models::Network;
use names::{Counterpart, Names};
use report::json::{self, Fault};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use training::{SeededVars, Weights};

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Which kind of file it was.
    pub source: Source,
    /// Variables that were set, running statistics of norms among them.
    pub variables: usize,
    /// Numbers in them.
    pub numbers: usize,
    /// What is not proven of them, for people: a file that does not say its run, or a run that is
    /// another's.
    pub unproven: Option<String>,
}

/// The kinds of files that hold weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A checkpoint that `torch.save` wrote, with the names of the paper's released code.
    Torch,
    /// Weights or a checkpoint of this program.
    Safetensors,
}

/// Threshold and decay of a checkpoint are f32, ours f64.
const ROUNDING: f64 = 1e-6;
/// So many faults stand in a sentence.
const MANY: usize = 12;
/// Bytes of a file with weights: fifty times those of the paper's largest network.
const LARGEST: u64 = 4 << 30;
/// What to do where a file's run is not the run.
const ADVICE: &str = "give the run theirs, or take them all the same with --weights-of-another-run";

/// The bytes of a file with weights, which must be a regular one: a pipe or a device has no end.
///
/// # Errors
/// If it cannot be read, or is larger than any network's.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |cause: std::io::Error| {
        anyhow!("expected a regular file, found {}", sentence::cause(&cause))
    };
    let file = datasets::open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    ensure!(
        length <= LARGEST,
        "expected a file of at most {} GiB, found {length} bytes",
        LARGEST >> 30
    );
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// SHA-256, in hex, of a file's bytes.
pub fn sha256(bytes: &[u8]) -> String {
    sentence::hex(&Sha256::digest(bytes))
}

/// Sets `vars`, the variables of `network`, to the weights in the file at `path`. `run` is what the
/// network was built from: `network` is `run.network(&vars, device)`. With `of_another_run` it does
/// not matter which run the file says its weights are of.
///
/// # Errors
/// If the file cannot be read, is damaged or of another kind, or does not fit: what the weights
/// were trained with and the run does otherwise; names that are missing, unexpected or of another
/// shape; numbers that are not finite. The variables are then as they were.
pub fn weights(
    path: &Path,
    run: &Run,
    network: &Network,
    vars: &SeededVars,
    of_another_run: bool,
) -> Result<Imported> {
    let imported = read(path).and_then(|bytes| {
        let sum = run.initial_weights_sha256.as_ref();
        ensure!(
            sum.is_none_or(|sum| *sum == sha256(&bytes)),
            "the file changed while this command ran; run it again"
        );
        match source(&bytes)? {
            Source::Torch => torch(&bytes, run, network, vars, of_another_run),
            Source::Safetensors => safetensors(&bytes, run, vars, of_another_run),
        }
    });
    imported.with_context(|| format!("cannot take weights from {}", path.display()))
}

/// What the first bytes say.
fn source(bytes: &[u8]) -> Result<Source> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Ok(Source::Torch),
        [_, _, _, _, _, _, _, _, b'{', ..] => Ok(Source::Safetensors),
        [0x80, 2..=5, ..] => bail!(
            "expected the zip archive that torch.save writes since PyTorch 1.6, found a bare pickle; load it with \
             torch.load and save it again with torch.save"
        ),
        _ => bail!("expected a file of torch.save or a .safetensors file, found neither"),
    }
}

fn torch(
    bytes: &[u8],
    run: &Run,
    network: &Network,
    vars: &SeededVars,
    of_another_run: bool,
) -> Result<Imported> {
    let names = Names::of(run, network)?;
    let mut file = pth::File::read(bytes)?;
    let mut shapes: BTreeMap<String, Vec<usize>> =
        file.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    names.counters.iter().for_each(|name| drop(shapes.remove(name)));
    let (mut others, mut told, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (name, what, ours) in &names.constants {
        let Some(shape) = shapes.remove(name) else {
            missing.push((*what, format!("{name} {ours}")));
            continue;
        };
        told.push(*what);
        let one = shape.iter().all(|&size| size == 1);
        let stored = if one { file.values(name)?.first().copied() } else { None };
        if stored.is_none_or(|stored| (stored - ours).abs() > ROUNDING || stored.is_nan()) {
            let found = stored.map_or_else(
                || format!("of shape {shape:?}"),
                |stored| format!("{}", stored as f32),
            );
            others.push(format!(
                "{name} is {found} and the run's {what} {ours}, so give the neuron that of the file or take them all the same \
                 with --weights-of-another-run"
            ));
        }
    }
    // of neurons that differ in what they tell, those that tell nothing are named
    let parts = missing.into_iter().filter(|(what, _)| told.contains(what)).map(|(_, part)| part);
    let parts = parts.collect();
    if told.contains(&"decay") {
        told.push("neuron");
    }
    let untold = identity::untold(run, &told, parts)?;
    let unproven = others.iter().filter(|_| of_another_run).cloned().chain(untold);
    let unproven: Vec<String> = unproven.collect();
    let unproven = (!unproven.is_empty()).then(|| unproven.join("; "));
    let faults = if of_another_run { Vec::new() } else { others };
    let matched = Matched::of(names.wanted, shapes, run, vars, faults)?;
    let imported = matched.set(Source::Torch, |wanted| {
        let shape = file.tensors().get(&wanted.theirs).map(|tensor| tensor.shape.clone());
        let stored = Tensor::from_vec(
            file.values(&wanted.theirs)?,
            shape.unwrap_or_default(),
            &Device::Cpu,
        )?;
        Ok(wanted.layout.ours(&stored)?)
    })?;
    Ok(Imported { unproven, ..imported })
}

fn safetensors(
    bytes: &[u8],
    run: &Run,
    vars: &SeededVars,
    of_another_run: bool,
) -> Result<Imported> {
    if let Some(twice) = twice(bytes) {
        bail!("the file is damaged: its list of tensors has {twice}; save one of them");
    }
    let Weights { run: made_by, tensors } = Weights::parse(bytes)
        .map_err(|error| anyhow!("the file is damaged or cut short: {error}; copy it again"))?;
    let other = match &made_by {
        Some(made_by) => identity::mismatch(made_by, run)?,
        None => None,
    };
    let unproven = match (other, &made_by) {
        (Some(other), _) if of_another_run => Some(other),
        (Some(other), _) => bail!("{other}; {ADVICE}"),
        (None, None) => identity::untold(run, &[], Vec::new())?,
        (None, Some(made_by)) => identity::left_out(made_by, run)?,
    };
    let shape = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.dims().to_vec());
    let shapes = tensors.iter().map(shape).collect();
    let wanted = vars.all().into_iter().map(|(name, _)| Counterpart {
        theirs: name.clone(),
        ours: name,
        layout: Layout::Vector,
    });
    let matched = Matched::of(wanted.collect(), shapes, run, vars, Vec::new())?;
    let imported = matched.set(Source::Safetensors, |wanted| {
        tensors
            .get(&wanted.theirs)
            .cloned()
            .with_context(|| format!("{} is missing", wanted.theirs))
    })?;
    Ok(Imported { unproven, ..imported })
}

/// What the list at the head of a file has twice: readers differ in which of two they take. Nothing
/// where there is no such list, which whoever reads the tensors will find.
fn twice(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let list = std::str::from_utf8(rest.get(..length)?).ok()?;
    let fault = json::prove(list).err().filter(|fault| fault.kind == Fault::Twice)?;
    Some(fault.found)
}

#[cfg(test)]
mod tests;
