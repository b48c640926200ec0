//! Ctrl-C, and the SIGTERM of schedulers: the first asks a run to save its state and end, the
//! second ends it at once.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What a shell expects of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 128 + SIGINT;

struct Asked {
    stop: Arc<AtomicBool>,
    by: Arc<AtomicUsize>,
}

static ASKED: OnceLock<Asked> = OnceLock::new();

/// From here on a signal asks; before, it ends the program.
///
/// # Errors
/// If the system refuses.
pub fn listen() -> Result<()> {
    if ASKED.get().is_some() {
        return Ok(());
    }
    let asked = Asked { stop: Arc::default(), by: Arc::default() };
    for signal in [SIGINT, SIGTERM] {
        let context = "cannot listen to Ctrl-C";
        // in this order, so that only a second signal finds the flag set
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.stop.clone())
            .context(context)?;
        signal_hook::flag::register(signal, asked.stop.clone()).context(context)?;
        signal_hook::flag::register_usize(signal, asked.by.clone(), signal as usize)
            .context(context)?;
    }
    let _ = ASKED.set(asked);
    Ok(())
}

/// Whether the program was asked to end.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|asked| asked.stop.load(Ordering::Relaxed))
}

/// The status to end with then: 130 after Ctrl-C, 143 after SIGTERM.
pub fn status() -> u8 {
    let by = ASKED.get().map_or(0, |asked| asked.by.load(Ordering::Relaxed));
    u8::try_from(if by == 0 { INTERRUPTED } else { 128 + by as i32 }).unwrap_or(u8::MAX)
}
