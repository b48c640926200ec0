//! Pure functions that move the pixels of a [`Grid`]; each takes one pixel of the source, or zero,
//! for every pixel of the result, the same for all frames and channels. Random choices (offset,
//! mirror, angle) are the caller's.

use crate::{Grid, Shape};

/// Nearest-neighbour resize: pixel (i, j) is source pixel (⌊i·H/height⌋, ⌊j·W/width⌋).
///
/// 128 → 64 therefore keeps the even rows and columns and drops three quarters of the pixels, as
/// the released code does.
pub fn resize_nearest<T: Copy + Default>(grid: &Grid<T>, height: usize, width: usize) -> Grid<T> {
    let Shape { height: h, width: w, .. } = grid.shape();
    gather(grid, height, width, |i, j| Some((i * h / height, j * w / width)))
}

/// The window of the grid's own size whose top left corner lies at (`row`, `column`) of the grid
/// padded with `padding` zeros on every side; (`padding`, `padding`) is the identity.
pub fn crop<T: Copy + Default>(
    grid: &Grid<T>,
    padding: usize,
    row: usize,
    column: usize,
) -> Grid<T> {
    let Shape { height, width, .. } = grid.shape();
    gather(grid, height, width, |i, j| {
        Some(((i + row).checked_sub(padding)?, (j + column).checked_sub(padding)?))
    })
}

/// Mirrors left and right: pixel (i, j) is source pixel (i, W−1−j).
pub fn hflip<T: Copy + Default>(grid: &Grid<T>) -> Grid<T> {
    let Shape { height, width, .. } = grid.shape();
    gather(grid, height, width, |i, j| Some((i, width - 1 - j)))
}

/// Rotates about the centre by `degrees`, counter-clockwise as displayed with y downwards; nearest
/// neighbour, zero fill, same size.
///
/// With X = j − (W−1)/2 and Y = i − (H−1)/2 the source lies at column X·cos a − Y·sin a + (W−1)/2
/// and row X·sin a + Y·cos a + (H−1)/2, each rounded half to even.
pub fn rotate<T: Copy + Default>(grid: &Grid<T>, degrees: f64) -> Grid<T> {
    let Shape { height, width, .. } = grid.shape();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (centre_y, centre_x) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
    gather(grid, height, width, |i, j| {
        let (x, y) = (j as f64 - centre_x, i as f64 - centre_y);
        Some((index(x * sin + y * cos + centre_y)?, index(x * cos - y * sin + centre_x)?))
    })
}

/// The index nearest to a coordinate, half to even; `None` before the first pixel. Too large a
/// value saturates and is cut by `gather`.
fn index(coordinate: f64) -> Option<usize> {
    let rounded = coordinate.round_ties_even();
    (rounded >= 0.0).then_some(rounded as usize)
}

/// The grid of `height` x `width` whose pixel (i, j) is the source's pixel `source(i, j)`, or zero
/// where that is none or outside.
fn gather<T: Copy + Default>(
    grid: &Grid<T>,
    height: usize,
    width: usize,
    source: impl Fn(usize, usize) -> Option<(usize, usize)>,
) -> Grid<T> {
    let Shape { steps, height: h, width: w, channels } = grid.shape();
    let shape = Shape { steps, height, width, channels };
    let frame_len = h * w * channels;
    let mut values = Vec::with_capacity(steps * height * width * channels);
    let pixels = (0..height).flat_map(|i| (0..width).map(move |j| (i, j)));
    // one look at the geometry for all frames and channels
    let offsets: Vec<Option<usize>> = pixels
        .map(|(i, j)| {
            source(i, j).filter(|&(i, j)| i < h && j < w).map(|(i, j)| (i * w + j) * channels)
        })
        .collect();
    for step in 0..steps {
        let frame = &grid.values()[step * frame_len..][..frame_len];
        for offset in &offsets {
            match *offset {
                Some(offset) => values.extend_from_slice(&frame[offset..][..channels]),
                None => values.extend(std::iter::repeat_n(T::default(), channels)),
            }
        }
    }
    Grid::of(shape, values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn grid(steps: usize, height: usize, width: usize) -> Result<Grid<u16>, Error> {
        let shape = Shape { steps, height, width, channels: 2 };
        Grid::new(shape, (1..=(steps * height * width * 2) as u16).collect())
    }

    #[test]
    fn what_should_change_nothing_changes_nothing() -> Result<(), Error> {
        let grid = grid(2, 5, 7)?;
        assert_eq!(rotate(&grid, 0.0), grid);
        assert_eq!(rotate(&grid, 360.0), grid);
        assert_eq!(crop(&grid, 3, 3, 3), grid);
        assert_eq!(hflip(&hflip(&grid)), grid);
        assert_eq!(resize_nearest(&grid, 5, 7), grid);
        Ok(())
    }

    #[test]
    fn a_quarter_turn_is_counter_clockwise() -> Result<(), Error> {
        let shape = Shape { steps: 1, height: 2, width: 2, channels: 1 };
        let turned = rotate(&Grid::new(shape, vec![1, 2, 3, 4])?, 90.0);
        assert_eq!(turned.values(), [2, 4, 1, 3]);
        Ok(())
    }

    #[test]
    fn empty_grids_and_far_windows_are_zeros_or_nothing() -> Result<(), Error> {
        assert!(resize_nearest(&grid(1, 3, 3)?, 0, 4).values().is_empty());
        assert_eq!(resize_nearest(&grid(1, 0, 3)?, 1, 1).values(), [0, 0]);
        assert!(hflip(&grid(2, 0, 0)?).values().is_empty());
        assert!(crop(&grid(1, 3, 3)?, 1, 9, 9).values().iter().all(|&value| value == 0));
        assert!(rotate(&grid(1, 3, 3)?, f64::NAN).values().iter().all(|&value| value == 0));
        Ok(())
    }
}
