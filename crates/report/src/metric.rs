use serde::{Deserialize, Serialize};

use crate::number;

/// One result: a value with its name and unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name, such as `test_accuracy`.
    pub name: String,
    /// Value in `unit`; may be NaN or infinite.
    #[serde(with = "number::one")]
    pub value: f64,
    /// Unit, such as `%`.
    pub unit: String,
}

/// One value an epoch; `values[0]` belongs to epoch 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Name, such as `train_loss`.
    pub name: String,
    /// Unit, such as `nat`.
    pub unit: String,
    /// Values in `unit`; may be NaN or infinite.
    #[serde(with = "number::many")]
    pub values: Vec<f64>,
}
