use std::f32::consts::{FRAC_PI_2, PI, TAU};

use events::camera::{Pixels, Region};
use rand::Rng;

use super::{
    exact::sin_cos,
    glyphs::{Capsule, Point, on_ellipse},
};

const LOOK_US: i64 = 2_000;
const LOOKS: i64 = 600;

/// Two bright arms before a 128×128 sensor, 1.2 s; what class it is lies in how they move.
pub(crate) fn show(label: u32, rng: &mut impl Rng, pixels: &mut Pixels) {
    let motion = Motion::new(label, rng);
    let contrast = rng.random_range(1.4..2.4);
    let mut before = motion.arms(0);
    for look in 0..=LOOKS {
        let now = motion.arms(look);
        let log_intensity = |x: usize, y: usize| {
            let pixel = [x as f32, y as f32];
            contrast * now[0].cover(pixel).max(now[1].cover(pixel))
        };
        if look == 0 {
            let regions: Vec<Region> = now.iter().map(|arm| arm.swept_from(arm)).collect();
            pixels.settle(&regions, log_intensity);
        } else {
            let moved = now.iter().zip(&before).filter(|(arm, was)| arm.ends != was.ends);
            let regions: Vec<Region> = moved.map(|(arm, was)| arm.swept_from(was)).collect();
            pixels.look(look * LOOK_US, &regions, log_intensity);
        }
        before = now;
    }
}

/// How one person makes one gesture.
struct Motion {
    label: u32,
    /// Phase at the start, and its advance from look to look, in radians.
    start: f32,
    turn: f32,
    /// Frequencies of the gesture that is none of the others.
    free: [f32; 4],
    scale: f32,
    shift: Point,
    radius: f32,
}

impl Motion {
    fn new(label: u32, rng: &mut impl Rng) -> Self {
        let turn = TAU * rng.random_range(1.3_f32..2.2) * 1e-6 * LOOK_US as f32;
        let start = rng.random_range(0.0..TAU);
        let free = [0; 4].map(|_| rng.random_range(0.4_f32..1.6));
        let scale = rng.random_range(0.85..1.15);
        let shift = [0; 2].map(|_| rng.random_range(-6.0_f32..6.0));
        Self { label, start, turn, free, scale, shift, radius: rng.random_range(3.5..6.0) }
    }

    /// The arms at a look. The two senses of a circle are one list of poses, run through forwards
    /// and backwards: no single frame, and no sum over frames that forgets their order, tells them
    /// apart.
    fn arms(&self, look: i64) -> [Capsule; 2] {
        // circles of label 3 run clockwise as displayed, y being downwards; in the mirror, label 6,
        // they run the other way
        let look = if matches!(self.label, 4 | 5) { LOOKS - look } else { look };
        pose(self.label, self.start + self.turn * look as f32, self.free).map(|ends| {
            let ends = ends.map(|p| [0, 1].map(|i| 64.0 + p[i] * self.scale + self.shift[i]));
            Capsule { ends, radius: self.radius, edge: 1.5 }
        })
    }
}

/// The person's right arm, then the left, from shoulder or elbow to hand, about the sensor's
/// centre, at phase `p` of the motion.
fn pose(label: u32, p: f32, free: [f32; 4]) -> [[Point; 2]; 2] {
    let sin = |p: f32| sin_cos(p).0;
    let cos = |p: f32| sin_cos(p).1;
    let mirror = |arm: [Point; 2]| arm.map(|[x, y]| [-x, y]);
    let resting = [[-22.0, -8.0], [-26.0, 28.0]]; // the person faces the camera: right arm on the left
    let from = |at: Point, length: f32, angle: f32| [at, on_ellipse(at, [length; 2], angle)];
    let wave = from([-26.0, 0.0], 34.0, -FRAC_PI_2 + 0.6 * sin(p));
    let circle = from([-22.0, -4.0], 32.0, p);
    let roll = |p: f32| [-18.0, 18.0].map(|x| on_ellipse([x, 0.0], [10.0; 2], p));
    let drum = |p: f32| [[-28.0, -4.0], [-12.0, 14.0 + 14.0 * sin(p)]];
    match label {
        0 => {
            let clap = [[-28.0, 20.0], [-4.0 - 10.0 * (1.0 + cos(p)), 0.0]];
            [clap, mirror(clap)]
        }
        1 => [wave, mirror(resting)],
        2 => [resting, mirror(wave)],
        3 | 4 => [circle, mirror(resting)],
        5 | 6 => [resting, mirror(circle)],
        7 => [roll(p), roll(p + PI)],
        8 => [drum(p), mirror(drum(p + PI))],
        9 => [
            [[-30.0, 4.0], [-4.0, 18.0 + 9.0 * sin(2.0 * p)]],
            [[22.0, -8.0], [38.0 + 3.0 * sin(p), 6.0]],
        ],
        _ => {
            let [a, b, c, d] = free;
            let hand = |a: f32, b: f32| {
                [[-22.0, -6.0], [-22.0 + 24.0 * sin(a * p), -6.0 + 24.0 * cos(b * p + 1.0)]]
            };
            [hand(a, b), mirror(hand(c, d))]
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use events::{Events, Sensor};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::synthetic::dvs;

    fn poses(label: u32, seed: u64) -> Vec<[Capsule; 2]> {
        let motion = Motion::new(label, &mut ChaCha8Rng::seed_from_u64(seed));
        (0..=LOOKS).map(|look| motion.arms(look)).collect()
    }

    #[test]
    fn clockwise_and_counter_clockwise_are_the_same_frames_in_the_opposite_order() {
        for seed in 0..20 {
            for (one, other) in [(3, 4), (5, 6)] {
                let (one, mut other) = (poses(one, seed), poses(other, seed));
                assert_ne!(one, other, "the order tells them apart");
                other.reverse();
                assert_eq!(one, other);
            }
        }
    }

    /// ON and OFF events per pixel, times forgotten, of ten people's gesture.
    fn sums(label: u32) -> Vec<f64> {
        let mut sums = vec![0.0; 2 * 128 * 128];
        for seed in 0..10 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut pixels = dvs().pixels(Sensor { width: 128, height: 128 }, 0);
            show(label, &mut rng, &mut pixels);
            let events: Events = pixels.finish(&mut rng).unwrap();
            for ((&x, &y), &on) in events.x().iter().zip(events.y()).zip(events.on()) {
                sums[2 * (128 * usize::from(y) + usize::from(x)) + usize::from(on)] += 1.0;
            }
        }
        sums
    }

    fn cosine(a: &[f64], b: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn without_time_the_sense_of_rotation_is_lost() {
        let [clockwise, counter, other_arm] = [3, 4, 5].map(sums);
        let (same, different) = (cosine(&clockwise, &counter), cosine(&clockwise, &other_arm));
        println!("clockwise and counter-clockwise {same:.4}, right and left arm {different:.4}");
        assert!(same > 0.97, "{same}");
        assert!(different < 0.6, "{different}");
    }
}
