//! From a spoken word to what a network sees: waveform → [`LogMel`] → [`BandStatistics`] →
//! [`direct`] or [`chunks`].
//!
//! The paper names neither its front end nor its encoding; everything here is our choice, and so
//! are the constants.

use std::{collections::BTreeMap, f64::consts::PI, sync::Arc};

use events::{Grid, Shape};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex};

use crate::{Error, Recording, sounds::RATE_HZ};

/// The ten words that a small recogniser is usually trained on.
pub const TEN_WORDS: [&str; 10] =
    ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"];

const N_FFT: usize = 1024;
const WINDOW: usize = 640;
const HOP: usize = 250;
const FRAMES: usize = 64;
const BANDS: usize = 64;
/// Lowest and highest frequency of the bands in Hz.
const RANGE_HZ: [f64; 2] = [20.0, 8_000.0];
/// Added before the logarithm.
const FLOOR: f32 = 1e-6;
/// Frames that one step of [`chunks`] advances, and so 16 steps.
const CHUNK: usize = 4;

/// The log-mel spectrogram of one second at 16 kHz: 64 bands × 64 frames.
///
/// `S[m, i] = ln(Σ_k F[m, k]·|X_i[k]|² + 1e-6)` with `X_i` the transform (1024 points) of the
/// samples around `250·i`, divided by 32768 and weighted by a periodic Hann window of 640 in the
/// middle of the 1024. Samples before the first and behind the last are reflected without repeating
/// the edge. `F`: 64 triangles of height 1, equally spaced on the HTK mel scale
/// `2595·log10(1 + f/700)` from 20 to 8000 Hz, linear in Hz between their corners. Centred frames
/// would be 65; the last, half of which is reflection, is left out.
pub struct LogMel {
    transform: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// For each band its first frequency and the weights from there on.
    bands: Vec<(usize, Vec<f32>)>,
}

impl Default for LogMel {
    fn default() -> Self {
        let hann = |n: usize| (0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos()) as f32;
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(N_FFT),
            window: (0..WINDOW).map(hann).collect(),
            bands: bands(),
        }
    }
}

/// The triangles on the transform's frequencies, without their zeros.
fn bands() -> Vec<(usize, Vec<f32>)> {
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let hz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
    let [low, high] = RANGE_HZ.map(mel);
    let corner = |i: usize| hz(low + (high - low) * i as f64 / (BANDS + 1) as f64);
    let band = |m: usize| {
        let [left, centre, right] = [m, m + 1, m + 2].map(corner);
        let weight = |k: usize| {
            let f = k as f64 * f64::from(RATE_HZ) / N_FFT as f64;
            ((f - left) / (centre - left)).min((right - f) / (right - centre)).max(0.0) as f32
        };
        let weights: Vec<f32> = (0..=N_FFT / 2).map(weight).collect();
        let inside = |&weight: &f32| weight > 0.0;
        let start = weights.iter().position(inside).unwrap_or(0);
        let end = weights.iter().rposition(inside).map_or(start, |last| last + 1);
        (start, weights[start..end].to_vec())
    };
    (0..BANDS).map(band).collect()
}

impl LogMel {
    /// The spectrogram `[1, 64, 64, 1]`: rows are bands from low to high, columns are frames.
    ///
    /// # Errors
    /// [`Error::Size`] for another number of samples than 16,000.
    pub fn spectrogram(&self, waveform: &[i16]) -> Result<Grid<f32>, Error> {
        if waveform.len() != RATE_HZ as usize {
            return Err(Error::Size {
                what: "log-mel spectrogram",
                expected: format!("{RATE_HZ} samples"),
                found: waveform.len().to_string(),
            });
        }
        let mut values = vec![0.0; BANDS * FRAMES];
        let mut samples = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        for frame in 0..FRAMES {
            self.windowed(waveform, frame, &mut samples);
            let transformed =
                self.transform.process_with_scratch(&mut samples, &mut spectrum, &mut scratch);
            transformed.map_err(|wrong| Error::Size {
                what: "log-mel spectrogram",
                expected: format!("a transform of {N_FFT} samples"),
                found: wrong.to_string(),
            })?;
            for (band, (start, weights)) in self.bands.iter().enumerate() {
                let power = |(weight, x): (&f32, &Complex<f32>)| weight * x.norm_sqr();
                let energy: f32 = weights.iter().zip(&spectrum[*start..]).map(power).sum();
                values[band * FRAMES + frame] = (energy + FLOOR).ln();
            }
        }
        grid(1, values)
    }

    /// The weighted samples around a frame's centre. The transform leaves its input in disorder, so
    /// the zeros are written again.
    fn windowed(&self, waveform: &[i16], frame: usize, samples: &mut [f32]) {
        samples.fill(0.0);
        let first = (frame * HOP) as isize - (WINDOW / 2) as isize;
        let last = waveform.len() as isize - 1;
        let middle = &mut samples[(N_FFT - WINDOW) / 2..][..WINDOW];
        for (n, (sample, weight)) in middle.iter_mut().zip(&self.window).enumerate() {
            let i = (first + n as isize).abs();
            let reflected = if i > last { 2 * last - i } else { i };
            *sample = weight * f32::from(waveform[reflected as usize]) / 32768.0;
        }
    }
}

/// Mean and standard deviation of each band over the train recordings.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct BandStatistics {
    /// One mean a band.
    pub mean: Vec<f32>,
    /// One standard deviation a band; 1 for a band that never changes.
    pub deviation: Vec<f32>,
}

impl BandStatistics {
    /// Over all frames of all `spectrograms`, in one pass: sums in 64 bits, so that the order of a
    /// million frames does not matter much.
    ///
    /// # Errors
    /// [`Error::Size`] for something else than spectrograms, or none at all.
    pub fn of<'a>(spectrograms: impl IntoIterator<Item = &'a Grid<f32>>) -> Result<Self, Error> {
        let mut sums = vec![(0.0, 0.0); BANDS];
        let mut frames = 0;
        for spectrogram in spectrograms {
            for (sum, band) in sums.iter_mut().zip(checked(spectrogram)?.chunks_exact(FRAMES)) {
                for &value in band {
                    let value = f64::from(value);
                    *sum = (sum.0 + value, sum.1 + value * value);
                }
            }
            frames += FRAMES;
        }
        if frames == 0 {
            let expected = "at least one spectrogram".to_owned();
            return Err(Error::Size {
                what: "statistics of bands",
                expected,
                found: "none".to_owned(),
            });
        }
        let n = frames as f64;
        let deviation = |(sum, squares): &(f64, f64)| {
            let variance = squares / n - (sum / n).powi(2);
            if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 }
        };
        Ok(Self {
            mean: sums.iter().map(|(sum, _)| (sum / n) as f32).collect(),
            deviation: sums.iter().map(deviation).collect(),
        })
    }

    /// `(S[m, i] − mean[m]) / deviation[m]`, of the shape given.
    ///
    /// # Errors
    /// [`Error::Size`] for something else than a spectrogram, or statistics of another number of
    /// bands.
    pub fn standardise(&self, spectrogram: &Grid<f32>) -> Result<Grid<f32>, Error> {
        let stored = checked(spectrogram)?;
        if (self.mean.len(), self.deviation.len()) != (BANDS, BANDS) {
            let found = format!("{} and {}", self.mean.len(), self.deviation.len());
            return Err(Error::Size {
                what: "statistics of bands",
                expected: format!("{BANDS} means and deviations"),
                found,
            });
        }
        let value = |(i, value): (usize, &f32)| {
            (value - self.mean[i / FRAMES]) / self.deviation[i / FRAMES]
        };
        grid(1, stored.iter().enumerate().map(value).collect())
    }
}

/// The encoding `direct`: the whole spectrogram at every step, as the paper feeds images,
/// `[steps, 64, 64, 1]`.
///
/// # Errors
/// [`Error::Size`] for something else than a spectrogram.
pub fn direct(spectrogram: &Grid<f32>, steps: usize) -> Result<Grid<f32>, Error> {
    grid(steps, checked(spectrogram)?.repeat(steps))
}

/// The encoding `chunks`, in which time is time: step t of 16 sees the frames 4t to 4t+3 with 30
/// frames on both sides, `[16, 64, 64, 1]`.
///
/// Frames before the first and behind the last are 0, which after [`BandStatistics::standardise`]
/// is the mean.
///
/// # Errors
/// [`Error::Size`] for something else than a spectrogram.
pub fn chunks(spectrogram: &Grid<f32>) -> Result<Grid<f32>, Error> {
    let stored = checked(spectrogram)?;
    const STEPS: usize = FRAMES / CHUNK;
    const SIDE: usize = (FRAMES - CHUNK) / 2;
    let mut values = vec![0.0; STEPS * BANDS * FRAMES];
    for (row, seen) in values.chunks_exact_mut(FRAMES).enumerate() {
        let (step, band) = (row / BANDS, &stored[row % BANDS * FRAMES..][..FRAMES]);
        // column c of this step is frame 4t + c − 30
        let start = SIDE.saturating_sub(CHUNK * step);
        let end = (FRAMES + SIDE - CHUNK * step).min(FRAMES);
        let first = CHUNK * step + start - SIDE;
        seen[start..end].copy_from_slice(&band[first..][..end - start]);
    }
    grid(STEPS, values)
}

/// Appends random repeats, drawn with `seed`, until every class that occurs has as many recordings
/// as the largest: train, never test.
///
/// The paper: "rebalanced by repeating random samples to make the number of samples the same in
/// each class".
pub fn rebalance(recordings: &[Recording], seed: u64) -> Vec<Recording> {
    let labels: Vec<u32> = recordings.iter().map(|recording| recording.label).collect();
    rebalance_indices(&labels, seed).into_iter().map(|index| recordings[index].clone()).collect()
}

/// As [`rebalance()`], for whatever has these labels: all indices in order, then those of the
/// repeats.
pub fn rebalance_indices(labels: &[u32], seed: u64) -> Vec<usize> {
    let mut classes: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(index);
    }
    let largest = classes.values().map(Vec::len).max().unwrap_or(0);
    let mut balanced: Vec<usize> = (0..labels.len()).collect();
    for (&label, class) in &classes {
        // one stream of random numbers a class: none depends on how many the others drew
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(label.into());
        balanced.extend(
            (class.len()..largest).map(|_| class[(rng.next_u64() % class.len() as u64) as usize]),
        );
    }
    balanced
}

/// The values of a grid of a spectrogram's shape.
fn checked(spectrogram: &Grid<f32>) -> Result<&[f32], Error> {
    let shape = spectrogram.shape();
    if shape == (Shape { steps: 1, height: BANDS, width: FRAMES, channels: 1 }) {
        return Ok(spectrogram.values());
    }
    let Shape { steps, height, width, channels } = shape;
    Err(Error::Size {
        what: "spectrogram",
        expected: format!("[1, {BANDS}, {FRAMES}, 1]"),
        found: format!("[{steps}, {height}, {width}, {channels}]"),
    })
}

fn grid(steps: usize, values: Vec<f32>) -> Result<Grid<f32>, Error> {
    let shape = Shape { steps, height: BANDS, width: FRAMES, channels: 1 };
    Grid::new(shape, values).map_err(|wrong| Error::Size {
        what: "spectrogram",
        expected: format!("{steps} steps"),
        found: wrong.to_string(),
    })
}
