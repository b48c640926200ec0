use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::usage::prove_once;
use anyhow::{Context, Result, anyhow, bail};
use datasets::{
    Found, Name, Origin, check_folder,
    fetch::{self, Error, Item, Options, Progress},
    find,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Flags of `data fetch`.
#[derive(clap::Args)]
pub struct Flags {
    /// The data sets
    #[arg(required = true, value_name = "NAME", value_parser = |id: &str| id.parse::<Name>())]
    names: Vec<Name>,
    /// Folder of all data sets, made if it is not there [default: $SPIKEGRAD_DATA, else data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Takes every file from URL/<file> instead of the publisher's addresses; checksums stay the
    /// publisher's
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// The published files of a data set.
pub(super) fn items(name: Name) -> Vec<Item<'static>> {
    name.info().downloads.iter().map(Item::from).collect()
}

/// The folder of a data set below a data root: the one of its name, else the root, which may be
/// that folder itself.
pub(super) fn folder(name: Name, root: &Path) -> PathBuf {
    fetch::folder(name, root)
        .ok()
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(|| root.to_owned())
}

/// Brings the data sets one after the other; what is here already is checked and not brought again.
///
/// # Errors
/// The first that cannot be brought, or that only a person can bring: then the steps are on stderr.
pub fn run(flags: &Flags) -> Result<()> {
    prove_once("NAME", flags.names.iter().map(|name| name.id()))?;
    let root = root(flags.data.as_deref())?;
    let options = Options { mirror: flags.mirror.clone(), ..Options::default() };
    flags.names.iter().try_for_each(|&name| bring(name, &root, &options))
}

/// The data root, which this command may be the first to need.
fn root(flag: Option<&Path>) -> Result<PathBuf> {
    let variable =
        || std::env::var_os("SPIKEGRAD_DATA").filter(|path| !path.is_empty()).map(PathBuf::from);
    let root = flag.map(Path::to_owned).or_else(variable).unwrap_or_else(|| "data".into());
    // what is there must be a folder, and not a link to a disk that is not mounted
    if root.symlink_metadata().is_ok() {
        check_folder(&root).map_err(|error| anyhow!("{error}"))?;
    }
    fs::create_dir_all(&root)
        .with_context(|| format!("cannot make the data folder {}", root.display()))?;
    Ok(root)
}

fn bring(name: Name, root: &Path, options: &Options) -> Result<()> {
    // its sentence holds its cause already
    let folder = fetch::folder(name, root).map_err(|error| anyhow!("{error}"))?;
    let items = items(name);
    if is_complete(name, &items, root, &folder)? {
        terminal::out!("{name}: complete in {}, nothing to bring", folder.display())?;
        return Ok(());
    }
    let mut watch = DownloadProgress::default();
    let done = fetch::fetch(&items, &folder, options, &mut watch);
    watch.clear();
    match done {
        Ok(()) => arrived(name, root, &folder),
        Err(Error::Manual { file, .. }) => {
            steps(name, &file, &folder);
            bail!(
                "{name}: {file} has no direct address and is not in {}; follow the steps above",
                folder.display()
            )
        }
        Err(error) => bail!("{name}: {error}"),
    }
}

/// Says what is there now: right checksums do not tell what else lay in the folder.
fn arrived(name: Name, root: &Path, folder: &Path) -> Result<()> {
    let (info, advice) = (name.info(), "move the folder away and fetch again");
    let found = match find(name, root).map_err(|error| anyhow!("{error}"))? {
        Found::Recordings(found) if found.origin == Origin::Complete => {
            terminal::out!("{name}: complete in {}", folder.display())?;
            return Ok(());
        }
        Found::Recordings(found) => found,
        Found::Unusable { path, why } => bail!("{}: {why}; {advice}", path.display()),
        Found::Absent => {
            bail!("{}: expected {name} there, found nothing of it; {advice}", folder.display())
        }
    };
    bail!(
        "{}: expected {} train and {} test recordings of {name} as published, found {} and {} ({}); {advice}",
        folder.display(),
        info.train,
        info.test,
        found.train.len(),
        found.test.len(),
        super::list::state(found.origin)
    )
}

/// Whether a user has brought all of it by hand, in whatever way. A part of it is not mixed with
/// the publisher's files.
fn is_complete(name: Name, items: &[Item<'_>], root: &Path, folder: &Path) -> Result<bool> {
    if fetch::has_begun(items, folder) {
        return Ok(false);
    }
    match find(name, root) {
        Ok(Found::Recordings(found)) if found.origin == Origin::Complete => Ok(true),
        Ok(Found::Recordings(_)) => bail!(
            "{}: expected no folder or the complete data set, found a part of {name} or a stand-in for it; move it away and fetch again",
            folder.display()
        ),
        // what is broken or half there, fetch itself completes or names
        _ => Ok(false),
    }
}

fn steps(name: Name, file: &str, folder: &Path) {
    let manual = name.info().manual.unwrap_or("get it from the publisher's page");
    terminal::say!("{name}: the publisher has no direct address, so this is for a person to do:");
    terminal::say!("  1. {manual}");
    terminal::say!("  2. put {file} into {} (make that folder), as it is", folder.display());
    terminal::say!("  3. run this command again: it checks the file and unpacks it");
}

/// A bar on a terminal; elsewhere a line as something begins and then every ten seconds.
#[derive(Default)]
struct DownloadProgress {
    bar: Option<ProgressBar>,
    what: String,
    total: Option<u64>,
    done: u64,
    said: Option<Instant>,
}

impl DownloadProgress {
    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say(&mut self) {
        self.said = Some(Instant::now());
        match self.total {
            Some(total) => terminal::say!("{}: {} of {total} bytes", self.what, self.done),
            None => terminal::say!("{}: {} bytes", self.what, self.done),
        }
    }
}

impl Progress for DownloadProgress {
    fn begin(&mut self, what: &str, total: Option<u64>, done: u64) {
        self.clear();
        (self.what, self.total, self.done) = (what.to_owned(), total, done);
        if !std::io::stderr().is_terminal() {
            self.say();
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => {
                "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} eta {eta}"
            }
            None => "{msg} {binary_bytes} {binary_bytes_per_sec}",
        };
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_message(terminal::line(what));
        bar.set_position(done);
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.said.is_some_and(|said| said.elapsed() > Duration::from_secs(10)) => {
                self.say()
            }
            None => {}
        }
    }

    fn note(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(terminal::line(line)),
            None => terminal::say!("{line}"),
        }
    }
}
