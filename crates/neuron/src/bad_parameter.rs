/// A neuron's parameter lies outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the neuron's {name} must be {expected}, found {found}")]
pub struct BadParameter {
    pub(crate) name: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl BadParameter {
    /// The parameter's name, its range and its value, in words.
    pub fn parts(&self) -> (String, String, String) {
        (self.name.to_owned(), self.expected.to_owned(), self.found.clone())
    }
}

/// Refuses a parameter unless it is `ok`.
pub(crate) fn range(
    name: &'static str,
    found: f64,
    ok: bool,
    expected: &'static str,
) -> Result<(), BadParameter> {
    if ok { Ok(()) } else { Err(BadParameter { name, expected, found: sentence::number(found) }) }
}
