use std::f64::consts::TAU;

use rand::Rng;

use super::exact::sin_cos;
use crate::sounds::RATE_HZ;

/// The frequencies in Hz between which words run; each is 1.64 times the one before.
const LEVELS_HZ: [f64; 6] = [300.0, 493.0, 811.0, 1332.0, 2190.0, 3600.0];
/// Seconds in which a word swells and fades.
const FADE_S: f64 = 0.04;

/// One second with a word of two tones that glide from one level to another: its class says from
/// which to which.
pub(crate) fn word(label: u32, rng: &mut impl Rng) -> Vec<i16> {
    let voice = Voice::new(label, rng);
    let hiss = rng.random_range(20.0..200.0);
    let mut turns = 0.0;
    let sample = |i: u32| {
        let t = f64::from(i) / f64::from(RATE_HZ);
        let (hz, loud) = voice.at(t);
        turns += hz / f64::from(RATE_HZ);
        let noise = rng.random_range(-hiss..hiss);
        let tones = if loud > 0.0 {
            voice.tone(turns) + voice.overtone * voice.tone(2.0 * turns)
        } else {
            0.0
        };
        (loud * tones + noise) as i16
    };
    (0..RATE_HZ).map(sample).collect()
}

/// How one speaker says one word.
struct Voice {
    /// First and last frequency in Hz.
    hz: [f64; 2],
    /// Start and length in seconds.
    start: f64,
    length: f64,
    /// Amplitude of the lower tone; the other's as a part of it.
    loud: f64,
    overtone: f64,
}

impl Voice {
    fn new(label: u32, rng: &mut impl Rng) -> Self {
        let levels = LEVELS_HZ.len();
        let pitch = rng.random_range(0.94..1.06);
        let hz = [label as usize / levels % levels, label as usize % levels]
            .map(|level| LEVELS_HZ[level] * pitch);
        let length = rng.random_range(0.5..0.7);
        // in the middle of the second, more or less, as words are cut
        let start = (1.0 - length) / 2.0 + rng.random_range(-0.1..0.1);
        let (loud, overtone) = (rng.random_range(1_500.0..12_000.0), rng.random_range(0.2..0.5));
        Self { hz, start, length, loud, overtone }
    }

    /// Frequency in Hz and amplitude at a time in seconds.
    fn at(&self, t: f64) -> (f64, f64) {
        let part = ((t - self.start) / self.length).clamp(0.0, 1.0);
        // a word rests on its first and on its last sound, and glides in between
        let glide = (part * 2.0 - 0.5).clamp(0.0, 1.0);
        let fade = (part.min(1.0 - part) * self.length / FADE_S).min(1.0);
        (self.hz[0] + (self.hz[1] - self.hz[0]) * glide, self.loud * fade)
    }

    /// A sine of amplitude 1 after so many periods.
    fn tone(&self, turns: f64) -> f64 {
        f64::from(sin_cos(((turns - turns.floor()) * TAU) as f32).0)
    }
}
