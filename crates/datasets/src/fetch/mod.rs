//! From a publisher's server to an unpacked folder: [`fetch`] takes [`Item`]s, downloads what is
//! not there, checks it and unpacks it.
//!
//! However a call ends, also by power of `kill -9`, the next one goes on where it stopped and ends
//! in the same bytes: a file gets its name only when its checksums are right, and what an archive
//! holds only when all of it is out.
//!
//! | name | is |
//! |---|---|
//! | `<file>.part` | a download so far |
//! | `.<file>.partial` | an archive that is being unpacked; the next call starts it again |
//! | `.<file>.whole` | an unpacked archive on its way into the folder; the next call goes on |
//! | `.<file>.unpacked.json` | that an archive is unpacked, its checksums; it may be removed |
//! | `.<folder>.fetch-lock` beside the folder | the lock of a running fetch |

mod download;
mod error;
mod lock;
mod part;
mod sets;
mod space;
mod sums;
mod unpack;

use std::{fs, path::Path, time::Duration};

pub use download::check;
pub use error::Error;
pub use sets::folder;
pub use sums::Sums;
pub use unpack::{Limits, unpack};

use crate::Unpack;

/// Bytes read and written at a time.
const CHUNK_BYTES: usize = 1 << 18;

/// A file that a data set comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// Its name.
    pub file: &'a str,
    /// Where it can be had, the best first; none if a person must get it.
    pub urls: &'a [&'a str],
    /// Its published length.
    pub bytes: Option<u64>,
    /// Its published MD5, hexadecimal.
    pub md5: Option<&'a str>,
    /// Its published SHA-256, hexadecimal.
    pub sha256: Option<&'a str>,
    /// What is done with it.
    pub unpack: Unpack,
}

/// How [`fetch`] behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Takes every file from `<mirror>/<file>` instead of its published addresses.
    pub mirror: Option<String>,
    /// Times that a connection is tried again before the next address; counted anew after every MiB
    /// that came.
    pub retries: u32,
    /// Pause before the first of them; doubled each time, up to half a minute.
    pub pause: Duration,
    /// Longest silence of a server before a connection counts as dropped.
    pub silence: Duration,
    /// What an archive may hold.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirror: None,
            retries: 5,
            pause: Duration::from_secs(1),
            silence: Duration::from_secs(60),
            limits: Limits::default(),
        }
    }
}

/// What a caller wants to know while it lasts; `()` wants nothing.
pub trait Progress {
    /// Something of `total` bytes begins, of which `done` are done already.
    fn begin(&mut self, _what: &str, _total: Option<u64>, _done: u64) {}
    /// So many bytes more are done.
    fn advance(&mut self, _bytes: u64) {}
    /// Something happened that a person may want to read.
    fn note(&mut self, _line: &str) {}
}

impl Progress for () {}

/// Brings all `items` into `folder`, which is made if it is not there; its parent must be.
///
/// What is there already is taken if it is right: a whole file, an archive brought by hand, a
/// download or an unpacking that was interrupted. A second call on the same folder waits for the
/// first.
///
/// # Errors
/// The first item that could not be brought, with the reason. What came is kept, except on a full
/// disk.
pub fn fetch(
    items: &[Item<'_>],
    folder: &Path,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<(), Error> {
    let _lock = lock::Lock::take(folder, progress)?;
    fs::create_dir_all(folder).map_err(|source| Error::disk("make", folder, source))?;
    let agent = download::agent(options);
    let done = items.iter().try_for_each(|item| {
        if unpack::resume(item, folder)? {
            return Ok(());
        }
        let (archive, sums) = download::bring(item, folder, &agent, options, progress)?;
        unpack(item, &archive, &sums, folder, &options.limits, progress)
    });
    if done.is_err() {
        // an empty folder of a data set's name would only be in the way; one with anything in it is
        // not removed by this
        let _ = fs::remove_dir(folder);
    }
    done
}

/// Whether [`fetch`] has begun to bring any of `items` into `folder`.
pub fn has_begun(items: &[Item<'_>], folder: &Path) -> bool {
    let traces = |item: &Item<'_>| {
        let hidden =
            ["partial", "whole", "unpacked.json"].map(|end| format!(".{}.{end}", item.file));
        hidden.into_iter().chain([format!("{}.part", item.file)])
    };
    items.iter().flat_map(traces).any(|name| folder.join(name).exists())
}
