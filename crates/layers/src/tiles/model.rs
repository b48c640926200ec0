use super::{BLOCK, PACKED, Tiles};

/// [`Tiles`] in plain Rust.
pub struct Model {
    sums: [[f32; BLOCK]; BLOCK],
    left: [[f32; BLOCK]; BLOCK],
    right: [[f32; BLOCK]; BLOCK],
}

impl Default for Model {
    fn default() -> Model {
        let zero = [[0.0; BLOCK]; BLOCK];
        Model { sums: zero, left: zero, right: zero }
    }
}

/// The f32 of a bf16; the smallest numbers are zero, as instructions take them.
fn widened(bits: u16) -> f32 {
    let x = f32::from_bits(u32::from(bits) << 16);
    if x.is_subnormal() { 0.0 } else { x }
}

impl Tiles for Model {
    fn clear(&mut self) {
        self.sums = [[0.0; BLOCK]; BLOCK];
    }

    fn load(&mut self, sums: &[f32], stride: usize) {
        for (i, row) in self.sums.iter_mut().enumerate() {
            row.copy_from_slice(&sums[i * stride..][..BLOCK]);
        }
    }

    fn store(&mut self, sums: &mut [f32], stride: usize) {
        for (i, row) in self.sums.iter().enumerate() {
            sums[i * stride..][..BLOCK].copy_from_slice(row);
        }
    }

    fn left(&mut self, rows: &[u16], stride: usize) {
        for (i, row) in self.left.iter_mut().enumerate() {
            row.iter_mut().zip(&rows[i * stride..][..BLOCK]).for_each(|(x, &b)| *x = widened(b));
        }
    }

    fn right(&mut self, packed: &[u32]) {
        for (at, &two) in packed[..PACKED].iter().enumerate() {
            let (half, pair, column) = (at / (PACKED / 2), at / 16 % 16, at % 16);
            self.right[2 * pair][half * 16 + column] = widened(two as u16);
            self.right[2 * pair + 1][half * 16 + column] = widened((two >> 16) as u16);
        }
    }

    fn multiply(&mut self) {
        for (sums, left) in self.sums.iter_mut().zip(&self.left) {
            for (x, right) in left.iter().zip(&self.right) {
                sums.iter_mut().zip(right).for_each(|(sum, w)| *sum += x * w);
            }
        }
    }
}
