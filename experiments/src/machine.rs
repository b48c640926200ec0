//! What a receipt says about the machine, the program and the moment.

use anyhow::{Context, Result};
use report::Host;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine this runs on.
pub fn host() -> Host {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(':').map(|(_, m)| m.trim()));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Host {
        cpu: model.unwrap_or(std::env::consts::ARCH).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        os: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
    }
}

/// The sources that this program was built from, as `build/sources.rs` digests them; none where the
/// build did not see them all, as in a tree of single packages.
const SOURCES: Option<&str> = option_env!("SPIKEGRAD_SOURCES");

/// The own file of a program whose sources are not all ours, opened when it began: a rebuild
/// meanwhile changes neither what runs nor what its receipts say.
static OWN_FILE: OnceLock<Mutex<Option<File>>> = OnceLock::new();
/// Its digest, taken once.
static DIGEST: OnceLock<String> = OnceLock::new();

/// To be called as a program begins; `own` if it has code of a user's own, whose sources nobody
/// knows. On Linux a file that is replaced after that is found too.
pub fn remember_program(own: bool) {
    let open = || {
        let running = File::open("/proc/self/exe");
        running.or_else(|_| File::open(std::env::current_exe()?)).ok()
    };
    if own || SOURCES.is_none() {
        OWN_FILE.get_or_init(|| Mutex::new(open()));
    }
}

/// What tells this program from others, as SHA-256 in hex: a receipt made by other code is not a
/// receipt of this run. It is the digest of the program's sources, so the same in every folder and
/// on every machine; of a user's own program that of its file.
///
/// # Errors
/// If the file of a user's own program cannot be read.
pub fn program_sha256() -> Result<String> {
    if let (Some(sources), None) = (SOURCES, OWN_FILE.get()) {
        return Ok(sources.to_owned());
    }
    if let Some(digest) = DIGEST.get() {
        return Ok(digest.clone());
    }
    remember_program(true);
    let unreadable = "cannot read this program's own file; check that you may read it";
    // whoever else holds the lock takes the same digest
    let mut file = OWN_FILE.get().and_then(|file| file.lock().ok()).context(unreadable)?;
    if let Some(digest) = DIGEST.get() {
        return Ok(digest.clone());
    }
    let mut hash = Sha256::new();
    std::io::copy(file.as_mut().context(unreadable)?, &mut hash).context(unreadable)?;
    let digest = sentence::hex(&hash.finalize());
    Ok(DIGEST.get_or_init(|| digest).clone())
}

/// The commit of the checkout that this program was built in, and whether its sources differed from
/// it, both as they were then; `None` where it was not built in a checkout.
pub fn commit() -> (Option<String>, Option<bool>) {
    let dirty = option_env!("SPIKEGRAD_DIRTY").map(|dirty| dirty == "true");
    (option_env!("SPIKEGRAD_COMMIT").map(str::to_owned), dirty)
}

/// A moment as RFC 3339 in UTC. A clock before 1970 or beyond 9999 is set wrong, and a receipt has
/// the nearest moment that can be written.
pub fn utc(moment: SystemTime) -> String {
    /// 9999-12-31T23:59:59Z.
    const LAST: u64 = 253_402_300_799;
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Duration::from_secs(since.as_secs().min(LAST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

/// Starts a new measurement of [`peak_memory_bytes`] where the system can (Linux).
pub fn reset_peak_memory() {
    // Refused in some sandboxes; then the peak is that of the whole process so far, which is still
    // a bound.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has had resident, if the system tells.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clock_can_be_written() {
        let day = Duration::from_secs(86_400);
        assert_eq!(utc(UNIX_EPOCH + 365 * day), "1971-01-01T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH - day), "1970-01-01T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH - 50_000 * day), "1970-01-01T00:00:00Z");
        assert_eq!(utc(UNIX_EPOCH + 4_000_000 * day), "9999-12-31T23:59:59Z");
    }
}
