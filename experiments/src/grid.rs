//! `--grid`: hyper-parameters of each system chosen on recordings held out of training, a loop over
//! runs and a table.

use crate::receipt::{self, HELD_OUT};
use crate::run_request::{RunRequest, Variation, Warm};
use crate::tuning::{Point, Tuning};
use crate::{Run, accuracy, preset, publish};
use anyhow::Result;
use datasets::Name;
use report::{Align, Record, Table, write_text};
use std::path::{Path, PathBuf};

/// The learning rates, in the order in which the first of equals is taken.
pub const RATES: [f64; 3] = [1e-3, 2e-3, 5e-3];

/// The warm-ups, likewise.
pub const WARM: [Warm; 3] = [Warm::No, Warm::Sigmoid, Warm::Analogue];

/// The runs of one learning rate: each data set and system of a table with each warm-up.
pub fn requests(of_table: &[RunRequest]) -> Vec<RunRequest> {
    let mut all: Vec<RunRequest> = Vec::new();
    for request in of_table {
        for warm in WARM {
            let point = RunRequest { variation: Variation::WarmUp(warm), ..*request };
            // without neurons and without ReLU a network would be linear
            let fits = warm != Warm::Analogue || preset::has_relu(request.system);
            if fits && !all.contains(&point) {
                all.push(point);
            }
        }
    }
    all
}

/// A run of the grid that has its receipt, or that did not come to its end.
pub struct Tried {
    /// The run.
    pub request: RunRequest,
    /// Its learning rate and the rest.
    pub run: Run,
    /// The profile, with what was overridden.
    pub profile: String,
    /// Of each seed and fold; none of a run that diverged.
    pub records: Vec<Record>,
}

impl Tried {
    /// What its runs say, if all `runs` of a point have a receipt.
    fn point(&self, runs: usize) -> Point {
        let warm_up = match self.request.variation {
            Variation::WarmUp(warm_up) => warm_up,
            _ => Warm::No,
        };
        let of = |record: &Record| {
            let curve = record.curves.iter().find(|curve| curve.name == HELD_OUT)?;
            accuracy::last_five(curve.values.get(accuracy::analogue_epochs(record)..)?)
        };
        let all: Vec<f64> = self.records.iter().filter_map(of).collect();
        let receipts = self.records.iter().map(receipt::place).collect();
        // runs that diverged left none: what is left of a point is no measure of it
        let whole = all.len() == runs;
        Point {
            system: self.request.system.id.to_owned(),
            learning_rate: self.run.setup.learning_rate,
            warm_up,
            held_out_percent: whole.then(|| report::summary(&all).map(|s| s.mean)).flatten(),
            receipts,
        }
    }
}

/// The choice of each system on one data set: the best mean, the first of equals.
pub fn tuning(data: Name, tried: &[Tried]) -> Option<Tuning> {
    let tried: Vec<&Tried> = tried.iter().filter(|tried| tried.request.data == data).collect();
    let runs = tried.iter().map(|tried| tried.records.len()).max()?;
    let points: Vec<Point> = tried.iter().map(|tried| tried.point(runs)).collect();
    let first = tried.iter().flat_map(|tried| &tried.records).next()?;
    let mut chosen: Vec<Point> = Vec::new();
    for point in points.iter().filter(|point| point.held_out_percent.is_some()) {
        match chosen.iter_mut().find(|best| best.system == point.system) {
            Some(best) if point.held_out_percent > best.held_out_percent => *best = point.clone(),
            Some(_) => (),
            None => chosen.push(point.clone()),
        }
    }
    let rate = format!("+lr{}", tried.first()?.run.setup.learning_rate);
    let profile = tried.first()?.profile.replacen(&rate, "", 1);
    Some(Tuning { data, profile, split: first.data.split.clone(), chosen, tried: points })
}

/// Prints a choice, and writes it; its path.
///
/// # Errors
/// A file that cannot be written.
pub fn write(tuning: &Tuning, results: &Path) -> Result<PathBuf> {
    let Tuning { data, profile, .. } = tuning;
    let columns = [
        ("System", Align::Left),
        ("Learning rate", Align::Right),
        ("Warm-up", Align::Left),
        ("Held out, last five epochs %", Align::Right),
        ("Runs", Align::Right),
        ("Chosen", Align::Left),
    ];
    let title = format!("Hyper-parameters on held-out recordings of {}, {profile}", data.title());
    let mut table = Table::new(&title, &columns);
    for point in &tuning.tried {
        table.push_row([
            point.system.clone(),
            point.learning_rate.to_string(),
            point.warm_up.id().to_owned(),
            point.held_out_percent.map_or("diverged".to_owned(), |percent| format!("{percent:.2}")),
            point.receipts.len().to_string(),
            if tuning.chosen.contains(point) { "chosen" } else { "" }.to_owned(),
        ])?;
    }
    publish::print(&(table.to_terminal() + "\n"))?;
    let folder = results.join("tuned");
    crate::outputs::try_folder(&folder, "--results", true)?;
    let name = crate::names::of_row(&format!("{}-{profile}", data.id()));
    let path = folder.join(format!("{name}.json"));
    write_text(&path, &format!("{:#}\n", serde_json::to_value(tuning)?))?;
    terminal::say!("written to {}: later runs take it by --tuned", path.display());
    Ok(path)
}
