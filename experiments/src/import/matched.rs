//! Variables beside the tensors of a file: all fit, or nothing is set.

use super::names::Counterpart;
use super::{Imported, MANY, Source};
use crate::Run;
use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor, Var};
use sentence::shown;
use std::collections::BTreeMap;
use training::{SeededVars, unsound};

/// Variables that the file has all of.
pub struct Matched(Vec<(Counterpart, Var)>);

impl Matched {
    /// # Errors
    /// Everything that does not fit, and `faults`.
    pub fn of(
        wanted: Vec<Counterpart>,
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
        faults.extend(found.into_keys().map(|name| format!("{} has no place here", shown(&name))));
        ensure!(
            faults.is_empty(),
            "it does not fit the network {}: {}",
            run.network,
            told(&faults)
        );
        Ok(Matched(matched))
    }

    /// Reads all, and then sets all.
    ///
    /// # Errors
    /// A tensor that cannot be read, or whose values are no weights.
    pub fn set(
        self,
        source: Source,
        mut read: impl FnMut(&Counterpart) -> Result<Tensor>,
    ) -> Result<Imported> {
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        for (wanted, var) in self.0 {
            let tensor = read(&wanted)?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            if let Some(fault) = unsound(&wanted.ours, &values) {
                faults.push(format!("{} {fault}", wanted.theirs));
            }
            all.push((tensor.to_dtype(var.dtype())?.to_device(var.device())?, var));
        }
        ensure!(
            faults.is_empty(),
            "{}; take weights of a training that did not diverge",
            told(&faults)
        );
        for (tensor, var) in &all {
            var.set(tensor)?;
        }
        let numbers = all.iter().map(|(_, var)| var.elem_count()).sum();
        Ok(Imported { source, variables: all.len(), numbers, unproven: None })
    }
}

/// Faults one after the other, not too many.
fn told(faults: &[String]) -> String {
    let mut told = faults[..faults.len().min(MANY)].join("; ");
    if faults.len() > MANY {
        told += &format!("; and {} more", faults.len() - MANY);
    }
    told
}
