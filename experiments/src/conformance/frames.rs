//! `frames`: streams of events framed by number, time and duration; where the reference raises an
//! error, so must we.

use super::axis_order::channels_first;
use super::check::{Limit, Rows};
use super::golden::Golden;
use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use events::{Columns, EmptyWindow, Events, Framing, Sensor, Shape, accumulate};

/// Checks every case of the file.
pub fn check(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let sensor = Sensor { width: golden.field("/width")?, height: golden.field("/height")? };
    for case in golden.keys("/cases")? {
        let columns = match golden.columns(&format!("{case}.events")) {
            Ok(columns) => columns,
            Err(error) => {
                rows.add(&case, Err(error));
                continue;
            }
        };
        for result in golden.keys(&format!("/cases/{case}/results"))? {
            let name = format!("{case}.{result}");
            match golden.field::<bool>(&format!("/cases/{case}/results/{result}/ok")) {
                Ok(true) => {
                    Case { golden, name: &name, sensor, columns: &columns }.compare(&result, rows)
                }
                Ok(false) => rows.add(&name, refused(&result, &columns)),
                Err(error) => rows.add(&name, Err(error)),
            }
        }
    }
    Ok(())
}

/// The framing that a result such as `number.16` is named after.
fn framing(result: &str) -> Result<Framing> {
    let (how, argument) =
        result.split_once('.').with_context(|| format!("\"{result}\" names no framing"))?;
    Ok(match how {
        "number" => Framing::Number { frames: argument.parse()? },
        "time" => Framing::Time { frames: argument.parse()?, empty_window: EmptyWindow::default() },
        "duration" => Framing::Duration { us: argument.parse()? },
        other => bail!("expected framing by number, time or duration, found \"{other}\""),
    })
}

fn refused(result: &str, columns: &Columns) -> Result<String> {
    match framing(result)?.ranges(&columns.t_us) {
        Ok(ranges) => {
            bail!("the reference raises an error here, ours made {} frames", ranges.len())
        }
        Err(error) => Ok(format!("refused, as by the reference: {error}")),
    }
}

struct Case<'a> {
    golden: &'a Golden,
    name: &'a str,
    sensor: Sensor,
    columns: &'a Columns,
}

impl Case<'_> {
    fn compare(&self, result: &str, rows: &mut Rows) {
        let golden = self.golden.tensor(&format!("{}.frames", self.name));
        rows.compare_one(self.name, Limit::Exactly, self.frames(result), golden);
    }

    /// Our frames in the stored layout `[M, 2, H, W]`, their ranges compared where those are
    /// stored.
    fn frames(&self, result: &str) -> Result<Tensor> {
        let (golden, framing) = (self.golden, framing(result)?);
        let stored = golden.tensor(&format!("{}.frames", self.name))?.dim(0)?;
        if let Framing::Number { frames } | Framing::Time { frames, .. } = framing {
            // before any memory is taken for a number that stands in a name
            ensure!(frames == stored, "expected {frames} frames, {stored} are stored");
        }
        let ranges = framing.ranges(&self.columns.t_us)?;
        if !matches!(framing, Framing::Duration { .. }) {
            let side = |side: &str| golden.integers(&format!("{}.{side}", self.name));
            let bounds: Vec<_> = side("left")?.into_iter().zip(side("right")?).collect();
            let ours: Vec<_> =
                ranges.iter().map(|range| (range.start as i64, range.end as i64)).collect();
            ensure!(ours == bounds, "expected the ranges {bounds:?}, found {ours:?}");
        }
        let frames = accumulate(self.sensor, self.columns, &ranges)?;
        // a recording in order also goes the way that training takes
        if let Ok(events) = Events::new(self.sensor, self.columns.clone()) {
            ensure!(framing.frames(&events)? == frames, "Framing::frames and accumulate differ");
        }
        let Shape { steps, height, width, channels } = frames.shape();
        let counts = frames.into_values().into_iter().map(u32::from).collect();
        Ok(channels_first(&Tensor::from_vec::<_, u32>(
            counts,
            (steps, height, width, channels),
            &Device::Cpu,
        )?)?)
    }
}
