#![no_main]

use events::Columns;
use events::formats::Format;

// any columns at all, also such as no decoder returns: 13 bytes an event, of any sign and order
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut columns = Columns::default();
    for &[a, b, c, d, e, f, g, h, x, x_high, y, y_high, on] in bytes.as_chunks::<13>().0 {
        let (x, y) = (u16::from_le_bytes([x, x_high]), u16::from_le_bytes([y, y_high]));
        columns.push(i64::from_le_bytes([a, b, c, d, e, f, g, h]), x, y, on & 1 == 1);
    }
    fuzz::summarise(Format::NMnist, bytes, &columns);
    fuzz::follow(columns);
});
