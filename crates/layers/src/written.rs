//! A large result that is written once, from one end to the other, needs no zeros before: clearing
//! 100 MB takes as long as what is written there.

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A piece of a result, as far as it is written.
pub struct Piece<'a> {
    rest: &'a mut [MaybeUninit<f32>],
}

/// Writes what comes next in a piece.
///
/// # Panics
/// If there is less room.
pub fn push(piece: &mut Piece, values: &[f32]) {
    let (next, rest) = std::mem::take(&mut piece.rest).split_at_mut(values.len());
    // a copy, as `write_copy_of_slice` is from Rust 1.93 on
    next.iter_mut().zip(values).for_each(|(to, from)| _ = to.write(*from));
    piece.rest = rest;
}

/// `len` numbers in pieces of `size`, the last perhaps shorter, each written by `write(number of
/// the piece, state of the thread, piece)`, all in parallel.
///
/// # Panics
/// If `write` leaves out a part of its piece.
pub fn in_pieces<T>(
    len: usize,
    size: usize,
    state: impl Fn() -> T + Sync + Send,
    write: impl Fn(&mut T, usize, &mut Piece) + Sync + Send,
) -> Vec<f32> {
    let mut all = Vec::with_capacity(len);
    let room: &mut [MaybeUninit<f32>] = &mut all.spare_capacity_mut()[..len];
    room.par_chunks_mut(size.max(1)).enumerate().for_each_init(state, |state, (i, rest)| {
        let mut piece = Piece { rest };
        write(state, i, &mut piece);
        assert!(piece.rest.is_empty(), "a piece of a result was not written whole");
    });
    #[expect(unsafe_code, reason = "memory that is written without zeros before")]
    // SAFETY: every number of the first `len` lies in one piece, and every piece is written whole:
    // else a task has panicked, and this line is not reached
    unsafe {
        all.set_len(len);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_in_their_order() {
        let found = in_pieces(
            7,
            3,
            || (),
            |(), i, piece| match i {
                2 => push(piece, &[6.0]),
                i => (0..3).for_each(|j| push(piece, &[(3 * i + j) as f32])),
            },
        );
        assert_eq!(found, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(in_pieces(0, 3, || (), |(), _, _| ()).is_empty());
    }

    #[test]
    #[should_panic(expected = "not written whole")]
    fn a_piece_that_is_not_whole_is_no_result() {
        in_pieces(4, 2, || (), |(), _, piece| push(piece, &[1.0]));
    }
}
