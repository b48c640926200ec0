#![no_main]

use events::formats::{self, Format};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // telling formats apart takes no room beyond a sentence
    if let Ok(format) = fuzz::within(0, bytes.len(), || formats::detect(bytes)) {
        // 3 times while the bytes are read and moved, or the bytes and their events
        let times = match format {
            Format::Evt3 => 79,
            Format::Evt21 => 53,
            _ => 5,
        };
        if let Ok(columns) = fuzz::within(times, bytes.len(), || formats::read(format, bytes)) {
            fuzz::summarise(format, bytes, &columns);
        }
    }
});
