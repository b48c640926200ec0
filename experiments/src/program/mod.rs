//! The commands: `spikegrad` has all of them, and each is a program by itself (`src/bin/`).

pub mod conformance;
pub mod convert;
pub mod data;
pub(crate) mod ending;
pub mod nir;
pub mod report;
pub mod simulator;
pub mod train;

use crate::experiment::Experiment;
use crate::paper::{self, TableFlags};
use crate::tables;
use crate::usage::Usage;
use anyhow::Result;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::process::ExitCode;

pub(crate) use ending::run;
pub use ending::{ended, refused};

/// The allocator of the programs: it keeps the large buffers of a training step instead of
/// returning them to the system. A program names it, since a library that did would choose for all
/// its users.
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
        done(paper::table(experiment, TableFlags::from_arg_matches(matches)?))
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
        convert::command(),
        nir::command(),
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
