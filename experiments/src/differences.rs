//! Differences between systems on the same data, run by run.

use crate::SystemSetting;
use crate::accuracy::{Epochs, rate_percent, roughness};
use crate::layout::{marked, shortened};
use crate::run_request::{RunRequest, Variation};
use crate::selection::{Group, Pair, Receipts, multiplied_alike};
use anyhow::Result;
use report::{Align, McNemar, Record, Table, outcome_of, paired};

/// Differences between systems on the same data, seed by seed and fold by fold: nothing else
/// differs between the two runs of a pair.
///
/// # Errors
/// As [`Receipts::group`].
pub fn table(receipts: &Receipts<'_>, requests: &[RunRequest]) -> Result<Option<Table>> {
    let head = [("Data set", Align::Left), ("Difference", Align::Left), ("n", Align::Right)];
    let points = Epochs::ALL.map(|epochs| format!("{}, points", epochs.title()));
    let mut columns = head.to_vec();
    columns.extend(points.iter().map(|points| (points.as_str(), Align::Right)));
    columns.push(("Firing rate, points", Align::Right));
    columns.push(("Steps of the curve, points", Align::Right));
    columns.push(("Only one right, McNemar's p", Align::Left));
    let mut table = Table::new("Paired differences", &columns);
    let groups = receipts.groups(requests)?;
    let mut any = false;
    for (i, (a, ga)) in groups.iter().enumerate() {
        for (b, gb) in &groups[..i] {
            if !one_change((a, ga), (b, gb)) {
                continue;
            }
            let pairs = pairs(ga, gb);
            if pairs.len() < 2 && mcnemar(&pairs).is_empty() {
                continue;
            }
            any = true;
            let mut cells = vec![
                a.data.title().to_owned(),
                format!("{} − {}", shortened(&a.title(), a.data), shortened(&b.title(), b.data)),
                pairs.len().to_string(),
            ];
            let primary = ga.primary();
            for epochs in Epochs::ALL {
                let said = difference(&pairs, |record| epochs.of(record));
                // the first number of a row says what data it is of
                let first = epochs == primary && !said.is_empty();
                cells.push(if first { marked(&said, ga.origin()) } else { said });
            }
            cells.push(difference(&pairs, rate_percent));
            cells.push(difference(&pairs, roughness));
            cells.push(mcnemar(&pairs));
            table.push_row(cells)?;
        }
    }
    notes(&mut table, &groups);
    Ok(any.then_some(table))
}

fn notes(table: &mut Table, groups: &[(RunRequest, Group<'_>)]) {
    table.push_note(
        "Mean over runs of the difference between two runs of one seed (and fold), each system with its usual warm-up but \
         where a row names another, with its 95 % confidence interval \
         (Student's t); an interval that holds 0 shows no difference.",
    );
    if groups.iter().any(|(_, group)| group.first().data.fold.is_some()) {
        table.push_note(
            "Folds share most of their training recordings, so their runs are not independent and the interval is somewhat too narrow.",
        );
    }
    table.push_note(
        "Firing rate: spikes per 100 neurons and steps, on the test set after the last epoch, mean over layers. Steps of the curve: the \
         mean size of the change of test accuracy from epoch to epoch, over the second half of the epochs; a smaller number is a smoother \
         curve.",
    );
    table.push_note(
        "McNemar: test recordings on which only the first and only the second run of a pair is right after the last epoch, added up, \
         then for each seed (all its folds together) the two-sided p of the exact binomial test. Empty where a receipt does not have \
         them.",
    );
}

/// Whether two cells differ in their system alone or in their change alone.
fn one_change((a, ga): (&RunRequest, &Group<'_>), (b, gb): (&RunRequest, &Group<'_>)) -> bool {
    let one = (a.system == b.system) != (a.variation == b.variation);
    let house = [a, b].iter().all(|request| request.setting == SystemSetting::House);
    a.data == b.data && one && house && equal_but_for(a, b, ga.first(), gb.first())
}

/// The runs of both cells that have one seed and fold, and are of one program that multiplied
/// alike.
fn pairs<'r>(a: &Group<'r>, b: &Group<'r>) -> Vec<(&'r Record, &'r Record)> {
    let other = |first: &'r Record| {
        let pair = |second: &&&'r Record| {
            let program = second.program_sha256 == first.program_sha256;
            Pair::of(second) == Pair::of(first)
                && program
                && multiplied_alike(&first.compute, &second.compute)
        };
        b.records().iter().find(pair).copied()
    };
    a.records().iter().filter_map(|&first| Some((first, other(first)?))).collect()
}

fn difference(pairs: &[(&Record, &Record)], of: impl Fn(&Record) -> Option<f64>) -> String {
    let both = |(a, b): &(&Record, &Record)| Some((of(a)?, of(b)?));
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().filter_map(both).unzip();
    paired(&a, &b).map_or(String::new(), |p| {
        format!("{:+.1} [{:.1}, {:.1}]", p.mean, p.low, p.high).replace('-', "−")
    })
}

/// "45 : 32; p 0.17, 0.03": counts of all pairs, and p of each seed.
fn mcnemar(pairs: &[(&Record, &Record)]) -> String {
    let mut all = McNemar::default();
    let mut seeds: Vec<(u64, McNemar)> = Vec::new();
    for (a, b) in pairs {
        let outcome = |record: &Record| {
            outcome_of(record.outcome.as_ref()?, usize::try_from(record.data.test).ok()?)
        };
        let (Some(first), Some(second)) = (outcome(a), outcome(b)) else { return String::new() };
        let test = McNemar::of(&first, &second);
        all = all.with(test);
        match seeds.iter_mut().find(|(seed, _)| *seed == a.seed) {
            Some((_, of_seed)) => *of_seed = of_seed.with(test),
            None => seeds.push((a.seed, test)),
        }
    }
    if seeds.is_empty() {
        return String::new();
    }
    let p: Vec<String> = seeds.iter().map(|(_, test)| probability(test.p())).collect();
    format!("{} : {}; p {}", all.first_alone, all.second_alone, p.join(", "))
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// Whether two runs, of one program, differ in nothing but their system, or in nothing but what a
/// table's variation may change. A system has its usual warm-up where the variation is of none.
fn equal_but_for(of_a: &RunRequest, of_b: &RunRequest, a: &Record, b: &Record) -> bool {
    let usual = !matches!(of_a.variation, Variation::WarmUp(_));
    let rest = |r: &Record| {
        let mut run = r.run.clone();
        let mut without = |place: &str, keys: &[&str]| {
            if let Some(fields) = run.pointer_mut(place).and_then(serde_json::Value::as_object_mut)
            {
                keys.iter().for_each(|key| _ = fields.remove(*key));
            }
        };
        match of_a.variation != of_b.variation {
            true => {
                without("", &["network", "framing"]);
                without("/setup", &["warm_up"]);
            }
            // what the house's setting of a system may change; receipts of before have other keys
            false => {
                if a.profile.contains("+tuned-") {
                    // each system at its best
                    without("/setup", &["learning_rate", "warm_up"]);
                }
                if usual {
                    without("/setup", &["warm_up"]);
                }
                without(
                    "",
                    // another network begins with other weights
                    &["system", "method", "neuron", "norm", "batch_norm", "rectify"],
                );
            }
        }
        run
    };
    a.program_sha256 == b.program_sha256 && rest(a) == rest(b)
}
