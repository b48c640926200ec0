//! What a set of recordings is like, and how like another set it is.

use events::Events;
use serde::Serialize;

/// Bins of the temporal profile, and their length: 315 ms.
pub const BINS: usize = 63;
/// Length of a bin of the temporal profile in µs.
pub const BIN_US: i64 = 5_000;
const SIDE: usize = 34;
/// Bins of the intervals between a pixel's events, and their length: 20 ms.
pub const INTERVALS: usize = 40;
/// Length of a bin of intervals in µs.
pub const INTERVAL_US: i64 = 500;
/// Bins in time of the frames that are correlated, 20 ms each.
const FRAMES: usize = 16;
const FRAME_US: i64 = 20_000;

/// What a set of recordings is like.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Events of each recording.
    pub counts: Vec<f64>,
    /// Share of ON events of each recording.
    pub on_shares: Vec<f64>,
    /// Events of an average recording in each [`BIN_US`].
    pub profile: Vec<f64>,
    /// Events of an average recording at each of 34×34 pixels, row by row.
    pub map: Vec<f64>,
    /// Events of an average recording by the time since the pixel's event before, in steps of
    /// [`INTERVAL_US`].
    pub intervals: Vec<f64>,
}

impl Statistics {
    /// The statistics of 34×34 recordings.
    pub fn of(recordings: &[Events]) -> Self {
        let mut all = Self {
            counts: Vec::new(),
            on_shares: Vec::new(),
            profile: vec![0.0; BINS],
            map: vec![0.0; SIDE * SIDE],
            intervals: vec![0.0; INTERVALS],
        };
        let one = 1.0 / recordings.len() as f64;
        for events in recordings {
            all.counts.push(events.len() as f64);
            all.on_shares.push(
                events.on().iter().filter(|&&on| on).count() as f64 / events.len().max(1) as f64,
            );
            let mut last = vec![None; SIDE * SIDE];
            for (&t_us, at) in events.t_us().iter().zip(places(events)) {
                all.map[at] += one;
                if let Some(bin) = bin(t_us, BIN_US, BINS) {
                    all.profile[bin] += one;
                }
                if let Some(bin) =
                    last[at].and_then(|before: i64| bin(t_us - before, INTERVAL_US, INTERVALS))
                {
                    all.intervals[bin] += one;
                }
                last[at] = Some(t_us);
            }
        }
        all
    }
}

fn bin(t_us: i64, length_us: i64, bins: usize) -> Option<usize> {
    usize::try_from(t_us / length_us).ok().filter(|&bin| bin < bins)
}

fn places(events: &Events) -> impl Iterator<Item = usize> {
    events.x().iter().zip(events.y()).map(|(&x, &y)| usize::from(y) * SIDE + usize::from(x))
}

/// Events per pixel of one recording.
fn image(events: &Events) -> Vec<f64> {
    let mut image = vec![0.0; SIDE * SIDE];
    places(events).for_each(|at| image[at] += 1.0);
    image
}

/// ON minus OFF events per 20 ms and pixel of one recording.
fn frames(events: &Events) -> Vec<f64> {
    let mut frames = vec![0.0; FRAMES * SIDE * SIDE];
    for ((&t_us, &on), at) in events.t_us().iter().zip(events.on()).zip(places(events)) {
        if let Some(frame) = bin(t_us, FRAME_US, FRAMES) {
            frames[frame * SIDE * SIDE + at] += if on { 1.0 } else { -1.0 };
        }
    }
    frames
}

/// How like the simulated recordings are to the real recordings of the same images.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Number of pairs.
    pub recordings: usize,
    /// Events per recording, real and simulated.
    pub count_mean: [f64; 2],
    /// Standard deviation over recordings of the events per recording, real and simulated.
    pub count_sd: [f64; 2],
    /// Pearson correlation over recordings of the real and the simulated number of events.
    pub count_correlation: f64,
    /// Mean over recordings of the share of ON events, real and simulated.
    pub on_share_mean: [f64; 2],
    /// Standard deviation over recordings of the share of ON events, real and simulated.
    pub on_share_sd: [f64; 2],
    /// Pearson correlation over 5 ms bins of the temporal profiles.
    pub profile_correlation: f64,
    /// Sum over 5 ms bins of the absolute difference of the profiles, each of sum 1: 0 is equal, 2
    /// is disjoint.
    pub profile_l1: f64,
    /// Earth mover's distance of the profiles, each of sum 1, in ms.
    pub profile_emd_ms: f64,
    /// Pearson correlation over pixels of the mean event counts.
    pub map_correlation: f64,
    /// Sum over pixels of the absolute difference of the maps, each of sum 1.
    pub map_l1: f64,
    /// Sum over 0.5 ms bins up to 20 ms of the absolute difference of the interval histograms, each
    /// of sum 1.
    pub intervals_l1: f64,
    /// Mean over recordings of the Pearson correlation over pixels of the event counts.
    pub image_correlation: f64,
    /// Mean over recordings of the Pearson correlation over 20 ms frames and pixels of ON minus OFF
    /// events.
    pub frames_correlation: f64,
}

impl Comparison {
    /// Compares real and simulated recordings, pair by pair.
    pub fn of(real: &[Events], simulated: &[Events]) -> Self {
        let (a, b) = (Statistics::of(real), Statistics::of(simulated));
        let pairs = || real.iter().zip(simulated);
        let mean_over = |value: &dyn Fn(&Events, &Events) -> f64| {
            mean(&pairs().map(|(r, s)| value(r, s)).collect::<Vec<_>>())
        };
        Self {
            recordings: real.len(),
            count_mean: [mean(&a.counts), mean(&b.counts)],
            count_sd: [deviation(&a.counts), deviation(&b.counts)],
            count_correlation: correlation(&a.counts, &b.counts),
            on_share_mean: [mean(&a.on_shares), mean(&b.on_shares)],
            on_share_sd: [deviation(&a.on_shares), deviation(&b.on_shares)],
            profile_correlation: correlation(&a.profile, &b.profile),
            profile_l1: l1(&a.profile, &b.profile),
            profile_emd_ms: earth_mover(&a.profile, &b.profile) * BIN_US as f64 * 1e-3,
            map_correlation: correlation(&a.map, &b.map),
            map_l1: l1(&a.map, &b.map),
            intervals_l1: l1(&a.intervals, &b.intervals),
            image_correlation: mean_over(&|r, s| correlation(&image(r), &image(s))),
            frames_correlation: mean_over(&|r, s| correlation(&frames(r), &frames(s))),
        }
    }

    /// What tuning makes small: 0 where nothing differs.
    pub fn objective(&self) -> f64 {
        let ratio = |[real, simulated]: [f64; 2]| (simulated.max(1e-9) / real).ln().abs();
        ratio(self.count_mean)
            + ratio(self.count_sd)
            + (1.0 - self.count_correlation)
            + 2.0 * (self.on_share_mean[0] - self.on_share_mean[1]).abs()
            + self.profile_l1
            + self.map_l1
            + 0.5 * self.intervals_l1
            + (1.0 - self.image_correlation)
            + (1.0 - self.frames_correlation)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len().max(1) as f64)
        .sqrt()
}

/// Pearson's; 0 where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (ma, mb) = (mean(a), mean(b));
    let [ab, aa, bb] = a.iter().zip(b).fold([0.0; 3], |[ab, aa, bb], (x, y)| {
        let (x, y) = (x - ma, y - mb);
        [ab + x * y, aa + x * x, bb + y * y]
    });
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

fn shares(values: &[f64]) -> impl Iterator<Item = f64> {
    let sum = values.iter().sum::<f64>().max(1e-12);
    values.iter().map(move |v| v / sum)
}

fn l1(a: &[f64], b: &[f64]) -> f64 {
    shares(a).zip(shares(b)).map(|(a, b)| (a - b).abs()).sum()
}

/// In bins.
fn earth_mover(a: &[f64], b: &[f64]) -> f64 {
    let mut moved = 0.0;
    shares(a)
        .zip(shares(b))
        .map(|(a, b)| {
            moved += a - b;
            f64::abs(moved)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use events::{Columns, camera::Saccades};

    fn recording(events: &[(i64, u16, u16, bool)]) -> Events {
        let mut columns = Columns::default();
        events.iter().for_each(|&(t_us, x, y, on)| columns.push(t_us, x, y, on));
        Events::new(Saccades::SENSOR, columns).unwrap()
    }

    fn set(delay_us: i64, off: u16) -> Vec<Events> {
        (1..6)
            .map(|k| {
                let event = |i: i64| (i * 3_000 + delay_us, (i % 30) as u16 + off, k, i % 3 == 0);
                recording(&(0..20 * i64::from(k)).map(event).collect::<Vec<_>>())
            })
            .collect()
    }

    #[test]
    fn a_set_is_like_itself() {
        let same = Comparison::of(&set(0, 0), &set(0, 0));
        for one in [
            same.count_correlation,
            same.profile_correlation,
            same.map_correlation,
            same.image_correlation,
        ] {
            assert!((one - 1.0).abs() < 1e-12, "{same:?}");
        }
        assert!((same.frames_correlation - 1.0).abs() < 1e-12);
        assert_eq!(
            (same.profile_l1, same.profile_emd_ms, same.map_l1, same.intervals_l1),
            (0.0, 0.0, 0.0, 0.0)
        );
        assert_eq!((same.count_mean, same.on_share_sd[0]), ([60.0; 2], same.on_share_sd[1]));
        assert!(same.objective().abs() < 1e-9);
    }

    #[test]
    fn a_delay_is_the_earth_mover_s_distance_and_a_shift_moves_the_map() {
        // all events fall two bins later, and none out of the profile's 315 ms
        let early: Vec<Events> =
            (0..3).map(|k| recording(&[(0, k, 0, true), (20_000, k, 1, false)])).collect();
        let late: Vec<Events> =
            (0..3).map(|k| recording(&[(10_000, k, 0, true), (30_000, k, 1, false)])).collect();
        let delayed = Comparison::of(&early, &late);
        assert!(
            (delayed.profile_emd_ms - 10.0).abs() < 1e-9 && delayed.profile_l1 == 2.0,
            "{delayed:?}"
        );
        assert_eq!(delayed.map_l1, 0.0);
        let shifted = Comparison::of(&set(0, 0), &set(0, 4));
        assert!(shifted.map_l1 > 0.1 && shifted.image_correlation < 0.99, "{shifted:?}");
        assert_eq!(shifted.profile_l1, 0.0);
        assert!(shifted.objective() > 0.1);
    }

    #[test]
    fn intervals_are_those_of_one_pixel() {
        let one = recording(&[
            (0, 1, 1, true),
            (100, 2, 1, true),
            (1_700, 1, 1, false),
            (90_000, 1, 1, true),
        ]);
        let found = Statistics::of(&[one]);
        assert_eq!(found.intervals.iter().sum::<f64>(), 1.0, "one within 20 ms");
        assert_eq!((found.intervals[3], found.on_shares[0], found.counts[0]), (1.0, 0.75, 4.0));
    }
}
