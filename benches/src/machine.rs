use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// Where and with what a benchmark ran, for the reader of its numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor, where the system tells.
    pub cpu: Option<String>,
    /// Logical cores.
    pub cores: usize,
    /// Threads that computed.
    pub threads: usize,
    /// Load average over the last minute when the benchmark began, where the system tells.
    pub load_at_start: Option<f64>,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: Option<String>,
    /// Commit of the work tree, followed by `+` where the tree differed from it.
    pub commit: Option<String>,
    /// Start of the benchmark, RFC 3339 in UTC.
    pub started_utc: Option<String>,
}

impl Machine {
    /// Asks the system; to be called before anything is timed.
    pub fn ask() -> Self {
        let commit = output("git", &["rev-parse", "HEAD"]);
        // What benchmarks and experiments write says nothing about the program that wrote it.
        let status =
            ["status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results"];
        let dirty = output("git", &status).is_some_and(|s| !s.is_empty());
        Self {
            cpu: line_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rayon::current_num_threads(),
            load_at_start: read("/proc/loadavg").and_then(|s| s.split(' ').next()?.parse().ok()),
            rustc: output("rustc", &["--version"]),
            commit: commit.map(|c| if dirty { c + "+" } else { c }),
            started_utc: output("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        }
    }
}

/// The most memory this process has had resident so far, where the system tells (Linux).
pub fn peak_memory_bytes() -> Option<u64> {
    let kib = line_of("/proc/self/status", "VmHWM")?;
    kib.strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What follows the colon on the first line of a file that starts with `key`.
fn line_of(file: &str, key: &str) -> Option<String> {
    let text = read(file)?;
    let line = text.lines().find(|l| l.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

/// What a program prints when run in the workspace, if it is there and succeeds.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = Command::new(program).args(arguments).current_dir(workspace).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
