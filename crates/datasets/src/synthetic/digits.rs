use events::camera::{Pixels, Saccades};
use rand::Rng;

use super::glyphs::{self, capsules, drawn_by_hand};

/// Side of an image as MNIST has it.
const SIDE: usize = 28;

/// A digit as if drawn by hand, shown as N-MNIST shows its images.
pub(crate) fn show(label: u32, rng: &mut impl Rng, pixels: &mut Pixels) {
    Saccades::default().show(&image(label, rng), pixels);
}

/// 20 pixels high like MNIST's digits, ink 0 to 255.
pub(super) fn image(label: u32, rng: &mut impl Rng) -> [u8; SIDE * SIDE] {
    let radius = rng.random_range(1.1..1.8);
    let strokes = drawn_by_hand(&glyphs::digit(label), 20.0, [13.5; 2], rng);
    let lines: Vec<_> = capsules(&strokes, radius, 1.0).collect();
    std::array::from_fn(|at| {
        let pixel = [(at % SIDE) as f32, (at / SIDE) as f32];
        (lines.iter().map(|line| line.cover(pixel)).fold(0.0, f32::max) * 255.0) as u8
    })
}
