use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::mosaic::{self, Mosaic, OFF, ON};
use crate::raster::Raster;
use crate::theme::{self, Area, DrawResult, GREY, Head, Key, pt, px};
use crate::{Error, ticks};

/// More frames than this are too small to be looked at.
const MOST_FRAMES: usize = 128;
/// Height of the event-rate curve with its axes, pt.
const RATE: f64 = 104.0;
const WORDS: f64 = 6.0;

/// What is shown of an event camera's recording: its frames, and the rate of its events.
#[derive(Clone, Copy, Debug)]
pub struct Recording<'a> {
    /// The title, such as the file's name.
    pub name: &'a str,
    /// The file format's name.
    pub format: &'a str,
    /// Columns of the sensor.
    pub width: usize,
    /// Rows of the sensor.
    pub height: usize,
    /// Event counts `[T,H,W,2]`, OFF before ON.
    pub counts: &'a [u16],
    /// Times in µs of the first and the last event of each of the T frames, 1 to 128.
    pub spans_us: &'a [(i64, i64)],
    /// Times in µs of the first and the last event of all.
    pub time_us: (i64, i64),
    /// OFF and ON events in bins of equal duration, which divide `time_us`.
    pub rates: &'a [[u64; 2]],
}

impl Recording<'_> {
    /// Draws a PNG, 5 in wide: the frames in rows, each with the time of its first and last event
    /// below, and under them the ON and OFF events per second. The same recording gives the same
    /// bytes.
    ///
    /// A pixel's ink deepens with the square root of its count and is full from the 99th percentile
    /// of all counts on; where ON and OFF meet, both inks lie over each other. Of a sensor finer
    /// than the picture, blocks of pixels are added up.
    ///
    /// # Errors
    /// [`Error::Figure`] without events, with no frame or more than 128, when the sizes contradict
    /// each other, or when time runs backwards; [`Error::Draw`] when a drawing library fails.
    pub fn png(&self) -> Result<Vec<u8>, Error> {
        self.check()?;
        let mosaic = Mosaic::new(self.spans_us.len(), (self.width, self.height));
        let blocks = mosaic.blocks(self.counts);
        let full = mosaic::full(&blocks);
        self.draw(&mosaic, &blocks, full)
            .map_err(|found| Error::Draw { title: self.name.to_owned(), found })
    }

    fn check(&self) -> Result<(), Error> {
        let fail = |expected: String, found: String, advice| {
            Err(Error::Figure { title: self.name.to_owned(), expected, found, advice })
        };
        let (frames, events) = (self.spans_us.len(), self.events().iter().sum::<u64>());
        if events == 0 {
            return fail(
                "at least one event".into(),
                "an empty recording".into(),
                "choose another recording",
            );
        }
        if !(1..=MOST_FRAMES).contains(&frames) {
            return fail(
                format!("1 to {MOST_FRAMES} frames"),
                frames.to_string(),
                "ask for such a number",
            );
        }
        let sizes = [frames, self.height, self.width, 2];
        let values = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
        if values != Some(self.counts.len()) || self.counts.is_empty() {
            let expected = format!("a count for each place of {sizes:?} [T,H,W,C], none of them 0");
            return fail(
                expected,
                format!("{} counts", self.counts.len()),
                "count the frames on this sensor",
            );
        }
        if self.time_us.1 < self.time_us.0 {
            let found = "a last event earlier than the first".into();
            return fail("times that never decrease".into(), found, "sort the events by time");
        }
        Ok(())
    }

    fn draw(&self, mosaic: &Mosaic, blocks: &[u32], full: u32) -> Result<Vec<u8>, String> {
        let meaning = self.meaning(full);
        let head = Head {
            title: self.name,
            subtitles: &[&self.facts(), &meaning],
            warning: None,
            legend: vec![
                Key::line("ON", ON),
                Key::line("OFF", OFF),
                Key::line("both", mosaic::mix(1.0, 1.0)),
            ],
        };
        let mut top = 0.0;
        let svg = theme::figure(&head, mosaic.height_pt() + RATE, |area| {
            top = pt(area.get_pixel_range().1.start);
            let (frames, rate) = area.split_vertically(px(mosaic.height_pt()));
            self.times(&frames, mosaic)?;
            self.rate(&rate)
        })?;
        let mut raster = Raster::draw(&svg, mosaic.pixels_per_pt)?;
        for frame in 0..self.spans_us.len() {
            let (x, y) = mosaic.corner_pt(frame);
            mosaic.paint(&mut raster, frame, (x, top + y), blocks, full);
        }
        raster.png()
    }

    fn facts(&self) -> String {
        let [off, on] = self.events().map(|events| events as usize);
        let events = off + on;
        let (unit, us) = unit(self.duration_us());
        let duration = self.duration_us() / us;
        let decimals = usize::from(duration < 1000.0 && us > 1.0);
        format!(
            "{}; {} × {} pixels; {} event{}, {} ON and {} OFF; {duration:.decimals$} {unit}",
            self.format,
            self.width,
            self.height,
            thousands(events),
            plural(events),
            thousands(on),
            thousands(off)
        )
    }

    fn meaning(&self, full: u32) -> String {
        let frames = self.spans_us.len();
        let lines = if frames > 1 { "; vertical lines: where a frame begins" } else { "" };
        let (s, some) = (plural(frames), plural(full as usize));
        format!("{frames} frame{s}; full colour from {full} event{some} on{lines}")
    }

    /// Number of OFF and ON events.
    fn events(&self) -> [u64; 2] {
        [0, 1].map(|channel| {
            let events = self.rates.iter().map(|bin| bin[channel]);
            events.fold(0, u64::saturating_add)
        })
    }

    fn duration_us(&self) -> f64 {
        self.since_first_us(self.time_us.1)
    }

    /// 128 bits: no pair of times overflows.
    fn since_first_us(&self, t_us: i64) -> f64 {
        (i128::from(t_us) - i128::from(self.time_us.0)) as f64
    }

    /// Writes each frame's time below it.
    fn times(&self, area: &Area, mosaic: &Mosaic) -> DrawResult {
        let style = theme::text(WORDS, GREY).pos(Pos::new(HPos::Center, VPos::Top));
        for (frame, words) in self.spans(mosaic.words_width_pt()).into_iter().enumerate() {
            let (x, y) = mosaic.words_pt(frame);
            area.draw(&Text::new(words, (px(x), px(y)), style.clone()))?;
        }
        Ok(())
    }

    /// First and last time of each frame, as exact as fits `width_pt`, if need be without the unit,
    /// which the axis below repeats; only the first time where even that is too wide.
    fn spans(&self, width_pt: f64) -> Vec<String> {
        let (unit, us) = unit(self.duration_us());
        let frame = (self.duration_us() / us / self.spans_us.len() as f64).max(1.0 / us);
        let exact = if us > 1.0 { (1.0 - frame.log10().floor()).max(0.0) as usize } else { 0 };
        let coarse = exact.saturating_sub(1);
        let style = theme::text(WORDS, GREY);
        let unit = format!(" {unit}");
        for (decimals, unit) in [(exact, unit.as_str()), (coarse, &unit), (exact, ""), (coarse, "")]
        {
            let span = |&(first, last): &(i64, i64)| {
                let [first, last] = [first, last].map(|t| self.since_first_us(t) / us);
                format!("{first:.decimals$}–{last:.decimals$}{unit}")
            };
            let spans: Vec<String> = self.spans_us.iter().map(span).collect();
            if spans.iter().all(|words| pt(theme::measure(words, &style)) <= width_pt) {
                return spans;
            }
        }
        self.spans_us
            .iter()
            .map(|&(first, _)| format!("{:.exact$}", self.since_first_us(first) / us))
            .collect()
    }

    fn rate(&self, area: &Area) -> DrawResult {
        let duration_us = self.duration_us().max(1.0);
        let (unit, us) = unit(duration_us);
        let one = self.rates.len() as f64 / duration_us * 1e6;
        let per_second = |bin: &[u64; 2]| bin.map(|events| events as f64 * one);
        let rates: Vec<[f64; 2]> = self.rates.iter().map(per_second).collect();
        let highest = rates.iter().flatten().fold(0.0, |highest, &rate| f64::max(highest, rate));
        let (prefix, scale) = prefix(highest);
        let (x, y) = (ticks::until(duration_us / us), ticks::above(highest / scale));
        let (decimals, top) = ([x.decimals, y.decimals], y.to);
        let mut chart = ChartBuilder::on(area)
            .margin(px(4.0))
            .margin_right(px(12.0)) // half of the last tick's label stands beyond the axis
            .x_label_area_size(px(26.0))
            .y_label_area_size(px(38.0))
            .build_cartesian_2d(x, y)?;
        let names = [format!("Time since the first event ({unit})"), format!("{prefix}events/s")];
        theme::mesh(&mut chart, [&names[0], &names[1]], decimals)?;
        for &(first, _) in self.spans_us.iter().skip(1) {
            let at = self.since_first_us(first) / us;
            chart.draw_series([PathElement::new(
                [(at, 0.0), (at, top)],
                GREY.mix(0.5).stroke_width(px(0.4) as u32),
            )])?;
        }
        let bin = duration_us / us / rates.len() as f64;
        for (channel, colour) in [(0, OFF), (1, ON)] {
            let steps = rates.iter().enumerate().flat_map(|(k, rates)| {
                [k, k + 1].map(|edge| (edge as f64 * bin, rates[channel] / scale))
            });
            chart.draw_series(LineSeries::new(steps, colour.stroke_width(px(0.9) as u32)))?;
        }
        Ok(())
    }
}

/// The unit of time in which a duration reads well, and its microseconds.
fn unit(duration_us: f64) -> (&'static str, f64) {
    match duration_us {
        us if us < 5e3 => ("µs", 1.0),
        us if us < 2e6 => ("ms", 1e3),
        _ => ("s", 1e6),
    }
}

/// What precedes events/s so that the ticks up to `highest` have few digits, and the number it
/// stands for.
fn prefix(highest: f64) -> (String, f64) {
    let named = [("G ", 1e9), ("M ", 1e6), ("k ", 1e3), ("", 0.01)]
        .into_iter()
        .find(|&(_, least)| highest >= least);
    match named {
        Some((prefix, least)) => (prefix.to_owned(), least.max(1.0)),
        None => {
            let power = highest.log10().floor();
            (format!("1e{power} "), 10f64.powf(power))
        }
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// `12345` → `12,345`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
