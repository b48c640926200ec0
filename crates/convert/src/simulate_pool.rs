//! Poolings of single samples' spikes, by the spikes that there are.

use crate::{Pool, SpikingPool};
use layers::Windows;

/// A pooling of spikes of maps `[h, w, c]`, with what it carries from step to step.
pub(crate) struct LivePool {
    kind: SpikingPool,
    input: [usize; 3],
    output: [usize; 3],
    /// Of gated pooling what each input gave until now, of neurons the membranes.
    carried: Vec<f32>,
    /// Inputs of gated pooling, or means, of this step; zero in between.
    now: Vec<f32>,
    /// Places of `now`, or windows, that this step touched.
    touched: Vec<u32>,
}

impl LivePool {
    /// `None` where no window fits.
    pub fn new(kind: SpikingPool, input: [usize; 3]) -> Option<LivePool> {
        let [h, w, c] = input;
        let shape = match kind {
            SpikingPool::Gated(k) => Pool::Max(k),
            SpikingPool::Average(windows) | SpikingPool::Neurons(windows) => Pool::Average(windows),
        };
        let [oh, ow] = shape.size([h, w])?;
        let output = [oh, ow, c];
        let (inputs, outputs) = (h * w * c, oh * ow * c);
        let (carried, now) = match kind {
            SpikingPool::Gated(_) => (inputs, inputs),
            SpikingPool::Average(_) => (0, outputs),
            SpikingPool::Neurons(_) => (outputs, outputs),
        };
        let (carried, now) = (vec![0.0; carried], vec![0.0; now]);
        Some(LivePool { kind, input, output, carried, now, touched: Vec::new() })
    }

    /// Height, width and channels behind it.
    pub fn output(&self) -> [usize; 3] {
        self.output
    }

    /// Whether it has neurons.
    pub fn fires(&self) -> bool {
        matches!(self.kind, SpikingPool::Neurons(_))
    }

    pub fn reset(&mut self) {
        self.carried.fill(0.0);
    }

    /// What the entries of a step become: (index in the flattened map, value).
    pub fn step(&mut self, entries: &[(u32, f32)], out: &mut Vec<(u32, f32)>) {
        out.clear();
        match self.kind {
            SpikingPool::Gated(k) => self.gated(k, entries, out),
            SpikingPool::Average(windows) => {
                self.means(windows, entries);
                for &i in &self.touched {
                    out.push((i, std::mem::take(&mut self.now[i as usize])));
                }
                self.touched.clear();
            }
            SpikingPool::Neurons(windows) => {
                self.means(windows, entries);
                for &i in &self.touched {
                    let v = &mut self.carried[i as usize];
                    *v += std::mem::take(&mut self.now[i as usize]);
                    if *v >= 1.0 {
                        *v -= 1.0;
                        out.push((i, 1.0));
                    }
                }
                self.touched.clear();
            }
        }
    }

    /// The means of all windows that an entry lies in, into `now`.
    fn means(&mut self, windows: Windows, entries: &[(u32, f32)]) {
        let Windows { side, stride, padding } = windows;
        let ([_, w, c], [oh, ow, _]) = (self.input, self.output);
        let part = 1.0 / (side * side) as f32;
        // windows that have pixel p begin at p − side + 1 at the earliest
        let covering = |p: usize, size: usize| {
            let first = (p + 1).saturating_sub(side).div_ceil(stride);
            first..(p / stride + 1).min(size)
        };
        for &(index, value) in entries {
            let (pixel, channel) = (index as usize / c, index as usize % c);
            let (row, column) = (pixel / w + padding, pixel % w + padding);
            for y in covering(row, oh) {
                for x in covering(column, ow) {
                    let place = (y * ow + x) * c + channel;
                    if self.now[place] == 0.0 {
                        self.touched.push(place as u32);
                    }
                    self.now[place] += value * part;
                }
            }
        }
    }

    fn gated(&mut self, k: usize, entries: &[(u32, f32)], out: &mut Vec<(u32, f32)>) {
        let ([_, w, c], [oh, ow, _]) = (self.input, self.output);
        for &(index, value) in entries {
            self.carried[index as usize] += value;
            self.now[index as usize] = value;
        }
        for &(index, _) in entries {
            let (pixel, channel) = (index as usize / c, index as usize % c);
            let (y, x) = (pixel / w / k, pixel % w / k);
            if y >= oh || x >= ow {
                continue;
            }
            let mut best = (y * k * w + x * k) * c + channel;
            for row in y * k..(y + 1) * k {
                for column in x * k..(x + 1) * k {
                    let member = (row * w + column) * c + channel;
                    if self.carried[member] > self.carried[best] {
                        best = member;
                    }
                }
            }
            // once a window: by the entry that passes
            if best == index as usize && self.now[best] != 0.0 {
                out.push((((y * ow + x) * c + channel) as u32, self.now[best]));
            }
        }
        entries.iter().for_each(|&(index, _)| self.now[index as usize] = 0.0);
    }
}
