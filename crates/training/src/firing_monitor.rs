use crate::SeededVars;
use crate::silence::{Heard, heard_channels, most_of_channels};
use candle_core::Tensor;
use models::{BatchStatistics, Network, Observer};

/// Watches how often layers fire in a step, and which voters, and hands statistics on.
pub(crate) struct FiringMonitor {
    vars: SeededVars,
    /// The layer that is voted on, and the voters of a class.
    head: Option<(String, usize)>,
    rates: Vec<(String, Rate)>,
    voters: Option<Channels>,
}

enum Rate {
    Of(f64),
    /// Spikes of each step, of so many neurons of all steps together; read after the step, so that
    /// no device waits for it within.
    Sums(Tensor, usize),
}

enum Channels {
    Heard(Heard),
    /// Of each voter the most spikes at a step.
    Most(Tensor),
}

/// What a step's neurons did.
pub(crate) struct StepFiring {
    /// Each layer, and its spikes per neuron and step.
    pub rates: Vec<(String, f64)>,
    /// Whether any voter of each class fired; empty where that is not known.
    pub classes: Vec<bool>,
}

impl FiringMonitor {
    pub fn new(vars: &SeededVars, network: &Network) -> Self {
        let head = network.voters().map(|(name, voters)| (name.to_owned(), voters));
        Self { vars: vars.clone(), head, rates: Vec::new(), voters: None }
    }

    fn is_head(&self, layer: &str) -> bool {
        self.head.as_ref().is_some_and(|(name, _)| name == layer)
    }

    /// What was seen.
    pub fn done(self) -> candle_core::Result<StepFiring> {
        let mut rates = Vec::new();
        for (name, rate) in self.rates {
            let rate = match rate {
                Rate::Of(rate) => rate,
                Rate::Sums(sums, all) => {
                    let sums: Vec<f32> = sums.to_vec1()?;
                    sums.into_iter().map(f64::from).sum::<f64>() / all.max(1) as f64
                }
            };
            rates.push((name, rate));
        }
        let fired: Vec<bool> = match self.voters {
            None => Vec::new(),
            Some(Channels::Heard(heard)) => heard,
            Some(Channels::Most(most)) => {
                most.to_vec1::<f32>()?.into_iter().map(|most| most > 0.0).collect()
            }
        };
        let voters = self.head.map_or(1, |(_, voters)| voters.max(1));
        let classes = fired.chunks(voters).map(|class| class.contains(&true)).collect();
        Ok(StepFiring { rates, classes })
    }
}

impl Observer for FiringMonitor {
    fn spikes(&mut self, layer: &str, spikes: &Tensor) -> candle_core::Result<()> {
        let spikes = spikes.detach();
        // a step's sum of 0s and 1s is exact in f32, all steps' may not be
        let sums = spikes.flatten_from(1)?.sum(1)?;
        if self.is_head(layer) {
            self.voters = Some(Channels::Most(most_of_channels(&spikes)?));
        }
        self.rates.push((layer.into(), Rate::Sums(sums, spikes.elem_count())));
        Ok(())
    }

    fn count(&mut self, layer: &str, spikes: &[u64], chances: u64) -> candle_core::Result<()> {
        let all = (chances * spikes.len() as u64).max(1) as f64;
        self.rates.push((layer.into(), Rate::Of(spikes.iter().sum::<u64>() as f64 / all)));
        Ok(())
    }

    fn outputs(&mut self, layer: &str, spikes: &[u8], channels: usize) -> candle_core::Result<()> {
        if self.is_head(layer) {
            self.voters = Some(Channels::Heard(heard_channels(spikes, channels)));
        }
        Ok(())
    }

    fn statistics(&mut self, layer: &str, statistics: &BatchStatistics) -> candle_core::Result<()> {
        self.vars.statistics(layer, statistics)
    }
}
