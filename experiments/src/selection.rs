//! Which receipts stand in which cell. Whatever has no receipt stays empty.

use crate::accuracy::Epochs;
use crate::preset::Overrides;
use crate::run_request::Variation;
use crate::warm::Warm;
use crate::{Profile, Run, RunRequest, names};
use anyhow::Result;
use datasets::Name;
use report::{Curve, DataIdentity, Fold, Origin, Record, Summary, summary};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::mem::discriminant;
use training::WarmUp;

/// What may differ within a cell: of two cells the runs that agree in it are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The seed.
    pub seed: u64,
    /// The fold, if the data are divided into some.
    pub fold: Option<Fold>,
}

impl Pair {
    /// Of a receipt.
    pub fn of(record: &Record) -> Self {
        Self { seed: record.seed, fold: record.data.fold }
    }
}

/// How the dense products of a run's event-driven passes multiplied, from what its receipt says of
/// computing: `f32`, or `tiles`, see [`models::Dense`]; `None` of other passes.
pub fn products(compute: &Value) -> Option<&str> {
    let crossover = compute.get("crossover")?;
    // receipts from before there was a choice
    Some(crossover.get("dense").and_then(|dense| dense.as_str()).unwrap_or("f32"))
}

/// Whether two runs may stand in one cell or pair: not where each says another of [`products`].
pub fn multiplied_alike(a: &Value, b: &Value) -> bool {
    products(a).zip(products(b)).is_none_or(|(a, b)| a == b)
}

/// The receipts of one cell, equal but for seed and fold; in that order, at least one.
pub struct Group<'a> {
    /// For people.
    pub title: String,
    /// The data set.
    pub data: Name,
    records: Vec<&'a Record>,
}

impl<'a> Group<'a> {
    fn new(title: String, data: Name, mut records: Vec<&'a Record>) -> Option<Self> {
        records.sort_by_key(|r| Pair::of(r));
        (!records.is_empty()).then_some(Self { title, data, records })
    }

    /// The receipts.
    pub fn records(&self) -> &[&'a Record] {
        &self.records
    }

    /// The receipt of the lowest seed.
    pub fn first(&self) -> &'a Record {
        self.records[0]
    }

    /// A metric of each receipt that has it.
    pub fn values(&self, metric: &str) -> Vec<f64> {
        let value = |r: &&Record| Some(r.metrics.iter().find(|m| m.name == metric)?.value);
        self.records.iter().filter_map(value).collect()
    }

    /// The test accuracy of each receipt that has it, in percent.
    pub fn accuracies(&self, of: Epochs) -> Vec<f64> {
        self.records.iter().filter_map(|r| of.of(r)).collect()
    }

    /// Which test accuracy is shown first.
    pub fn primary(&self) -> Epochs {
        Epochs::primary(&self.records)
    }

    /// What differs between the receipts: "0,1,2", or with folds "0,1,2 × 5 folds".
    pub fn seeds(&self) -> String {
        let mut seeds: Vec<u64> = self.records.iter().map(|r| r.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
        let mut folds: Vec<u64> =
            self.records.iter().filter_map(|r| Some(r.data.fold?.number)).collect();
        folds.sort_unstable();
        folds.dedup();
        let Some(Fold { of, .. }) = self.first().data.fold else { return seeds.join(",") };
        match folds.len() as u64 {
            all if all == of => format!("{} × {of} folds", seeds.join(",")),
            some => format!("{} × {some} of {of} folds", seeds.join(",")),
        }
    }

    /// Mean and deviation over the seeds.
    pub fn summary(&self, metric: &str) -> Option<Summary> {
        summary(&self.values(metric))
    }

    /// A curve of each receipt that has it.
    pub fn curves(&self, name: &str) -> Vec<&'a Curve> {
        self.records.iter().filter_map(|r| r.curves.iter().find(|c| c.name == name)).collect()
    }

    /// A field of the run, such as `/setup/epochs`, as text.
    pub fn run_field(&self, pointer: &str) -> String {
        match self.first().run.pointer(pointer) {
            Some(Value::String(s)) => s.clone(),
            Some(v) => v.to_string(),
            None => "?".into(),
        }
    }

    /// Number of steps T, whatever the encoding.
    pub fn steps(&self) -> String {
        if self.first().run.pointer("/framing").is_some_and(|framing| framing == "chunks") {
            return "16".to_owned();
        }
        let pointers = [
            "/framing/number/frames",
            "/framing/time/frames",
            "/framing/direct/steps",
            "/framing/bernoulli/steps",
        ];
        let found = pointers.into_iter().find_map(|pointer| self.first().run.pointer(pointer));
        found.map_or("?".to_owned(), ToString::to_string)
    }

    /// Where its recordings come from.
    pub fn origin(&self) -> Origin {
        self.first().data.origin
    }
}

/// What the cells of a data set were asked to hold.
pub struct Wanted {
    /// The recordings found now: receipts of others do not belong there.
    pub recordings: DataIdentity,
    /// The running program: receipts of other builds count only where any build does.
    pub program_sha256: String,
}

/// Receipts from which cells are filled.
pub struct Receipts<'a> {
    records: Vec<&'a Record>,
    /// The profile's name with its overrides.
    pub profile: String,
    base: Profile,
    overrides: Option<Overrides>,
    wanted: Vec<Wanted>,
    any_build: bool,
}

impl<'a> Receipts<'a> {
    /// All receipts of a profile, of whatever table: equal runs are one run.
    ///
    /// # Errors
    /// A profile's name that begins with none of the profiles.
    pub fn new(records: &'a [Record], profile: &str) -> Result<Self> {
        let base = Profile::of_name(profile)?;
        let records = records.iter().filter(|r| r.profile == profile).collect();
        Ok(Self {
            records,
            profile: profile.into(),
            base,
            overrides: None,
            wanted: Vec::new(),
            any_build: true,
        })
    }

    /// Only what was asked for: runs of these overrides, the recordings found and, unless
    /// `any_build`, this program.
    pub fn only(self, overrides: Overrides, wanted: Vec<Wanted>, any_build: bool) -> Self {
        Self { overrides: Some(overrides), wanted, any_build, ..self }
    }

    /// The recordings of a data set's cells: those wanted, else the best that any receipt names
    /// (complete before sample before synthetic, then the newest), so that a data set never mixes
    /// recordings.
    fn recordings(&self, data: Name) -> Option<&DataIdentity> {
        if let Some(wanted) = self.wanted.iter().find(|w| w.recordings.name == data.id()) {
            return Some(&wanted.recordings);
        }
        let of_data =
            self.records.iter().filter(|r| r.data.name == data.id() && r.experiment != "train");
        of_data
            .min_by_key(|r| (Reverse(rank(r.data.origin)), Reverse(&r.started_utc)))
            .map(|r| &r.data)
    }

    /// The receipts of a cell: one run of one program, whose products multiplied alike. `None` where
    /// there is none.
    ///
    /// # Errors
    /// An override that does not fit the run.
    pub fn group(&self, request: RunRequest) -> Result<Option<Group<'a>>> {
        let Some(recordings) = self.recordings(request.data) else { return Ok(None) };
        let is_row = |r: &Record| {
            let row = row_of(request, self.base, &self.profile, &r.data);
            r.row == names::of_row(&row) || r.row == row
        };
        let mut cell: Vec<&Record> = self
            .records
            .iter()
            .copied()
            .filter(|r| r.data.same_but_fold(recordings) && is_row(r))
            .filter(|r| warmed_up_as(request, r))
            .collect();
        let wanted = self.wanted.iter().find(|w| w.recordings.name == request.data.id());
        if let (Some(wanted), Some(overrides)) = (wanted, &self.overrides) {
            // what these overrides do not go with was not run with them
            let Ok(run) = request.run(self.base, overrides) else { return Ok(None) };
            let run = serde_json::to_value(run)?;
            cell.retain(|r| {
                Run::canonical(&r.run) == run
                    && (self.any_build || r.program_sha256 == wanted.program_sha256)
            });
        }
        cell.sort_by_key(|r| Reverse(&r.started_utc));
        if let Some(&newest) = cell.first() {
            let every_build = self.any_build && !self.wanted.is_empty();
            let run = Run::canonical(&newest.run);
            cell.retain(|r| {
                Run::canonical(&r.run) == run
                    && multiplied_alike(&r.compute, &newest.compute)
                    && (every_build || r.program_sha256 == newest.program_sha256)
            });
        }
        // the same seed in two tables' folders is the same run twice
        cell.sort_by_key(|r| (Pair::of(r), Reverse(&r.started_utc)));
        cell.dedup_by_key(|r| Pair::of(r));
        Ok(Group::new(request.title(), request.data, cell))
    }

    /// The cells that have receipts, in order.
    ///
    /// # Errors
    /// As [`Receipts::group`].
    pub fn groups(&self, requests: &[RunRequest]) -> Result<Vec<(RunRequest, Group<'a>)>> {
        let mut groups = Vec::new();
        for &request in requests {
            if let Some(group) = self.group(request)? {
                groups.push((request, group));
            }
        }
        Ok(groups)
    }
}

/// Whether a run warmed up as the row says that is about a warm-up: a profile's usual one, which
/// goes by the plain name, may have been another when the run was made.
fn warmed_up_as(request: RunRequest, record: &Record) -> bool {
    let Variation::WarmUp(warm) = request.variation else { return true };
    let run = Run::canonical(&record.run);
    let field = |name: &str| run.get("setup").and_then(|setup| setup.get(name)).cloned();
    let found = field("warm_up").map(serde_json::from_value::<Option<WarmUp>>);
    let epochs = field("epochs").and_then(|epochs| epochs.as_u64()).unwrap_or_default();
    match found {
        None => warm == Warm::No,
        Some(Ok(found)) => {
            let expected = warm.of(usize::try_from(epochs).unwrap_or(usize::MAX));
            discriminant(&found.unwrap_or(WarmUp::None)) == discriminant(&expected)
        }
        Some(Err(_)) => false,
    }
}

fn rank(origin: Origin) -> u8 {
    match origin {
        Origin::Complete => 2,
        Origin::Sample => 1,
        Origin::Synthetic => 0,
    }
}

/// What tells a cell's receipts from others: their files' name without the seed, unless it is so
/// long that [`names::of_row`] cuts it.
pub fn row(request: RunRequest, base: Profile, profile: &str, origin: Origin) -> String {
    format!("{}-{profile}{}", request.id(base), suffix(origin))
}

/// The same of a part of a data set: behind it how many recordings, and of what division.
pub fn row_of(request: RunRequest, base: Profile, profile: &str, data: &DataIdentity) -> String {
    let row = row(request, base, profile, data.origin);
    // what was done to a split stands behind it
    if data.split.contains("; ") { row + &part(data) } else { row }
}

/// Two parts or two splits of a data set are two rows.
pub fn part(data: &DataIdentity) -> String {
    let fold = data.fold.map_or(String::new(), |Fold { number, of }| format!("-f{number}of{of}"));
    let digest = Sha256::digest(format!("{}\n{}{fold}", data.manifest_sha256, data.split));
    format!("-{}+{}{fold}-{}", data.train, data.test, sentence::hex(&digest[..4]))
}

/// What a row's name says of its recordings.
pub fn suffix(origin: Origin) -> &'static str {
    match origin {
        Origin::Complete => "",
        Origin::Sample => "-sample",
        Origin::Synthetic => "-synthetic",
    }
}

/// All receipts, in the order of the data sets: those of one row stand together, its newest run and
/// program.
pub fn all_groups(records: &[Record]) -> Vec<Group<'_>> {
    let mut groups = Vec::new();
    for data in Name::ALL {
        let mut of_data: Vec<&Record> =
            records.iter().filter(|r| r.data.name == data.id()).collect();
        of_data.sort_by_key(|r| (r.row.clone(), Reverse(r.started_utc.clone())));
        for row in of_data.chunk_by(|a, b| a.row == b.row) {
            let newest = row[0];
            let same = |r: &&Record| {
                let program = r.program_sha256 == newest.program_sha256;
                r.run == newest.run && program && multiplied_alike(&r.compute, &newest.compute)
            };
            let records: Vec<&Record> = row.iter().copied().filter(same).collect();
            groups.extend(Group::new(newest.title.clone(), data, records));
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::multiplied_alike;
    use serde_json::json;

    #[test]
    fn runs_on_tiles_and_in_f32_do_not_mix() {
        let f32 = json!({"crossover": {"dense": "f32"}});
        let older = json!({"crossover": {"convolution": 0.5}});
        let tiles = json!({"crossover": {"dense": "tiles"}});
        let tensors = json!({"passes": "tensor operations"});
        assert!(multiplied_alike(&f32, &older) && multiplied_alike(&tiles, &tiles));
        assert!(!multiplied_alike(&f32, &tiles) && !multiplied_alike(&tiles, &older));
        assert!(multiplied_alike(&tensors, &tiles) && multiplied_alike(&tensors, &f32));
    }
}
