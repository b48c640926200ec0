#![no_main]

use events::formats::Format;
use events::formats::aedat31::{self, Options, Slots};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for options in [Options::default(), Options { slots: Slots::Capacity, keep_invalid: false }] {
        fuzz::check(Format::Aedat31, bytes, |bytes| aedat31::decode(bytes, options));
    }
});
