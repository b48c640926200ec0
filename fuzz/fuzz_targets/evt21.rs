#![no_main]

use events::formats::{Format, evt21};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Evt21, bytes, evt21::decode));
