//! The two streams.

use crate::{block, line};
use std::io::{self, ErrorKind, Write};

/// Standard output cannot be written any more.
#[derive(Debug)]
pub struct Unwritten(io::Error);

impl Unwritten {
    /// Whether its reader left, as `head` does when it has enough: that is no fault.
    pub fn reader_left(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let found = match self.0.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no space left".to_owned(),
            _ => sentence::cause(&self.0),
        };
        write!(
            f,
            "standard output: expected to write all of it, found {found}; send it elsewhere and run the command again"
        )
    }
}

impl std::error::Error for Unwritten {}

/// Prints a [`block`] on standard output, as it is but for characters that command a terminal.
///
/// # Errors
/// If it cannot be written.
pub fn print(text: &str) -> Result<(), Unwritten> {
    print_raw(&block(text))
}

/// Prints `text` on standard output to the byte: for what a program reads.
///
/// # Errors
/// If it cannot be written.
pub fn print_raw(text: &str) -> Result<(), Unwritten> {
    let mut out = io::stdout().lock();
    // flushed here, since at a program's end a failure is not seen any more
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Unwritten)
}

/// Says one [`line()`] on standard error. A program goes on where nobody hears it.
pub fn say(text: &str) {
    // one call, so that lines of several processes do not mix
    let _ = io::stderr().lock().write_all((line(text) + "\n").as_bytes());
}

/// Standard output as a writer, whose errors [`crate::ended`] knows.
#[derive(Debug, Default)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().lock().write(bytes).map_err(known)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush().map_err(known)
    }
}

pub(crate) fn known(error: io::Error) -> io::Error {
    // what only asks to be called again must stay what it is
    if error.kind() == ErrorKind::Interrupted {
        return error;
    }
    io::Error::new(error.kind(), Unwritten(error))
}
