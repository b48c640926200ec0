//! Runs as an array of SLURM's jobs, with a job behind it that lays them out. The scripts hold this
//! very command, which trains the run of its task: SLURM is asked for nothing but to start it.

use crate::slurm_flags::SlurmFlags;
use anyhow::{Context, Result, anyhow, bail, ensure};
use report::write_text;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds before a job's time is over at which it is told.
const WARNED: u32 = 120;
/// Seconds that a job must have lived to be queued again when its time is over.
const TRAINED: u32 = 60;
/// The most tasks of an array: SLURM's own limit is 1001 where nobody raised it.
const MOST: usize = 1000;
/// How often a run that was killed is queued again: one without enough memory would be for ever.
const AGAIN: u32 = 3;

/// What is to be trained.
pub struct Wanted<'a> {
    /// The table, figure or command.
    pub id: &'a str,
    /// Runs of the command.
    pub runs: usize,
    /// The numbers of those that have no receipt.
    pub missing: &'a [usize],
}

/// Two scripts: the array's, and that of the job behind it.
struct Scripts {
    array: String,
    behind: String,
}

/// Writes the scripts into `results`/slurm, submits them and prints the numbers of their jobs; with
/// `dry` prints the scripts alone.
///
/// # Errors
/// What cannot be written, and what SLURM says where it refuses.
pub fn submit(flags: &SlurmFlags, wanted: &Wanted<'_>, results: &Path, dry: bool) -> Result<()> {
    if wanted.missing.is_empty() {
        terminal::say!("every run has its receipt; nothing is submitted");
        return Ok(());
    }
    let results = std::path::absolute(results).context("cannot tell the results folder's place")?;
    let scripts = Scripts::new(flags, wanted, &results)?;
    if dry {
        let all = format!("{}\n{}", scripts.array, scripts.behind);
        return crate::publish::print(&all);
    }
    let folder = results.join("slurm");
    crate::outputs::try_folder(&folder, "--results", true)?;
    let send = |name: &str, script: &str, more: &[String]| -> Result<String> {
        let file = folder.join(name);
        write_text(&file, script)?;
        sbatch(&file, more)
    };
    let Wanted { id, .. } = wanted;
    let array = send(&format!("{id}.sh"), &scripts.array, &[])?;
    terminal::out!("array job {array}: {} runs", wanted.missing.len())?;
    // whatever came of the runs: the table shows those that have a receipt
    let after = [format!("--dependency=afterany:{array}")];
    let behind = send(&format!("{id}-report.sh"), &scripts.behind, &after)
        .with_context(|| format!("the runs are submitted as job {array}, their report is not"))?;
    terminal::out!("report job {behind}: behind it, whatever comes of them")?;
    terminal::say!("logs and scripts: {}", folder.display());
    Ok(())
}

/// Submits a script; the number of its job.
fn sbatch(file: &Path, more: &[String]) -> Result<String> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable").args(more).arg(file).stdin(Stdio::null());
    let output = command.output().map_err(|cause| {
        anyhow!(
            "--slurm: cannot start sbatch: {}; run this where SLURM is, or let --dry-run print the script",
            sentence::cause(&cause)
        )
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if !output.status.success() {
        bail!("--slurm: sbatch refuses {}: {said}", file.display());
    }
    // the number, and on some clusters the name of the cluster behind a semicolon
    let answer = String::from_utf8_lossy(&output.stdout);
    let job = answer.trim().split(';').next().unwrap_or_default().to_owned();
    ensure!(
        !job.is_empty() && job.bytes().all(|b| b.is_ascii_digit()),
        "--slurm: expected the number of a job from sbatch --parsable, found {}",
        sentence::quoted(answer.trim())
    );
    Ok(job)
}

impl Scripts {
    fn new(flags: &SlurmFlags, wanted: &Wanted<'_>, results: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot tell this program's own place")?;
        let program = program.to_str().context("--slurm: this program's path is no UTF-8")?;
        let words = std::env::args_os().skip(1).map(|word| {
            word.into_string().map_err(|_| anyhow!("--slurm: a word of this command is no UTF-8"))
        });
        let words: Vec<String> = words.collect::<Result<_>>()?;
        let folder = std::env::current_dir().context("cannot tell the folder this runs in")?;
        let folder = folder.to_str().context("--slurm: this folder's path is no UTF-8")?;
        let results = results.to_str().context("--slurm: the results folder's path is no UTF-8")?;
        let command = Invocation { program, words: without_flags(&words), folder, results };
        Ok(Self { array: command.array(flags, wanted), behind: command.behind(flags, wanted.id) })
    }
}

/// A command as a job gives it.
struct Invocation<'a> {
    program: &'a str,
    words: Vec<String>,
    folder: &'a str,
    results: &'a str,
}

impl Invocation<'_> {
    /// The options that both scripts begin with.
    fn head(&self, flags: &SlurmFlags, name: &str, log: &str) -> String {
        let mut head = String::from("#!/bin/bash\n");
        let mut line = |option: &str| head += &format!("#SBATCH {option}\n");
        line(&format!("--job-name={name}"));
        line(&format!("--chdir={}", in_quotes(self.folder)));
        line(&format!("--output={}", in_quotes(&format!("{}/slurm/{log}", self.results))));
        line("--open-mode=append");
        line("--requeue");
        if let Some(partition) = &flags.partition {
            line(&format!("--partition={partition}"));
        }
        flags.sbatch.iter().for_each(|option| line(option));
        head
    }

    fn array(&self, flags: &SlurmFlags, wanted: &Wanted<'_>) -> String {
        let Wanted { id, runs, missing } = *wanted;
        let many = runs.min(MOST);
        let mut tasks: Vec<usize> = missing.iter().map(|run| run % many).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let limit = flags.array_limit.map(|limit| format!("%{limit}")).unwrap_or_default();
        let mut script = self.head(flags, &format!("spikegrad-{id}"), &format!("{id}-%A_%a.log"));
        let mut line = |option: String| script += &format!("#SBATCH {option}\n");
        line(format!("--array={}{limit}", ranges(&tasks)));
        line(format!("--signal=B:USR1@{WARNED}"));
        if let Some(time) = &flags.time {
            line(format!("--time={time}"));
        }
        if let Some(gres) = &flags.gres {
            line(format!("--gres={gres}"));
        }
        let command = self.command(&format!("--task \"$SLURM_ARRAY_TASK_ID\"/{many}"));
        _ = write!(
            script,
            "\n\
             # {WARNED} s before its time is over the run is saved, and its job queued again: it goes on to the same bits.\n\
             # A job that had no {TRAINED} s to train is not, since it would be for ever.\n\
             # A signal that SLURM sends to all processes of the job must not come twice as the same: TERM goes on as USR2.\n\
             late=\n\
             trap 'late=1; kill -USR1 \"$run\"' USR1\n\
             trap 'kill -USR2 \"$run\"' TERM\n\
             {command} &\n\
             run=$!\n\
             while wait \"$run\"; status=$?; kill -0 \"$run\" 2>/dev/null; do :; done\n\
             if [ -n \"$late\" ] && [ \"$status\" -eq 138 ] && [ \"$SECONDS\" -gt {TRAINED} ]; then\n    \
                 scontrol requeue \"$SLURM_JOB_ID\" && exit 0\n\
             fi\n\
             # killed from outside, for its memory perhaps: at most {AGAIN} times more\n\
             if [ \"$status\" -eq 137 ] && [ \"${{SLURM_RESTART_COUNT:-0}}\" -lt {AGAIN} ]; then\n    \
                 scontrol requeue \"$SLURM_JOB_ID\" && exit 0\n\
             fi\n\
             exit \"$status\"\n"
        );
        script
    }

    fn behind(&self, flags: &SlurmFlags, id: &str) -> String {
        let name = format!("spikegrad-{id}-report");
        let head = self.head(flags, &name, &format!("{id}-report-%j.log"));
        let table = self.command("--task none");
        let path = Path::new(self.program);
        let is_all = path.file_stem().is_some_and(|name| name == "spikegrad");
        // the program that has every command, or that of `report` beside this one
        let report = match is_all {
            true => Some(format!("{} report", quoted(self.program))),
            false => Some(path.with_file_name("report"))
                .filter(|report| report.is_file())
                .and_then(|report| report.to_str().map(quoted)),
        };
        let page = report.map_or_else(String::new, |report| {
            format!("{report} --results {} || exit\n", quoted(self.results))
        });
        format!("{head}\n{table}\nstatus=$?\n{page}exit \"$status\"\n")
    }

    fn command(&self, task: &str) -> String {
        let words = std::iter::once(self.program).chain(self.words.iter().map(String::as_str));
        words.map(quoted).chain([task.to_owned()]).collect::<Vec<_>>().join(" ")
    }
}

/// The words of a command line without what is for SLURM.
fn without_flags(words: &[String]) -> Vec<String> {
    let mut words = words.iter();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word.as_str(), false),
        };
        match SlurmFlags::NAMES.iter().find(|(flag, _)| *flag == name) {
            Some((_, true)) if !joined => _ = words.next(),
            Some(_) => (),
            None if word == "--dry-run" => (),
            None => kept.push(word.clone()),
        }
    }
    kept
}

/// `0-3,5`.
fn ranges(numbers: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let part = |&(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:+%@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// One word for an option in a script.
fn in_quotes(word: &str) -> String {
    match word.contains(char::is_whitespace) {
        true => format!("\"{word}\""),
        false => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_gives_the_command_without_what_is_for_slurm() {
        let words = "table2 --slurm --seeds 5 --time 2:00:00 --gres=gpu:1 --set a=b --dry-run --sbatch --account=x --results r";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        assert_eq!(without_flags(&words).join(" "), "table2 --seeds 5 --set a=b --results r");
    }

    #[test]
    fn words_and_numbers_are_written_as_a_shell_and_slurm_read_them() {
        assert_eq!(quoted("n-mnist"), "n-mnist");
        assert_eq!(quoted(r#"{"a":'b'}"#), r#"'{"a":'\''b'\''}'"#);
        assert_eq!(quoted(""), "''");
        assert_eq!(ranges(&[0, 1, 2, 3, 5, 7, 8]), "0-3,5,7-8");
        assert_eq!(ranges(&[4]), "4");
    }
}
