//! Samples are what their recordings hold, whether they were counted or come from a cache, and what
//! cannot be one is refused in a sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

use datasets::cache::{Cache, Dtype, prepare};
use datasets::{
    Form, LoadError, Name, Recordings, Samples, Values, load, open, sample_counts, speech,
    synthetic,
};
use events::Framing;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a caller says who wants the cache.
const GO_ON: ControlFlow<()> = ControlFlow::Continue(());
const FOUR: Framing = Framing::Number { frames: 4 };

fn digits() -> Recordings {
    synthetic::recordings(Name::NMnist, 5, 3, 1)
}

/// The sizes and the values of sample `index`.
fn sample(samples: &dyn Samples, index: usize) -> ([usize; 4], Vec<f32>) {
    let values = samples.values(index).unwrap();
    let shape = values.shape();
    let values = match values {
        Values::Counts(grid) => grid.values().iter().map(|&v| f32::from(v)).collect(),
        Values::Bytes(grid) => grid.values().iter().map(|&v| f32::from(v)).collect(),
        Values::Features(grid) => grid.values().to_vec(),
    };
    ([shape.steps, shape.height, shape.width, shape.channels], values)
}

fn refusal(recordings: &Recordings, form: Form) -> LoadError {
    match load(recordings, form, None, &|| ()) {
        Ok(_) => panic!("{form:?} was loaded"),
        Err(error) => error,
    }
}

#[test]
fn frames_are_those_of_the_recordings_counted_or_from_a_cache() {
    let (recordings, calls) = (digits(), AtomicUsize::new(0));
    let count = || {
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let folder = tempfile::tempdir().unwrap();
    let counted = load(&recordings, Form::Frames(FOUR), Some(folder.path()), &count).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 8, "once a recording");
    assert!(Cache::of_recordings(folder.path(), &recordings, FOUR).unwrap().is_none());
    prepare(&recordings, FOUR, None, Dtype::U16, folder.path(), &mut |_| GO_ON).unwrap();
    let cached = load(&recordings, Form::Frames(FOUR), Some(folder.path()), &count).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 8, "nothing was decoded again");
    for (list, halves) in [
        (&recordings.train, [&counted.train, &cached.train]),
        (&recordings.test, [&counted.test, &cached.test]),
    ] {
        for half in halves {
            assert_eq!(half.len(), list.len());
            for (index, recording) in list.iter().enumerate() {
                let frames = FOUR.frames(&recording.events().unwrap()).unwrap();
                let values: Vec<f32> = frames.values().iter().map(|&v| f32::from(v)).collect();
                assert_eq!(sample(&**half, index), ([4, 34, 34, 2], values));
                assert_eq!(half.label(index), recording.label);
            }
        }
    }
}

#[test]
fn images_are_their_bytes() {
    let recordings = synthetic::recordings(Name::Cifar10, 12, 3, 0);
    let halves = load(&recordings, Form::Images, None, &|| panic!("nothing is decoded")).unwrap();
    assert_eq!((halves.train.len(), halves.test.len()), sample_counts(&recordings));
    let image = recordings.train[11].image().unwrap();
    let values: Vec<f32> = image.values().iter().map(|&v| f32::from(v)).collect();
    assert_eq!(sample(&*halves.train, 11), ([1, 32, 32, 3], values));
    assert_eq!(halves.train.label(11), 1);
}

#[test]
fn spectrograms_are_standardised_by_a_training_half_that_repeats_the_rare() {
    let mut recordings = synthetic::recordings(Name::SpeechCommands, 40, 2, 0);
    // of 35 words five twice, so 30 recordings are repeated
    let whole = load(&recordings, Form::Spectrograms, None, &|| ()).unwrap();
    assert_eq!((whole.train.len(), whole.test.len()), (70, 2));
    assert_eq!(sample_counts(&recordings), (70, 2));
    let maps: Vec<Vec<f32>> = (0..40).map(|index| sample(&*whole.train, index).1).collect();
    let (sum, n) = (maps.iter().flatten().sum::<f32>(), maps.concat().len());
    assert!((sum / n as f32).abs() < 1e-3, "mean {}", sum / n as f32);
    recordings.train.truncate(35);
    let windows = load(&recordings, Form::Chunks, None, &|| ()).unwrap();
    let whole = load(&recordings, Form::Spectrograms, None, &|| ()).unwrap();
    let Values::Features(map) = whole.test.values(1).unwrap() else { panic!("features") };
    let values = speech::chunks(&map).unwrap().values().to_vec();
    assert_eq!(sample(&*windows.test, 1).1, values);
}

#[test]
fn what_cannot_be_a_sample_is_refused_in_a_sentence() {
    let recordings = digits();
    assert_eq!(
        refusal(&recordings, Form::Images).to_string(),
        "n-mnist: expected images, found a data set of events; ask for events"
    );
    assert_eq!(
        refusal(&recordings, Form::Chunks).to_string(),
        "n-mnist: expected sounds, found a data set of events; ask for events"
    );
    let none = Form::Frames(Framing::Number { frames: 0 });
    assert_eq!(
        refusal(&recordings, none).to_string(),
        "synthetic recording 0: framing: expected at least one frame, found 0; ask for 1 or more"
    );
    let uneven = refusal(&recordings, Form::Frames(Framing::Duration { us: 1000 }));
    let sentence = uneven.to_string();
    assert!(matches!(uneven, LoadError::Unequal { .. }), "{sentence}");
    assert!(sentence.starts_with("synthetic recording "), "{sentence}");
    assert!(sentence.ends_with("frame by number or by time, not by duration"), "{sentence}");
}

#[test]
fn a_root_without_the_data_set_is_an_error_for_whoever_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |root: &Path| open(Name::Mnist, root).unwrap_err().to_string();
    let root = folder.path().display();
    assert_eq!(
        refused(folder.path()),
        format!(
            "{root}: expected MNIST in a folder \"mnist\", found none; \
             `data fetch mnist` brings it, or says how to get it"
        )
    );
    std::fs::create_dir(folder.path().join("mnist")).unwrap();
    std::fs::write(folder.path().join("mnist/notes.txt"), "").unwrap();
    let said = refused(folder.path());
    assert!(said.starts_with(&format!("{root}/mnist is not MNIST: expected the four")), "{said}");
    assert!(said.ends_with("; lay it out as published"), "{said}");
}
