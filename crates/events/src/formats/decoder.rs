//! What all decoders have in common: bytes come in pieces, and something is remembered between one
//! piece and the next.

use crate::{Columns, Error};

/// One recording on its way from bytes to events.
pub(super) trait Decoder {
    /// Room to reserve for the events of `data`, never less than they take.
    fn room(&self, data: &[u8]) -> usize;

    /// Appends the events of the whole records at the start of `data`, which lies at `offset` of
    /// the file, and returns how many bytes those records are.
    ///
    /// # Errors
    /// [`Error::Format`] where the bytes do not follow the format.
    fn take(&mut self, data: &[u8], offset: usize, columns: &mut Columns) -> Result<usize, Error>;

    /// Whether later bytes tell what earlier ones mean: then [`Decoder::look`] sees all of the data
    /// before the first is taken.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Sees data, in order and in pieces that begin with a record.
    fn look(&mut self, _data: &[u8]) {}

    /// Records so far that are none of a pixel's events and were left out, where the format has
    /// such and the decoder counts them.
    fn left_out(&self) -> Option<usize> {
        None
    }

    /// Whether the file may end here, with `rest` bytes at `offset` that no record took.
    ///
    /// # Errors
    /// [`Error::Format`] where the last record is cut off.
    fn end(&self, rest: usize, offset: usize) -> Result<(), Error>;
}

/// A decoder, and the bytes of the header before its data.
pub(super) struct Opened {
    pub decoder: Box<dyn Decoder>,
    pub header: usize,
}

/// Decodes a file that lies in memory as a whole.
pub(super) fn whole<D: Decoder + ?Sized>(
    decoder: &mut D,
    header: usize,
    bytes: &[u8],
) -> Result<Columns, Error> {
    let data = &bytes[header..];
    decoder.look(data);
    let mut columns = Columns::with_capacity(decoder.room(data));
    let taken = decoder.take(data, header, &mut columns)?;
    decoder.end(data.len() - taken, header + taken)?;
    Ok(columns)
}

/// The error of a file that ends within a record; nothing where it does not.
pub(super) fn cut_off(
    format: &'static str,
    record: &str,
    rest: usize,
    offset: usize,
) -> Result<(), Error> {
    if rest == 0 {
        return Ok(());
    }
    Err(Error::Format {
        format,
        offset,
        expected: record.to_owned(),
        found: format!("{rest} at the end of the file"),
        advice: "the file is cut off or of another format: copy it again",
    })
}
