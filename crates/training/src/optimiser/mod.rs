//! Optimisers with their state in the open: plain data says which, and one step changes variables
//! and state in place.

mod adam;
mod define;
mod sgd;
mod slices;

pub use adam::AdamWConfig;

use crate::BadField;
use crate::range::check;
use crate::words::{Words, number, parts};
use adam::Adam;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var, bail};
use models::Gradients;
use serde::{Deserialize, Serialize};
use sgd::Sgd;

/// Which optimiser, as plain data. The first three take the constants of [`AdamWConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimiserKind {
    /// AdamW (Loshchilov & Hutter 2019), weight decay apart from the gradient (the paper's).
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// Adam (Kingma & Ba 2015), weight decay added to the gradient as PyTorch's `Adam` has it.
    Adam,
    /// Adam whose steps are divided by the largest second moment so far (Reddi et al. 2018), as
    /// PyTorch's `Adam(amsgrad=True)`.
    #[serde(rename = "amsgrad")]
    AmsGrad,
    /// Stochastic gradient descent as PyTorch's `SGD`, without dampening.
    Sgd {
        /// Part of its velocity that a step keeps.
        momentum: f64,
        /// Whether it looks ahead along the velocity (Nesterov).
        nesterov: bool,
        /// Weight decay, added to the gradient.
        weight_decay: f64,
    },
}

impl OptimiserKind {
    /// Whether it is the default, which receipts leave out.
    pub fn is_adamw(&self) -> bool {
        *self == Self::AdamW
    }

    /// Proves that every number lies in its range.
    ///
    /// # Errors
    /// The first that does not; Nesterov's step without momentum, which would be none.
    pub fn check(&self) -> std::result::Result<(), BadField> {
        let Self::Sgd { momentum, nesterov, weight_decay } = *self else { return Ok(()) };
        check("optimiser.sgd.momentum", momentum)?;
        check("optimiser.sgd.weight_decay", weight_decay)?;
        match (nesterov, momentum) {
            (true, 0.0) => Err(BadField {
                field: "optimiser.sgd.momentum".into(),
                expected: "a number above 0 where nesterov is true".into(),
                found: "0".into(),
            }),
            _ => Ok(()),
        }
    }

    /// How many numbers it keeps of each number of a variable.
    pub fn kept(&self) -> usize {
        self.slots().len()
    }

    /// What it keeps of each variable, under the names by which checkpoints have it.
    pub(crate) fn slots(&self) -> &'static [&'static str] {
        match *self {
            Self::AdamW | Self::Adam => &["adamw.first.", "adamw.second."],
            Self::AmsGrad => &["adamw.first.", "adamw.second.", "amsgrad.largest."],
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["sgd.velocity."],
        }
    }
}

impl Words for OptimiserKind {
    const TAKES: &'static str = "adamw, adam, amsgrad, sgd, sgd:MOMENTUM or nesterov:MOMENTUM, the \
                                 last three with :WEIGHT_DECAY behind";

    fn parse(text: &str) -> Option<Self> {
        let sgd = |momentum: &str, decay: &str, nesterov: bool| {
            let (momentum, weight_decay) = (number(momentum)?, number(decay)?);
            Some(Self::Sgd { momentum, nesterov, weight_decay })
        };
        match parts(text).as_slice() {
            ["adamw"] => Some(Self::AdamW),
            ["adam"] => Some(Self::Adam),
            ["amsgrad"] => Some(Self::AmsGrad),
            ["sgd"] => sgd("0", "0", false),
            ["sgd", momentum] => sgd(momentum, "0", false),
            ["sgd", momentum, decay] => sgd(momentum, decay, false),
            ["nesterov", momentum] => sgd(momentum, "0", true),
            ["nesterov", momentum, decay] => sgd(momentum, decay, true),
            _ => None,
        }
    }
}

/// Where an optimiser finds the gradients of its variables.
pub trait GradientsOf {
    /// The gradient of a variable, if there is one.
    fn of(&self, var: &Var) -> Option<&Tensor>;
}

impl GradientsOf for GradStore {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.get(var)
    }
}

impl GradientsOf for Gradients {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.get(var)
    }
}

/// An optimiser of some variables, equal to PyTorch's formulas in their order of operations.
pub struct Optimiser {
    /// Which.
    pub kind: OptimiserKind,
    /// Constants of the Adam family.
    pub adamw: AdamWConfig,
    /// Steps taken so far, t.
    pub steps: u64,
    /// Each variable with what is kept of it, in the order given.
    pub state: Vec<Slots>,
    /// Of variables on a device, for each whether it was ever not finite after a step, u32.
    #[cfg(feature = "cuda")]
    lost: Option<Tensor>,
}

/// A variable and what an optimiser keeps of it.
pub struct Slots {
    /// The variable's name.
    pub name: String,
    /// w.
    pub var: Var,
    /// Of the Adam family first moment m, second moment v and, for AMSGrad, the largest v; of SGD
    /// with momentum the velocity.
    pub slots: Vec<Tensor>,
    /// Its weight decay, where that is not the optimiser's: [`Optimiser::decay`].
    own_decay: Option<f64>,
}

impl Optimiser {
    /// With a state of zeros, for f32 variables.
    ///
    /// # Errors
    /// If a variable is not f32, or a constant lies outside its range.
    pub fn new(
        vars: Vec<(String, Var)>,
        kind: OptimiserKind,
        adamw: AdamWConfig,
    ) -> Result<Optimiser> {
        adamw.check().and_then(|()| kind.check()).map_err(candle_core::Error::wrap)?;
        let slots = |(name, var): (String, Var)| {
            if var.dtype() != DType::F32 {
                bail!("an optimiser trains f32 variables, {name} is {:?}", var.dtype());
            }
            let slots = kind.slots().iter().map(|_| var.zeros_like()).collect::<Result<_>>()?;
            Ok(Slots { name, slots, var, own_decay: None })
        };
        let state: Vec<Slots> = vars.into_iter().map(slots).collect::<Result<_>>()?;
        #[cfg(feature = "cuda")]
        let lost = match state.first().map(|s| s.var.device()) {
            Some(device) if device.is_cuda() => {
                Some(Tensor::zeros(state.len(), DType::U32, device)?)
            }
            _ => None,
        };
        Ok(Self {
            kind,
            adamw,
            steps: 0,
            state,
            #[cfg(feature = "cuda")]
            lost,
        })
    }

    /// [`OptimiserKind::AdamW`].
    ///
    /// # Errors
    /// As [`Optimiser::new`].
    pub fn adamw(vars: Vec<(String, Var)>, config: AdamWConfig) -> Result<Optimiser> {
        Self::new(vars, OptimiserKind::AdamW, config)
    }

    /// Gives the variables of these names a weight decay of their own, as parameters of neurons
    /// have it.
    pub fn decay(&mut self, names: &[String], weight_decay: f64) {
        for slots in self.state.iter_mut().filter(|slots| names.contains(&slots.name)) {
            slots.own_decay = Some(weight_decay);
        }
    }

    /// One step at learning rate `lr`. A variable without a gradient is left alone.
    ///
    /// Returns the name of the first variable with a value that is not finite any more. The caller
    /// must not go on then: a NaN current never reaches a threshold, so behind a neuron NaN weights
    /// look like a silent network with a perfectly finite loss.
    ///
    /// # Errors
    /// A gradient that is not f32, or a failing device.
    pub fn step(&mut self, grads: &(impl GradientsOf + ?Sized), lr: f64) -> Result<Option<String>> {
        self.steps += 1;
        #[cfg(feature = "cuda")]
        if let (Some(lost), OptimiserKind::AdamW) = (&self.lost, self.kind) {
            return self.adamw_on_device(grads, lr, lost);
        }
        let mut lost = None;
        for s in &self.state {
            let Some(g) = grads.of(&s.var) else { continue };
            let finite = match s.var.device().is_cpu() {
                true => self.on_slices(s, &g.contiguous()?, lr)?,
                false => self.define(s, g, lr)?,
            };
            if !finite {
                lost.get_or_insert_with(|| s.name.clone());
            }
        }
        Ok(lost)
    }

    /// One variable in one pass over it, its state and its gradient; whether it stays finite.
    fn on_slices(&self, s: &Slots, g: &Tensor, lr: f64) -> Result<bool> {
        match self.kind {
            OptimiserKind::Sgd { momentum, nesterov, weight_decay } => {
                let weight_decay = s.own_decay.unwrap_or(weight_decay);
                Sgd::new(lr, momentum, nesterov, weight_decay).take(s, g)
            }
            kind => self.adam(s, lr).take(kind, s, g),
        }
    }

    /// The numbers of a variable's step of the Adam family.
    fn adam(&self, s: &Slots, lr: f64) -> Adam {
        Adam::new(&self.adamw_of(s), self.steps, lr)
    }

    /// The Adam family's constants for a variable.
    fn adamw_of(&self, s: &Slots) -> AdamWConfig {
        let weight_decay = s.own_decay.unwrap_or(self.adamw.weight_decay);
        AdamWConfig { weight_decay, ..self.adamw }
    }

    /// After weights that were not finite have been replaced.
    pub(crate) fn forget_losses(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(lost) = &self.lost {
            self.lost = Some(lost.zeros_like()?);
        }
        Ok(())
    }

    /// One launch a variable; what was lost is asked once, at the end.
    #[cfg(feature = "cuda")]
    fn adamw_on_device(
        &self,
        grads: &(impl GradientsOf + ?Sized),
        lr: f64,
        lost: &Tensor,
    ) -> Result<Option<String>> {
        for (i, s) in self.state.iter().enumerate() {
            if let (Some(g), [first, second]) = (grads.of(&s.var), &s.slots[..]) {
                let all = [s.var.as_tensor(), first, second, &g.contiguous()?];
                models::adamw(all, self.adam(s, lr).constants(), lost, i)?;
            }
        }
        let lost: Vec<u32> = lost.to_vec1()?;
        Ok(lost.iter().position(|&l| l != 0).map(|i| self.state[i].name.clone()))
    }
}
