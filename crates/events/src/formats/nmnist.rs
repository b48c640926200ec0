//! The 5-byte events of the ATIS camera: N-MNIST's `.bin`, also seen as `.bs2`.
//!
//! No header. Byte 0 is x, byte 1 is y; bytes 2 to 4 are one big-endian number: its highest bit is
//! the polarity (1 = ON), the 23 bits below are the time in µs.

use crate::{Columns, Error};

pub(super) const EVENT: usize = 5;

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the length is no multiple of 5.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    let (events, rest) = bytes.as_chunks::<EVENT>();
    if !rest.is_empty() {
        return Err(Error::Format {
            format: "N-MNIST .bin",
            offset: bytes.len() - rest.len(),
            expected: format!("an event of {EVENT} bytes"),
            found: format!("{} at the end of the file", rest.len()),
            advice: "the file is cut off or of another format: copy it again",
        });
    }
    let mut columns = Columns::with_capacity(events.len());
    columns.extend(events, event);
    Ok(columns)
}

pub(super) fn time_us(&[_, _, a, b, c]: &[u8; EVENT]) -> i64 {
    u32::from_be_bytes([0, a & 0x7f, b, c]).into()
}

fn event(&[x, ref rest @ ..]: &[u8; EVENT]) -> (i64, u16, u16, bool) {
    // y belongs to the word because four bytes are one load; three are two, and twice the work.
    let word = u32::from_be_bytes(*rest);
    ((word & 0x7f_ffff).into(), x.into(), (word >> 24) as u16, word >> 23 & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_file_says_where_it_breaks_off() {
        let error = decode(&[0; 13]).map_err(|error| error.to_string());
        let sentence = "N-MNIST .bin, byte 10: expected an event of 5 bytes, found 3 at the end of the file; the file is cut off or of another format: copy it again";
        assert_eq!(error, Err(sentence.to_owned()));
    }
}
