//! What else recordings are divided into than train and test: a part held out of the training
//! recordings, which chooses the epoch or a setting, and folds, of which each tests once.
//!
//! Both are drawn by one fixed seed, so that every run of a data set has the same. Where files name
//! people (Speech Commands, DVS-Gesture) nobody is on both sides; elsewhere each class is divided
//! by itself.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{Error, Fold, Name, Recording, Recordings, Source};

/// The seed of every division.
const SEED: u64 = 0;

/// Whom the files of a data set are of.
pub(crate) struct Person {
    /// What the publisher calls them.
    pub noun: &'static str,
    /// The person, told by the name of a recording's file.
    pub of: fn(&str) -> Option<&str>,
}

impl Recordings {
    /// Sets a part of the training recordings apart, `part` of them between 0 and 1: into
    /// [`Recordings::held_out`]. Where the split has a validation list, that is the part, however
    /// large it is.
    ///
    /// # Errors
    /// [`Error::Division`]: training recordings that are tested on too, or too few of them for one
    /// of each class on either side.
    pub fn hold_out(mut self, part: f64) -> Result<Self, Error> {
        let flag = format!("training recordings of which a part of {part} can be held out");
        let refuse = |found: String| Err(Error::Division { name: self.name, what: flag, found });
        if !self.validation.is_empty() {
            self.held_out = std::mem::take(&mut self.validation);
            self.split += "; held out: the publisher's validation list";
            return Ok(self);
        }
        let tested: HashSet<Id<'_>> = self.test.iter().map(Id::of).collect();
        if self.train.iter().any(|recording| tested.contains(&Id::of(recording))) {
            return refuse("recordings that are trained on and tested on".to_owned());
        }
        let (groups, by) = groups(self.name, &self.train);
        let held = match by {
            By::Person(_) => people_held_out(&groups, part * self.train.len() as f64),
            By::Class => of_each_class(&groups, &self.train, part),
        };
        let (train, held_out) = parted(&self.train, &held);
        if let Some(class) = missing(self.name, &train, &[&train, &held_out]) {
            return refuse(format!("no training recording left of {class}"));
        }
        if held_out.is_empty() {
            return refuse("none that could be spared".to_owned());
        }
        (self.train, self.held_out) = (train, held_out);
        self.split += &format!("; held out: {part} of train, {}", by.words());
        Ok(self)
    }

    /// One fold of a cross-validation over all recordings, train and test together: it is tested,
    /// and the others are trained on. In the folds of one number every recording is tested once.
    ///
    /// # Errors
    /// [`Error::Division`]: too few recordings for one in each fold and for each class in the
    /// training part of every fold.
    pub fn fold(mut self, fold: Fold) -> Result<Self, Error> {
        let Fold { number, of } = fold;
        let (name, mut seen) = (self.name, HashSet::new());
        let mut all = Vec::new();
        for recording in self.train.iter().chain(&self.validation).chain(&self.test) {
            // where there is no split, train and test are the same recordings
            if seen.insert(Id::of(recording)) {
                all.push(recording.clone());
            }
        }
        let (groups, by) = groups(name, &all);
        let places = dealt(&groups, of, matches!(by, By::Class));
        let refuse = |found: String| {
            Err(Error::Division { name, what: format!("recordings for {of} folds"), found })
        };
        for k in 0..of {
            let tested: Vec<bool> = places.iter().map(|&place| place == k).collect();
            let (train, test) = parted(&all, &tested);
            if test.is_empty() {
                return refuse(format!("too few recordings, {} in all", all.len()));
            }
            if let Some(class) = missing(name, &train, &[&train, &test]) {
                return refuse(format!("all recordings of {class} in one of them"));
            }
        }
        let tested: Vec<bool> = places.iter().map(|&place| place + 1 == number).collect();
        (self.train, self.test) = parted(&all, &tested);
        self.validation.clear();
        self.split = format!(
            "{}; in its place {of} folds over train and test together, {}",
            self.split,
            by.words()
        );
        self.fold = Some(fold);
        Ok(self)
    }
}

/// What tells a recording from others.
#[derive(PartialEq, Eq, Hash)]
struct Id<'r>(Option<&'r std::path::Path>, i64, i64);

impl<'r> Id<'r> {
    fn of(recording: &'r Recording) -> Self {
        let path = recording.source.path();
        match recording.source {
            Source::File(_) => Self(path, 0, 0),
            Source::Cut { start_us, end_us, .. } => Self(path, start_us, end_us),
            Source::Image { index, .. } => Self(path, index as i64, 0),
            Source::Synthetic { test, index, .. } => Self(None, index.into(), test.into()),
        }
    }
}

/// By what recordings are kept together.
enum By {
    Person(&'static str),
    Class,
}

impl By {
    fn words(&self) -> String {
        match self {
            By::Person(noun) => format!("by {noun}, seed {SEED}"),
            By::Class => format!("evenly from the classes, seed {SEED}"),
        }
    }
}

/// Places of recordings that stay together, in a drawn order: those of one person, where every
/// file names one; else each for itself, class by class.
fn groups(name: Name, recordings: &[Recording]) -> (Vec<Vec<usize>>, By) {
    let person = name.set().person.as_ref();
    let of = |recording: &Recording| {
        let file = recording.source.path()?.file_name()?.to_str()?;
        (person?.of)(file).map(str::to_owned)
    };
    // beside files that name a person, one that names none is a person of its own
    let known: Vec<Option<String>> = recordings.iter().map(of).collect();
    let alone = |recording: &Recording| recording.source.path().map(|p| p.display().to_string());
    let people: Option<Vec<String>> = match known.iter().any(Option::is_some) {
        true => {
            let each = known.into_iter().zip(recordings);
            each.map(|(person, recording)| person.or_else(|| alone(recording))).collect()
        }
        false => None,
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    if let (Some(people), Some(person)) = (people, person) {
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, person) in people.into_iter().enumerate() {
            places.entry(person).or_default().push(place);
        }
        let mut drawn: Vec<(u64, Vec<usize>)> =
            places.into_values().map(|places| (rng.next_u64(), places)).collect();
        drawn.sort_unstable();
        return (drawn.into_iter().map(|(_, places)| places).collect(), By::Person(person.noun));
    }
    let mut drawn: Vec<(u32, u64, usize)> = Vec::with_capacity(recordings.len());
    for (place, recording) in recordings.iter().enumerate() {
        drawn.push((recording.label, rng.next_u64(), place));
    }
    drawn.sort_unstable();
    (drawn.into_iter().map(|(.., place)| vec![place]).collect(), By::Class)
}

/// Whether each recording is held out: of people as many as bring closest to so many recordings.
fn people_held_out(groups: &[Vec<usize>], wanted: f64) -> Vec<bool> {
    let mut held = vec![false; groups.iter().map(Vec::len).sum()];
    let mut count = 0;
    for places in groups {
        let before = (wanted - count as f64).abs();
        if ((wanted - (count + places.len()) as f64).abs()) < before {
            places.iter().for_each(|&place| held[place] = true);
            count += places.len();
        }
    }
    held
}

/// The same of a part of each class, at least one recording.
fn of_each_class(groups: &[Vec<usize>], recordings: &[Recording], part: f64) -> Vec<bool> {
    let mut held = vec![false; recordings.len()];
    let label = |group: &Vec<usize>| group.first().map(|&place| recordings[place].label);
    for of_class in groups.chunk_by(|a, b| label(a) == label(b)) {
        let count = ((part * of_class.len() as f64).round() as usize).max(1);
        of_class.iter().take(count).flatten().for_each(|&place| held[place] = true);
    }
    held
}

/// The fold of each recording, from 0. Single recordings are dealt in turn; people, who bring many,
/// each to the fold that has fewest, those with most recordings first.
fn dealt(groups: &[Vec<usize>], folds: usize, in_turn: bool) -> Vec<usize> {
    let mut places = vec![0; groups.iter().map(Vec::len).sum()];
    let mut counts = vec![0; folds];
    let mut order: Vec<&Vec<usize>> = groups.iter().collect();
    if !in_turn {
        order.sort_by_key(|group| Reverse(group.len()));
    }
    for (turn, group) in order.into_iter().enumerate() {
        let fewest = (0..folds).min_by_key(|&fold| counts[fold]).unwrap_or(0);
        let fold = if in_turn { turn % folds } else { fewest };
        counts[fold] += group.len();
        group.iter().for_each(|&place| places[place] = fold);
    }
    places
}

/// The recordings that are not marked, and those that are, in their order.
fn parted(all: &[Recording], marked: &[bool]) -> (Vec<Recording>, Vec<Recording>) {
    let (mut rest, mut part) = (Vec::new(), Vec::new());
    for (recording, &marked) in all.iter().zip(marked) {
        if marked { &mut part } else { &mut rest }.push(recording.clone());
    }
    (rest, part)
}

/// The first class that some part has and `train` has not.
fn missing(name: Name, train: &[Recording], parts: &[&[Recording]]) -> Option<&'static str> {
    let mut trained: HashMap<u32, bool> = HashMap::new();
    for recording in parts.iter().flat_map(|part| part.iter()) {
        trained.entry(recording.label).or_insert(false);
    }
    train.iter().for_each(|recording| _ = trained.insert(recording.label, true));
    let label =
        trained.into_iter().filter(|(_, trained)| !trained).map(|(label, _)| label).min()?;
    name.info().classes.get(label as usize).copied()
}
