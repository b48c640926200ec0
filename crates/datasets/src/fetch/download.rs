//! One file over HTTP: resumed, retried, from mirror to mirror, and under its own name only when it
//! is right.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use ureq::{Agent, Body, http::Response, tls};

use super::{CHUNK_BYTES, Error, Item, Options, Progress, Sums, part::Part, space};
use crate::files::open_file;

/// A connection that brought this much counts as a new beginning for the number of retries.
const WORTH_A_CONNECTION_BYTES: u64 = 1 << 20;

/// The most that is taken of a file whose length neither the publisher nor the server tells.
const UNTOLD_BYTES: u64 = 64 << 30;

/// Trusts what the system trusts, so that it works behind proxies that look into TLS.
pub(super) fn agent(options: &Options) -> Agent {
    let tls = tls::TlsConfig::builder()
        .root_certs(tls::RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(options.silence))
        .timeout_per_read(Some(options.silence));
    config.user_agent(concat!("spikegrad/", env!("CARGO_PKG_VERSION"))).build().into()
}

/// The file of `item` in `folder`, whatever the case of its name, if it is there.
fn local(item: &Item<'_>, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let exact = folder.join(item.file);
    if exact.symlink_metadata().is_ok() {
        open_file(&exact).map_err(|source| Error::disk("read", &exact, source))?;
        return Ok(Some(exact));
    }
    for entry in fs::read_dir(folder).map_err(|source| Error::disk("read", folder, source))? {
        let entry = entry.map_err(|source| Error::disk("read", folder, source))?;
        if entry.file_name().to_string_lossy().eq_ignore_ascii_case(item.file)
            && entry.path().is_file()
        {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Holds the file of `item` in `folder` to its published length and checksums; `None` if it is not
/// there.
///
/// # Errors
/// It cannot be read, or it is another file.
pub fn check(
    item: &Item<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<Option<Sums>, Error> {
    Ok(checked(item, folder, progress)?.map(|(_, sums)| sums))
}

fn checked(
    item: &Item<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
) -> Result<Option<(PathBuf, Sums)>, Error> {
    let Some(path) = local(item, folder)? else { return Ok(None) };
    let sums = Sums::of(&path, progress)?;
    match sums.differ(item) {
        None => Ok(Some((path, sums))),
        Some((expected, found)) => Err(Error::Wrong { path, expected, found }),
    }
}

/// The checked file of `item`: the one in `folder`, else the first right one of its addresses.
pub(super) fn bring(
    item: &Item<'_>,
    folder: &Path,
    agent: &Agent,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<(PathBuf, Sums), Error> {
    if let Some(there) = checked(item, folder, progress)? {
        return Ok(there);
    }
    let mirror = options
        .mirror
        .as_deref()
        .map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), item.file));
    let urls = mirror.as_deref().map_or(item.urls.to_vec(), |url| vec![url]);
    if urls.is_empty() {
        return Err(Error::Manual { file: item.file.to_owned(), folder: folder.to_owned() });
    }
    let mut part = Part::open(folder, item, progress)?;
    let mut tried = Vec::new();
    for url in urls {
        let mut source = Source { url, item, agent, options, resumed: false };
        match source.bring(&mut part, progress) {
            Ok(sums) => return Ok((part.finish(&folder.join(item.file))?, sums)),
            Err(Failure::Here(error)) => return Err(part.after(error, item)),
            Err(Failure::Dropped(why) | Failure::Refused(why)) => {
                progress.note(&format!("{url}: {why}"));
                tried.push(format!("{url}: {why}"));
            }
        }
    }
    part.remove_if_empty();
    Err(Error::Download { file: item.file.to_owned(), tried })
}

/// Why an address did not give the file.
enum Failure {
    /// It may, a moment later.
    Dropped(String),
    /// It will not.
    Refused(String),
    /// It is this machine's fault, so another address would not help.
    Here(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// One address of one file.
struct Source<'a> {
    url: &'a str,
    item: &'a Item<'a>,
    agent: &'a Agent,
    options: &'a Options,
    /// Whether bytes of an earlier call or of another address may be in the part.
    resumed: bool,
}

impl Source<'_> {
    /// Completes `part`, and leaves it empty where this address turns out to hold another file.
    fn bring(&mut self, part: &mut Part, progress: &mut dyn Progress) -> Result<Sums, Failure> {
        let (mut failures, mut restarted) = (0, false);
        // what comes again, as from a server without ranges, is no progress
        let mut furthest = part.bytes();
        loop {
            match self.connect(part, progress) {
                Ok(()) => {
                    let sums = part.sums();
                    let Some((expected, found)) = sums.differ(self.item) else { return Ok(sums) };
                    part.restart()?;
                    if !self.resumed || restarted {
                        return Err(Failure::Refused(format!(
                            "expected {expected}, found {found}"
                        )));
                    }
                    (restarted, furthest) = (true, 0);
                    progress.note(&format!(
                        "{}: the part that was there is of another file, again from its start",
                        self.item.file
                    ));
                }
                Err(Failure::Dropped(why)) => {
                    let gained = part.bytes().saturating_sub(furthest);
                    furthest = furthest.max(part.bytes());
                    failures = if gained >= WORTH_A_CONNECTION_BYTES { 1 } else { failures + 1 };
                    if failures > self.options.retries {
                        return Err(Failure::Dropped(why));
                    }
                    let doubled = 2_u32.saturating_pow(failures - 1);
                    let pause =
                        self.options.pause.saturating_mul(doubled).min(Duration::from_secs(30));
                    progress.note(&format!(
                        "{}: {why}; again in {:.1} s",
                        self.item.file,
                        pause.as_secs_f64()
                    ));
                    thread::sleep(pause);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One request: what it brings goes behind what is in `part`, or replaces it.
    fn connect(&mut self, part: &mut Part, progress: &mut dyn Progress) -> Result<(), Failure> {
        if self.item.bytes.is_some_and(|all| part.bytes() > all) {
            part.restart()?;
        }
        let have = part.bytes();
        if have > 0 && self.item.bytes == Some(have) {
            self.resumed = true;
            return Ok(());
        }
        let mut request = self.agent.get(self.url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(no_answer)?;
        match response.status().as_u16() {
            206 if have > 0 && range_start(&response) == Some(have) => self.resumed = true,
            206 => {
                part.restart()?;
                return Err(Failure::Dropped(
                    "it answered with another range than asked for".to_owned(),
                ));
            }
            // all of it is there, or it is of a longer file: the checksums tell
            416 if have > 0 => {
                self.resumed = true;
                return Ok(());
            }
            200 => {}
            status @ (408 | 425 | 429 | 500..=599) => {
                return Err(Failure::Dropped(format!("it answered with status {status}")));
            }
            status => return Err(Failure::Refused(format!("it answered with status {status}"))),
        }
        self.receive(response, part, progress)
    }

    fn receive(
        &self,
        response: Response<Body>,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        let fresh = response.status().as_u16() == 200;
        let start = if fresh { 0 } else { part.bytes() };
        let coming = response
            .headers()
            .get("Content-Length")
            .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let total = coming.map(|coming| start.saturating_add(coming));
        if let (Some(expected), Some(found)) = (self.item.bytes, total)
            && expected != found
        {
            return Err(Failure::Refused(format!("expected {expected} bytes, found {found}")));
        }
        if is_web_page(&response) {
            return Err(Failure::Refused("expected a file, found a web page".to_owned()));
        }
        if fresh {
            part.restart()?;
        }
        let expected = self.item.bytes.or(total);
        if let Some(expected) = expected {
            space::require(part.folder(), expected.saturating_sub(start))?;
        }
        progress.begin(&format!("downloading {}", self.item.file), expected, start);
        self.copy(response, part, expected, progress)
    }

    fn copy(
        &self,
        response: Response<Body>,
        part: &mut Part,
        expected: Option<u64>,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        let most = expected.unwrap_or(UNTOLD_BYTES);
        let mut body = response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let had = sentence::counted(part.bytes() as usize, "byte");
                    let why = sentence::cause(&error);
                    return Err(Failure::Dropped(format!("after {had}: {why}")));
                }
            };
            if part.bytes() + n as u64 > most {
                part.restart()?;
                return Err(Failure::Refused(format!("expected at most {most} bytes, found more")));
            }
            part.write(&chunk[..n])?;
            progress.advance(n as u64);
        }
        match expected {
            Some(expected) if part.bytes() < expected => Err(Failure::Dropped(format!(
                "the connection ended after {} of {expected} bytes",
                part.bytes()
            ))),
            _ => Ok(()),
        }
    }
}

/// A request without an answer: most reasons pass, an address that cannot be used does not.
fn no_answer(error: ureq::Error) -> Failure {
    use ureq::Error as E;
    let unusable = "an address that cannot be used";
    Failure::Dropped(match error {
        E::BadUri(_) | E::Http(_) => return Failure::Refused(unusable.to_owned()),
        E::TooManyRedirects => {
            return Failure::Refused("an address that leads on without end".to_owned());
        }
        E::Io(error) => sentence::cause(&error),
        E::Timeout(_) => "no answer in time".to_owned(),
        E::HostNotFound => "no machine of that name".to_owned(),
        E::ConnectionFailed => "no connection".to_owned(),
        E::Tls(_) | E::Rustls(_) => "a connection that cannot be trusted".to_owned(),
        _ => "no answer that can be read".to_owned(),
    })
}

/// The first byte of `Content-Range: bytes first-last/all`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("Content-Range")?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}

/// Consent and error pages often come with status 200.
fn is_web_page(response: &Response<Body>) -> bool {
    response
        .headers()
        .get("Content-Type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}
