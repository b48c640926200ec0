use crate::range::check;
use crate::words::{Words, number, parts};
use crate::{BadField, GradientsOf};
use candle_core::{Result, Tensor, TensorId, Var};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How gradients are bounded before a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Clip {
    /// All gradients together are made so small that their Euclidean norm is at most this, as
    /// PyTorch's `clip_grad_norm_`: g ← g · min(1, c / (‖g‖ + 10⁻⁶)).
    Norm(f64),
    /// Each number is put between minus this and this.
    Value(f64),
}

/// What `--set clip=…` takes: a [`Clip`], or none.
impl Words for Option<Clip> {
    const TAKES: &'static str = "none, norm:LIMIT or value:LIMIT";

    fn parse(text: &str) -> Option<Self> {
        match parts(text).as_slice() {
            ["none"] => Some(None),
            ["norm", limit] => Some(Some(Clip::Norm(number(limit)?))),
            ["value", limit] => Some(Some(Clip::Value(number(limit)?))),
            _ => None,
        }
    }
}

impl Clip {
    /// Proves that its limit lies in its range.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> std::result::Result<(), BadField> {
        match *self {
            Self::Norm(limit) => check("clip.norm", limit),
            Self::Value(limit) => check("clip.value", limit),
        }
    }

    /// The gradients of these variables, bounded.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn clipped<'v>(
        &self,
        vars: impl Iterator<Item = &'v Var>,
        grads: &(impl GradientsOf + ?Sized),
    ) -> Result<Clipped> {
        let found: Vec<(&Var, &Tensor)> =
            vars.filter_map(|var| Some((var, grads.of(var)?))).collect();
        let bounded = |g: &Tensor, factor: f64| match *self {
            Self::Norm(_) if factor >= 1.0 => Ok(g.clone()),
            Self::Norm(_) => g * factor,
            Self::Value(limit) => g.clamp(-limit, limit),
        };
        let factor = match *self {
            Self::Norm(limit) => limit / (norm(found.iter().map(|(_, g)| *g))? + 1e-6),
            Self::Value(_) => 1.0,
        };
        let all = found.iter().map(|(var, g)| Ok((var.id(), bounded(g, factor)?)));
        Ok(Clipped(all.collect::<Result<_>>()?))
    }
}

/// Gradients behind a [`Clip`].
pub struct Clipped(HashMap<TensorId, Tensor>);

impl GradientsOf for Clipped {
    fn of(&self, var: &Var) -> Option<&Tensor> {
        self.0.get(&var.id())
    }
}

/// The Euclidean norm of all numbers together; the sums of tensors are added up in f64.
fn norm<'t>(tensors: impl Iterator<Item = &'t Tensor>) -> Result<f64> {
    let mut sum = 0.0;
    for tensor in tensors {
        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
        sum += values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>();
    }
    Ok(sum.sqrt())
}

/// Puts every number of the weights of products between −limit and limit, as TSSL-BP's code does
/// after a step. Biases, norms and parameters of neurons are left alone.
pub(crate) fn clamp_weights<'v>(
    vars: impl Iterator<Item = (&'v str, &'v Var)>,
    limit: f64,
) -> Result<()> {
    for (_, var) in vars.filter(|(name, _)| is_weight(name)) {
        var.set(&var.as_tensor().clamp(-limit, limit)?)?;
    }
    Ok(())
}

fn is_weight(name: &str) -> bool {
    name.ends_with(".weight") && !name.ends_with(".norm.weight")
}
