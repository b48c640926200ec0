#![no_main]

use events::formats::{Format, evt3};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Evt3, bytes, evt3::decode));
