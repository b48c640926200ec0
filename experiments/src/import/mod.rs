//! Weights from elsewhere: [`weights`] sets a network's variables to those of a file, a PyTorch
//! checkpoint (`.pth`, `.pt`) of the paper's released code or a `.safetensors` file of ours. What a
//! file is, its content tells.
//!
//! Nothing is changed unless everything fits: every variable must be there with its shape, nothing
//! else may be, and the threshold and decay that the released code stores with its neurons must be
//! those of the run.

mod names;
mod pth;

use crate::Run;
use crate::conformance::Layout;
use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor, Var};
use models::Network;
use names::{Names, Wanted};
use pth::Checkpoint;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use training::SeededVars;

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Which kind of file it was.
    pub source: Source,
    /// Variables that were set, running statistics of norms among them.
    pub variables: usize,
    /// Numbers in them.
    pub numbers: usize,
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
/// So many names stand in a message that gives examples.
const MANY: usize = 8;
/// What a checkpoint of ours holds beside the variables: the optimiser's moments, and the epoch's
/// start.
const BESIDE: [&str; 2] = ["adamw.", "epoch-start."];

/// Sets `vars`, the variables of `network`, to the weights in the file at `path`. `run` is what the
/// network was built from: `network` is `run.network(&vars, device)`.
///
/// # Errors
/// If the file cannot be read or is of another kind, or does not fit: every name that is missing,
/// unexpected or of another shape, and every neuron with another threshold or decay, is told, one
/// clause each. The variables are then as they were.
pub fn weights(path: &Path, run: &Run, network: &Network, vars: &SeededVars) -> Result<Imported> {
    let imported = match source(path) {
        Ok(Source::Torch) => torch(path, run, network, vars),
        Ok(Source::Safetensors) => safetensors(path, run, vars),
        Err(error) => Err(error),
    };
    imported.with_context(|| format!("cannot take weights from {}", path.display()))
}

/// What the first bytes say.
fn source(path: &Path) -> Result<Source> {
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    match start[..] {
        [b'P', b'K', 3, 4, ..] => Ok(Source::Torch),
        [_, _, _, _, _, _, _, _, b'{'] => Ok(Source::Safetensors),
        [0x80, 2..=5, ..] => bail!(
            "expected the zip archive that torch.save writes since PyTorch 1.6, found a bare pickle; load it with \
             torch.load and save it again with torch.save"
        ),
        _ => bail!("expected a file of torch.save or a .safetensors file, found neither"),
    }
}

fn torch(path: &Path, run: &Run, network: &Network, vars: &SeededVars) -> Result<Imported> {
    let names = Names::of(run, network)?;
    let mut checkpoint = Checkpoint::open(path)?;
    let mut shapes = checkpoint.shapes();
    names.counters.iter().for_each(|name| drop(shapes.remove(name)));
    let mut faults = Vec::new();
    for (name, what, ours) in &names.constants {
        let Some(shape) = shapes.remove(name) else { continue };
        let one = shape.iter().all(|&size| size == 1);
        let stored = if one {
            Some(checkpoint.tensor(name)?.flatten_all()?.get(0)?.to_scalar::<f64>()?)
        } else {
            None
        };
        if stored.is_none_or(|stored| (stored - ours).abs() > ROUNDING) {
            let found = stored.map_or_else(
                || format!("of shape {shape:?}"),
                |stored| format!("{}", stored as f32),
            );
            faults.push(format!(
                "{name} is {found} and the run's {what} {ours}, so give the neuron that of the file"
            ));
        }
    }
    let matched = Matched::of(names.wanted, shapes, run, vars, faults)?;
    matched.set(Source::Torch, |wanted| {
        let stored = checkpoint.tensor(&wanted.theirs)?;
        Ok(wanted.layout.ours(&stored)?)
    })
}

fn safetensors(path: &Path, run: &Run, vars: &SeededVars) -> Result<Imported> {
    let bytes = std::fs::read(path)?;
    let tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(crate::run::in_one_sentence)
            .context("the file is damaged or cut short")?;
    let ours = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.dims().to_vec());
    let mut shapes: BTreeMap<String, Vec<usize>> = tensors.iter().map(ours).collect();
    shapes.retain(|name, _| !BESIDE.iter().any(|prefix| name.starts_with(prefix)));
    let wanted = vars.all().into_iter().map(|(name, _)| Wanted {
        theirs: name.clone(),
        ours: name,
        layout: Layout::Vector,
    });
    let matched = Matched::of(wanted.collect(), shapes, run, vars, Vec::new())?;
    matched.set(Source::Safetensors, |wanted| {
        tensors
            .get(&wanted.theirs)
            .cloned()
            .with_context(|| format!("{} is missing", wanted.theirs))
    })
}

/// Variables that the file has all of.
struct Matched(Vec<(Wanted, Var)>);

impl Matched {
    /// # Errors
    /// Everything that does not fit, and `faults`.
    fn of(
        wanted: Vec<Wanted>,
        mut found: BTreeMap<String, Vec<usize>>,
        run: &Run,
        vars: &SeededVars,
        mut faults: Vec<String>,
    ) -> Result<Matched> {
        let mut matched = Vec::new();
        for w in wanted {
            let var = vars
                .get(&w.ours)
                .with_context(|| format!("the variables given are not those of {}", run.network))?;
            let expected = w.layout.golden(var.as_tensor())?.dims().to_vec();
            match found.remove(&w.theirs) {
                None if w.theirs == w.ours => faults.push(format!("{} is missing", w.ours)),
                None => faults.push(format!("{} ({} here) is missing", w.theirs, w.ours)),
                Some(shape) if shape != expected => {
                    faults.push(format!("{} has shape {shape:?}, expected {expected:?}", w.theirs));
                }
                Some(_) => matched.push((w, var)),
            }
        }
        faults.extend(found.into_keys().map(|name| format!("{name} has no place here")));
        ensure!(
            faults.is_empty(),
            "it does not fit the network {}: {}",
            run.network,
            faults.join("; ")
        );
        Ok(Matched(matched))
    }

    /// Reads all, and then sets all.
    fn set(
        self,
        source: Source,
        mut read: impl FnMut(&Wanted) -> Result<Tensor>,
    ) -> Result<Imported> {
        let read = |(wanted, var): (Wanted, Var)| -> Result<(Var, Tensor)> {
            let tensor = read(&wanted)?.to_dtype(var.dtype())?.to_device(var.device())?;
            Ok((var, tensor))
        };
        let all: Vec<(Var, Tensor)> = self.0.into_iter().map(read).collect::<Result<_>>()?;
        for (var, tensor) in &all {
            var.set(tensor)?;
        }
        let numbers = all.iter().map(|(var, _)| var.elem_count()).sum();
        Ok(Imported { source, variables: all.len(), numbers })
    }
}

/// `the keys a, b`, or `nothing`.
fn counted<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "nothing".into() } else { format!("{what} {}", names.join(", ")) }
}

#[cfg(test)]
mod tests;
