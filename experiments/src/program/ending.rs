//! How every program begins and ends: flags read, errors as one sentence, and the status.

use crate::usage::{self, PAGE, Usage};
use crate::{machine, stop};
use anyhow::Result;
use clap::{ArgMatches, Command};
use std::process::ExitCode;

/// Reads the command line of a program, does its work and ends it: with the status of its work,
/// with 1 and one sentence, with 2 for wrong flags, or as a shell expects it of one that was
/// interrupted.
pub fn run(command: Command, work: impl FnOnce(&ArgMatches) -> Result<ExitCode>) -> ExitCode {
    match command.max_term_width(PAGE).try_get_matches() {
        Ok(matches) => {
            machine::remember_program(false);
            work(&matches).unwrap_or_else(|error| ended(Err(error)))
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
        Err(error) if error.is::<stop::Interrupted>() => {
            terminal::say!("{error}");
            ExitCode::from(stop::status())
        }
        Err(error) if error.is::<clap::Error>() => match error.downcast() {
            Ok(error) => refused(&error),
            Err(error) => terminal::ended(Err(error)),
        },
        Err(error) if error.is::<Usage>() => {
            terminal::ended(Err(error));
            ExitCode::from(2)
        }
        result => terminal::ended(result),
    }
}
