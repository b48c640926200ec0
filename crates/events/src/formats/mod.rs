//! Decoders, one format a file: bytes → [`crate::Columns`] in file order, or an error with byte offset, expectation and finding.
//!
//! No decoder trusts a length field, and none takes more memory than a small multiple of the bytes it is given.

pub mod aedat2;
pub mod aedat31;
pub mod nmnist;

use std::io::Read;

use crate::Error;

fn read_all(mut source: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Offset of the byte after the line that starts at `start`; `None` if the line does not end.
fn next_line(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    rest.iter().position(|&byte| byte == b'\n').map(|n| start + n + 1)
}
