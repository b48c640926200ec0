//! What a rule says of a record that breaks it.

/// What is wrong with a record.
pub(crate) struct Wrong {
    /// What belongs there, with its place.
    pub(crate) expected: String,
    /// What is there.
    pub(crate) found: String,
}

pub(crate) type Checked = Result<(), Wrong>;

/// That something holds, or what is wrong.
pub(crate) fn ensure(holds: bool, expected: &str, found: impl ToString) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(Wrong { expected: expected.to_owned(), found: found.to_string() }),
    }
}
