//! Draws `docs/transforms.svg`: a small recording, each transform of it, its voxel grid and its
//! time surfaces.
//!
//! ```text
//! cargo run -p spikegrad-events --example transforms > docs/transforms.svg
//! ```

use std::fmt::Write;

use events::augment::{EventTransform, Key};
use events::{Columns, Error, Events, Grid, Sensor, time_surface, voxel_grid};

const SIDE: u16 = 32;
const LAST_US: i64 = 99_000;
const COLUMNS: usize = 5;
/// A cell holds the picture over (x, y), a gap of 2, and the picture over (t, y), below a line of
/// text.
const CELL: (usize, usize) = (2 * SIDE as usize + 8, SIDE as usize + 11);
/// OFF, ON: the blue and the orange of Okabe and Ito, distinct without colour vision too.
const COLOURS: [&str; 2] = ["#0072b2", "#d55e00"];

fn main() {
    if let Err(error) = run() {
        terminal::say!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let events = ring()?;
    let mut svg = String::new();
    let mut cells = 0;
    for (title, transform) in transforms() {
        let shown = transform.map_or(Ok(events.clone()), |t| {
            t.apply(&events, Key { seed: 1, epoch: 0, index: 0 })
        })?;
        cell(&mut svg, cells, &format!("{title}: {} events", shown.len()));
        pixels(&mut svg, &shown);
        cells += 1;
    }
    let ends = [LAST_US / 4, LAST_US / 2, LAST_US * 3 / 4, LAST_US];
    for (title, grid) in [
        ("voxel grid, bin", voxel_grid(&events, 4)?),
        ("time surface, time", time_surface(&events, &ends, 20_000.0)?),
    ] {
        cells = cells.next_multiple_of(COLUMNS);
        for step in 0..grid.shape().steps {
            cell(&mut svg, cells, &format!("{title} {step}: OFF, ON"));
            shades(&mut svg, &grid, step);
            cells += 1;
        }
    }
    let (width, height) = (COLUMNS * CELL.0, cells.div_ceil(COLUMNS) * CELL.1);
    let head = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{}">"#,
        3 * width
    );
    let ground = r##"<rect width="100%" height="100%" fill="#fff"/><g font-family="sans-serif" font-size="4">"##;
    terminal::print(&format!("{head}\n{ground}\n{svg}</g></g>\n</svg>\n"))?;
    Ok(())
}

/// A ring that drifts to the upper right: ON at its leading edge, OFF at its trailing one, and a
/// noise event every 2 ms.
fn ring() -> Result<Events, Error> {
    let mut columns = Columns::default();
    for step in 0..50_i64 {
        let (t_us, centre) = (step * 2000, 9.0 + step as f64 * 0.25);
        for spoke in 0..8 {
            let angle = f64::from(spoke) * 0.785 + step as f64 * 1.3;
            let (x, y) = (centre + 6.0 * angle.cos(), f64::from(SIDE) - centre - 6.0 * angle.sin());
            columns.push(
                t_us + i64::from(spoke) * 100,
                x as u16,
                y as u16,
                angle.cos() + angle.sin() > 0.0,
            );
        }
        columns.push(t_us + 900, (step * 13 % 32) as u16, (step * 23 % 32) as u16, step % 2 == 0);
    }
    Events::new(Sensor { width: SIDE, height: SIDE }, columns)
}

fn transforms() -> Vec<(&'static str, Option<EventTransform>)> {
    use EventTransform::*;
    vec![
        ("the recording", None),
        ("crop", Some(Crop { x: 8, y: 8, width: 20, height: 20 })),
        ("random_crop", Some(RandomCrop { padding: 8, width: SIDE, height: SIDE })),
        ("flip_horizontal", Some(FlipHorizontal { probability: 1.0 })),
        ("flip_polarity", Some(FlipPolarity { probability: 1.0 })),
        ("reverse_time", Some(ReverseTime { probability: 1.0, flip_polarity: true })),
        ("drop_events ½", Some(DropEvents { probability: 0.5 })),
        ("drop_time ¼", Some(DropTime { share: 0.25 })),
        ("drop_area ¼", Some(DropArea { share: 0.25 })),
        ("jitter_space 1 px", Some(JitterSpace { std_px: 1.0 })),
        ("jitter_time 10 ms", Some(JitterTime { std_us: 10_000.0 })),
        ("refractory 10 ms", Some(Refractory { dt_us: 10_000 })),
        ("denoise 3 ms", Some(Denoise { dt_us: 3_000 })),
        ("uniform_noise 200", Some(UniformNoise { count: 200 })),
    ]
}

/// Opens the group of cell `index`, closing the one before it.
fn cell(svg: &mut String, index: usize, title: &str) {
    let (x, y) = (index % COLUMNS * CELL.0 + 2, index / COLUMNS * CELL.1 + 2);
    let close = if index == 0 { "" } else { "</g>\n" };
    let _ = write!(svg, r#"{close}<g transform="translate({x} {y})"><text y="4">{title}</text>"#);
    for left in [0, SIDE + 2] {
        let _ = write!(
            svg,
            r##"<rect x="{left}" y="6" width="{SIDE}" height="{SIDE}" fill="#f0f0f0"/>"##
        );
    }
}

/// The events over (x, y) on the left and over (t, y) on the right, one stroke of a path each.
fn pixels(svg: &mut String, events: &Events) {
    for (polarity, colour) in COLOURS.iter().enumerate() {
        let mut path = String::new();
        for (i, (&x, &y)) in events.x().iter().zip(events.y()).enumerate() {
            if usize::from(events.on()[i]) == polarity {
                let time =
                    (events.t_us()[i].clamp(0, LAST_US) * i64::from(SIDE - 1) / LAST_US) as u16;
                let _ = write!(path, "M{x} {y}h1M{} {y}h1", time + SIDE + 2);
            }
        }
        let _ = write!(svg, r#"<path transform="translate(0 6.5)" stroke="{colour}" d="{path}"/>"#);
    }
}

/// One frame of a grid, channel 0 on the left and channel 1 on the right, a value of 1 or more
/// opaque.
fn shades(svg: &mut String, grid: &Grid<f32>, step: usize) {
    let side = usize::from(SIDE);
    for (i, &value) in grid.values()[step * side * side * 2..][..side * side * 2].iter().enumerate()
    {
        if value >= 0.01 {
            let (x, y, channel) = (i / 2 % side + i % 2 * (side + 2), i / 2 / side + 6, i % 2);
            let (colour, opacity) = (COLOURS[channel], value.min(1.0));
            let _ = write!(
                svg,
                r#"<path d="M{x} {y}h1v1h-1z" fill="{colour}" opacity="{opacity:.2}"/>"#
            );
        }
    }
}
