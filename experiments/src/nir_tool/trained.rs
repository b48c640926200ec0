//! A trained network out of the file of its weights, which says its run.

use crate::{Run, import};
use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use models::Network;
use nir::Membrane;
use std::path::Path;
use training::{SeededVars, Weights};

/// A network with its trained weights, and the run that it is of.
pub struct Trained {
    pub run: Run,
    pub network: Network,
}

impl Trained {
    /// Reads weights of this program, or a checkpoint of it.
    pub fn read(path: &Path) -> Result<Trained> {
        let run = run(path).with_context(|| format!("cannot take {}", path.display()))?;
        let vars = SeededVars::new(0);
        let network = run.network(&vars, &Device::Cpu)?;
        import::weights(path, &run, &network, &vars, false)?;
        let network = run.trained(&network);
        Ok(Trained { run, network })
    }

    /// The neurons of a layer in NIR's words.
    pub fn membrane(&self, layer: &str) -> Result<Membrane, nir::Error> {
        // the stages with neurons of their own that no run describes
        if layer.starts_with("AN") {
            return Ok(Membrane::POOL);
        }
        let unsaid = |why: String| nir::Error::Unsaid { what: format!("{layer}'s neurons"), why };
        let config = self.run.neuron_of(layer).map_err(|error| unsaid(error.to_string()))?;
        let all = self.network.neurons();
        let of_layer = all.iter().find(|(name, _)| *name == layer);
        let readings = of_layer.map(|(_, neuron)| neuron.readings()).transpose()?;
        Membrane::of(layer, &config, &readings.unwrap_or_default())
    }
}

fn run(path: &Path) -> Result<Run> {
    let bytes = import::read(path)?;
    let weights = Weights::parse(&bytes).map_err(|error| {
        anyhow!(
            "expected weights of this program (.safetensors), found a file that is none: {error}"
        )
    })?;
    let Some(said) = weights.run else {
        bail!(
            "the file does not say which run its weights are of; take weights that this program \
             wrote"
        );
    };
    Run::of_weights(&said)
}

impl Run {
    /// The run that weights are of, as their file says it. What they began with, and a surrogate
    /// of a user's own, do not matter to what they compute, and are left out.
    ///
    /// # Errors
    /// What is no run.
    pub fn of_weights(said: &str) -> Result<Run> {
        let mut said: serde_json::Value = report::json::parse(said).map_err(|fault| {
            anyhow!("what the file says of its run is damaged: {}; copy it again", fault.found)
        })?;
        let mut run = said.get_mut("run").map(serde_json::Value::take).unwrap_or_default();
        if let Some(fields) = run.as_object_mut() {
            for field in
                ["own_surrogate", "initial_weights_sha256", "initial_weights_of_another_run"]
            {
                fields.shift_remove(field);
            }
        }
        Run::from_value(&run).map_err(|error| anyhow!("what the file says of its run: {error}"))
    }
}
