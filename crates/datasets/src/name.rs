use std::{fmt, str::FromStr};

use events::Sensor;
use serde::{Deserialize, Serialize};

use crate::{Error, cifar10_dvs, dvs_gesture, nmnist};

/// The event data sets of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Name {
    /// N-MNIST: digits before a camera that moves in three saccades.
    #[serde(rename = "n-mnist")]
    NMnist,
    /// DVS128 Gesture: eleven gestures of hands and arms.
    #[serde(rename = "dvs-gesture")]
    DvsGesture,
    /// CIFAR10-DVS: CIFAR-10 images that move on a screen.
    #[serde(rename = "dvs-cifar10")]
    Cifar10Dvs,
}

/// What is published about a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The identifier used in commands and records.
    pub id: &'static str,
    /// The title used in tables.
    pub title: &'static str,
    /// The sensor's size.
    pub sensor: Sensor,
    /// Class names in label order.
    pub classes: &'static [&'static str],
    /// Number of training recordings of the complete data set.
    pub train: usize,
    /// Number of test recordings of the complete data set.
    pub test: usize,
    /// The publication to cite.
    pub citation: &'static str,
    /// The licence as published.
    pub licence: &'static str,
    /// The publisher's page.
    pub page: &'static str,
}

impl Name {
    /// All data sets.
    pub const ALL: [Self; 3] = [Self::NMnist, Self::DvsGesture, Self::Cifar10Dvs];

    /// What is published about this data set.
    pub fn info(self) -> &'static Info {
        match self {
            Self::NMnist => &nmnist::INFO,
            Self::DvsGesture => &dvs_gesture::INFO,
            Self::Cifar10Dvs => &cifar10_dvs::INFO,
        }
    }

    /// The identifier used in commands and records, as `n-mnist`.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The title used in tables, as `N-MNIST`.
    pub fn title(self) -> &'static str {
        self.info().title
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|name| name.id() == text)
            .ok_or_else(|| Error::Unknown { known: Self::ALL.map(Self::id).join(", "), found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn identifiers_are_one_language() {
        for name in Name::ALL {
            assert_eq!(name.id().parse::<Name>().unwrap(), name);
            assert_eq!(serde_json::to_value(name).unwrap(), name.id());
        }
        let sentence = "expected the name of a data set (n-mnist, dvs-gesture, dvs-cifar10), found \"mnist\"; use one of those names";
        assert_eq!("mnist".parse::<Name>().unwrap_err().to_string(), sentence);
    }
}
