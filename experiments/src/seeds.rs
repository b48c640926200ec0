//! Which seeds a cell is trained with.

use std::collections::BTreeSet;
use std::str::FromStr;

/// Seeds of a cell's runs, in the order asked for: as a number `3` the seeds 0, 1, 2; as a list
/// `3,5,7` these; as a range `3..6` the seeds 3, 4, 5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<u64>);

/// The most seeds of a cell.
const MOST: u64 = 1000;

impl Seeds {
    /// One seed.
    pub fn one(seed: u64) -> Self {
        Self(vec![seed])
    }

    /// The seeds in order; at least one, none twice.
    pub fn list(&self) -> &[u64] {
        &self.0
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "expected a number of seeds from 1 to 1000 (3: the seeds 0, 1, 2), a list of at least two (3,5,7) or a range (3..6: 3, 4, 5)"
                .to_owned()
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (number(from)?, number(to)?);
            let many = to.checked_sub(from).filter(|many| (1..=MOST).contains(many));
            return many.map(|_| Self((from..to).collect())).ok_or_else(wrong);
        }
        if text.contains(',') {
            let list = text.split(',').map(number).collect::<Result<Vec<u64>, _>>()?;
            let mut seen = BTreeSet::new();
            if let Some(twice) = list.iter().find(|seed| !seen.insert(**seed)) {
                return Err(format!(
                    "expected every seed once, found {twice} twice; leave one out"
                ));
            }
            return if list.len() as u64 <= MOST { Ok(Self(list)) } else { Err(wrong()) };
        }
        let many = number(text)?;
        if (1..=MOST).contains(&many) { Ok(Self((0..many).collect())) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_a_list_and_a_range() {
        let list = |text: &str| text.parse::<Seeds>().unwrap().list().to_vec();
        assert_eq!(list("3"), [0, 1, 2]);
        assert_eq!(list("3,5,7"), [3, 5, 7]);
        assert_eq!(list("7,3"), [7, 3], "in the order asked for");
        assert_eq!(list("3..6"), [3, 4, 5]);
        let last = u64::MAX;
        assert_eq!(list(&format!("0,{last}")), [0, last]);
        assert_eq!(list(&format!("{}..{last}", last - 1)), [last - 1]);
    }

    #[test]
    fn what_is_no_seeds_is_refused() {
        for wrong in [
            "",
            "0",
            "1001",
            "-1",
            "1.5",
            ",",
            "3,",
            ",3",
            "3,,5",
            "3, 5",
            "6..3",
            "3..3",
            "..3",
            "3..",
            "0..1001",
            "0..18446744073709551615",
            "3..5..7",
            "a",
            "1e3",
            "NaN",
            "18446744073709551616",
            "3,18446744073709551616",
            "3..6,8",
        ] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
        let twice = "3,5,3".parse::<Seeds>().unwrap_err();
        assert!(twice.contains("found 3 twice"), "{twice}");
    }
}
