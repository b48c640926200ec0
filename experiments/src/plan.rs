//! What a run would cost, told from receipts of earlier runs.

use crate::flags::RunFlags;
use crate::runs::Item;
use crate::tasks::Share;
use crate::{Run, receipt};
use anyhow::Result;
use datasets::Recordings;
use report::{Align, Record, Table};
use std::cmp::Reverse;
use std::path::Path;

/// A run that has no receipt yet.
pub struct Planned {
    title: String,
    seed: u64,
    samples: f64,
    run: Run,
    earlier: Option<EarlierRun>,
}

/// What is known of a run like it.
struct EarlierRun {
    seconds: f64,
    memory_bytes: Option<u64>,
    says: String,
}

impl Planned {
    /// Of an item's seed, with so many training recordings.
    pub fn new(item: &Item, seed: u64, train: usize, receipts: &[Record]) -> Self {
        let run = item.run.clone();
        let samples = (train * run.setup.epochs) as f64;
        let field = |r: &Record, pointer: &str| r.run.pointer(pointer).cloned().unwrap_or_default();
        let value = serde_json::to_value(&run).unwrap_or_default();
        let same = |r: &&Record, pointers: &[&str]| {
            pointers.iter().all(|pointer| Some(&field(r, pointer)) == value.pointer(pointer))
        };
        // the same network on frames of the same kind costs the same a sample, whatever the method,
        // seed and number of epochs
        let mut like: Vec<&Record> = receipts
            .iter()
            .filter(|r| same(r, &["/data", "/framing", "/network", "/setup/batch"]))
            .collect();
        like.sort_by_key(|r| (!same(r, &["/neuron"]), Reverse(&r.started_utc)));
        let earlier = like.first().and_then(|r| {
            let epochs = field(r, "/setup/epochs").as_f64()?;
            let of_it = r.data.train as f64 * epochs;
            Some(EarlierRun {
                seconds: r.seconds * samples / of_it.max(1.0),
                memory_bytes: r.peak_memory_bytes,
                says: format!(
                    "{}/{}-s{}, {} threads, {}",
                    r.experiment, r.row, r.seed, r.threads, r.device
                ),
            })
        });
        Self { title: item.title.clone(), seed, samples, run, earlier }
    }
}

impl RunFlags {
    /// What the runs of these items would cost, as earlier receipts tell.
    ///
    /// # Errors
    /// A broken receipt.
    pub fn plan(
        &self,
        items: &[Item],
        recordings: &Recordings,
        receipts: &Path,
        share: Share,
    ) -> Result<Vec<Planned>> {
        let earlier = receipt::of_all_experiments(&self.results).records;
        let missing = self.missing(items, recordings, receipts, share)?;
        Ok(missing
            .into_iter()
            .map(|(item, seed)| Planned::new(item, seed, recordings.train.len(), &earlier))
            .collect())
    }
}

/// What would be run, a row each, with the time of all of it.
///
/// # Errors
/// Never with the columns of this file.
pub fn table(planned: &[Planned]) -> Result<Table, report::Error> {
    let columns = [
        ("Run", Align::Left),
        ("Seed", Align::Right),
        ("Epochs", Align::Right),
        ("Samples", Align::Right),
        ("Time", Align::Right),
        ("Memory", Align::Right),
        ("Told from", Align::Left),
    ];
    let mut table = Table::new("Would be run", &columns);
    for p in planned {
        let memory = p.earlier.as_ref().and_then(|e| e.memory_bytes);
        table.push_row([
            p.title.clone(),
            p.seed.to_string(),
            p.run.setup.epochs.to_string(),
            p.samples.to_string(),
            p.earlier.as_ref().map_or("not known".into(), |e| time(e.seconds)),
            memory.map_or("not known".into(), |bytes| sentence::size(bytes.into())),
            p.earlier
                .as_ref()
                .map_or("no receipt of this network on these frames".into(), |e| e.says.clone()),
        ])?;
    }
    // the sum of nothing is -0
    let known = planned
        .iter()
        .filter_map(|p| p.earlier.as_ref())
        .map(|e| e.seconds)
        .fold(0.0, |a, b| a + b);
    let unknown = planned.iter().filter(|p| p.earlier.is_none()).count();
    table.push_note(match (planned.len(), unknown) {
        (0, _) => "Nothing: every run has its receipt.".to_owned(),
        (_, 0) => format!(
            "{} in all, as far as earlier receipts tell; time is that of their machines.",
            time(known)
        ),
        (_, n) => format!(
            "{} in all for those that are known; {n} of {} are not.",
            time(known),
            planned.len()
        ),
    });
    Ok(table)
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
