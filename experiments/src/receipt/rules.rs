//! What a receipt must be for a table to believe it: of the experiment whose folder it lies in, of
//! a run that could be run, on recordings that its data set has, and of the row that it names.

use crate::{OwnSurrogate, Profile, Run, SystemSetting, names, selection};
use datasets::{Info, Name};
use report::{DataIdentity, Origin, Record};
use serde_json::Value;
use std::path::Path;

/// What belongs there, and what is there instead.
type Wrong = String;

fn wrong(expected: &str, found: &str) -> Wrong {
    format!("expected {expected}, found {}", sentence::shown(found))
}

/// Holds a record that lies in `folder` to the rules.
///
/// # Errors
/// The first that it breaks, as expected and found.
pub fn check(folder: &Path, record: &Record) -> Result<(), Wrong> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if record.experiment != name {
        let expected = format!("the experiment \"{name}\", whose folder it lies in");
        return Err(wrong(&expected, &format!("\"{}\"", record.experiment)));
    }
    if Profile::of_name(&record.profile).is_err() {
        // no table could show it
        let expected = "a profile that begins with paper, short or smoke";
        return Err(wrong(expected, &format!("\"{}\"", record.profile)));
    }
    let run = run_of(&record.run)?;
    if record.data.name != run.data.id() {
        let expected = format!("recordings of {}, the data set of its run", run.data.id());
        return Err(wrong(&expected, &format!("those of \"{}\"", record.data.name)));
    }
    recordings(run.data, &record.data)?;
    row(record, &run)
}

/// The run as it is read for training. Of a surrogate of a user's own a receipt has the name alone.
fn run_of(value: &Value) -> Result<Run, Wrong> {
    let mut value = value.clone();
    let own = value.as_object_mut().and_then(|run| run.shift_remove("own_surrogate"));
    if let Some(own) = own
        && !own.as_str().is_some_and(OwnSurrogate::is_name)
    {
        return Err(wrong("a name as its own_surrogate", &own.to_string()));
    }
    Run::from_value(&value).map_err(|field| format!("its run: {field}"))
}

/// That a data set can have given these recordings.
///
/// # Errors
/// Published numbers that are not the data set's, or more recordings than it has.
pub fn recordings(name: Name, data: &DataIdentity) -> Result<(), Wrong> {
    let Info { train, validation, test, .. } = *name.info();
    let published = [data.train_published, data.test_published];
    if published != [train as u64, test as u64] {
        let expected = format!("{train} train and {test} test recordings as published of {name}");
        return Err(wrong(&expected, &format!("{} and {}", published[0], published[1])));
    }
    let all = (train + validation.unwrap_or(0) + test) as u64;
    let own_split = data.split.starts_with("by speaker") || data.fold.is_some();
    let most = match own_split {
        // another split than the published one may have more in one of its halves
        true => [all, all],
        false => published,
    };
    let used = data.train.saturating_add(data.held_out).saturating_add(data.test);
    if data.train > most[0] || data.test > most[1] || used > all {
        let expected = format!("at most {} + {} recordings of {name}", most[0], most[1]);
        let held_out = match data.held_out {
            0 => String::new(),
            held_out => format!(" and {held_out} held out"),
        };
        return Err(wrong(&expected, &format!("{} + {}{held_out}", data.train, data.test)));
    }
    Ok(())
}

/// That the row is one of this run: data set, system, profile and origin stand in its name.
fn row(record: &Record, run: &Run) -> Result<(), Wrong> {
    let of = |kind: &str| format!("{}-{kind}-", run.data.id());
    let simulated = record.row.starts_with(&of("simulated"));
    let beginning = match run.is_analogue() {
        true => of("ann"),
        false if simulated => of("simulated"),
        false => of(&run.system),
    };
    let beginning = match run.setting {
        SystemSetting::House => beginning,
        SystemSetting::Published => beginning + "published-",
    };
    let house = run.setting.is_house() && record.row.starts_with(&format!("{beginning}published-"));
    if !record.row.starts_with(&beginning) || house {
        let expected = format!("a row \"{beginning}…\", as its run is");
        return Err(wrong(&expected, &format!("\"{}\"", record.row)));
    }
    // what is simulated for a test on real recordings is named without its origin
    let suffix = if simulated { "" } else { selection::suffix(record.data.origin) };
    let ending = format!("-{}{suffix}", record.profile);
    // behind it a row of `train` has how many recordings
    let ends = |rest: &str| {
        let part = rest.strip_prefix('-');
        rest.is_empty() || part.is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut places = record.row.match_indices(&ending);
    let whole = places.any(|(at, ending)| ends(&record.row[at + ending.len()..]));
    let origin = !simulated || record.data.origin == Origin::Synthetic;
    if origin && (whole || names::is_cut(&record.row)) {
        return Ok(());
    }
    let expected = format!("a row \"…{ending}\", as its profile and its recordings are");
    Err(wrong(&expected, &format!("\"{}\"", record.row)))
}
