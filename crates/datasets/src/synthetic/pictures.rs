use rand::Rng;

use super::{
    digits,
    glyphs::{self, Capsule, Point, capsules, drawn_by_hand},
};

/// Side of an image as CIFAR has it.
const SIDE: usize = 32;
const SHAPES: u32 = 10;
const HUES: u32 = 10;

/// Red, green, blue, 0 to 255.
type Colour = [f32; 3];

/// A digit as if drawn by hand, 28×28.
pub(crate) fn digit(label: u32, rng: &mut impl Rng) -> Vec<u8> {
    let image = digits::image(label, rng);
    image.iter().map(|&ink| noisy(f32::from(ink), 10.0, rng)).collect()
}

/// A shape of any hue: 10 classes.
pub(crate) fn shape(label: u32, rng: &mut impl Rng) -> Vec<u8> {
    let turn = rng.random_range(0.0..1.0);
    draw(label, turn, rng)
}

/// A shape of one of ten hues: 100 classes, tens the shape and ones the hue.
pub(crate) fn shape_and_hue(label: u32, rng: &mut impl Rng) -> Vec<u8> {
    let turn = ((label % HUES) as f32 + rng.random_range(-0.2..0.2)) / HUES as f32;
    draw(label / HUES, turn, rng)
}

/// A shape before a background that goes from one dark colour to another, 32×32×3, channels last.
fn draw(shape: u32, turn: f32, rng: &mut impl Rng) -> Vec<u8> {
    let radius = rng.random_range(1.0..1.8);
    let colour = ink(turn, rng);
    let background = Gradient::new(rng);
    let middle = (SIDE - 1) as f32 / 2.0;
    let strokes = drawn_by_hand(&glyphs::shape(shape % SHAPES), 22.0, [middle; 2], rng);
    let lines: Vec<Capsule> = capsules(&strokes, radius, 1.0).collect();
    let mut values = Vec::with_capacity(SIDE * SIDE * 3);
    for at in 0..SIDE * SIDE {
        let pixel = [(at % SIDE) as f32, (at / SIDE) as f32];
        let cover = lines.iter().map(|line| line.cover(pixel)).fold(0.0, f32::max);
        let behind = background.at([pixel[0] - middle, pixel[1] - middle]);
        values
            .extend((0..3).map(|i| noisy(behind[i] + (colour[i] - behind[i]) * cover, 12.0, rng)));
    }
    values
}

/// A bright colour whose hue is `turn` of the way round the colour wheel, from red over green and
/// blue.
fn ink(turn: f32, rng: &mut impl Rng) -> Colour {
    let value = rng.random_range(200.0..255.0);
    let saturation = rng.random_range(0.6..0.85);
    // each channel is high in a third of the wheel, low in a third, and rises and falls in between
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|peak: f32| {
        let away = (turn - peak) - (turn - peak).round();
        let height = (2.0 - 6.0 * away.abs()).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - height))
    })
}

/// Colours that change evenly in one direction.
struct Gradient {
    middle: Colour,
    /// Change per pixel to the right and downwards.
    slope: [Colour; 2],
}

impl Gradient {
    fn new(rng: &mut impl Rng) -> Self {
        let mut colour = |low: f32, high: f32| [0; 3].map(|_| rng.random_range(low..high));
        let (middle, slope) = (colour(20.0, 100.0), [colour(-1.5, 1.5), colour(-1.5, 1.5)]);
        Self { middle, slope }
    }

    fn at(&self, [x, y]: Point) -> Colour {
        let [right, down] = &self.slope;
        std::array::from_fn(|i| self.middle[i] + right[i] * x + down[i] * y)
    }
}

/// A value that a sensor would give, off by less than `limit`.
fn noisy(value: f32, limit: f32, rng: &mut impl Rng) -> u8 {
    // what is below 0 or above 255 becomes just that
    (value + rng.random_range(-limit..limit)) as u8
}
