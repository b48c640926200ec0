use crate::{Epoch, Refusal, Setback, State};
use models::LayerTrace;

/// Hears what happens while it happens; `()` ignores it.
pub trait Progress {
    /// Step `step` of `steps` of epoch `epoch` (all from 0) is done; the loss and accuracy are
    /// those of the epoch so far.
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64, accuracy_percent: f64) {
        let _ = (epoch, step, steps, loss, accuracy_percent);
    }

    /// What the layers did in an epoch's last step, where that was event-driven.
    fn layers(&mut self, layers: &[LayerTrace]) {
        let _ = layers;
    }

    /// Epoch `index` is done.
    fn epoch(&mut self, index: usize, epoch: &Epoch) {
        let _ = (index, epoch);
    }

    /// The layer has been silent for as many steps as an epoch has, up to step `step` of epoch
    /// `epoch` (both from 1).
    fn silent(&mut self, layer: &str, epoch: usize, step: usize) {
        let _ = (layer, epoch, step);
    }

    /// Training went back to the beginning of the epoch.
    fn setback(&mut self, setback: &Setback) {
        let _ = setback;
    }

    /// After every step and after every epoch: the state may be saved here.
    ///
    /// # Errors
    /// If it could not be, which ends the run.
    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        let _ = state;
        Ok(())
    }

    /// Whether the run is to end with [`Error::Interrupted`], after [`Progress::keep`].
    fn interrupted(&self) -> bool {
        false
    }
}

impl Progress for () {}

/// Calls its function with each epoch that is done, counted from 0, and ignores the rest.
///
/// ```
/// # use training::{EachEpoch, Epoch};
/// let print = EachEpoch(|index, epoch: &Epoch| {
///     println!("epoch {}: {:.2} %", index + 1, epoch.test.accuracy_percent());
/// });
/// ```
pub struct EachEpoch<F: FnMut(usize, &Epoch)>(pub F);

impl<F: FnMut(usize, &Epoch)> Progress for EachEpoch<F> {
    fn epoch(&mut self, index: usize, epoch: &Epoch) {
        (self.0)(index, epoch);
    }
}
