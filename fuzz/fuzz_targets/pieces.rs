#![no_main]

use events::formats::Format;

// the first byte says which format the rest is read as, or that its content tells
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((&which, bytes)) = bytes.split_first() {
        fuzz::read_in_pieces(Format::ALL.get(usize::from(which)).copied(), bytes);
    }
});
