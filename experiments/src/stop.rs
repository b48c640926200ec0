//! Signals that ask a program to end: Ctrl-C, a scheduler's SIGTERM, SIGUSR1 and SIGUSR2 (SLURM's
//! `--signal`), and the SIGHUP of a terminal that is closed.
//!
//! While a run is under way ([`under_way`]) each asks it to save its state and end. Only the second
//! Ctrl-C and the second SIGTERM end the program at once: a closed terminal sends SIGHUP twice, and
//! a scheduler SIGUSR1 before SIGTERM. Where there is no run whose state could be lost, as while
//! recordings are read, the first signal of any kind ends the program at once. Its status is always
//! 128 and the signal's number.
//!
//! A signal that was ignored when the program began, as SIGHUP under nohup and SIGINT of a script's
//! background jobs, stays ignored.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Whether the second of its kind ends the program at once.
const SIGNALS: [(i32, bool); 5] =
    [(SIGINT, true), (SIGTERM, true), (SIGHUP, false), (SIGUSR1, false), (SIGUSR2, false)];

struct Requested {
    stop: Arc<AtomicBool>,
    by: Arc<AtomicUsize>,
    /// No run is under way.
    idle: Arc<AtomicBool>,
}

static ASKED: OnceLock<Requested> = OnceLock::new();

/// From here on a signal asks; before, it ends the program.
///
/// # Errors
/// If the system refuses.
pub fn listen() -> Result<()> {
    if ASKED.get().is_some() {
        return Ok(());
    }
    let idle = Arc::new(AtomicBool::new(true));
    let asked = Requested { stop: Arc::default(), by: Arc::default(), idle };
    let ignored = ignored();
    for (signal, twice) in SIGNALS {
        let stays = match ignored {
            Some(ignored) => ignored & (1 << (signal - 1)) != 0,
            // a system that does not tell may run under nohup
            None => signal == SIGHUP,
        };
        if stays {
            continue;
        }
        register(signal, twice, &asked).context("cannot listen to signals")?;
    }
    let _ = ASKED.set(asked);
    Ok(())
}

fn register(signal: i32, twice: bool, asked: &Requested) -> std::io::Result<()> {
    use signal_hook::flag;
    let status = 128 + signal;
    flag::register_conditional_shutdown(signal, status, asked.idle.clone())?;
    if twice {
        let came: Arc<AtomicBool> = Arc::default();
        // in this order, so that only a second signal finds the flag set
        flag::register_conditional_shutdown(signal, status, came.clone())?;
        flag::register(signal, came)?;
    }
    // the number first: who sees the flag finds it there
    flag::register_usize(signal, asked.by.clone(), signal as usize)?;
    flag::register(signal, asked.stop.clone())?;
    Ok(())
}

/// The signals that this process ignores, a bit each, where the system tells (Linux).
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// A run whose state is to be saved, for as long as this lives.
pub struct SavingRun(());

/// A run begins.
pub fn under_way() -> SavingRun {
    idle(false);
    SavingRun(())
}

impl Drop for SavingRun {
    fn drop(&mut self) {
        idle(true);
    }
}

fn idle(now: bool) {
    if let Some(asked) = ASKED.get() {
        asked.idle.store(now, Ordering::SeqCst);
    }
}

/// Whether the program was asked to end.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|asked| asked.stop.load(Ordering::SeqCst))
}

/// What a command ends with that was asked to, where it keeps no state.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted: nothing unfinished is left, and the same command begins again")
    }
}

impl std::error::Error for Interrupted {}

/// The status to end with then: 128 and the number of the signal, 130 after Ctrl-C.
pub fn status() -> u8 {
    let by = ASKED.get().map_or(0, |asked| asked.by.load(Ordering::SeqCst));
    let signal = if by == 0 { SIGINT } else { by as i32 };
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
