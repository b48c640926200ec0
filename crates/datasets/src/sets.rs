//! From the name of a data set to its file.

use std::str::FromStr;

use crate::{Error, Info, Name, data_set::DataSet, name::data_sets};

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident $id:literal $file:ident::$set:ident,)+) => {
        impl Name {
            /// What its own file tells of this data set.
            pub(crate) fn set(self) -> &'static DataSet {
                match self {
                    $(Self::$name => &crate::$file::$set,)+
                }
            }
        }
    };
}

data_sets!(sets);

impl Name {
    /// What is published about this data set.
    pub fn info(self) -> &'static Info {
        self.set().info
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

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|name| name.id() == text).ok_or_else(|| Error::Unknown {
            known: Self::ALL.map(Self::id).join(", "),
            found: text.to_owned(),
        })
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
        let sentence = "expected the name of a data set (n-mnist, dvs-gesture, dvs-cifar10, speech-commands, mnist, cifar10, \
                        cifar100), found \"emnist\"; use one of those names";
        assert_eq!("emnist".parse::<Name>().unwrap_err().to_string(), sentence);
    }
}
