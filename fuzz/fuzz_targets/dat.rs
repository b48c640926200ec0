#![no_main]

use events::formats::{Format, dat};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Dat, bytes, dat::decode));
