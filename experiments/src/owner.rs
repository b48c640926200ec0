//! Who holds a lock: host, job and process; and whether that process is still there.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the scheduler may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A process as others can look for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Of this one holding alone: no two locks have the same.
    pub token: String,
    host: String,
    process: u32,
    /// When the process began, in ticks since its machine did: another process may get its number.
    started: String,
    /// The boot of the machine, and the space in which the process has its number: containers have
    /// one each.
    boot: String,
    space: String,
    job: Option<Job>,
}

/// A job of SLURM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Job {
    cluster: String,
    /// As `squeue` takes it: `12`, or `12_3` for a task of an array.
    id: String,
    /// How often the job was queued again.
    restarts: u32,
}

/// Whether an owner is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It surely is.
    Alive,
    /// It surely is not.
    Dead,
    /// Nobody here can tell: it is on another machine, or in another container, or its job runs
    /// and its process may not.
    Unknown,
}

impl Owner {
    /// This process, with a new token.
    pub fn this() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let host = read("/proc/sys/kernel/hostname").or_else(|| variable("HOSTNAME"));
        let host = host.unwrap_or_else(|| "a host without a name".into());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let boot = read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digest = Sha256::digest(format!("{host} {boot} {process} {now} {count}"));
        Self {
            token: sentence::hex(&digest)[..16].to_owned(),
            started: stat(process).map(|stat| stat.started).unwrap_or_default(),
            space: std::fs::read_link("/proc/self/ns/pid")
                .map(|space| space.to_string_lossy().into_owned())
                .unwrap_or_default(),
            job: Job::this(),
            host,
            process,
            boot,
        }
    }

    /// Whether it is there, told by this machine where it is on it.
    pub fn here(&self) -> Fate {
        let this = Self::this();
        let local = !self.boot.is_empty() && self.boot == this.boot && self.space == this.space;
        if local && !self.space.is_empty() {
            return match stat(self.process) {
                Some(stat) if stat.ended || stat.started != self.started => Fate::Dead,
                Some(_) => Fate::Alive,
                None => Fate::Dead,
            };
        }
        Fate::Unknown
    }

    /// The scheduler's word, which is asked from within a job of the same cluster alone. It may be
    /// wrong of a machine that it cannot reach: who still writes to its lock is there.
    pub fn by_scheduler(&self) -> Fate {
        match (&self.job, &Job::this()) {
            (Some(job), Some(own)) if job.cluster.is_empty() || job.cluster != own.cluster => {
                Fate::Unknown
            }
            // what this job was before it was queued again
            (Some(job), Some(own)) if job.id == own.id && job.restarts < own.restarts => Fate::Dead,
            (Some(job), Some(_)) => job.fate(),
            _ => Fate::Unknown,
        }
    }
}

/// `process 12 on a-host, job 3_4`.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)?;
        match &self.job {
            Some(job) => write!(f, ", job {}", job.id),
            None => Ok(()),
        }
    }
}

impl Job {
    fn this() -> Option<Self> {
        let of_array = || {
            let (job, task) = (variable("SLURM_ARRAY_JOB_ID")?, variable("SLURM_ARRAY_TASK_ID")?);
            Some(format!("{job}_{task}"))
        };
        Some(Self {
            id: of_array().or_else(|| variable("SLURM_JOB_ID"))?,
            cluster: variable("SLURM_CLUSTER_NAME").unwrap_or_default(),
            restarts: variable("SLURM_RESTART_COUNT").and_then(|n| n.parse().ok()).unwrap_or(0),
        })
    }

    /// The scheduler's word.
    fn fate(&self) -> Fate {
        // what is no number is no job, and no word for another program
        if !self.id.chars().all(|c| c.is_ascii_digit() || c == '_') {
            return Fate::Unknown;
        }
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--format=%T", "--jobs", &self.id]);
        answer(command).map_or(Fate::Unknown, |(done, said)| told(done, &said))
    }
}

/// What `squeue` says of a job: its state, nothing for one that ended, or that it knows none.
fn told(done: bool, said: &str) -> Fate {
    match said.trim() {
        "" if done => Fate::Dead,
        said if !done && said.contains("Invalid job id") => Fate::Dead,
        _ if !done => Fate::Unknown,
        // processes that do not run, and so do not write to their locks
        "SUSPENDED" | "STOPPED" => Fate::Alive,
        // the job is there; its process, which a script may outlive, must say so itself
        "RUNNING" | "COMPLETING" | "SIGNALING" | "STAGE_OUT" | "RESIZING" => Fate::Unknown,
        _ => Fate::Dead,
    }
}

/// What a program says within [`ANSWER`], and whether its status was 0.
fn answer(mut command: Command) -> Option<(bool, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if start.elapsed() < ANSWER => std::thread::sleep(Duration::from_millis(20)),
            None => {
                _ = child.kill();
                _ = child.wait();
                return None;
            }
        }
    };
    let mut said = String::new();
    child.stdout.take()?.read_to_string(&mut said).ok()?;
    if !status.success() {
        child.stderr.take()?.read_to_string(&mut said).ok()?;
    }
    Some((status.success(), said))
}

struct Stat {
    started: String,
    /// It ended, and its parent has not looked yet.
    ended: bool,
}

/// What Linux says of a process: proc(5), `/proc/pid/stat`, fields 3 and 22.
fn stat(process: u32) -> Option<Stat> {
    let text = read(&format!("/proc/{process}/stat"))?;
    // the name before it, in brackets, may hold anything
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let started = (*fields.get(19)?).to_owned();
    Some(Stat { started, ended: matches!(*fields.first()?, "Z" | "X") })
}

fn read(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_of_this_machine_is_looked_for() {
        let this = Owner::this();
        assert_ne!(this.token, Owner::this().token);
        assert_eq!(this.here(), Fate::Alive);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let other = Owner { process: child.id(), ..this.clone() };
        assert_eq!(other.here(), Fate::Dead, "its number was given to another");
        let started = stat(child.id()).unwrap().started;
        let other = Owner { started, ..other };
        assert_eq!(other.here(), Fate::Alive);
        child.kill().unwrap();
        while other.here() == Fate::Alive {
            std::thread::yield_now();
        }
        assert!(stat(child.id()).unwrap().ended, "not looked at yet");
        child.wait().unwrap();
        assert_eq!(other.here(), Fate::Dead);
        // the same number in a container, or before the machine was started again
        let space = Owner { space: "pid:[1]".into(), ..this.clone() };
        assert_eq!(space.here(), Fate::Unknown);
        assert_eq!(Owner { boot: "x".into(), ..this }.here(), Fate::Unknown);
    }

    #[test]
    fn without_a_cluster_of_its_own_nobody_asks_the_scheduler() {
        let job = Job { cluster: String::new(), id: "1".into(), restarts: 0 };
        let owner = Owner { job: Some(job), ..Owner::this() };
        assert_eq!(owner.by_scheduler(), Fate::Unknown);
        assert_eq!(owner.here(), Fate::Alive);
    }

    #[test]
    fn the_scheduler_tells_of_a_job() {
        assert_eq!(told(true, "RUNNING\n"), Fate::Unknown, "its script may have outlived it");
        assert_eq!(told(true, "SUSPENDED\n"), Fate::Alive);
        assert_eq!(told(true, ""), Fate::Dead);
        assert_eq!(told(true, "PENDING\n"), Fate::Dead, "queued again: its process is gone");
        assert_eq!(told(true, "NODE_FAIL\n"), Fate::Dead);
        let unknown = "slurm_load_jobs error: Invalid job id specified\n";
        assert_eq!(told(false, unknown), Fate::Dead);
        let down = "slurm_load_jobs error: Unable to contact slurm controller\n";
        assert_eq!(told(false, down), Fate::Unknown);
    }

    #[test]
    fn a_program_that_does_not_answer_is_left() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo RUNNING"]);
        assert_eq!(answer(shell), Some((true, "RUNNING\n".into())));
        assert_eq!(answer(Command::new("no-such-program-of-any-name")), None);
    }
}
