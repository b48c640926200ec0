//! How every program begins and ends: flags read, errors as one sentence, and the status.

use crate::usage::{self, Usage};
use crate::{machine, stop};
use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;

/// Reads the flags of a program, does its work and ends it: with status 0, with 1 and one sentence,
/// with 2 for wrong flags, or as a shell expects it of one that was interrupted.
pub fn run<F: Parser>(work: impl FnOnce(F) -> Result<()>) -> ExitCode {
    run_to_status(|flags| work(flags).map(|()| ExitCode::SUCCESS))
}

/// As [`run`], for a program whose work has a status of its own.
pub fn run_to_status<F: Parser>(work: impl FnOnce(F) -> Result<ExitCode>) -> ExitCode {
    match F::try_parse() {
        Ok(flags) => {
            machine::remember_program(false);
            work(flags).unwrap_or_else(|error| ended(Err(error)))
        }
        Err(error) => refused(&error),
    }
}

/// Prints the help that was asked for, or says what is wrong with a command line, with status 2. A
/// stream that is gone is no reason to end otherwise.
pub fn refused(error: &clap::Error) -> ExitCode {
    match usage::sentence(error) {
        Some(said) => terminal::say!("error: {said}"),
        None => _ = error.print(),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Ends a program: with status 1 and its error as one sentence, with 2 if a flag's value is what is
/// wrong, or as a shell expects it of one that was interrupted; see [`terminal::ended`].
pub fn ended(result: Result<()>) -> ExitCode {
    match result {
        Err(error) if matches!(error.downcast_ref(), Some(training::Error::Interrupted)) => {
            terminal::say!(
                "interrupted: the state is saved, and the same command goes on from there"
            );
            ExitCode::from(stop::status())
        }
        Err(error) if error.is::<stop::Ended>() => {
            terminal::say!("{error}");
            ExitCode::from(stop::status())
        }
        Err(error) if error.is::<Usage>() => {
            terminal::ended(Err(error));
            ExitCode::from(2)
        }
        result => terminal::ended(result),
    }
}
