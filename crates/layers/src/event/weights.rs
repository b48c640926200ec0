use super::conv::Frame;
use super::{add, add_scaled, lanes, rows, rows_mut, vectors, with_vectors};
use crate::Sparse;
use crate::sizes::Sizes;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Elements of the gradient that are laid out for the weight gradient at a time.
const LAID_OUT: usize = 1 << 20;

/// ∂L/∂w `[k, k, ci, co]`.
pub fn conv_weight_gradient(s: Sizes, x: &Sparse, g: &[f32]) -> Vec<f32> {
    let frame = Frame::of(s);
    // a map's tile of g in the first-level cache, if it can be
    let most = (32 << 10) / (4 * frame.pixels() * lanes()).max(1);
    let vectors = vectors(s.co, most.max(1));
    let tile = vectors * lanes();
    let tiles = s.co.div_ceil(tile);
    let channels = s.ci.min(64); // of one task
    let tasks = s.ci.div_ceil(channels);
    let mut sums: Vec<Vec<f32>> = (0..tiles * tasks)
        .map(|i| vec![0.0; s.k * s.k * channels.min(s.ci - i % tasks * channels) * tile])
        .collect();
    let maps = (LAID_OUT / (frame.pixels() * tiles * tile)).clamp(1, s.n.max(1));
    let size = maps * frame.pixels() * tile;
    let mut laid_out = vec![0.0; tiles * size];
    for first in (0..s.n).step_by(maps) {
        let these = maps.min(s.n - first);
        laid_out.par_chunks_mut(frame.pixels() * tile).enumerate().for_each(|(i, out)| {
            let (t, map) = (i / maps, first + i % maps);
            if i % maps < these {
                frame.lay_out(
                    s,
                    &g[map * s.pixels() * s.co..][..s.pixels() * s.co],
                    t * tile,
                    tile,
                    out,
                );
            }
        });
        let lists = ByChannel::of(s, frame, x, first..first + these);
        sums.par_iter_mut().enumerate().for_each(|(i, sums)| {
            let (t, first) = (i / tasks, i % tasks * channels);
            let channels = first..(first + channels).min(s.ci);
            let g = &laid_out[t * size..][..size];
            with_vectors!(vectors, N => WeightGradient::<N> { s, frame, lists: &lists, g, channels, sums });
        });
    }
    let mut dw = vec![0.0; s.window() * s.co];
    dw.par_chunks_mut(s.co).enumerate().for_each(|(row, dw)| {
        let (c, tap) = (row % s.ci, row / s.ci);
        for (t, dw) in dw.chunks_mut(tile).enumerate() {
            let task = c / channels;
            let width = channels.min(s.ci - task * channels);
            let from = (tap * width + c - task * channels) * tile;
            dw.copy_from_slice(&sums[t * tasks + task][from..][..dw.len()]);
        }
    });
    dw
}

/// The entries of some maps in the order of their channel: for groups of maps, for each channel,
/// where in the laid-out gradients the window's row 0 meets each entry.
struct ByChannel {
    groups: usize,
    ci: usize,
    starts: Vec<u32>,
    place: Vec<u32>,
    values: Option<Vec<f32>>,
}

impl ByChannel {
    fn of(s: Sizes, frame: Frame, x: &Sparse, maps: std::ops::Range<usize>) -> ByChannel {
        // groups of maps with some thirty entries a channel, so that the sums are not written too
        // often
        let entries = x.density() * (s.h * s.w) as f64;
        let size = ((32.0 / entries.max(1e-3)) as usize).clamp(1, maps.len());
        let groups = maps.len().div_ceil(size);
        let lists: Vec<(Vec<u32>, Vec<u32>, Vec<f32>)> = (0..groups)
            .into_par_iter()
            .map(|group| {
                let first = maps.start + group * size;
                let pixels = first * s.h * s.w..(first + size).min(maps.end) * s.h * s.w;
                let mut ends = vec![0u32; s.ci + 1];
                pixels.clone().for_each(|p| x.pixel(p).1.for_each(|c| ends[c + 1] += 1));
                (0..s.ci).for_each(|c| ends[c + 1] += ends[c]);
                let total = ends[s.ci] as usize;
                let mut next = ends.clone();
                let mut place = vec![0; total];
                let mut values = vec![0.0; x.values().map_or(0, |_| total)];
                for p in pixels {
                    let (map, y, column) = (p / (s.h * s.w) - maps.start, p / s.w % s.h, p % s.w);
                    let at = (map * frame.pixels() + (y + s.k - 1) * frame.w + column) as u32;
                    let (range, channels) = x.pixel(p);
                    for (entry, c) in range.zip(channels) {
                        let to = next[c] as usize;
                        next[c] += 1;
                        place[to] = at;
                        if let Some(v) = x.values() {
                            values[to] = v[entry];
                        }
                    }
                }
                (ends, place, values)
            })
            .collect();
        let mut all = ByChannel {
            groups,
            ci: s.ci,
            starts: vec![0],
            place: vec![],
            values: x.values().map(|_| vec![]),
        };
        for (ends, place, values) in lists {
            let before = all.place.len() as u32;
            all.starts.extend(ends[1..].iter().map(|&end| before + end));
            all.place.extend(place);
            if let Some(all) = &mut all.values {
                all.extend(values);
            }
        }
        all
    }

    fn list(&self, group: usize, channel: usize) -> (&[u32], Option<&[f32]>) {
        let at = group * self.ci + channel;
        let range = self.starts[at] as usize..self.starts[at + 1] as usize;
        (&self.place[range.clone()], self.values.as_ref().map(|v| &v[range]))
    }
}

struct WeightGradient<'a, const N: usize> {
    s: Sizes,
    frame: Frame,
    lists: &'a ByChannel,
    /// `[maps, frame, tile]`
    g: &'a [f32],
    channels: std::ops::Range<usize>,
    /// `[k, k, channels, tile]`
    sums: &'a mut [f32],
}

impl<const N: usize> WithSimd for WeightGradient<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut job = self;
        let k = job.s.k;
        for group in 0..job.lists.groups {
            for channel in job.channels.clone() {
                for ky in 0..k {
                    // taps of a window row are neighbours in g: three of them read one run
                    let mut kx = 0;
                    while kx < k {
                        match k - kx {
                            1 => taps::<S, N, 1>(simd, &mut job, group, channel, ky, kx),
                            2 => taps::<S, N, 2>(simd, &mut job, group, channel, ky, kx),
                            _ => taps::<S, N, 3>(simd, &mut job, group, channel, ky, kx),
                        }
                        kx += 3;
                    }
                }
            }
        }
    }
}

/// Adds what the entries of a channel give to taps `kx..kx + K` of row `ky` of the window.
#[inline(always)]
fn taps<S: Simd, const N: usize, const K: usize>(
    simd: S,
    job: &mut WeightGradient<N>,
    group: usize,
    channel: usize,
    ky: usize,
    kx: usize,
) {
    let k = job.s.k;
    let (places, values) = job.lists.list(group, channel);
    let g = rows::<S, N>(job.g);
    let offset = (k - kx - K) as isize - (ky * job.frame.w) as isize;
    let run = |place: u32| &g[(place as isize + offset) as usize..][..K];
    let mut acc = [[simd.splat_f32s(0.0); N]; K];
    match values {
        None => {
            for &place in places {
                acc.iter_mut().zip(run(place)).for_each(|(acc, g)| add(simd, acc, g));
            }
        }
        Some(values) => {
            for (&place, &value) in places.iter().zip(values) {
                acc.iter_mut().zip(run(place)).for_each(|(acc, g)| add_scaled(simd, acc, value, g));
            }
        }
    }
    let sums = rows_mut::<S, N>(job.sums);
    for (j, acc) in acc.iter().enumerate() {
        let tap = ky * k + kx + K - 1 - j;
        add(simd, &mut sums[tap * job.channels.len() + channel - job.channels.start], acc);
    }
}
