#![no_main]

use events::formats::aedat31;

libfuzzer_sys::fuzz_target!(|csv: &[u8]| {
    if let Ok(trials) = fuzz::within(4, csv.len(), || aedat31::trials(csv)) {
        assert!(
            trials
                .iter()
                .all(|trial| (1..=11).contains(&trial.class) && trial.start_us < trial.end_us)
        );
    }
});
