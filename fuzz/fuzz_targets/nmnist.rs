#![no_main]

use events::formats::{Format, nmnist};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::check(Format::NMnist, bytes, nmnist::decode));
