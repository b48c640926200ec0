use crate::{History, Optimiser, SeededVars, WarmUp};
use candle_core::{Result, Tensor, bail};

/// Where a run is between two steps: with weights and what the optimiser keeps ([`State`]) all that
/// decides how it goes on. Random streams need no place here: each is a function of the run's seed,
/// the epoch and the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingState {
    /// The epoch under way, from 0.
    pub epoch: usize,
    /// Steps of it that are done.
    pub step: usize,
    /// Sum of the training loss over the samples seen in this epoch.
    pub loss: f64,
    /// Of these the samples whose class was found.
    pub correct: usize,
    /// Samples seen in this epoch.
    pub seen: usize,
    /// Wall-clock time spent in this epoch so far.
    pub seconds: f64,
    /// For each layer of neurons the training steps since its last spike.
    pub quiet: Vec<(String, u64)>,
    /// For each layer the steps of this epoch in which it took the warm-up's slope.
    pub warmed_up: Vec<(String, u64)>,
    /// The epochs that are finished, and the setbacks so far.
    pub history: History,
}

impl TrainingState {
    /// The learning rate's factor: a half for every setback.
    pub(crate) fn scale(&self) -> f64 {
        0.5f64.powi(i32::try_from(self.history.setbacks.len()).unwrap_or(i32::MAX))
    }

    /// The next epoch, from its first step.
    pub(crate) fn begin(&mut self, epoch: usize) {
        (self.epoch, self.step, self.loss, self.correct, self.seen, self.seconds) =
            (epoch, 0, 0.0, 0, 0, 0.0);
        self.warmed_up.clear();
    }

    /// Notes for each layer whether it took the warm-up's slope in a step, as one does that fires
    /// too rarely.
    pub(crate) fn note_warm_up(&mut self, rates: &[(String, f64)], warm_up: WarmUp) {
        let WarmUp::SigmoidWhenSilent { rate: limit } = warm_up else { return };
        for (layer, rate) in rates {
            let warm = u64::from(*rate <= limit);
            match self.warmed_up.iter_mut().find(|(name, _)| name == layer) {
                Some((_, steps)) => *steps += warm,
                None => self.warmed_up.push((layer.clone(), warm)),
            }
        }
    }

    /// Notes whether each layer fired in a step; the layers that by this step have been silent for
    /// `steps` of them.
    pub(crate) fn note(&mut self, fired: Vec<(String, bool)>, steps: usize) -> Vec<String> {
        let mut silent = Vec::new();
        for (layer, fired) in fired {
            let place = match self.quiet.iter().position(|(name, _)| *name == layer) {
                Some(place) => place,
                None => {
                    self.quiet.push((layer, 0));
                    self.quiet.len() - 1
                }
            };
            let (name, quiet) = &mut self.quiet[place];
            *quiet = if fired { 0 } else { *quiet + 1 };
            if *quiet == steps as u64 {
                silent.push(name.clone());
            }
        }
        silent
    }
}

/// A run between two steps, as it can be saved.
pub struct State<'a> {
    /// Weights and running statistics.
    pub vars: &'a SeededVars,
    /// What the optimiser keeps.
    pub optimiser: &'a Optimiser,
    /// The rest.
    pub training: &'a TrainingState,
    /// What the epoch under way began with, where a setback returns there.
    pub epoch_start: Option<&'a Snapshot>,
}

/// Weights, running statistics and the optimiser's state as they were at one moment.
#[derive(Clone)]
pub struct Snapshot {
    /// Variables by name.
    pub(crate) vars: Vec<(String, Tensor)>,
    /// What the optimiser keeps of each variable, in its order.
    pub(crate) slots: Vec<Vec<Tensor>>,
    /// The optimiser's steps.
    pub(crate) steps: u64,
}

impl Snapshot {
    /// Copies them.
    pub(crate) fn of(vars: &SeededVars, optimiser: &Optimiser) -> Result<Self> {
        let copy = |(name, var): (String, candle_core::Var)| Ok((name, var.as_tensor().copy()?));
        Ok(Self {
            vars: vars.all().into_iter().map(copy).collect::<Result<_>>()?,
            slots: optimiser
                .state
                .iter()
                .map(|s| s.slots.iter().map(Tensor::copy).collect())
                .collect::<Result<_>>()?,
            steps: optimiser.steps,
        })
    }

    /// Puts them back.
    pub(crate) fn restore(&self, vars: &SeededVars, optimiser: &mut Optimiser) -> Result<()> {
        for (name, tensor) in &self.vars {
            if let Some(var) = vars.get(name) {
                var.set(&tensor.to_device(var.device())?)?;
            }
        }
        let kept = |slots: &Vec<Tensor>| slots.len() == optimiser.kind.slots().len();
        let whole = self.slots.len() == optimiser.state.len() || optimiser.kind.slots().is_empty();
        if !whole || !self.slots.iter().all(kept) {
            bail!("a state of another optimiser cannot be gone on from");
        }
        for (state, slots) in optimiser.state.iter_mut().zip(&self.slots) {
            let device = state.var.device();
            // copies: the optimiser changes its state in place
            let copy = |slot: &Tensor| slot.to_device(device)?.copy();
            state.slots = slots.iter().map(copy).collect::<Result<_>>()?;
        }
        optimiser.steps = self.steps;
        optimiser.forget_losses()
    }
}
