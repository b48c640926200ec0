//! Locks of a results folder that many processes of many machines may share: a run is trained by
//! one of them, and results are laid out by one at a time.
//!
//! A lock is a file that says whose it is, made by what every file system does at once for all
//! machines: a link, or a file that must be new. No advisory lock is asked for, which many network
//! file systems do not have. Its owner writes to it every [`Pace::beat`]. It loses it where this
//! machine knows that it is gone ([`Owner::here`]), where the scheduler says so
//! ([`Owner::by_scheduler`]) and [`MISSED`] beats are missing, or after [`Pace::age`] without one.
//! Ages are told by the clock of the file system alone, so that clocks of machines may differ.

use crate::owner::{Fate, Owner};
use anyhow::{Result, anyhow, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How often an owner writes to its lock, and when it is taken to be gone.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two writes.
    pub beat: Duration,
    /// Without one.
    pub age: Duration,
}

impl Default for Pace {
    /// Every 20 s; 5 min, since a busy file system may make an owner wait for minutes.
    fn default() -> Self {
        Self { beat: Duration::from_secs(20), age: Duration::from_secs(300) }
    }
}

/// After so long nobody fills a new lock any more, nor takes one over.
const MOMENT: Duration = Duration::from_secs(60);
/// Beats that must be missing before the scheduler is asked.
const MISSED: u32 = 3;
/// Between two looks at a lock.
const LOOK: Duration = Duration::from_millis(50);

/// A lock that is held, until this is dropped.
pub struct Lock {
    path: PathBuf,
    token: String,
    /// Dropped to end the beats.
    heart: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

/// What came of asking for a lock.
pub enum Attempt {
    /// It is ours.
    Taken(Lock),
    /// It is another's.
    Held(Holder),
}

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// In words.
    pub says: String,
    /// Whether it is surely there.
    pub alive: bool,
}

impl Lock {
    /// Takes the lock at `path`, in a folder that is made for it, unless another has it; of one
    /// that is gone it is taken over.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn attempt(path: &Path, pace: Pace) -> Result<Attempt> {
        let fail = |e: io::Error| unwritable(path, &e);
        let owner = Owner::this();
        // each time round another process was faster: the last one's word is taken
        for _ in 0..100 {
            let link = |from: &Path, to: &Path| std::fs::hard_link(from, to);
            if let Some(file) = create(path, &owner, link).map_err(fail)? {
                return Ok(Attempt::Taken(Self::beating(path, owner, file, pace)));
            }
            let Some(found) = Found::read(path).map_err(fail)? else { continue };
            let fate = found.fate(path, pace).map_err(fail)?;
            if fate != Fate::Dead {
                let alive = fate == Fate::Alive;
                return Ok(Attempt::Held(Holder { says: found.says(), alive }));
            }
            match take_over(path, &found, &owner).map_err(fail)? {
                Some(file) => return Ok(Attempt::Taken(Self::beating(path, owner, file, pace))),
                None => std::thread::sleep(LOOK),
            }
        }
        let says = "another process, which took it over a moment ago".to_owned();
        Ok(Attempt::Held(Holder { says, alive: true }))
    }

    /// As [`Lock::attempt`], but of an owner of whom nobody can tell whether it is there it waits
    /// for the next beat, or till the lock is old; no longer than that, and while `go_on`.
    ///
    /// # Errors
    /// As [`Lock::attempt`].
    pub fn watch(path: &Path, pace: Pace, go_on: impl Fn() -> bool) -> Result<Attempt> {
        let (start, mut first) = (Instant::now(), None);
        loop {
            let held = match Self::attempt(path, pace)? {
                Attempt::Held(holder) if !holder.alive => holder,
                other => return Ok(other),
            };
            let beat = path.metadata().and_then(|of| of.modified()).ok();
            let first = *first.get_or_insert(beat);
            if beat != first || !go_on() || start.elapsed() > pace.age + MOMENT {
                return Ok(Attempt::Held(Holder { alive: true, ..held }));
            }
            std::thread::sleep(LOOK.max(pace.beat / 4));
        }
    }

    /// Waits for the lock as long as others have it, but at most `limit`, since what it is for
    /// takes moments.
    ///
    /// # Errors
    /// As [`Lock::attempt`].
    pub fn wait(path: &Path, limit: Duration) -> Result<Option<Self>> {
        let start = Instant::now();
        loop {
            match Self::attempt(path, Pace::default())? {
                Attempt::Taken(lock) => return Ok(Some(lock)),
                Attempt::Held(_) if start.elapsed() > limit => return Ok(None),
                Attempt::Held(_) => std::thread::sleep(LOOK),
            }
        }
    }

    /// Proves that the lock was not taken by another meanwhile, as it is from a process that was
    /// stopped for longer than [`Pace::age`].
    ///
    /// # Errors
    /// If it was.
    pub fn prove(&self) -> Result<()> {
        match Found::read(&self.path) {
            Ok(Some(found)) if found.token() == self.token => Ok(()),
            Ok(Some(found)) => bail!(
                "{}: expected the lock of this process, found one of {}, which took it over since this one was not heard of; leave the \
                 run to it",
                self.path.display(),
                found.says()
            ),
            Ok(None) => bail!(
                "{}: expected the lock of this process, found none; give the command again, and remove no lock of a run under way",
                self.path.display()
            ),
            // a file system that does not answer now has not given it to another
            Err(_) => Ok(()),
        }
    }

    /// Who has the lock at `path`, if anyone has it who may be there.
    pub fn holder(path: &Path) -> Option<Holder> {
        let found = Found::read(path).ok()??;
        let fate = found.fate(path, Pace::default()).unwrap_or(Fate::Unknown);
        let alive = fate == Fate::Alive;
        (fate != Fate::Dead).then(|| Holder { says: found.says(), alive })
    }

    fn beating(path: &Path, owner: Owner, mut file: File, pace: Pace) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let text = text(&owner);
        let beats = move || {
            while stopped.recv_timeout(pace.beat) == Err(RecvTimeoutError::Timeout) {
                // the same bytes at the same place, so that a reader finds them whole; a beat that
                // is lost is made good by the next
                _ = file.rewind().and_then(|()| file.write_all(text.as_bytes()));
            }
        };
        let thread = std::thread::Builder::new().name("lock".into()).spawn(beats);
        let heart = thread.ok().map(|thread| (stop, thread));
        Self { path: path.to_owned(), token: owner.token, heart }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.heart.take() {
            drop(stop);
            _ = thread.join();
        }
        if matches!(Found::read(&self.path), Ok(Some(found)) if found.token() == self.token) {
            _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A lock that was there.
struct Found {
    /// None where it is not written yet, or by another program.
    owner: Option<Owner>,
    modified: SystemTime,
}

impl Found {
    /// The lock, unless it is gone by now.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let read = || -> io::Result<Self> {
            let file = File::open(path)?;
            let modified = file.metadata()?.modified()?;
            let text = io::read_to_string(io::Read::take(&file, 1 << 16))?;
            Ok(Self { owner: serde_json::from_str(&text).ok(), modified })
        };
        match read() {
            Ok(found) => Ok(Some(found)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            // another machine removed it while it was read (NFS)
            Err(e) if e.kind() == ErrorKind::StaleNetworkFileHandle => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn token(&self) -> &str {
        self.owner.as_ref().map_or("unwritten", |owner| &owner.token)
    }

    fn says(&self) -> String {
        self.owner.as_ref().map_or_else(|| "another process".to_owned(), Owner::to_string)
    }

    fn fate(&self, path: &Path, pace: Pace) -> io::Result<Fate> {
        let Some(owner) = &self.owner else {
            // programs of before held an empty file by an advisory lock
            let locked = File::open(path).map(|file| file.try_lock());
            return match locked {
                Ok(Err(TryLockError::WouldBlock)) => Ok(Fate::Alive),
                _ if self.is_old(path, MOMENT.min(pace.age))? => Ok(Fate::Dead),
                _ => Ok(Fate::Unknown),
            };
        };
        match owner.here() {
            Fate::Unknown if self.is_old(path, (pace.beat * MISSED).min(pace.age))? => (),
            fate => return Ok(fate),
        }
        match owner.by_scheduler() {
            Fate::Unknown if self.is_old(path, pace.age)? => Ok(Fate::Dead),
            fate => Ok(fate),
        }
    }

    fn is_old(&self, path: &Path, age: Duration) -> io::Result<bool> {
        is_old(path, self.modified, age)
    }
}

/// Whether a file beside `path` that was written at this moment is older than `age`, by the clock
/// of the file system.
fn is_old(path: &Path, modified: SystemTime, age: Duration) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let probe = tempfile::Builder::new().prefix(".clock-").tempfile_in(folder)?;
    let now = probe.as_file().metadata()?.modified()?;
    Ok(now.duration_since(modified).is_ok_and(|since| since > age))
}

/// Makes the lock, with all of its text or not at all where the file system has links; `None` where
/// there is one.
fn create(
    path: &Path,
    owner: &Owner,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<Option<File>> {
    let new = |path: &Path| OpenOptions::new().write(true).create_new(true).open(path);
    let folder = path.parent().unwrap_or(Path::new("."));
    // who only tries a folder removes it again when it is empty
    let mut tries = 0..20;
    let (mut file, partial) = loop {
        let partial = with_ending(path, &owner.token);
        match std::fs::create_dir_all(folder).and_then(|()| new(&partial)) {
            Err(e) if e.kind() == ErrorKind::NotFound && tries.next().is_some() => (),
            made => break (made?, partial),
        }
    };
    let text = text(owner);
    let linked = file.write_all(text.as_bytes()).and_then(|()| link(&partial, path));
    _ = std::fs::remove_file(&partial);
    match linked {
        Ok(()) => return Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            // a server that was asked twice, since its first answer was lost, refuses our own
            let found = Found::read(path)?;
            let ours = found.is_some_and(|found| found.token() == owner.token);
            return Ok(ours.then_some(file));
        }
        Err(e) if e.kind() == ErrorKind::StorageFull => return Err(e),
        // a file system without links
        Err(_) => (),
    }
    match new(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(None),
        made => {
            let mut file = made?;
            match file.write_all(text.as_bytes()) {
                Ok(()) => Ok(Some(file)),
                Err(e) => {
                    _ = std::fs::remove_file(path);
                    Err(e)
                }
            }
        }
    }
}

/// Puts our lock in the place of a dead one; `None` where another does, or did. Who may is told by
/// a second file, named by the dead lock's token: nobody takes what was taken over meanwhile.
fn take_over(path: &Path, dead: &Found, owner: &Owner) -> io::Result<Option<File>> {
    let mark = with_ending(path, &format!("{}.taken", dead.token()));
    match OpenOptions::new().write(true).create_new(true).open(&mark) {
        Ok(_) => (),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let since = mark.metadata().and_then(|of| of.modified());
            if since.is_ok_and(|since| is_old(path, since, MOMENT).unwrap_or(false)) {
                // who made it was killed at it
                _ = std::fs::remove_file(&mark);
            }
            return Ok(None);
        }
        Err(e) => return Err(e),
    }
    let replaced = replace(path, dead, owner);
    _ = std::fs::remove_file(&mark);
    replaced
}

fn replace(path: &Path, dead: &Found, owner: &Owner) -> io::Result<Option<File>> {
    let same = |found: &Found| found.token() == dead.token() && found.modified == dead.modified;
    if !Found::read(path)?.as_ref().is_some_and(same) {
        return Ok(None);
    }
    let partial = with_ending(path, &owner.token);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&partial)?;
    let written = file.write_all(text(owner).as_bytes());
    match written.and_then(|()| std::fs::rename(&partial, path)) {
        Ok(()) => Ok(Some(file)),
        Err(e) => {
            _ = std::fs::remove_file(&partial);
            Err(e)
        }
    }
}

fn text(owner: &Owner) -> String {
    // of strings and numbers alone, which JSON always has
    serde_json::to_string(owner).unwrap_or_default() + "\n"
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

fn unwritable(path: &Path, cause: &io::Error) -> anyhow::Error {
    anyhow!(
        "cannot write the lock {}: {}; choose another folder with --results DIR",
        path.display(),
        sentence::cause(cause)
    )
}

#[cfg(test)]
mod tests;
