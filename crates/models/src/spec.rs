use std::fmt;
use std::str::FromStr;

/// One entry of the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `128C3`: convolution with a 3×3 window, stride 1, same size; batch norm, ReLU, neuron.
    Conv {
        /// Output channels.
        channels: usize,
        /// Side of the window, odd.
        kernel: usize,
    },
    /// `MP2`: max pooling, window = stride.
    MaxPool(usize),
    /// `AP2`: average pooling, window = stride.
    AvgPool(usize),
    /// `DP`: neuron dropout, p = 0.5, one mask for all steps.
    Dropout,
    /// `2048FC`: linear, ReLU, neuron. `2048FC(DP)` drops currents before the neuron, as the released
    /// code of the small network does; the paper's `2048FC-DP` drops spikes after it.
    FullyConnected {
        /// Units.
        units: usize,
        /// Whether dropout stands between ReLU and neuron.
        dropout: bool,
    },
    /// `10Voting`, once, last: linear to `voters` units a class, neuron, mean over each class's units.
    Voting {
        /// Units that vote for one class.
        voters: usize,
    },
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Conv { channels, kernel } => write!(f, "{channels}C{kernel}"),
            Stage::MaxPool(k) => write!(f, "MP{k}"),
            Stage::AvgPool(k) => write!(f, "AP{k}"),
            Stage::Dropout => write!(f, "DP"),
            Stage::FullyConnected { units, dropout: false } => write!(f, "{units}FC"),
            Stage::FullyConnected { units, dropout: true } => write!(f, "{units}FC(DP)"),
            Stage::Voting { voters } => write!(f, "{voters}Voting"),
        }
    }
}

/// A network in the paper's notation. Written and read as text; text → spec → text is the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec(Vec<Stage>);

/// What is wrong with a network's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("network '{text}', character {at}: expected {expected}, found {found}")]
pub struct ParseError {
    text: String,
    /// Counted from 1.
    pub at: usize,
    expected: &'static str,
    found: String,
}

const FORMS: &str = "a stage such as 128C3, MP2, AP2, DP, 512FC or 10Voting";
/// No layer of the paper is near this; a typed number beyond it is a typing error, not a network.
const LARGEST: usize = 1 << 20;
const LARGEST_WINDOW: usize = 31;

impl FromStr for Spec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Spec, ParseError> {
        let error = |at: usize, expected, found: &str| ParseError {
            text: text.into(),
            at: text[..at].chars().count() + 1,
            expected,
            found: if found.is_empty() { "nothing".into() } else { format!("'{found}'") },
        };
        let mut stages = Vec::new();
        let mut at = 0;
        for word in text.split('-') {
            if matches!(stages.last(), Some(Stage::Voting { .. })) {
                return Err(error(at, "the end, since the voting stage comes last", word));
            }
            let stage = stage(word).map_err(|(offset, expected)| error(at + offset, expected, &word[offset..]))?;
            stages.push(stage);
            at += word.len() + 1;
        }
        match stages.last() {
            Some(Stage::Voting { .. }) => Ok(Spec(stages)),
            _ => Err(error(text.len(), "a last stage that votes, such as -10Voting", "")),
        }
    }
}

/// One stage, or where in the word it goes wrong and what should stand there.
fn stage(word: &str) -> Result<Stage, (usize, &'static str)> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, rest) = word.split_at(digits);
    let number = |text: &str, at: usize| match text.parse::<usize>() {
        Ok(n) if (1..=LARGEST).contains(&n) => Ok(n),
        _ => Err((at, "a whole number from 1 to 1048576")),
    };
    if digits == 0 {
        return match (word, word.get(..2)) {
            ("DP", _) => Ok(Stage::Dropout),
            (_, Some("MP")) => Ok(Stage::MaxPool(number(&word[2..], 2)?)),
            (_, Some("AP")) => Ok(Stage::AvgPool(number(&word[2..], 2)?)),
            _ => Err((0, FORMS)),
        };
    }
    let count = number(count, 0)?;
    match rest {
        "FC" => Ok(Stage::FullyConnected { units: count, dropout: false }),
        "FC(DP)" => Ok(Stage::FullyConnected { units: count, dropout: true }),
        "Voting" => Ok(Stage::Voting { voters: count }),
        _ => match rest.strip_prefix('C').map(|kernel| number(kernel, digits + 1)) {
            Some(Ok(kernel)) if kernel > LARGEST_WINDOW => Err((digits + 1, "a window of at most 31")),
            Some(Ok(kernel)) if kernel % 2 == 1 => Ok(Stage::Conv { channels: count, kernel }),
            Some(Ok(_)) => Err((digits + 1, "an odd window, which keeps a map's size")),
            Some(Err(e)) => Err(e),
            None => Err((digits, "C3 (convolution), FC (fully connected) or Voting after the number")),
        },
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stage) in self.0.iter().enumerate() {
            write!(f, "{}{stage}", if i == 0 { "" } else { "-" })?;
        }
        Ok(())
    }
}

impl Spec {
    /// The stages in order; the last one votes.
    pub fn stages(&self) -> &[Stage] {
        &self.0
    }

    /// The same network with channels and hidden units divided by `divisor` (rounded up); voters stay.
    pub fn narrowed(&self, divisor: usize) -> Spec {
        let narrow = |n: usize| n.div_ceil(divisor.max(1));
        Spec(
            self.0
                .iter()
                .map(|&stage| match stage {
                    Stage::Conv { channels, kernel } => Stage::Conv { channels: narrow(channels), kernel },
                    Stage::FullyConnected { units, dropout } => Stage::FullyConnected { units: narrow(units), dropout },
                    other => other,
                })
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Spec>().unwrap_err().to_string()
    }

    #[test]
    fn text_to_spec_to_text_is_the_identity() {
        for text in ["10Voting", "128C3-MP2-128C3-256C3-AP2-2048FC(DP)-10Voting", "64C5-AP4-DP-1024FC-DP-3Voting"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_point_at_the_character() {
        assert_eq!(
            error("128C3-MQ2"),
            "network '128C3-MQ2', character 7: expected a stage such as 128C3, MP2, AP2, DP, 512FC or 10Voting, found 'MQ2'"
        );
        assert!(error("128C3-MP2").contains("character 10: expected a last stage that votes"));
        assert!(error("").contains("character 1"));
        assert!(error("128X3-10Voting").contains("character 4: expected C3"));
        assert!(error("128C-10Voting").contains("character 5: expected a whole number"));
        assert!(error("128C4-10Voting").contains("odd window, which keeps a map's size, found '4'"));
        assert!(error("8C33-10Voting").contains("character 3: expected a window of at most 31"));
        assert!(error("10Voting-DP").contains("character 10: expected the end"));
        assert!(error("0C3-10Voting").contains("character 1: expected a whole number"));
        assert!(error("99999999999999999999C3-10Voting").contains("character 1: expected a whole number"));
        assert!(error("128C3--10Voting").contains("character 7"));
        assert!(error("128C3-ÄP2").contains("found 'ÄP2'"));
    }

    #[test]
    fn narrowing_leaves_pools_and_voters_alone() {
        let spec: Spec = "128C3-MP2-100FC-10Voting".parse().unwrap();
        assert_eq!(spec.narrowed(16).to_string(), "8C3-MP2-7FC-10Voting");
    }
}
