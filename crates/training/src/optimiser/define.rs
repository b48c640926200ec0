use super::{AdamWConfig, Optimiser, OptimiserKind, Slots};
use candle_core::{Result, Tensor, bail};

impl Optimiser {
    /// One variable's step in tensor operations: the definition, and what runs on a device where
    /// there is no kernel. Returns whether it stays finite.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn define(&self, s: &Slots, g: &Tensor, lr: f64) -> Result<bool> {
        let w = s.var.as_tensor().detach();
        let next = match self.kind {
            OptimiserKind::Sgd { momentum, nesterov, weight_decay } => {
                let weight_decay = s.own_decay.unwrap_or(weight_decay);
                let g = (g + (&w * weight_decay)?)?;
                let step = match s.slots.first() {
                    None => g,
                    Some(velocity) => {
                        let now = ((velocity * momentum)? + &g)?;
                        set(velocity, &now)?;
                        if nesterov { (g + (now * momentum)?)? } else { now }
                    }
                };
                (w - (step * lr)?)?
            }
            kind => self.define_adam(kind, s, (&w, g), lr)?,
        };
        // 0·w is 0, or not a number
        let finite = (&next * 0.0)?.sum_all()?.to_scalar::<f32>()? == 0.0;
        s.var.set(&next)?;
        Ok(finite)
    }

    fn define_adam(
        &self,
        kind: OptimiserKind,
        s: &Slots,
        (w, g): (&Tensor, &Tensor),
        lr: f64,
    ) -> Result<Tensor> {
        let AdamWConfig { beta1, beta2, eps, weight_decay } = self.adamw_of(s);
        let t = self.steps as f64;
        let coupled = kind != OptimiserKind::AdamW;
        let g = if coupled { (g + (w * weight_decay)?)? } else { g.clone() };
        let w = if coupled { w.clone() } else { (w * (1.0 - lr * weight_decay))? };
        let [first, second, ..] = &s.slots[..] else { bail!("{} has no moments", s.name) };
        let m = (first + ((&g - first)? * (1.0 - beta1))?)?;
        let v = ((second * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
        set(first, &m)?;
        set(second, &v)?;
        let v = match s.slots.get(2) {
            Some(largest) => {
                let now = largest.maximum(&v)?;
                set(largest, &now)?;
                now
            }
            None => v,
        };
        let below = ((v.sqrt()? / (1.0 - beta2.powf(t)).sqrt())? + eps)?;
        w - ((m / below)? * (lr / (1.0 - beta1.powf(t))))?
    }
}

/// Overwrites a tensor of an optimiser's state.
fn set(slot: &Tensor, values: &Tensor) -> Result<()> {
    slot.slice_set(&values.contiguous()?, 0, 0)
}
