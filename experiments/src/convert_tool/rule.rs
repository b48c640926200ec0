//! The rules by name, and what of a request each takes.

use super::{Request, Source};
use anyhow::{Result, bail};
use candle_core::{DType, Tensor};
use clap::ValueEnum;
use convert::{Analogue, Converted, SoftLif, Spiking, rules};
use serde_json::{Value, json};
use training::Bernoulli;

/// A rule of conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// ContinueSNN: percentiles of activations.
    Continue,
    /// Spike-Norm: balanced thresholds.
    SpikeNorm,
    /// RNL: rate norms.
    Rnl,
    /// Spiking CNN: LIF neurons by their smooth rate.
    SoftLif,
}

/// Images that Spike-Norm balances on.
const BALANCED_ON: usize = 50;

impl Rule {
    /// As it is typed.
    pub fn id(self) -> &'static str {
        match self {
            Rule::Continue => "continue",
            Rule::SpikeNorm => "spike-norm",
            Rule::Rnl => "rnl",
            Rule::SoftLif => "soft-lif",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Rule::Continue => "ContinueSNN",
            Rule::SpikeNorm => "Spike-Norm",
            Rule::Rnl => "RNL",
            Rule::SoftLif => "Spiking CNN",
        }
    }

    /// The spikes that an image is shown as; nothing where it is shown as it is.
    pub fn draws(self, samples: &[Tensor]) -> Result<Option<Bernoulli>> {
        match self {
            Rule::SpikeNorm => Ok(Some(Bernoulli { scale: largest(samples)? })),
            _ => Ok(None),
        }
    }

    /// The converted network, and what is to be known of it.
    pub fn convert(
        self,
        request: &Request,
        source: &Source,
        samples: &[Tensor],
    ) -> Result<(Spiking, Value)> {
        let analogue = &source.analogue;
        let of = |scales: &[f64], more: Value| {
            let of_samples: usize = samples.iter().map(|x| x.dims()[0]).sum();
            json!({
                "rule": self.id(), "network": source.network, "data": source.data.id(),
                "scales": scales, "samples": of_samples, "options": more,
            })
        };
        Ok(match self {
            Rule::Continue => {
                let made = rules::continuous(analogue, samples, request.percentile, true)?;
                let more = json!({ "percentile": request.percentile, "pools_with_neurons": true });
                (made.network, of(&made.scales, more))
            }
            Rule::Rnl => {
                let made = rules::rate_norm(analogue, samples, request.rate_scale)?;
                let own = analogue.stages.iter().any(|stage| stage.rate_norm.is_some());
                let more = match own {
                    true => json!({ "rate_norms": "trained" }),
                    false => json!({ "rate_norms": "by samples", "scale": request.rate_scale }),
                };
                (made.network, of(&made.scales, more))
            }
            Rule::SoftLif => {
                let neuron = SoftLif::fitted();
                let made = rules::soft_lif(analogue, samples, request.percentile, neuron)?;
                let more = json!({ "percentile": request.percentile, "neuron": neuron });
                (made.network, of(&made.scales, more))
            }
            Rule::SpikeNorm => {
                let (made, more) = spike_norm(request, analogue, samples)?;
                (made.network, of(&made.scales, more))
            }
        })
    }
}

/// Thresholds balanced on the first images' spikes.
fn spike_norm(
    request: &Request,
    analogue: &Analogue,
    samples: &[Tensor],
) -> Result<(Converted, Value)> {
    let Some(first) = samples.first() else { bail!("expected training images, found none") };
    let scale = largest(samples)?;
    let encoding = Bernoulli { scale };
    let n = first.dim(0)?.min(BALANCED_ON);
    let images = first.narrow(0, 0, n)?;
    let mut input = |t: usize| {
        let drawn = (0..n).map(|i| {
            let values: Vec<f32> = images.get(i)?.flatten_all()?.to_vec1()?;
            // another epoch than that of the test images
            let spikes = encoding.spikes(&values, Some((request.seed, 1)), i, t);
            Tensor::from_vec(spikes, images.get(i)?.shape(), images.device())
        });
        Tensor::stack(&drawn.collect::<candle_core::Result<Vec<_>>>()?, 0)
    };
    let analogue = of_unit_input(analogue, scale)?;
    let steps = request.balance_steps;
    let (made, thresholds) = rules::balanced(&analogue, steps, &mut input)?;
    let more = json!({
        "thresholds": thresholds, "balance_steps": steps, "balance_images": n,
        "largest_input": scale, "seed": request.seed,
    });
    Ok((made, more))
}

/// The largest |x| of all samples.
fn largest(samples: &[Tensor]) -> Result<f64> {
    let mut most = 0f64;
    for x in samples {
        let largest = x.abs()?.flatten_all()?.max(0)?;
        most = most.max(largest.to_dtype(DType::F64)?.to_scalar()?);
    }
    if most == 0.0 {
        bail!("expected images that are not black, found none");
    }
    Ok(most)
}

/// The same network for inputs that are over `scale`.
fn of_unit_input(analogue: &Analogue, scale: f64) -> Result<Analogue> {
    let mut analogue = analogue.clone();
    if let Some(stage) = analogue.stages.first_mut() {
        let weight = stage.product.weight().affine(scale, 0.0)?;
        stage.product = stage.product.with(weight, stage.product.bias().cloned());
    }
    Ok(analogue)
}
