//! Simulated beside real recordings as one figure of four panels.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Error;
use crate::theme::{self, Area, COLOURS, DrawResult, Head, Key, px};
use crate::ticks::{Axis, from_zero};

/// What the figure shows of real, then simulated recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulated<'a> {
    /// The title.
    pub title: &'a str,
    /// The circumstances, and the numbers worth reading.
    pub subtitles: &'a [&'a str],
    /// Length of a bin of the profiles in ms.
    pub bin_ms: f64,
    /// Events of an average recording in each bin of time, real and simulated; of one length.
    pub profiles: [&'a [f64]; 2],
    /// Events of an average recording at each pixel, row by row of a square, real and simulated; of
    /// one length.
    pub maps: [&'a [f64]; 2],
    /// Events of each recording, real and simulated, in pairs.
    pub counts: [&'a [f64]; 2],
    /// Length of a bin of the intervals in ms.
    pub interval_ms: f64,
    /// Events of an average recording by the time since the same pixel's event before, real and
    /// simulated; of one length.
    pub intervals: [&'a [f64]; 2],
}

/// Real (blue) and simulated (orange) recordings: events over time, intervals between a pixel's
/// events, events of each recording against each other, and events per pixel side by side.
///
/// # Errors
/// [`Error::Figure`] when a pair of lists differs in length or is empty, when a map is not square
/// or when a value is not a number from 0 on; [`Error::Draw`] when the drawing library fails.
pub fn simulated(figure: &Simulated) -> Result<String, Error> {
    check(figure)?;
    let head = Head {
        title: figure.title,
        subtitles: figure.subtitles,
        warning: None,
        legend: vec![Key::line("real", COLOURS[0]), Key::line("simulated", COLOURS[1])],
    };
    theme::figure(&head, 322.0, |area| draw(area, figure))
        .map_err(|found| Error::Draw { title: figure.title.to_owned(), found })
}

fn check(figure: &Simulated) -> Result<(), Error> {
    let fail = |expected: &str, found: String, advice| {
        Err(Error::Figure {
            title: figure.title.to_owned(),
            expected: expected.to_owned(),
            found,
            advice,
        })
    };
    for (name, [real, simulated]) in [
        ("profiles", figure.profiles),
        ("maps", figure.maps),
        ("counts", figure.counts),
        ("intervals", figure.intervals),
    ] {
        if real.is_empty() || real.len() != simulated.len() {
            let found = format!("{name} of {} and {} values", real.len(), simulated.len());
            return fail("real and simulated values of one length", found, "measure both alike");
        }
        if let Some(bad) =
            real.iter().chain(simulated).find(|value| !(value.is_finite() && **value >= 0.0))
        {
            return fail(
                "finite values from 0 on",
                format!("{bad} in {name}"),
                "leave the recording out",
            );
        }
    }
    let side = figure.maps[0].len().isqrt();
    if side * side != figure.maps[0].len() {
        return fail(
            "square maps",
            format!("{} pixels", figure.maps[0].len()),
            "give all rows of the sensor",
        );
    }
    for (name, length) in [("bin_ms", figure.bin_ms), ("interval_ms", figure.interval_ms)] {
        if !(length.is_finite() && length > 0.0) {
            return fail(
                "a length above 0 ms",
                format!("{name} = {length}"),
                "give the bins' length",
            );
        }
    }
    Ok(())
}

fn draw(area: &Area, figure: &Simulated) -> DrawResult {
    let (upper, lower) = area.split_vertically(px(150.0));
    let (left, right) = upper.split_horizontally(px(205.0));
    let words = format!("Events per {} ms", figure.bin_ms);
    lines(&left, figure.profiles, figure.bin_ms, ["Time (ms)", &words])?;
    let words = format!("Events per {} ms", figure.interval_ms);
    lines(
        &right,
        figure.intervals,
        figure.interval_ms,
        ["Between events of a pixel (ms)", &words],
    )?;
    let (left, right) = lower.split_horizontally(px(150.0));
    scatter(&left, figure.counts)?;
    maps(&right, figure.maps)
}

fn greatest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, &value| most.max(value))
}

/// Each list as a line through the middles of its bins.
fn lines(area: &Area, pair: [&[f64]; 2], length_ms: f64, words: [&str; 2]) -> DrawResult {
    let x = from_zero(pair[0].len() as f64 * length_ms, 7);
    let y = from_zero(greatest(pair.into_iter().flatten()), 4);
    let mut chart = theme::panel(area, [x, y], words)?;
    for (values, colour) in pair.into_iter().zip(COLOURS) {
        let points =
            values.iter().enumerate().map(|(bin, &value)| ((bin as f64 + 0.5) * length_ms, value));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(px(1.0) as u32)))?;
    }
    Ok(())
}

/// A dot for each recording, and the line on which simulated equals real.
fn scatter(area: &Area, [real, simulated]: [&[f64]; 2]) -> DrawResult {
    let axis = from_zero(greatest(real.iter().chain(simulated)), 4);
    let to = axis.to;
    let mut chart =
        theme::panel(area, [axis.clone(), axis], ["Events, real recording", "Events, simulated"])?;
    chart.draw_series(LineSeries::new(
        [(0.0, 0.0), (to, to)],
        BLACK.mix(0.5).stroke_width(px(0.5) as u32),
    ))?;
    let dots = real
        .iter()
        .zip(simulated)
        .map(|(&x, &y)| Circle::new((x, y), px(1.1), COLOURS[1].mix(0.6).filled()));
    chart.draw_series(dots)?;
    Ok(())
}

/// The two maps on one scale, with a bar that explains it.
fn maps(area: &Area, pair: [&[f64]; 2]) -> DrawResult {
    const SIDE_PT: f64 = 82.0;
    const TOP_PT: f64 = 26.0;
    let most = from_zero(greatest(pair.into_iter().flatten()), 4);
    for (values, (words, left_pt)) in pair.into_iter().zip([("real", 6.0), ("simulated", 94.0)]) {
        let style = theme::text(7.0, BLACK).pos(Pos::new(HPos::Left, VPos::Bottom));
        area.draw(&Text::new(
            format!("Events per pixel, {words}"),
            (px(left_pt), px(TOP_PT - 3.0)),
            style,
        ))?;
        let side = values.len().isqrt();
        let at = |pixel: usize| px(SIDE_PT * pixel as f64 / side as f64);
        for (k, value) in values.iter().enumerate() {
            let (x, y) = (k % side, k / side);
            let corners =
                [(x, y), (x + 1, y + 1)].map(|(x, y)| (px(left_pt) + at(x), px(TOP_PT) + at(y)));
            area.draw(&Rectangle::new(corners, theme::shade(value / most.to).filled()))?;
        }
        let frame = [(px(left_pt), px(TOP_PT)), (px(left_pt) + at(side), px(TOP_PT) + at(side))];
        area.draw(&Rectangle::new(frame, BLACK.stroke_width(px(0.4) as u32)))?;
    }
    bar(area, &most, (182.0, TOP_PT, SIDE_PT))
}

/// The scale of the maps, upwards; place and height in points.
fn bar(area: &Area, axis: &Axis, (left_pt, top_pt, height_pt): (f64, f64, f64)) -> DrawResult {
    const STEPS: usize = 64;
    let y = |share: f64| px(top_pt + height_pt * (1.0 - share));
    for step in 0..STEPS {
        let [from, to] = [step, step + 1].map(|step| step as f64 / STEPS as f64);
        let corners = [(px(left_pt), y(to)), (px(left_pt + 6.0), y(from))];
        area.draw(&Rectangle::new(corners, theme::shade((from + to) / 2.0).filled()))?;
    }
    let style = theme::text(6.5, BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    for tick in &axis.ticks {
        let words = format!("{tick:.*}", axis.decimals);
        area.draw(&Text::new(words, (px(left_pt + 8.0), y(tick / axis.to)), style.clone()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn figure<'a>(values: &'a [f64]) -> Simulated<'a> {
        let pair = [values; 2];
        Simulated {
            title: "Title",
            subtitles: &["circumstances"],
            bin_ms: 5.0,
            profiles: pair,
            maps: pair,
            counts: pair,
            interval_ms: 0.5,
            intervals: pair,
        }
    }

    #[test]
    fn all_that_is_given_is_drawn() {
        let svg = simulated(&figure(&[1.0, 2.0, 3.0, 4.0])).unwrap();
        for words in [
            "Title",
            "circumstances",
            "real",
            "simulated",
            "Time (ms)",
            "Events per 5 ms",
            "Events, real recording",
        ] {
            assert!(svg.contains(words), "no {words}");
        }
        assert_eq!(svg.matches("<circle").count(), 4);
        // 2×4 pixels and two frames, 64 steps of the bar, the ground
        assert_eq!(svg.matches("<rect").count(), 8 + 2 + 64 + 1);
        assert_eq!(svg, simulated(&figure(&[1.0, 2.0, 3.0, 4.0])).unwrap());
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_in_a_sentence() {
        let sentence = |figure: Simulated| simulated(&figure).unwrap_err().to_string();
        assert!(sentence(figure(&[])).contains("found profiles of 0 and 0 values"));
        assert!(sentence(figure(&[1.0, 2.0])).contains("found 2 pixels"));
        assert!(sentence(figure(&[1.0, f64::NAN, 0.0, 0.0])).contains("found NaN in profiles"));
        assert!(
            sentence(Simulated { counts: [&[1.0], &[]], ..figure(&[1.0]) })
                .contains("counts of 1 and 0")
        );
        assert!(sentence(Simulated { bin_ms: 0.0, ..figure(&[1.0]) }).contains("bin_ms = 0"));
    }

    #[test]
    fn nothing_at_all_is_still_a_figure() {
        assert!(simulated(&figure(&[0.0; 4])).unwrap().contains("Events per pixel"));
    }
}
