//! The 5-byte events of the ATIS camera: N-MNIST's `.bin`, also seen as `.bs2`.
//!
//! No header. Byte 0 is x, byte 1 is y; bytes 2 to 4 are one big-endian number: its highest bit is
//! the polarity (1 = ON), the 23 bits below are the time in µs. Those start again at zero after
//! 8.4 s, which [`Turns`](super::turns) puts back. A record with y = 240, one row below the ATIS,
//! is no event: the camera's clock of 13 bits ran over, and 2¹³ µs are added to all that follow, as
//! in the reader that N-MNIST's publisher gives (`Read_Ndataset.m`). A file with a row beyond that
//! one, wherever it stands, is of a larger sensor, and row 240 an ordinary one.

use super::decoder::{Decoder, cut_off, whole};
use super::turns::Turns;
use crate::{Columns, Error};

pub(super) const EVENT: usize = 5;
/// The row that marks an overflow of the camera's clock.
const MARK: u8 = 240;
/// What a mark adds to the times after it.
const MARK_US: i64 = 1 << 13;

/// Decodes the events of one recording.
///
/// # Errors
/// [`Error::Format`] when the length is no multiple of 5.
pub fn decode(bytes: &[u8]) -> Result<Columns, Error> {
    whole(&mut Events::default(), 0, bytes)
}

/// What is remembered of the events so far.
#[derive(Clone, Debug)]
pub(super) struct Events {
    turns: Turns,
    marks: usize,
    /// Whether a row lies beyond the ATIS and its marks.
    is_larger: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self { turns: Turns::new(23), marks: 0, is_larger: false }
    }
}

impl Events {
    /// The time of a record in µs, or `None` of a mark.
    pub fn date(&mut self, record: &[u8; EVENT]) -> Option<i64> {
        if self.is_mark(record) {
            self.marks += 1;
            return None;
        }
        Some(self.turns.date(event(record).0) + self.marks as i64 * MARK_US)
    }

    fn is_mark(&self, record: &[u8; EVENT]) -> bool {
        record[1] == MARK && !self.is_larger
    }
}

impl Decoder for Events {
    fn room(&self, data: &[u8]) -> usize {
        data.as_chunks::<EVENT>().0.iter().filter(|record| !self.is_mark(record)).count()
    }

    fn looks_ahead(&self) -> bool {
        true
    }

    fn look(&mut self, data: &[u8]) {
        let largest = data.as_chunks::<EVENT>().0.iter().fold(0, |y, record| y.max(record[1]));
        self.is_larger |= largest > MARK;
    }

    fn left_out(&self) -> Option<usize> {
        Some(self.marks)
    }

    fn take(&mut self, data: &[u8], _: usize, columns: &mut Columns) -> Result<usize, Error> {
        let (records, rest) = data.as_chunks::<EVENT>();
        if self.marks == 0 && !records.iter().any(|record| self.is_mark(record)) {
            let before = columns.t_us.len();
            columns.extend(records, event);
            self.turns.date_all(&mut columns.t_us[before..]);
        } else {
            columns.extend_some(records, |record| {
                let (_, x, y, on) = event(record);
                self.date(record).map(|t_us| (t_us, x, y, on))
            });
        }
        Ok(data.len() - rest.len())
    }

    fn end(&self, rest: usize, offset: usize) -> Result<(), Error> {
        cut_off("N-MNIST .bin", "an event of 5 bytes", rest, offset)
    }
}

fn event(&[x, ref rest @ ..]: &[u8; EVENT]) -> (i64, u16, u16, bool) {
    // y belongs to the word because four bytes are one load; three are two, and twice the work.
    let word = u32::from_be_bytes(*rest);
    ((word & 0x7f_ffff).into(), x.into(), (word >> 24) as u16, word >> 23 & 1 == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cut_file_says_where_it_breaks_off() {
        let error = decode(&[0; 13]).map_err(|error| error.to_string());
        let sentence = "N-MNIST .bin, byte 10: expected an event of 5 bytes, found 3 at the end of the file; the file is cut off or of another format: copy it again";
        assert_eq!(error, Err(sentence.to_owned()));
    }

    #[test]
    fn marks_add_to_the_times_after_them_and_are_no_events() {
        let event = |x: u8, y: u8, t: u8| [x, y, 0x80, 0, t];
        let records = [event(1, 239, 9), event(0, 240, 0), event(0, 240, 0), event(2, 3, 4)];
        let columns = decode(records.as_flattened()).unwrap();
        assert_eq!((columns.t_us, columns.x), (vec![9, 2 * 8192 + 4], vec![1, 2]));
        // of a larger sensor none is a mark, wherever it shows
        for at in [0, 2, 4] {
            let mut records = records.to_vec();
            records.insert(at, event(9, 241, 0));
            let columns = decode(records.as_flattened()).unwrap();
            assert_eq!((columns.y.len(), columns.t_us[4] < 10), (5, true));
        }
    }
}
