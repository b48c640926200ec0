//! What is held out of training, and folds: disjoint, whole, the same every time, and nobody on
//! both sides.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{aedat31, clip, found, nmnist, write};
use datasets::{Fold, Form, Name, Recording, Recordings, load, synthetic};
use events::Framing;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn digits() -> Recordings {
    synthetic::recordings(Name::NMnist, 100, 50, 0)
}

fn sources(recordings: &[Recording]) -> BTreeSet<String> {
    recordings.iter().map(|recording| format!("{:?}", recording.source)).collect()
}

fn classes(recordings: &[Recording]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    recordings.iter().for_each(|recording| *counts.entry(recording.label).or_insert(0) += 1);
    counts
}

#[test]
fn every_recording_is_tested_in_one_fold() {
    let whole = digits();
    let all: BTreeSet<String> = &sources(&whole.train) | &sources(&whole.test);
    let mut tested = Vec::new();
    for number in 1..=5 {
        let fold = whole.clone().fold(Fold { number, of: 5 }).unwrap();
        assert_eq!((fold.train.len(), fold.test.len()), (120, 30));
        assert_eq!(&sources(&fold.train) | &sources(&fold.test), all);
        assert!(classes(&fold.test).values().all(|&count| count == 3), "as many of each class");
        assert_eq!(fold.fold, Some(Fold { number, of: 5 }));
        let again = whole.clone().fold(Fold { number, of: 5 }).unwrap();
        assert_eq!(fold.test, again.test);
        tested.extend(sources(&fold.test));
    }
    tested.sort();
    assert_eq!(tested, all.into_iter().collect::<Vec<_>>());
}

#[test]
fn folds_say_the_same_of_themselves_but_their_number() {
    let split =
        |number| digits().fold(Fold { number, of: 3 }).unwrap().hold_out(0.2).unwrap().split;
    assert_eq!(split(1), split(3));
    let said = split(1);
    let rule = "; in its place 3 folds over train and test together, evenly from the classes, seed 0; \
                held out: 0.2 of train, evenly from the classes, seed 0";
    assert!(said.ends_with(rule), "{said}");
}

#[test]
fn a_part_of_each_class_is_held_out() {
    let whole = digits();
    let divided = whole.clone().hold_out(0.1).unwrap();
    assert_eq!((divided.train.len(), divided.held_out.len()), (90, 10));
    assert_eq!(classes(&divided.held_out).len(), 10);
    assert_eq!(&sources(&divided.train) | &sources(&divided.held_out), sources(&whole.train));
    assert_eq!(divided.test, whole.test);
    assert_ne!(divided.split, whole.split);
    // it becomes samples of its own
    let form = Form::Frames(Framing::Number { frames: 2 });
    let halves = load(&divided, form, None, &|| ()).unwrap();
    let held_out = halves.held_out.unwrap();
    assert_eq!((halves.train.len(), held_out.len(), halves.test.len()), (90, 10, 50));
    let labels: Vec<u32> = (0..10).map(|i| held_out.label(i)).collect();
    let expected: Vec<u32> = divided.held_out.iter().map(|recording| recording.label).collect();
    assert_eq!(labels, expected);
    assert!(load(&whole, form, None, &|| ()).unwrap().held_out.is_none());
}

fn person(recording: &Recording) -> String {
    let name = recording.source.path().unwrap().file_name().unwrap().to_str().unwrap();
    name.split('_').next().unwrap().to_owned()
}

fn people(recordings: &[Recording]) -> BTreeSet<String> {
    recordings.iter().map(person).collect()
}

/// Two words of eight speakers, of whom `listed` are in the publisher's validation list.
fn words(root: &Path, listed: &[&str]) -> Recordings {
    for speaker in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        for word in ["bed", "zero"] {
            for take in 0..2 {
                let file = format!("speech_commands_v0.02/{word}/{speaker}_nohash_{take}.wav");
                write(root, &file, &clip(i16::from(speaker.as_bytes()[0])));
            }
        }
    }
    let lines = |speakers: &[&str]| {
        let line = |speaker: &&str| {
            format!(
                "bed/{speaker}_nohash_0.wav\nbed/{speaker}_nohash_1.wav\nzero/{speaker}_nohash_0.wav\nzero/{speaker}_nohash_1.wav\n"
            )
        };
        speakers.iter().map(line).collect::<String>()
    };
    write(root, "speech_commands_v0.02/testing_list.txt", lines(&["h"]).as_bytes());
    write(root, "speech_commands_v0.02/validation_list.txt", lines(listed).as_bytes());
    found(Name::SpeechCommands, root)
}

#[test]
fn no_speaker_is_on_both_sides() {
    let root = tempfile::tempdir().unwrap();
    let whole = words(root.path(), &[]);
    let divided = whole.clone().hold_out(0.3).unwrap();
    assert_eq!((divided.train.len(), divided.held_out.len()), (20, 8), "two of seven speakers");
    assert!(people(&divided.train).is_disjoint(&people(&divided.held_out)));
    assert!(divided.split.ends_with("; held out: 0.3 of train, by speaker, seed 0"));
    let mut tested = 0;
    for number in 1..=4 {
        let fold = whole.clone().fold(Fold { number, of: 4 }).unwrap();
        assert!(people(&fold.train).is_disjoint(&people(&fold.test)));
        assert_eq!(people(&fold.test).len(), 2);
        tested += fold.test.len();
    }
    assert_eq!(tested, 32);
}

#[test]
fn the_publishers_validation_list_is_held_out() {
    let root = tempfile::tempdir().unwrap();
    let whole = words(root.path(), &["c"]);
    let divided = whole.clone().hold_out(0.5).unwrap();
    assert_eq!(people(&divided.held_out), BTreeSet::from(["c".to_owned()]));
    assert_eq!(divided.train, whole.train);
    assert!(divided.validation.is_empty());
    assert!(divided.split.ends_with("; held out: the publisher's validation list"));
    // folds are over all recordings, those of the list too
    let folds = (1..=2).map(|number| whole.clone().fold(Fold { number, of: 2 }).unwrap());
    assert_eq!(folds.map(|fold| fold.test.len()).sum::<usize>(), 32);
}

#[test]
fn no_subject_is_on_both_sides() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<String> = (1..=6).map(|user| format!("user0{user}_led")).collect();
    for name in &names {
        write(root.path(), &format!("DvsGesture/{name}.aedat"), &aedat31(1000));
        let rows = "class,startTime_usec,endTime_usec\n1,0,300000\n2,300000,900000\n";
        write(root.path(), &format!("DvsGesture/{name}_labels.csv"), rows.as_bytes());
    }
    let list =
        |names: &[String]| names.iter().map(|name| format!("{name}.aedat\n")).collect::<String>();
    write(root.path(), "DvsGesture/trials_to_train.txt", list(&names[..5]).as_bytes());
    write(root.path(), "DvsGesture/trials_to_test.txt", list(&names[5..]).as_bytes());
    let whole = found(Name::DvsGesture, root.path());
    let divided = whole.clone().hold_out(0.2).unwrap();
    assert_eq!((people(&divided.held_out).len(), people(&divided.train).len()), (1, 4));
    assert!(people(&divided.train).is_disjoint(&people(&divided.held_out)));
    let fold = whole.fold(Fold { number: 1, of: 3 }).unwrap();
    assert!(people(&fold.train).is_disjoint(&people(&fold.test)));
    assert!(fold.split.contains("by subject"), "{}", fold.split);
}

#[test]
fn what_cannot_be_divided_is_refused_in_a_sentence() {
    let root = tempfile::tempdir().unwrap();
    // clips without a split are train and test alike
    for class in 1..=2 {
        write(root.path(), &format!("DvsGesture/clips_bs2/{class}.bs2"), &nmnist(class, 100));
    }
    let rows = b"file,class,name\n1.bs2,1,hand clapping\n2.bs2,2,right hand wave\n";
    write(root.path(), "DvsGesture/clips_bs2/labels.csv", rows);
    let clips = found(Name::DvsGesture, root.path());
    let said = clips.clone().hold_out(0.1).unwrap_err().to_string();
    let expected = "DVS-Gesture: expected training recordings of which a part of 0.1 can be held out, found recordings that are \
                    trained on and tested on; ask for less, or leave it out";
    assert_eq!(said, expected);
    let said = clips.fold(Fold { number: 1, of: 2 }).unwrap_err().to_string();
    let expected = "DVS-Gesture: expected recordings for 2 folds, found all recordings of hand clapping in one of them; ask for less, \
                    or leave it out";
    assert_eq!(said, expected);
    let few = synthetic::recordings(Name::NMnist, 10, 10, 0);
    let said = few.clone().fold(Fold { number: 1, of: 30 }).unwrap_err().to_string();
    assert!(said.contains("found too few recordings, 20 in all"), "{said}");
    let said = few.hold_out(0.5).unwrap_err().to_string();
    assert!(said.contains("found no training recording left of 0"), "{said}");
}
