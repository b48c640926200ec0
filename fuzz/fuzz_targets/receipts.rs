#![no_main]
//! Receipts: any bytes are a record or one sentence, in memory that the bytes bound, and a record
//! that passes has its place on the page.

use libfuzzer_sys::fuzz_target;
use report::page::{Receipt, Section, html};
use report::Record;
use std::path::Path;

/// JSON of one byte an item becomes a value of 32 bytes and more, in lists that grow by doubling.
const TIMES: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let parsed = fuzz::within(TIMES, bytes.len(), || Record::parse(Path::new("r"), bytes));
    let Ok(record) = parsed else { return };
    let section = Section {
        id: "r".into(),
        title: String::new(),
        lead: String::new(),
        command: String::new(),
        tables: vec![],
        figures: vec![],
        receipts: vec![Receipt { path: "r".into(), record }],
    };
    assert!(!html("r", "r", &[section]).contains("<script"));
});
