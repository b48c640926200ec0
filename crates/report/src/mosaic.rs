//! Frames of event counts side by side in rows: where each stands, and its pixels.
//!
//! A sensor pixel becomes a square of whole picture pixels (or a whole number of sensor pixels
//! becomes one), so that all look the same. The frames' place on the page decides about how large
//! that square is, and the resolution of the picture gives way: it lies between 190 and 440 pixels
//! an inch.

use plotters::style::RGBColor;

use crate::raster::Raster;
use crate::theme::{COLOURS, GRID, MARGIN, WIDTH};

pub(crate) const ON: RGBColor = COLOURS[0];
pub(crate) const OFF: RGBColor = COLOURS[1];

/// Resolution aimed at, pixels a point: 288 an inch.
const AIM: f64 = 4.0;
/// Between frames, pt.
const GAP: f64 = 5.0;
/// Largest side of a frame, pt.
const LARGEST: f64 = 170.0;
/// Below a frame, pt: the words under it and the gap to the next row.
const BELOW: f64 = 15.0;

/// Where the frames stand, pt from the corner of their area, and how their pixels become the
/// picture's.
pub(crate) struct Mosaic {
    columns: usize,
    frames: usize,
    sensor: (usize, usize),
    /// Sensor pixels along the side of a block whose counts are added up.
    block: usize,
    /// Picture pixels along the side of a block.
    zoom: usize,
    pub(crate) pixels_per_pt: f64,
}

impl Mosaic {
    /// For at least one frame of a sensor of `width`, `height` at least 1.
    pub(crate) fn new(frames: usize, (width, height): (usize, usize)) -> Mosaic {
        // small sensors are still clear at an eighth of the page; so many frames that they fill it
        // become small too
        let most = if width <= 64 || frames > 12 { 8 } else { 4 };
        let columns = frames.div_ceil(frames.div_ceil(most));
        let sensor_pt = (cell(columns) / width as f64).min(LARGEST / height as f64);
        let zoom = (AIM * sensor_pt).round().max(1.0) as usize;
        let block = (1.0 / (AIM * sensor_pt)).round().max(1.0) as usize;
        let pixels_per_pt = zoom as f64 / (block as f64 * sensor_pt);
        Mosaic { columns, frames, sensor: (width, height), block, zoom, pixels_per_pt }
    }

    /// Size of a frame in the picture, pixels.
    fn size(&self) -> (usize, usize) {
        (
            self.sensor.0.div_ceil(self.block) * self.zoom,
            self.sensor.1.div_ceil(self.block) * self.zoom,
        )
    }

    /// Size of a frame, pt.
    fn size_pt(&self) -> (f64, f64) {
        let (width, height) = self.size();
        (width as f64 / self.pixels_per_pt, height as f64 / self.pixels_per_pt)
    }

    /// Room for the words under a frame, pt: they may reach into the gap.
    pub(crate) fn words_width_pt(&self) -> f64 {
        cell(self.columns) + 0.7 * GAP
    }

    pub(crate) fn height_pt(&self) -> f64 {
        self.frames.div_ceil(self.columns) as f64 * (self.size_pt().1 + BELOW)
    }

    /// Left upper corner of `frame`, pt.
    pub(crate) fn corner_pt(&self, frame: usize) -> (f64, f64) {
        let (row, column) = (frame / self.columns, frame % self.columns);
        let cell_pt = cell(self.columns);
        let row_pt = self.columns as f64 * (cell_pt + GAP) - GAP;
        let left = (WIDTH - row_pt) / 2.0 + column as f64 * (cell_pt + GAP);
        let (width, height) = self.size_pt();
        (left + (cell_pt - width) / 2.0, row as f64 * (height + BELOW))
    }

    /// Middle of the upper edge of the words under `frame`, pt.
    pub(crate) fn words_pt(&self, frame: usize) -> (f64, f64) {
        let (x, y) = self.corner_pt(frame);
        let (width, height) = self.size_pt();
        (x + width / 2.0, y + height + 2.5)
    }

    /// Adds up `counts` `[T,H,W,2]` over blocks of pixels: the same axes, smaller.
    pub(crate) fn blocks(&self, counts: &[u16]) -> Vec<u32> {
        let (width, height) = self.sensor;
        let (across, down) = (width.div_ceil(self.block), height.div_ceil(self.block));
        let mut blocks = vec![0; self.frames * down * across * 2];
        for (row, counts) in counts.chunks_exact(width * 2).enumerate() {
            let (frame, y) = (row / height, row % height);
            let start = (frame * down + y / self.block) * across * 2;
            for (k, &count) in counts.iter().enumerate() {
                let block: &mut u32 = &mut blocks[start + k / 2 / self.block * 2 + k % 2];
                *block = block.saturating_add(count.into());
            }
        }
        blocks
    }

    /// Draws `frame` out of `blocks` at `corner` (pt from the figure's), full colour from `full`
    /// events on.
    pub(crate) fn paint(
        &self,
        raster: &mut Raster,
        frame: usize,
        corner: (f64, f64),
        blocks: &[u32],
        full: u32,
    ) {
        let pixels = |pt: f64| (pt * self.pixels_per_pt).round() as usize;
        let (left, top) = (pixels(corner.0), pixels(corner.1));
        let (width, height) = self.size();
        let edge = pixels(0.4).max(1);
        raster.fill(
            (left.saturating_sub(edge), top.saturating_sub(edge)),
            (width + 2 * edge, height + 2 * edge),
            GRID,
        );
        let (across, down) = (width / self.zoom, height / self.zoom);
        let blocks = blocks.chunks_exact(across * down * 2).nth(frame).unwrap_or_default();
        for (k, &[off, on]) in blocks.as_chunks::<2>().0.iter().enumerate() {
            let corner = (left + k % across * self.zoom, top + k / across * self.zoom);
            raster.fill(
                corner,
                (self.zoom, self.zoom),
                mix(strength(off, full), strength(on, full)),
            );
        }
    }
}

/// Width of one of `columns` cells side by side, pt.
fn cell(columns: usize) -> f64 {
    ((WIDTH - 2.0 * MARGIN + GAP) / columns as f64 - GAP).min(LARGEST)
}

/// How deep the colour of `count` events is, 0 to 1: the square root keeps single events visible
/// beside many.
fn strength(count: u32, full: u32) -> f64 {
    f64::from(count.min(full)).sqrt() / f64::from(full.max(1)).sqrt()
}

/// Both colours printed over each other on white, each as deep as its strength says.
pub(crate) fn mix(off: f64, on: f64) -> RGBColor {
    let through = |ink: u8, strength: f64| 1.0 - strength * (1.0 - f64::from(ink) / 255.0);
    let channel = |a: u8, b: u8| (255.0 * through(a, off) * through(b, on)).round() as u8;
    RGBColor(channel(OFF.0, ON.0), channel(OFF.1, ON.1), channel(OFF.2, ON.2))
}

/// The count from which on a colour is full: the 99th percentile of the counts that are not 0, so
/// that a few noisy pixels do not pale all others.
pub(crate) fn full(blocks: &[u32]) -> u32 {
    let mut counts: Vec<u32> = blocks.iter().copied().filter(|&count| count > 0).collect();
    if counts.is_empty() {
        return 1;
    }
    let rank = (counts.len() - 1) * 99 / 100;
    *counts.select_nth_unstable(rank).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSORS: [(usize, usize); 10] = [
        (1, 1),
        (34, 34),
        (64, 64),
        (128, 128),
        (240, 180),
        (346, 260),
        (640, 480),
        (1280, 720),
        (1, 999),
        (999, 1),
    ];

    #[test]
    fn every_sensor_and_number_of_frames_fits_the_page() {
        for sensor in SENSORS {
            for frames in 1..=128 {
                let mosaic = Mosaic::new(frames, sensor);
                let dots_per_inch = 72.0 * mosaic.pixels_per_pt;
                assert!(
                    (190.0..=440.0).contains(&dots_per_inch),
                    "{sensor:?} x {frames}: {dots_per_inch}"
                );
                let (width, height) = mosaic.size_pt();
                for frame in 0..frames {
                    let (x, y) = mosaic.corner_pt(frame);
                    assert!(
                        x >= MARGIN - 0.5 && x + width <= WIDTH - MARGIN + 0.5,
                        "{sensor:?} x {frames}: {x}"
                    );
                    assert!(
                        y + height + BELOW <= mosaic.height_pt() + 1e-6,
                        "{sensor:?} x {frames}: {y}"
                    );
                }
            }
        }
    }

    #[test]
    fn blocks_keep_every_event_in_its_channel() {
        let mosaic = Mosaic::new(2, (1281, 721));
        assert!(mosaic.block > 1);
        let mut counts = vec![0; 2 * 1281 * 721 * 2];
        for (k, count) in counts.iter_mut().enumerate().step_by(7) {
            *count = (k % 5) as u16;
        }
        let blocks = mosaic.blocks(&counts);
        for channel in 0..2 {
            let before: u64 =
                counts.iter().skip(channel).step_by(2).map(|&count| u64::from(count)).sum();
            let after: u64 =
                blocks.iter().skip(channel).step_by(2).map(|&count| u64::from(count)).sum();
            assert_eq!(before, after);
        }
    }

    #[test]
    fn inks_mix_from_white_to_each_colour_and_to_dark() {
        assert_eq!(mix(0.0, 0.0), RGBColor(255, 255, 255));
        assert_eq!((mix(0.0, 1.0), mix(1.0, 0.0)), (ON, OFF));
        let RGBColor(r, g, b) = mix(1.0, 1.0);
        assert!(r < 60 && g < 60 && b < 60, "{r} {g} {b}");
        assert_eq!(
            (strength(0, 9), strength(1, 9), strength(9, 9), strength(99, 9)),
            (0.0, 1.0 / 3.0, 1.0, 1.0)
        );
    }

    #[test]
    fn a_noisy_pixel_does_not_pale_the_others() {
        let mut counts = vec![2; 200];
        counts[7] = 60_000;
        assert_eq!((full(&counts), full(&[0, 5, 0]), full(&[0])), (2, 5, 1));
    }
}
