#![no_main]

use events::formats::{Format, evt2};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Evt2, bytes, evt2::decode));
