//! What SLURM is asked for, by flags.

use crate::usage::between;

/// The flags.
#[derive(clap::Args)]
pub struct SlurmFlags {
    /// Submit the runs that have no receipt to SLURM, as an array of jobs, and a job behind it that
    /// lays out the table; with --dry-run print the scripts alone
    #[arg(long, conflicts_with_all = ["task", "list_tasks"])]
    pub(crate) slurm: bool,
    /// SLURM's partition [default: the cluster's]
    #[arg(long, value_name = "NAME", requires = "slurm", value_parser = word)]
    pub(crate) partition: Option<String>,
    /// Time that a job may take, as SLURM writes it, such as 2:00:00; at least 5 minutes. A run
    /// that needs more is saved and goes on in another [default: the partition's]
    #[arg(long, value_name = "TIME", requires = "slurm", value_parser = time)]
    pub(crate) time: Option<String>,
    /// What each job gets beside processors, such as gpu:1
    #[arg(long, value_name = "LIST", requires = "slurm", value_parser = word)]
    pub(crate) gres: Option<String>,
    /// The most jobs at once
    #[arg(long, value_name = "N", requires = "slurm", value_parser = between::<usize>(1, 1_000_000))]
    pub(crate) array_limit: Option<usize>,
    /// Another option of sbatch, for all jobs, such as --sbatch=--account=physics; again for more
    #[arg(long, value_name = "OPTION", requires = "slurm", value_parser = option, allow_hyphen_values = true)]
    pub(crate) sbatch: Vec<String>,
}

impl SlurmFlags {
    /// The flags of this file, and whether each has a value: what a job's own command is without.
    pub(crate) const NAMES: [(&'static str, bool); 6] = [
        ("--slurm", false),
        ("--partition", true),
        ("--time", true),
        ("--gres", true),
        ("--array-limit", true),
        ("--sbatch", true),
    ];
}

/// A value that is one word in a script.
fn word(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.,:=/".contains(c);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("expected one word of letters, digits and _-.,:=/".into()),
    }
}

/// Seconds that a job needs to begin a run, to train some of it, and to save it in time.
const LEAST: u64 = 300;

/// `minutes`, `minutes:seconds`, `hours:minutes:seconds`, or with `days-` in front of hours.
fn time(text: &str) -> Result<String, String> {
    let wrong =
        || "expected a time of SLURM, such as 30 (minutes), 2:00:00 or 1-12:00:00".to_owned();
    let seconds = seconds(text).ok_or_else(wrong)?;
    match seconds >= LEAST {
        true => Ok(text.to_owned()),
        false => Err("expected 5 minutes or more (2:00 are two minutes, 2:00:00 two hours)".into()),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (Some(days), clock),
        None => (None, text),
    };
    let number = |part: &str| {
        let plain = (1..7).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u64>().ok().filter(|_| plain)
    };
    let parts = clock.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    let units: &[u64] = match (days, parts.len()) {
        (Some(_), 1..=3) | (None, 3) => &[3600, 60, 1],
        (None, 1..=2) => &[60, 1],
        _ => return None,
    };
    let of_days = days.map_or(Some(0), number)? * 86_400;
    Some(of_days + parts.iter().zip(units).map(|(part, unit)| part * unit).sum::<u64>())
}

/// One option, of one line.
fn option(text: &str) -> Result<String, String> {
    match text.starts_with("--") && text.len() > 2 && !text.contains(char::is_control) {
        true => Ok(text.to_owned()),
        false => Err("expected a long option of sbatch, such as --account=physics".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_word_each() {
        for right in ["debug", "gpu:a100:2", "a,b", "lscratch:10"] {
            assert_eq!(word(right).as_deref(), Ok(right));
        }
        for wrong in ["", "-p", "a b", "a\nb", "$(x)", "a;b", "\"a\""] {
            assert!(word(wrong).is_err(), "{wrong}");
        }
        for right in ["30", "10:30", "2:00:00", "1-12", "1-12:30", "1-12:30:00"] {
            assert_eq!(time(right).as_deref(), Ok(right));
        }
        for (text, of) in [("30", 1800), ("10:30", 630), ("2:00:00", 7200), ("1-1:1", 90_060)] {
            assert_eq!(seconds(text), Some(of), "{text}");
        }
        assert!(time("2:00").is_err_and(|said| said.contains("2:00:00 two hours")));
        for wrong in ["", "4", "0:04:59", "2h", "1:2:3:4", "1-", "-1", "1:", "1-1-1", "∞", "1 0"]
        {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert!(option("--account=physics").is_ok());
        for wrong in ["", "--", "-A", "account", "--a\nrm"] {
            assert!(option(wrong).is_err(), "{wrong}");
        }
    }
}
