//! A neuron in the words of NIR.

use crate::graph::{Array, Node, Population};
use crate::{DT, Error};
use neuron::{Config, Fires, Kind, Reset};

/// A neuron in the words of NIR, a time step in ours:
///
/// ```text
/// u[t] = decay · v[t-1] + gain · x[t]      a spike resets v to 0
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Membrane {
    /// The part of the membrane that a step keeps, in (0, 1].
    pub decay: f64,
    /// Factor on the current.
    pub gain: f64,
    /// The part that a synaptic current before the membrane keeps, where there is one.
    pub current_decay: Option<f64>,
    /// θ.
    pub threshold: f64,
    /// Whether a membrane at the threshold fires.
    pub fires: Fires,
}

impl Membrane {
    /// The neurons behind the poolings of SBPSNN (`AN2`).
    pub const POOL: Membrane = Membrane {
        decay: 1.0,
        gain: 1.0,
        current_decay: None,
        threshold: 0.75,
        fires: Fires::AboveThreshold,
    };

    /// Neurons without memory: one spike, a current of 1, is a membrane of ½, which fires.
    pub(crate) const OR: Membrane = Membrane {
        decay: 0.5,
        gain: 1.0,
        current_decay: None,
        threshold: 0.25,
        fires: Fires::AboveThreshold,
    };

    /// Those of a layer `name` that are described by `config`; `readings` are what their learnable
    /// parameters mean, [`neuron::Neuron::readings`].
    ///
    /// # Errors
    /// Neurons that NIR has no word for.
    pub fn of(name: &str, config: &Config, readings: &[(&str, f64)]) -> Result<Membrane, Error> {
        let unsaid = |why: &str| {
            Err(Error::Unsaid { what: format!("the neurons of {name}"), why: why.into() })
        };
        if config.reset != Reset::ToZero {
            return unsaid(
                "its neurons are set to a value by a spike, and these subtract their threshold; \
                 train with neuron.reset=to-zero",
            );
        }
        let (decay, gain, current_decay) = match config.kind {
            Kind::Lif { decay } => (decay, 1.0, None),
            Kind::If => (1.0, 1.0, None),
            Kind::Sbpsnn(constants) => (constants.decay, 1.0, None),
            Kind::Synaptic(constants) => (constants.decay, 1.0, Some(constants.current_decay)),
            Kind::Plif(constants) => {
                let learned = readings.iter().find(|(of, _)| *of == "tau");
                let tau = learned.map_or(constants.tau, |(_, tau)| *tau);
                (1.0 - 1.0 / tau, 1.0 / tau, None)
            }
            _ => return unsaid("it has integrate-and-fire neurons alone; train with another kind"),
        };
        if current_decay.is_some() && decay >= 1.0 {
            return unsaid("a membrane behind a synaptic current has a leak there");
        }
        let (threshold, fires) = (config.threshold, config.fires);
        Ok(Membrane { decay, gain, current_decay, threshold, fires })
    }

    /// What currents are multiplied by before they reach the node.
    pub(crate) fn scale(&self) -> f64 {
        match self.current_decay {
            None if self.decay < 1.0 => self.gain / (1.0 - self.decay),
            _ => self.gain,
        }
    }

    /// The node of a population of this shape. NIR fires above its threshold; where these fire at
    /// it too, the threshold is the next smaller number, which is the same in single precision.
    pub(crate) fn node(&self, shape: &[usize]) -> Node {
        let filled = |value: f64| Array::filled(shape, value as f32);
        let (threshold, kept) = (self.threshold as f32, 1.0 - self.decay);
        let threshold = match self.fires {
            Fires::AtThreshold => threshold.next_down(),
            Fires::AboveThreshold => threshold,
        };
        // R = 1, since Norse takes no other; in front of a synaptic current R = τ/dt, since
        // SpikingJelly and snnTorch take no other; without a leak R = 1/dt, as forward Euler has it
        let (tau, r) = match (self.decay < 1.0, self.current_decay) {
            (true, None) => (Some(filled(DT / kept)), 1.0),
            (true, Some(_)) => (Some(filled(DT / kept)), 1.0 / kept),
            (false, _) => (None, 1.0 / DT),
        };
        let synapse = self.current_decay.map(|decay| {
            let kept = 1.0 - decay;
            [filled(DT / kept), filled(1.0 / kept)]
        });
        Node::Neurons(Population {
            tau,
            synapse,
            r: filled(r),
            v_leak: filled(0.0),
            v_threshold: Array::filled(shape, threshold),
            v_reset: filled(0.0),
        })
    }
}
