#![no_main]

use events::formats::{Format, davis};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Davis, bytes, davis::decode));
