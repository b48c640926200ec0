//! Which of a command's runs this process trains: all of them, or a task's, as schedulers number
//! tasks.

use crate::slurm_flags::SlurmFlags;
use crate::usage::Usage;
use anyhow::{Result, bail};
use std::str::FromStr;

/// Variables by which schedulers number a task: SLURM's arrays, HyperQueue's, Kubernetes' indexed
/// jobs.
const VARIABLES: [&str; 3] = ["SLURM_ARRAY_TASK_ID", "HQ_TASK_ID", "JOB_COMPLETION_INDEX"];

/// What `--task` takes.
const TAKES: &str = "K/N (every N-th run, from number K on; K from 0 to N - 1), K (the run of that number alone), all or none";

/// Flags by which many processes share the runs of a command.
#[derive(clap::Args)]
pub struct TaskFlags {
    /// Train only a part of the runs, and lay nothing out: K/N is every N-th of the list of
    /// --list-tasks from number K on, K from 0 to N - 1, and K is the run of that number alone;
    /// none trains nothing and lays out what receipts say [default: of more runs than one the run
    /// that SLURM_ARRAY_TASK_ID, HQ_TASK_ID or JOB_COMPLETION_INDEX numbers, else all]
    #[arg(long, value_name = "K/N|K|all|none")]
    task: Option<Task>,
    /// List the runs of this command by number, with what is there of each, and train nothing
    #[arg(long, conflicts_with_all = ["dry_run", "task"])]
    pub(crate) list_tasks: bool,
    /// The list of --list-tasks as JSON
    #[arg(long, requires = "list_tasks")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) slurm: SlurmFlags,
}

/// What `--task` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    All,
    None,
    One(usize),
    Every { from: usize, step: usize },
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected {TAKES}");
        let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.parse::<usize>().map_err(|_| wrong()),
            false => Err(wrong()),
        };
        match (text, text.split_once('/')) {
            ("all", _) => Ok(Self::All),
            ("none", _) => Ok(Self::None),
            (_, Some((from, step))) => match (number(from)?, number(step)?) {
                (from, step) if from < step => Ok(Self::Every { from, step }),
                _ => Err(wrong()),
            },
            _ => number(text).map(Self::One),
        }
    }
}

/// The runs of this process, by their numbers in the command's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(Task);

impl Share {
    /// Every run.
    pub const ALL: Self = Self(Task::All);

    /// Whether the run of this number is of it.
    pub fn has(self, number: usize) -> bool {
        match self.0 {
            Task::All => true,
            Task::None => false,
            Task::One(one) => number == one,
            Task::Every { from, step } => number % step == from,
        }
    }

    /// Whether results are laid out by this process: not by a task, which knows no more than its
    /// own runs.
    pub fn lays_out(self) -> bool {
        matches!(self.0, Task::All | Task::None)
    }

    /// Whether nothing is trained, so that only what is there is laid out.
    pub fn is_none(self) -> bool {
        self.0 == Task::None
    }
}

impl TaskFlags {
    /// Whether the command only says what it would do.
    pub fn only_says(&self) -> bool {
        self.list_tasks
    }

    /// The share of `runs` runs that is this process's, by flag or by the scheduler's variables;
    /// one that is a part is said. `one_seed` names the one run that its caller wants, and then no
    /// variable is looked at.
    ///
    /// # Errors
    /// [`Usage`]: a number that no run has.
    pub fn share(&self, runs: usize, one_seed: bool) -> Result<Share> {
        let (task, by) = match self.task {
            Some(task) => (task, "--task".to_owned()),
            None if one_seed || runs == 1 => (Task::All, String::new()),
            None => from_environment(|name| std::env::var(name).ok())?,
        };
        let share = Share(task);
        if let Task::One(number) = task
            && number >= runs
        {
            bail!(Usage(format!(
                "{by}: expected the number of a run, from 0 to {}, found {number}; --list-tasks lists them, --task all trains all",
                runs.saturating_sub(1)
            )));
        }
        if !share.lays_out() {
            let many = (0..runs).filter(|&number| share.has(number)).count();
            terminal::say!("{by}: {many} of the {runs} runs of this command; lays out no table");
        }
        Ok(share)
    }
}

/// The run that a scheduler's variable numbers; all where there is none.
fn from_environment(value: impl Fn(&str) -> Option<String>) -> Result<(Task, String)> {
    let found = VARIABLES
        .into_iter()
        .find_map(|name| Some((name, value(name).filter(|value| !value.is_empty())?)));
    let Some((name, value)) = found else { return Ok((Task::All, String::new())) };
    match value.parse::<Task>() {
        Ok(task @ Task::One(_)) => Ok((task, format!("{name}={value}"))),
        _ => bail!(Usage(format!(
            "{name}: expected the number of a task, found \"{value}\"; unset it, or say --task all"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tasks_divide_the_runs() {
        for of in 1..9 {
            let mut seen = vec![0; 7];
            for k in 0..of {
                let share = Share(format!("{k}/{of}").parse().unwrap());
                (0..7).filter(|&run| share.has(run)).for_each(|run| seen[run] += 1);
                assert!(!share.lays_out());
            }
            assert_eq!(seen, vec![1; 7], "each is of one task, of {of}");
        }
        let one = Share("3".parse().unwrap());
        assert_eq!((0..7).filter(|&run| one.has(run)).collect::<Vec<_>>(), [3]);
        assert!(Share("all".parse().unwrap()).has(0) && Share::ALL.lays_out());
        let none = Share("none".parse().unwrap());
        assert!(none.is_none() && none.lays_out() && !none.has(0));
    }

    #[test]
    fn what_is_no_task_is_refused() {
        for wrong in [
            "",
            "/",
            "1/",
            "/4",
            "4/4",
            "1/0",
            "0/0",
            "-1/4",
            "+1/4",
            "1.5",
            "a",
            "1/4/2",
            "ALL",
            " 1/4",
            "99999999999999999999",
            "0/99999999999999999999",
        ] {
            let said = wrong.parse::<Task>().unwrap_err();
            assert!(said.contains("from 0 to N - 1"), "{wrong}: {said}");
        }
    }

    #[test]
    fn a_scheduler_numbers_its_task() {
        let with = |all: &'static [(&str, &str)]| {
            from_environment(|name| {
                let found = all.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(with(&[]).unwrap().0, Task::All);
        assert_eq!(with(&[("HQ_TASK_ID", "3")]).unwrap().0, Task::One(3));
        assert_eq!(with(&[("JOB_COMPLETION_INDEX", "0")]).unwrap().0, Task::One(0));
        let both: &[_] = &[("HQ_TASK_ID", "3"), ("SLURM_ARRAY_TASK_ID", "5")];
        assert_eq!(with(both).unwrap(), (Task::One(5), "SLURM_ARRAY_TASK_ID=5".into()));
        assert_eq!(with(&[("HQ_TASK_ID", "")]).unwrap().0, Task::All);
        for wrong in ["x", "1/4", "-1"] {
            let value = move |name: &str| (name == "HQ_TASK_ID").then(|| wrong.to_owned());
            let said = from_environment(value).unwrap_err();
            assert!(said.is::<Usage>() && said.to_string().starts_with("HQ_TASK_ID: "), "{said}");
        }
    }
}
