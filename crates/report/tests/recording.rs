//! The picture of a recording is looked at by eye; what a program can see of it is checked here.
//! With `REPORT_FIGURES=<folder>` set, every picture drawn here is also left in that folder.
#![allow(clippy::unwrap_used)]

use report::{Error, Recording};

const ON: [u8; 3] = [0, 114, 178];
const OFF: [u8; 3] = [213, 94, 0];

/// A disc that moves to the right over `frames` frames: its front edge is ON, its rear edge OFF.
struct Disc {
    width: usize,
    height: usize,
    counts: Vec<u16>,
    spans_us: Vec<(i64, i64)>,
    time_us: (i64, i64),
    rates: Vec<[u64; 2]>,
}

impl Disc {
    fn new(width: usize, height: usize, frames: usize, first_us: i64, frame_us: i64) -> Disc {
        let time_us = (first_us, first_us + frames as i64 * frame_us - 1);
        let (counts, spans_us, rates) = (vec![], vec![], vec![]);
        let mut disc = Disc { width, height, counts, spans_us, time_us, rates };
        for frame in 0..frames {
            let start = first_us + frame as i64 * frame_us;
            disc.spans_us.push((start, start + frame_us - 1));
            let mut rate = [0; 2];
            let centre = width as f64 * (0.3 + 0.4 * frame as f64 / frames as f64);
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let (dx, dy) = (x as f64 - centre, y as f64 - height as f64 / 2.0);
                let radius = width.min(height) as f64 * 0.3;
                let near = (dx.hypot(dy) - radius).abs() < (radius * 0.2).max(0.7);
                let count = if near { 1 + (3.0 * dx.abs() / radius) as u16 } else { 0 };
                disc.counts.extend(if dx < 0.0 { [count, 0] } else { [0, count] });
                rate[usize::from(dx >= 0.0)] += u64::from(count);
            }
            disc.rates.push(rate);
        }
        disc
    }

    fn recording(&self) -> Recording<'_> {
        Recording {
            name: "disc.bin",
            format: "drawn here",
            width: self.width,
            height: self.height,
            counts: &self.counts,
            spans_us: &self.spans_us,
            time_us: self.time_us,
            rates: &self.rates,
        }
    }
}

struct Picture {
    width: usize,
    height: usize,
    dots_per_inch: f64,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn has(&self, colour: [u8; 3]) -> usize {
        self.pixels.iter().filter(|&&pixel| pixel == colour).count()
    }
}

/// Decodes what was drawn, and checks what must hold of every picture.
fn decoded(file: &str, png: &[u8]) -> Picture {
    if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
        report::write_bytes(&std::path::Path::new(&folder).join(format!("{file}.png")), png)
            .unwrap();
    }
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    let dots_per_inch = f64::from(reader.info().pixel_dims.unwrap().xppu) * 0.0254;
    let (width, height) = (info.width as usize, info.height as usize);
    let pixels = bytes.as_chunks::<3>().0.to_vec();
    let picture = Picture { width, height, dots_per_inch, pixels };
    assert_eq!(picture.pixels.len(), width * height);
    assert!(
        (width as f64 - 5.0 * dots_per_inch).abs() < 1.0,
        "{file}: {width} pixels at {dots_per_inch} dpi are not 5 in"
    );
    assert!((950..=2200).contains(&width) && height < 8 * width, "{file}: {width} x {height}");
    let is_white = |k: usize| picture.pixels[k] == [255; 3];
    assert!(
        (0..width).all(|x| is_white(x) && is_white((height - 1) * width + x)),
        "{file}: a line above or below"
    );
    assert!(
        (0..height).all(|y| is_white(y * width) && is_white((y + 1) * width - 1)),
        "{file}: a line at a side"
    );
    assert!(picture.has([0; 3]) > 100, "{file}: no dark text");
    picture
}

#[test]
fn sensors_of_every_size_in_one_to_many_frames() {
    for (width, height) in [(34, 34), (128, 128), (640, 480), (200, 3), (3, 200)] {
        for frames in [1, 8, 20] {
            let disc = Disc::new(width, height, frames, 1_000_000, 40_000);
            let picture = decoded(
                &format!("disc-{width}x{height}-{frames}"),
                &disc.recording().png().unwrap(),
            );
            assert!(
                picture.has(ON) > 100 && picture.has(OFF) > 100,
                "{width}x{height}: no blue or no vermilion"
            );
        }
    }
}

#[test]
fn a_sensor_pixel_is_a_square_of_whole_pixels_where_it_belongs() {
    // one event, at the right end of the second of three rows
    let mut counts = [0; 24];
    counts[(4 + 3) * 2 + 1] = 1;
    let one = Recording {
        name: "one.bin",
        format: "drawn here",
        width: 4,
        height: 3,
        counts: &counts,
        spans_us: &[(7, 7)],
        time_us: (7, 7),
        rates: &[[0, 1]],
    };
    let picture = decoded("one", &one.png().unwrap());
    // the frame is 170 pt wide in the middle of 360; the legend is shorter and the curve longer
    let side = (170.0 / 4.0 / 72.0 * picture.dots_per_inch).round() as usize;
    let blue: Vec<usize> = (0..picture.height)
        .filter(|y| {
            picture.pixels[y * picture.width..][..picture.width]
                .iter()
                .filter(|&&p| p == ON)
                .count()
                == side
        })
        .collect();
    assert_eq!((blue.len(), blue[side - 1] - blue[0]), (side, side - 1), "a square");
    let row = &picture.pixels[blue[0] * picture.width..][..picture.width];
    let left =
        row.iter().position(|&pixel| pixel == ON).unwrap() as f64 * 72.0 / picture.dots_per_inch;
    assert!((left - (95.0 + 170.0 * 3.0 / 4.0)).abs() < 0.3, "its left edge stands at {left} pt");
}

#[test]
fn equal_recordings_give_equal_bytes_and_different_ones_do_not() {
    let disc = Disc::new(34, 34, 8, 0, 40_000);
    let png = disc.recording().png().unwrap();
    assert_eq!(png, disc.recording().png().unwrap());
    let other = Disc {
        rates: disc.rates.iter().map(|&[a, b]| [b, a]).collect(),
        ..Disc::new(34, 34, 8, 0, 40_000)
    };
    assert_ne!(png, other.recording().png().unwrap(), "the curves change places");
    let later = Disc::new(34, 34, 8, 5_000_000, 40_000);
    assert_eq!(png, later.recording().png().unwrap(), "times count from the first event");
}

#[test]
fn the_ends_of_time_and_odd_names_are_drawn() {
    let mut disc = Disc::new(34, 34, 2, 0, 40_000);
    disc.time_us = (0, 0);
    decoded("at-once", &disc.recording().png().unwrap());
    disc.time_us = (i64::MIN, i64::MAX);
    disc.spans_us = vec![(i64::MIN, 0), (0, i64::MAX)];
    let name = format!("{}<&\u{0}\"鹿\u{202e}", "long ".repeat(60));
    decoded("ends-of-time", &Recording { name: &name, ..disc.recording() }.png().unwrap());
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let disc = Disc::new(8, 8, 2, 0, 1000);
    let good = disc.recording();
    for (bad, words) in [
        (Recording { rates: &[], ..good }, "expected at least one event, found an empty recording"),
        (Recording { spans_us: &[], counts: &[], ..good }, "expected 1 to 128 frames, found 0"),
        (Recording { spans_us: &[(0, 0); 129], ..good }, "expected 1 to 128 frames, found 129"),
        (
            Recording { width: 9, ..good },
            "[2, 8, 9, 2] [T,H,W,C], none of them 0, found 256 counts",
        ),
        (Recording { width: usize::MAX, ..good }, "found 256 counts"),
        (Recording { height: 0, counts: &[], ..good }, "found 0 counts"),
        (Recording { time_us: (9, 8), ..good }, "expected times that never decrease"),
    ] {
        let error = bad.png().unwrap_err();
        assert!(matches!(error, Error::Figure { .. }), "{error}");
        assert!(
            error.to_string().contains(words) && error.to_string().contains("disc.bin"),
            "{error}"
        );
    }
    assert!(good.png().is_ok());
}
