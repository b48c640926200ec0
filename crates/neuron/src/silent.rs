use crate::{BadParameter, Config, Cost, Kernel, Neuron, Source, Stepwise};
use candle_core::{Result, Tensor};
use std::sync::Arc;
use surrogate::{Kind, Sigmoid};

/// TSSL-BP's warm-up: neurons that take the slope of a sigmoid (α = 5) in place of their own
/// surrogate in the backward pass of every batch in which they fire too rarely, so that a layer
/// that does not fire gets a gradient at all.
///
/// Spikes are those of the usual neuron. Whether a layer fires too rarely is known only after all
/// its steps, so [`Neuron::step`] is the usual neuron's, and who steps by itself asks
/// [`Neuron::at_rate`]; on a CUDA device [`Neuron::source_at`] has the other slope. TSSL-BP's code
/// cuts the sigmoid's argument at ±8; here it is not cut.
///
/// Source: Zhang & Li, "Temporal spike sequence learning via backpropagation for deep spiking
/// neural networks", NeurIPS 2020.
#[derive(Clone, Debug)]
pub struct WhenSilent {
    usual: Arc<dyn Neuron>,
    fallback: Arc<dyn Neuron>,
    rate: f64,
}

impl WhenSilent {
    /// `usual`, which `config` describes but perhaps for the surrogate, with a sigmoid's slope
    /// where the mean over a batch of spikes per neuron and step is at most `rate`.
    ///
    /// # Errors
    /// A rate outside 0 to 1, or a parameter of `config` outside its range.
    pub fn new(
        usual: Arc<dyn Neuron>,
        config: &Config,
        rate: f64,
    ) -> std::result::Result<Self, BadParameter> {
        let fits = (0.0..=1.0).contains(&rate);
        crate::bad_parameter::range("rate of the warm-up", rate, fits, "from 0 to 1")?;
        let fallback =
            Config { surrogate: Kind::Sigmoid(Sigmoid { alpha: 5.0 }), ..*config }.build()?;
        // learnable parameters are the same ones, whichever slope a batch takes
        let of_usual: Vec<Tensor> = usual.parameters().into_iter().map(|(_, p)| p).collect();
        let shared = match fallback.with_parameters(&of_usual) {
            Ok(shared) => shared.unwrap_or(fallback),
            Err(_) => fallback,
        };
        Ok(Self { usual, fallback: shared, rate })
    }
}

impl WhenSilent {
    /// Whose slope a batch takes in which the layer fired at `rate`.
    fn of(&self, rate: f64) -> &dyn Neuron {
        if rate <= self.rate { &*self.fallback } else { &*self.usual }
    }
}

impl Neuron for WhenSilent {
    fn start(&self, x: &Tensor) -> Result<Tensor> {
        self.usual.start(x)
    }

    fn parameters(&self) -> Vec<(&'static str, Tensor)> {
        self.usual.parameters()
    }

    fn with_parameters(&self, parameters: &[Tensor]) -> Result<Option<Arc<dyn Neuron>>> {
        let both =
            (self.usual.with_parameters(parameters)?, self.fallback.with_parameters(parameters)?);
        let (Some(usual), Some(fallback)) = both else { return Ok(None) };
        Ok(Some(Arc::new(Self { usual, fallback, rate: self.rate })))
    }

    fn readings(&self) -> Result<Vec<(&'static str, f64)>> {
        self.usual.readings()
    }

    fn membrane(&self, x: &Tensor, v: &Tensor) -> Result<Tensor> {
        self.usual.membrane(x, v)
    }

    fn cost(&self) -> Cost {
        self.usual.cost()
    }

    fn step(&self, x: &Tensor, v: &Tensor) -> Result<(Tensor, Tensor)> {
        self.usual.step(x, v)
    }

    fn scan(&self, x: &Tensor) -> Result<Tensor> {
        let spikes = self.usual.scan(x)?;
        match self.at_rate(crate::firing_rate(&spikes)?) {
            Some(other) => other.scan(x),
            None => Ok(spikes),
        }
    }

    fn stage(&self) -> Option<&dyn Kernel> {
        self.usual.stage()
    }

    fn stage_at(&self, rate: f64) -> Option<&dyn Kernel> {
        self.of(rate).stage()
    }

    fn at_rate(&self, rate: f64) -> Option<&dyn Neuron> {
        (rate <= self.rate).then_some(&*self.fallback)
    }

    fn stepwise_at(&self, rate: f64) -> Option<&dyn Stepwise> {
        self.of(rate).stepwise_at(rate)
    }

    fn source(&self) -> Option<Source> {
        self.fallback.source().and(self.usual.source())
    }

    fn source_at(&self, rate: f64) -> Option<Source> {
        if rate <= self.rate { self.fallback.source() } else { None }
    }
}
