use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Name};

/// A rule by which recordings become train or test. Which a data set has: [`Split::known`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Split {
    /// `published`: the publisher's own.
    Published,
    /// `reference`, CIFAR10-DVS: names of each class in text order, first nine tenths train, as the
    /// paper's released code has it.
    Reference,
    /// `first100`, CIFAR10-DVS: numbers 0 to 99 of each class test, the rest train.
    First100,
    /// `tebn`, CIFAR10-DVS: that of Duan et al., "Temporal Effective Batch Normalization in Spiking
    /// Neural Networks", NeurIPS 2022.
    ///
    /// The same recordings as [`Split::First100`]. Their own code leaves the division to the user;
    /// the rule is the one that the code of Fang et al., "Parallel Spiking Neurons", NeurIPS 2023,
    /// states for them (`cifar10dvs/readme.md` and `move_data.py` there).
    Tebn,
    /// `seeded:N`, CIFAR10-DVS: nine tenths of each class train, drawn by ChaCha8 with this seed.
    Seeded(u64),
    /// `by-speaker:N`, Speech Commands: every speaker is train (four of five) or test, by a hash of
    /// the speaker and this seed.
    BySpeaker(u64),
}

impl Split {
    /// The splits that a data set has, as they are written; `N` stands for a seed. The first is the
    /// usual one.
    pub fn known(name: Name) -> &'static [&'static str] {
        name.set().splits
    }

    /// Refuses a split that the data set does not have.
    pub(crate) fn check(self, name: Name) -> Result<(), Error> {
        let text = self.to_string();
        let kind = text.split_once(':').map_or(text.as_str(), |(kind, _)| kind);
        let known = Self::known(name);
        if known.iter().any(|known| known.trim_end_matches(":N") == kind) {
            return Ok(());
        }
        Err(Error::Split { of: format!("a split of {name}"), known: known.join(", "), found: text })
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published => f.write_str("published"),
            Self::Reference => f.write_str("reference"),
            Self::First100 => f.write_str("first100"),
            Self::Tebn => f.write_str("tebn"),
            Self::Seeded(seed) => write!(f, "seeded:{seed}"),
            Self::BySpeaker(seed) => write!(f, "by-speaker:{seed}"),
        }
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let seed = |prefix: &str| text.strip_prefix(prefix).and_then(|seed| seed.parse().ok());
        match text {
            "published" => Ok(Self::Published),
            "reference" => Ok(Self::Reference),
            "first100" => Ok(Self::First100),
            "tebn" => Ok(Self::Tebn),
            _ => seed("seeded:")
                .map(Self::Seeded)
                .or_else(|| seed("by-speaker:").map(Self::BySpeaker))
                .ok_or_else(|| {
                    let known =
                        "published, reference, first100, tebn, seeded:N, by-speaker:N".to_owned();
                    Error::Split { of: "a split".to_owned(), known, found: text.to_owned() }
                }),
        }
    }
}

impl TryFrom<String> for Split {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Split> for String {
    fn from(split: Split) -> Self {
        split.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "published",
            "reference",
            "first100",
            "tebn",
            "seeded:7",
            "by-speaker:18446744073709551615",
        ] {
            let split: Split = text.parse().unwrap();
            assert_eq!(split.to_string(), text);
            assert_eq!(serde_json::to_value(split).unwrap(), text);
            assert_eq!(serde_json::from_value::<Split>(text.into()).unwrap(), split);
        }
        for text in ["", "seeded", "seeded:", "seeded:-1", "Published", "first100:1"] {
            let said = text.parse::<Split>().unwrap_err().to_string();
            assert!(
                said.starts_with("expected a split (published, ")
                    && said.contains(&format!("\"{text}\"")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_split_belongs_to_its_data_sets() {
        for name in Name::ALL {
            for known in Split::known(name) {
                known.replace('N', "3").parse::<Split>().unwrap().check(name).unwrap();
            }
        }
        let sentence =
            "expected a split of n-mnist (published), found \"seeded:3\"; use one of those";
        assert_eq!(Split::Seeded(3).check(Name::NMnist).unwrap_err().to_string(), sentence);
        assert!(Split::Published.check(Name::Cifar10Dvs).is_err());
    }
}
