//! The comparison as table, figure and JSON.

use super::measure::{BIN_US, Comparison, INTERVAL_US, Statistics};
use super::{Model, Pairs};
use crate::machine;
use anyhow::Result;
use report::simulator_figure::{Simulated, simulated};
use report::{Align, DataIdentity, Table};
use serde_json::json;

/// Seed of the comparison's camera and noise.
const SEED: u64 = 0;

/// What was found: the two halves compared, and the test half's statistics.
pub struct SimulatorCheck {
    train: Comparison,
    test: Comparison,
    real: Statistics,
    simulated: Statistics,
}

impl SimulatorCheck {
    /// Simulates the images of both halves and compares.
    ///
    /// # Errors
    /// None that real recordings can cause.
    pub fn measure(model: &Model, train: &Pairs, test: &Pairs) -> Result<Self> {
        let train = Comparison::of(&train.real, &model.record_all(&train.images, SEED)?);
        let again = model.record_all(&test.images, SEED)?;
        let (real, simulated) = (Statistics::of(&test.real), Statistics::of(&again));
        Ok(Self { train, test: Comparison::of(&test.real, &again), real, simulated })
    }

    /// One row for each number, the halves side by side.
    ///
    /// # Errors
    /// None that numbers can cause.
    pub fn table(&self) -> Result<Table> {
        let (train, test) = (&self.train, &self.test);
        let columns = [
            ("", Align::Left),
            ("train, real", Align::Right),
            ("train, simulated", Align::Right),
            ("test, real", Align::Right),
            ("test, simulated", Align::Right),
        ];
        let mut table =
            Table::new("Simulated against real N-MNIST recordings of the same digits", &columns);
        let mut pair =
            |name: &str, value: fn(&Comparison) -> [f64; 2], factor: f64, decimals: usize| {
                let cells = [value(train), value(test)]
                    .into_iter()
                    .flatten()
                    .map(|v| format!("{:.decimals$}", factor * v));
                table.push_row([name.to_owned()].into_iter().chain(cells))
            };
        pair("recordings", |c| [c.recordings as f64; 2], 1.0, 0)?;
        pair("events per recording, mean", |c| c.count_mean, 1.0, 0)?;
        pair("events per recording, standard deviation", |c| c.count_sd, 1.0, 0)?;
        pair("ON events, mean over recordings (%)", |c| c.on_share_mean, 100.0, 2)?;
        pair("ON events, standard deviation over recordings (%)", |c| c.on_share_sd, 100.0, 2)?;
        let mut between = |name: &str, value: fn(&Comparison) -> f64| {
            let [train, test] = [value(train), value(test)].map(|v| format!("{v:.3}"));
            table.push_row([name.to_owned(), String::new(), train, String::new(), test])
        };
        between("events per recording: correlation over recordings", |c| c.count_correlation)?;
        between("events over time: correlation over 5 ms bins", |c| c.profile_correlation)?;
        between("events over time: L1 distance (0 equal, 2 disjoint)", |c| c.profile_l1)?;
        between("events over time: earth mover's distance (ms)", |c| c.profile_emd_ms)?;
        between("events per pixel: correlation over pixels", |c| c.map_correlation)?;
        between("events per pixel: L1 distance", |c| c.map_l1)?;
        between("intervals of a pixel's events, 0.5 ms bins: L1 distance", |c| c.intervals_l1)?;
        between("a recording's image: correlation over pixels, mean", |c| c.image_correlation)?;
        between("a recording's ON − OFF in 20 ms frames: correlation, mean", |c| {
            c.frames_correlation
        })?;
        table.push_note("The constants were tuned on the train recordings; the test recordings were only measured.");
        Ok(table)
    }

    /// The test half as a figure.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn figure(&self) -> Result<String> {
        let (test, real, again) = (&self.test, &self.real, &self.simulated);
        let numbers = format!(
            "events {:.0} ± {:.0} real, {:.0} ± {:.0} simulated; ON {:.1} % and {:.1} %",
            test.count_mean[0],
            test.count_sd[0],
            test.count_mean[1],
            test.count_sd[1],
            100.0 * test.on_share_mean[0],
            100.0 * test.on_share_mean[1]
        );
        let correlations = format!(
            "correlation: counts {:.3}, over time {:.3}, over pixels {:.3}, image by image {:.3}",
            test.count_correlation,
            test.profile_correlation,
            test.map_correlation,
            test.image_correlation
        );
        let circumstances = format!(
            "the {} N-MNIST test recordings found; constants tuned on train recordings only",
            test.recordings
        );
        Ok(simulated(&Simulated {
            title: "Simulated and real recordings of the same digits",
            subtitles: &[&circumstances, &numbers, &correlations],
            bin_ms: BIN_US as f64 * 1e-3,
            profiles: [&real.profile, &again.profile],
            maps: [&real.map, &again.map],
            counts: [&real.counts, &again.counts],
            interval_ms: INTERVAL_US as f64 * 1e-3,
            intervals: [&real.intervals, &again.intervals],
        })?)
    }

    /// Table and figure as Markdown.
    pub fn markdown(&self, table: &Table) -> String {
        format!("{}\n![Simulated and real recordings](simulator.svg)\n", table.to_markdown())
    }

    /// The numbers with the constants and the recordings that gave them, and what they were
    /// computed by.
    ///
    /// # Errors
    /// If the program cannot be identified.
    pub fn json(&self, model: &Model, data: &DataIdentity) -> Result<String> {
        let (commit, dirty) = machine::commit();
        let made = json!({
            "commit": commit,
            "dirty": dirty,
            "program_sha256": machine::program_sha256()?,
            "host": machine::host(),
            "data": data,
        });
        let all = json!({ "train": self.train, "test": self.test, "seed": SEED, "model": model, "made": made });
        Ok(format!("{all:#}\n"))
    }
}
