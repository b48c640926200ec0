#![no_main]

use events::formats::{Format, aedat2};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::Aedat2, bytes, aedat2::decode));
