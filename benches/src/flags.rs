//! Values of flags that the benchmark programs share, for clap.

use models::{Architecture, StatisticsOver};

/// A whole number above 0.
///
/// # Errors
/// Anything else.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| format!("expected a whole number above 0, found '{text}'"))
}

/// A network of the paper, by name.
///
/// # Errors
/// Anything else.
pub fn net(text: &str) -> Result<Architecture, String> {
    match text {
        "small" => Ok(Architecture::Small),
        "middle" => Ok(Architecture::Middle),
        "middle-cifar" => Ok(Architecture::MiddleCifar),
        "large" => Ok(Architecture::Large),
        "resnet34" => Ok(Architecture::ResNet34),
        other => {
            Err(format!("expected small, middle, middle-cifar, large or resnet34, found '{other}'"))
        }
    }
}

/// What batch norm averages over.
///
/// # Errors
/// Anything else.
pub fn norm(text: &str) -> Result<StatisticsOver, String> {
    match text {
        "step" => Ok(StatisticsOver::Step),
        "time" => Ok(StatisticsOver::Time),
        other => Err(format!("expected step or time, found '{other}'")),
    }
}
