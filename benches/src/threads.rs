use anyhow::{Context, Result};
use std::process::Command;

/// Where rayon and candle's own pool look for their number of threads, once, when a process first
/// needs them.
const THREADS: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];

/// Whether all pools of this process have so many threads.
pub fn threads_are(threads: usize) -> bool {
    THREADS.iter().all(|name| std::env::var(name).ok() == Some(threads.to_string()))
}

/// Runs this program again in a process where all pools have this number of threads.
///
/// # Errors
/// If the system cannot start it.
pub fn again_with(threads: usize) -> Result<()> {
    let mut command =
        Command::new(std::env::current_exe().context("cannot find this program's own file")?);
    command.args(std::env::args_os().skip(1)).envs(THREADS.map(|name| (name, threads.to_string())));
    let status = command
        .status()
        .with_context(|| format!("cannot run this program with {threads} threads"))?;
    std::process::exit(status.code().unwrap_or(1))
}
