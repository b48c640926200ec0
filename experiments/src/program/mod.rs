//! The commands: `spikegrad` has all of them, and each is a program by itself (`src/bin/`). How
//! every one begins and ends: flags read, errors as one sentence, and the status.

pub mod conformance;
pub mod data;
pub mod report;
pub mod simulator;
pub mod train;

use crate::experiment::Experiment;
use crate::paper::{self, TableFlags};
use crate::tables;
use crate::usage::{self, PAGE, Usage};
use crate::{machine, stop};
use anyhow::Result;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::process::ExitCode;

/// The allocator of the programs: it keeps the large buffers of a training step instead of returning
/// them to the system. A program names it, since a library that did would choose for all its users.
pub use mimalloc::MiMalloc as Allocator;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A command: what it takes, and what it does with it.
struct Tool {
    command: Command,
    work: Box<Work>,
}

type Work = dyn Fn(&ArgMatches) -> Result<ExitCode>;

/// A command whose flags are `F`.
fn tool<F: Args + 'static>(name: &'static str, work: fn(F) -> Result<ExitCode>) -> Tool {
    let work = move |matches: &ArgMatches| work(F::from_arg_matches(matches)?);
    Tool { command: F::augment_args(Command::new(name)), work: Box::new(work) }
}

/// The command of a table or figure.
fn of(experiment: &'static Experiment) -> Tool {
    let work = move |matches: &ArgMatches| {
        done(paper::table(experiment, &TableFlags::from_arg_matches(matches)?))
    };
    Tool { command: paper::command(experiment), work: Box::new(work) }
}

fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// Every command: the tables and figures, then what else there is.
fn tools() -> Vec<Tool> {
    let others = [
        report::command(),
        train::command(),
        data::command(),
        simulator::command(),
        conformance::command(),
    ];
    tables::ALL.into_iter().map(of).chain(others).collect()
}

/// The program `spikegrad`, which has every command. The allocator is the caller's to name.
pub fn main() -> ExitCode {
    let tools = tools();
    let command = Command::new("spikegrad")
        .version(VERSION)
        .about("Trains deep spiking networks, and makes the paper's tables and figures")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(tools.iter().map(|tool| tool.command.clone()));
    run(command, |matches| {
        let asked = matches.subcommand();
        let found = asked.and_then(|(name, matches)| {
            let tool = tools.iter().find(|tool| tool.command.get_name() == name)?;
            Some((tool.work)(matches))
        });
        found.unwrap_or_else(|| Err(Usage("expected a command; --help lists them".into()).into()))
    })
}

/// The program of one table or figure: `table2`.
pub fn table(id: &str) -> ExitCode {
    match tables::of(id) {
        Some(experiment) => only(of(experiment)),
        None => ended(Err(anyhow::anyhow!("expected the name of a table, found \"{id}\""))),
    }
}

/// A program that has one command alone, and nothing of the others.
fn only(Tool { command, work }: Tool) -> ExitCode {
    run(command.version(VERSION), work)
}

/// Reads the command line of a program, does its work and ends it: with the status of its work, with
/// 1 and one sentence, with 2 for wrong flags, or as a shell expects it of one that was interrupted.
pub(crate) fn run(
    command: Command,
    work: impl FnOnce(&ArgMatches) -> Result<ExitCode>,
) -> ExitCode {
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
        Err(error) if error.is::<stop::Ended>() => {
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
