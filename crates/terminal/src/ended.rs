//! How programs end.

use crate::{Unwritten, say};
use std::process::ExitCode;

/// The status of a program whose reader left: what a shell shows for one that SIGPIPE ended, as
/// `cat` or `git` are.
pub const READER_GONE: u8 = 128 + 13;

/// Ends a program: with status 0, or with 1 and its error as one sentence on standard error. A
/// reader of standard output that left is no error to speak of; the program ends in silence with
/// [`READER_GONE`].
pub fn ended(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    match error.chain().find_map(unwritten) {
        Some(unwritten) if unwritten.reader_left() => return ExitCode::from(READER_GONE),
        Some(unwritten) => say!("error: {unwritten}"),
        None => say!("error: {}", sentence(&error)),
    }
    ExitCode::FAILURE
}

fn unwritten<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e Unwritten> {
    let within = || cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref();
    cause.downcast_ref().or_else(within)
}

/// An error with its causes, each once: many sentences hold their cause already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain().map(said) {
        if !sentence.contains(cause.as_str()) {
            sentence += if sentence.is_empty() { "" } else { ": " };
            sentence += &cause;
        }
    }
    sentence
}

/// An error in words; the system's without its number.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    error.downcast_ref().map_or_else(|| error.to_string(), sentence::cause)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn causes_stand_once_in_a_sentence() {
        let error = Err::<(), _>(anyhow!("the disk is full")).context("a.bin").unwrap_err();
        assert_eq!(sentence(&error), "a.bin: the disk is full");
        let error = error.context("cannot write a.bin: the disk is full");
        assert_eq!(sentence(&error), "cannot write a.bin: the disk is full");
    }

    #[test]
    fn a_system_error_is_in_words() {
        let gone = std::io::Error::from_raw_os_error(2);
        let error = anyhow::Error::from(gone).context("cannot read a.bin");
        assert_eq!(sentence(&error), "cannot read a.bin: nothing of that name");
    }

    #[test]
    fn a_stream_that_is_gone_is_found_within_any_error() {
        let gone = |kind| std::io::Error::new(kind, "x");
        let inner = crate::streams::known(gone(std::io::ErrorKind::BrokenPipe));
        let error = anyhow::Error::from(inner).context("conformance");
        assert!(error.chain().find_map(unwritten).is_some_and(Unwritten::reader_left));
        // a broken pipe elsewhere, such as a download's, is not the reader's
        let other = anyhow::Error::from(gone(std::io::ErrorKind::BrokenPipe));
        assert!(other.chain().find_map(unwritten).is_none());
    }
}
