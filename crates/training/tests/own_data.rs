//! A data set of a user's own: one type with `Samples` in the user's own crate, and nothing of ours
//! changes. `examples/own-data` is that crate.
#![allow(clippy::unwrap_used)]

#[path = "../../../examples/own-data/src/main.rs"]
#[allow(dead_code)]
mod own_data;

use own_data::{Mine, train_on};

#[test]
fn it_trains_like_ours() {
    let folder = tempfile::tempdir().unwrap();
    Mine::draw(folder.path(), 16).unwrap();
    let history = train_on(&Mine::find(folder.path()).unwrap()).unwrap();
    assert_eq!(history.epochs.last().unwrap().test.accuracy_percent(), 100.0);
}

#[test]
fn a_sample_that_cannot_be_read_ends_the_run_with_its_own_sentence() {
    let folder = tempfile::tempdir().unwrap();
    Mine::draw(folder.path(), 16).unwrap();
    let mine = Mine::find(folder.path()).unwrap();
    std::fs::write(&mine.files[3].0, [0; 63]).unwrap();
    let refused = train_on(&mine).unwrap_err();
    let error = refused.downcast_ref().unwrap();
    assert!(matches!(error, training::Error::Sample(_)), "{refused}");
    assert!(refused.to_string().contains("63"), "{refused}");
}
