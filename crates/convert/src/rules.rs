//! The four rules: from an analogue network and some samples to a spiking one.

use crate::rate_norm::threshold;
use crate::scales::{first_percentiles, percentiles, running_maxima};
use crate::{Analogue, Definition, Dynamics, Head, Reset, SoftLif, Spiking, Synapse};
use candle_core::{DType, Result, Tensor, bail};

/// A converted network, and what a firing rate of 1 stands for in each stage.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The network.
    pub network: Spiking,
    /// Of each stage the activation that a rate of 1 is.
    pub scales: Vec<f64>,
}

/// ContinueSNN (Rueckauer et al. 2017): activations over their `percentile` (99.9) of `samples`,
/// integrate-and-fire neurons with reset by subtraction, gated max pooling; a head with neurons.
/// With `pool_neurons` average pooling has neurons of its own, as the reference has it.
///
/// # Errors
/// If the samples do not fit or a stage is silent on all of them; a network with rate norms.
pub fn continuous(
    analogue: &Analogue,
    samples: &[Tensor],
    percentile: f64,
    pool_neurons: bool,
) -> Result<Converted> {
    plain(analogue, "continue")?;
    let scales = percentiles(analogue, samples, percentile)?;
    let network =
        Spiking::rescaled(analogue, &scales, Dynamics::Integrate(Reset::Subtract), Head::Spikes)?;
    let network = if pool_neurons { network.with_pool_neurons() } else { network };
    Ok(Converted { network, scales })
}

/// RNL (Ding et al. 2021): thresholds r·sigmoid(p) + 10⁻⁶, the head's currents added up. Of a
/// network that was trained with rate-norm layers its own; else r follows the largest activations
/// of `samples`, batch after batch, and p is `scale`, the same in all stages.
///
/// # Errors
/// If the samples do not fit or a stage is silent; rate norms in some stages alone.
pub fn rate_norm(analogue: &Analogue, samples: &[Tensor], scale: f64) -> Result<Converted> {
    let hidden = analogue.stages.len().saturating_sub(1);
    let own: Vec<f64> = analogue.stages[..hidden].iter().filter_map(|s| s.rate_norm).collect();
    let (dynamics, head) = (Dynamics::Integrate(Reset::Subtract), Head::Accumulated);
    if own.is_empty() {
        let maxima = running_maxima(analogue, samples, 0.1)?;
        let mut scales: Vec<f64> = maxima.into_iter().map(|r| threshold(r, scale)).collect();
        scales.push(1.0);
        let network = Spiking::rescaled(analogue, &scales, dynamics, head)?;
        return Ok(Converted { network, scales });
    }
    if own.len() != hidden {
        bail!(
            "convert: expected a rate norm behind every ReLU or none, found {} of {hidden}",
            own.len()
        );
    }
    let mut network = Spiking::rescaled(analogue, &vec![1.0; hidden + 1], dynamics, head)?;
    // what leaves a rate norm is a rate already, so that only its own threshold scales a stage
    for (stage, threshold) in network.stages.iter_mut().zip(&own) {
        let scaled = |tensor: &Tensor| {
            tensor.to_dtype(DType::F64)?.affine(1.0 / threshold, 0.0)?.to_dtype(tensor.dtype())
        };
        let (weight, bias) = (scaled(stage.product.weight())?, stage.product.bias());
        stage.product = stage.product.with(weight, bias.map(scaled).transpose()?);
    }
    let scales = vec![1.0; hidden + 1];
    Ok(Converted { network, scales })
}

/// Spike-Norm (Sengupta et al. 2019): the threshold of each stage is its largest current while the
/// stages below it, balanced already, are shown `input` for `steps` steps; neurons fire a step
/// late, the head's currents are added up. `input` is handed a step and gives `[B, H, W, C]`, the
/// same every time it is asked for that step.
///
/// # Errors
/// If the input does not fit, a stage has no current above 0, or the network has rate norms.
pub fn balanced(
    analogue: &Analogue,
    steps: usize,
    input: &mut dyn FnMut(usize) -> Result<Tensor>,
) -> Result<(Converted, Vec<f64>)> {
    plain(analogue, "spike-norm")?;
    let stages = analogue.stages.len();
    let mut scales = vec![1.0; stages];
    let mut thresholds = Vec::new();
    let (dynamics, head) = (Dynamics::Delayed, Head::Accumulated);
    for l in 0..stages.saturating_sub(1) {
        let below = if l == 0 { 1.0 } else { scales[l - 1] };
        scales[l] = below;
        let network = Spiking::rescaled(analogue, &scales, dynamics, head)?.up_to(l);
        let mut run = Definition::new(&network);
        let mut largest = 0f64;
        for t in 0..steps {
            let Some(last) = run.step(&input(t)?)?.pop() else { continue };
            let most = last.currents.flatten_all()?.max(0)?;
            largest = largest.max(most.to_dtype(DType::F64)?.to_scalar()?);
        }
        if largest <= 0.0 {
            bail!(
                "convert: stage {} has no current above 0 in {steps} steps, so it has no threshold; give more steps or other samples",
                analogue.stages[l].name
            );
        }
        thresholds.push(largest);
        scales[l] = below * largest;
    }
    if let [.., below, last] = &mut scales[..] {
        *last = *below;
    }
    let network = Spiking::rescaled(analogue, &scales, dynamics, head)?;
    Ok((Converted { network, scales }, thresholds))
}

/// Spiking CNN (Hunsberger & Eliasmith 2015): LIF neurons whose rate is `neuron`'s, in steps of 1
/// ms, behind alpha synapses of 5 ms; the class is that of the head's last 20 ms. Of a network
/// that was trained with a ReLU, activations of up to their `percentile` of `samples` are brought
/// to 10, up to which [`SoftLif::fitted`] is close to a ReLU.
///
/// # Errors
/// If the samples do not fit, a stage is silent on all of them, or the network has rate norms.
pub fn soft_lif(
    analogue: &Analogue,
    samples: &[Tensor],
    percentile: f64,
    neuron: SoftLif,
) -> Result<Converted> {
    plain(analogue, "soft-lif")?;
    let hidden = analogue.stages.len().saturating_sub(1);
    let mut scales = first_percentiles(analogue, samples, percentile, hidden)?;
    scales.iter_mut().for_each(|scale| *scale /= 10.0);
    scales.push(1.0);
    let dynamics = Dynamics::Lif { neuron, synapse: Synapse { tau: 0.005 }, dt: 0.001 };
    let network = Spiking::rescaled(analogue, &scales, dynamics, Head::Window(20))?;
    Ok(Converted { network, scales })
}

/// Refuses rate norms, which other rules do not know.
fn plain(analogue: &Analogue, rule: &str) -> Result<()> {
    match analogue.stages.iter().find(|stage| stage.rate_norm.is_some()) {
        None => Ok(()),
        Some(stage) => bail!(
            "convert: stage {} has a rate norm, which the rule {rule} does not know; take the rule rnl",
            stage.name
        ),
    }
}
