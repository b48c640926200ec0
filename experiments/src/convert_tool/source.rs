//! From a file of weights to an analogue network, and how images are shown to it.

use super::{Request, state_dict};
use crate::usage::Usage;
use crate::{Encoding, Run, import};
use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::{Device, Tensor};
use convert::Analogue;
use datasets::Name;
use report::json;
use std::collections::BTreeMap;
use training::{Setup, Weights};

/// An analogue network and what it was trained on.
pub struct Source {
    /// What its results are called.
    pub name: String,
    /// The network.
    pub analogue: Analogue,
    /// In the notation.
    pub network: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The data set.
    pub data: Name,
    /// Its classes, where they are not all.
    pub classes: Option<Vec<String>>,
    /// Height, width and channels of an image.
    pub shape: [usize; 3],
    /// How images are made ready.
    pub setup: Setup,
    /// Whether it sees pixels from 0 to 1.
    raw_pixels: bool,
}

impl Source {
    /// The network of a request's weights.
    ///
    /// # Errors
    /// A file that cannot be read or is no such weights, or a network that cannot be converted.
    pub fn read(request: &Request) -> Result<Source> {
        let bytes = import::read(&request.weights)?;
        if !bytes.starts_with(b"PK\x03\x04") {
            let Weights { run, tensors } = Weights::parse(&bytes)
                .map_err(|error| anyhow!("the file is damaged or no weights: {error}"))?;
            return match run {
                Some(run) => Source::ours(request, &bytes, &run),
                None => Source::state_dict(request, &bytes, tensors),
            };
        }
        let mut file = pth::File::read(&bytes)?;
        let names: Vec<(String, Vec<usize>)> =
            file.tensors().iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
        let mut tensors = BTreeMap::new();
        for (name, shape) in names {
            let values: Vec<f32> = file.values(&name)?.iter().map(|&v| v as f32).collect();
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        Source::state_dict(request, &bytes, tensors)
    }

    /// A network that is no file's.
    #[cfg(test)]
    pub fn of_parts(analogue: Analogue, data: Name, shape: [usize; 3], setup: Setup) -> Source {
        let (name, network, sha256) = Default::default();
        let (classes, raw_pixels) = (None, false);
        Source { name, analogue, network, sha256, data, classes, shape, setup, raw_pixels }
    }

    /// Weights that `train` wrote.
    fn ours(request: &Request, bytes: &[u8], made_by: &str) -> Result<Source> {
        let told = [
            ("--on", request.on.is_some()),
            ("--network", request.network.is_some()),
            ("--order", !request.order.is_empty()),
            ("--raw-pixels", request.raw_pixels),
        ];
        if let Some((flag, _)) = told.iter().find(|(_, told)| *told) {
            bail!(Usage(format!(
                "{flag} is for a state dict, but this file says itself what it is of; leave it out"
            )));
        }
        let all: serde_json::Value = json::parse(made_by)
            .map_err(|_| anyhow!("what the file says of its run cannot be read; train it again"))?;
        let run = all.get("run").cloned().unwrap_or_default();
        let mut run: Run = serde_json::from_value(run).map_err(|_| {
            anyhow!("what the file says of its run is not of this version; train it again")
        })?;
        ensure!(
            run.is_analogue(),
            "expected an analogue network, found one that was trained with neurons; train one with \
             train --analogue"
        );
        ensure!(
            matches!(run.encoding, Encoding::Direct { .. }),
            "expected a network of images that are shown as they are, found one of {}",
            run.data.title()
        );
        // the file that the training began with is no part of the network
        run.initial_weights_sha256 = None;
        let vars = run.variables(0);
        let network = run.network(&vars, &Device::Cpu)?;
        import::weights(&request.weights, &run, &network, &vars, false)?;
        let shape = run.frame();
        Ok(Source {
            name: name(request),
            analogue: Analogue::of(&run.trained(&network)).map_err(crate::run::in_one_sentence)?,
            network: run.network,
            sha256: import::sha256(bytes),
            data: run.data,
            classes: run.classes,
            shape,
            setup: run.setup,
            raw_pixels: false,
        })
    }

    /// A state dict of PyTorch's.
    fn state_dict(
        request: &Request,
        bytes: &[u8],
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Source> {
        let missing = |flag: &str, example: &str| {
            Usage(format!(
                "{flag}: expected {example}, since a state dict does not say it, found none"
            ))
        };
        let Some(data) = request.on else {
            bail!(missing("--on", "the data set that the network was trained on, such as mnist"))
        };
        let Some(notation) = &request.network else {
            bail!(missing("--network", "its layers, such as 32C3-AP2-64C3-AP2-128FC-1Voting"))
        };
        let shape = data.info().content.frame();
        let classes = data.info().classes.len();
        let analogue = state_dict::analogue(tensors, &request.order, notation, shape, classes)?;
        Ok(Source {
            name: name(request),
            analogue,
            network: notation.clone(),
            sha256: import::sha256(bytes),
            data,
            classes: None,
            shape,
            setup: Setup::PAPER,
            raw_pixels: request.raw_pixels,
        })
    }

    /// How a recording becomes an image.
    pub fn encoding(&self) -> Encoding {
        Encoding::Direct { steps: 1 }
    }

    /// Standardised images as the network sees them.
    pub fn shown(&self, images: &Tensor) -> Result<Tensor> {
        if !self.raw_pixels {
            return Ok(images.clone());
        }
        let standard = self.data.info().standard;
        let vector = |of: &dyn Fn(&(f32, f32)) -> f32| {
            Tensor::from_iter(standard.iter().map(of), &Device::Cpu)
        };
        let deviations = vector(&|(_, deviation)| deviation / 255.0)?;
        let means = vector(&|(mean, _)| mean / 255.0)?;
        let pixels = images.broadcast_mul(&deviations)?.broadcast_add(&means);
        pixels.context("cannot take the standardisation off")
    }
}

/// The name of the file of weights without its ending, in characters that every file system takes.
fn name(request: &Request) -> String {
    let stem = request.weights.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    crate::names::of_row(&stem)
}
