use crate::{BadField, Error, Objective, Setup};
use models::{Network, StatisticsOver};

/// The sizes of an epoch's batches: whether all of them can be trained is known before the first.
#[derive(Clone, Copy, Debug)]
pub struct BatchSizes<'a> {
    /// Training samples that an epoch uses.
    pub used: usize,
    setup: &'a Setup,
}

impl<'a> BatchSizes<'a> {
    /// Of so many training and test samples.
    ///
    /// # Errors
    /// A field of the setup outside its range, no sample, or no batch.
    pub fn new(train: usize, test: usize, setup: &'a Setup) -> Result<Self, Error> {
        setup.check()?;
        let used = if setup.drop_last { train / setup.batch * setup.batch } else { train };
        match (train, test, used) {
            (0, ..) => Err(Error::Empty("training")),
            (_, 0, _) => Err(Error::Empty("test")),
            (samples, _, 0) => Err(Error::NoBatch { samples, batch: setup.batch }),
            _ => Ok(Self { used, setup }),
        }
    }

    /// Samples of the smallest batch.
    pub fn smallest(&self) -> usize {
        match self.used % self.setup.batch {
            0 => self.setup.batch,
            rest => rest,
        }
    }

    /// Proves that every batch norm of `network` has at least two values a channel in every batch
    /// of samples `[height, width, channels]` with `steps` steps, since the variance of one is
    /// undefined, and that traces want a spike in so many steps.
    ///
    /// # Errors
    /// [`Error::BatchOfOne`], or a period of traces that is longer.
    pub fn prove(
        &self,
        network: &Network,
        [height, width, channels]: [usize; 3],
        steps: usize,
        still: bool,
    ) -> Result<(), Error> {
        let Self { used, setup } = *self;
        let (height, width) = setup.side.map_or((height, width), |side| (side, side));
        if let Objective::Traces { period, .. } = setup.objective
            && period > steps
        {
            // no spike would be wanted of any class
            let expected = format!("a whole number up to {steps}, the steps of a sample");
            let (field, found) = ("objective.traces.period".into(), period.to_string());
            return Err(BadField { field, expected, found }.into());
        }
        // an analogue epoch shows a still image once
        let steps = if still && setup.warm_up.analogue(0) { 1 } else { steps };
        let together = |over| if over == StatisticsOver::Time { steps } else { 1 };
        let advice = match (setup.batch, used) {
            (1, _) => "a batch of two or more (setup.batch)",
            (_, 1) => "more than one training sample",
            _ => "another batch size (setup.batch), or drop the last batch (setup.drop_last=true)",
        };
        for norm in network.footprint([height, width, channels]).norms {
            let [height, width] = norm.map;
            let values = [self.smallest(), height, width, together(norm.over)]
                .iter()
                .fold(1usize, |n, &m| n.saturating_mul(m));
            if values < 2 {
                let (layer, samples, batch) = (norm.name, used, setup.batch);
                return Err(Error::BatchOfOne { layer, samples, batch, height, width, advice });
            }
        }
        Ok(())
    }
}
