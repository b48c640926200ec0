#![no_main]

/// The file itself, which needs nothing but `sentence`: the crate around it would bring a web
/// client and HDF5 into every target.
#[path = "../../crates/datasets/src/lists.rs"]
#[allow(dead_code)]
mod lists;

use lists::{Entry, entries, is_file_name, labelled, repeats};

/// An entry for each name, and a copy of each text.
const TIMES: usize = 64;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let fits = |name: &str| is_file_name(name.strip_prefix("yes/").unwrap_or(name), "wav");
    let clips = |name: &str| is_file_name(name, "bs2");
    if let Ok(found) = fuzz::within(TIMES, text.len(), || entries(text, fits)) {
        check(&found, text);
        assert!(found.iter().all(|entry| fits(&entry.name)));
        let said = repeats(&[("a", &found), ("b", &found)]);
        assert_eq!(said.is_some(), !found.is_empty());
    }
    if let Ok(found) = fuzz::within(TIMES, text.len(), || labelled(text, 11, clips)) {
        assert!(found.iter().all(|(entry, class)| clips(&entry.name) && (1..=11).contains(class)));
        let found: Vec<Entry> = found.into_iter().map(|(entry, _)| entry).collect();
        check(&found, text);
        let twice = (1..found.len()).any(|i| found[..i].iter().any(|e| e.name == found[i].name));
        assert_eq!(repeats(&[("a", &found)]).is_some(), twice);
    }
});

/// Every line that is not blank is an entry, and lines only grow: none was dropped in silence.
fn check(entries: &[Entry], text: &[u8]) {
    let ends = text.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(entries.windows(2).all(|pair| pair[0].line < pair[1].line));
    assert!(entries.iter().all(|entry| (1..=ends + 1).contains(&entry.line)));
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text).expect("taken as UTF-8");
    let lines = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).count();
    // a table's title is no entry
    assert!(entries.len() == lines || entries.len() + 1 == lines);
}
