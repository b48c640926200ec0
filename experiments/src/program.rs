//! How every program begins and ends: flags read, errors as one sentence, and the status.

use crate::flags::Usage;
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
        // names of files may be among the arguments: clap's sentence is about safe ones
        Err(error) => refused(&F::try_parse_from(safe_arguments()).err().unwrap_or(error)),
    }
}

/// The command line, with nothing in it that commands a terminal.
pub fn safe_arguments() -> Vec<String> {
    let safe = |argument: std::ffi::OsString| terminal::line(&argument.to_string_lossy());
    std::env::args_os().map(safe).collect()
}

/// Says what clap has to say: help on standard output, or what is wrong with a flag, with status 2;
/// with colours on a terminal. A stream that is gone is no reason to end otherwise.
pub fn refused(error: &clap::Error) -> ExitCode {
    let _ = error.print();
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
