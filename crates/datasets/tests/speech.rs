//! Speech Commands: the publisher's lists, splits by speaker, sounds that cannot be right, and the
//! front end against NumPy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{collections::HashSet, fs, path::Path};

use common::{found, recordings, shared, write};
use datasets::{
    Name, Origin, Recording, Recordings, Split, find_with,
    speech::{BandStatistics, LogMel, TEN_WORDS, chunks, direct, rebalance, rebalance_indices},
};
use events::{Grid, Shape};

/// A WAV file of one channel, with another rate or more channels where asked for.
fn wav(samples: &[i16], rate: u32, channels: u16) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let spec = hound::WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn speaker(recording: &Recording) -> String {
    let name = recording.source.path().unwrap().file_name().unwrap().to_str().unwrap();
    name.split("_nohash_").next().unwrap().to_owned()
}

#[test]
fn the_sample_is_split_by_speaker() {
    let Some(root) = shared("data") else { return };
    let set = found(Name::SpeechCommands, &root);
    assert_eq!(
        (set.origin, set.train.len() + set.test.len(), set.validation.len()),
        (Origin::Sample, 2_408, 0)
    );
    let note = "(every clip here is one of the publisher's test clips)";
    assert_eq!(
        set.split,
        format!("by speaker, seed 0: four of five speakers train, the rest test {note}")
    );
    let [train, test] =
        [&set.train, &set.test].map(|half| half.iter().map(speaker).collect::<HashSet<_>>());
    assert!(train.is_disjoint(&test));
    let share = test.len() as f64 / (train.len() + test.len()) as f64;
    assert!((0.14..0.26).contains(&share), "{share}");

    let ten = set.of_classes(&TEN_WORDS).unwrap();
    assert_eq!(ten.train.len() + ten.test.len(), 2_000);
    assert!(
        ten.split.ends_with("; only the classes down, go, left, no, off, on, right, stop, up, yes")
    );
    for word in TEN_WORDS {
        let of_word = |half: &[Recording]| {
            half.iter()
                .filter(|clip| Name::SpeechCommands.info().classes[clip.label as usize] == word)
                .count()
        };
        println!("{word}: {} train, {} test", of_word(&ten.train), of_word(&ten.test));
        assert!(of_word(&ten.train) >= 120 && of_word(&ten.test) >= 20, "{word}");
    }
    for clip in ten.train.iter().step_by(50) {
        assert_eq!(clip.waveform().unwrap().len(), 16_000);
    }
    assert!(
        ten.clone().of_classes(&["maybe"]).unwrap_err().to_string().ends_with("found \"maybe\"")
    );

    // the publisher's lists leave nothing to train on
    let published =
        find_with(Name::SpeechCommands, &root, Split::Published).unwrap_err().to_string();
    assert!(
        published.ends_with(
            "found no train recordings; unpack the data set again, or choose another split"
        ),
        "{published}"
    );
    let other = recordings(find_with(Name::SpeechCommands, &root, Split::BySpeaker(1)).unwrap());
    assert_eq!(other.manifest_sha256, ten.manifest_sha256);
    assert_ne!(other.test.len(), 0);
    let again = recordings(find_with(Name::SpeechCommands, &root, Split::BySpeaker(0)).unwrap());
    assert_eq!(again.of_classes(&TEN_WORDS).unwrap().test, ten.test);
}

/// The lists name clips of the 35 words only, and make the published sizes.
#[test]
fn the_lists_are_the_publishers() {
    let Some(folder) = shared("data/speech_commands_v0.02") else { return };
    let info = Name::SpeechCommands.info();
    let sizes =
        [("testing_list.txt", info.test), ("validation_list.txt", info.validation.unwrap())];
    for (list, size) in sizes {
        let text = fs::read_to_string(folder.join(list)).unwrap();
        assert_eq!(text.lines().count(), size, "{list}");
        let words: HashSet<&str> =
            text.lines().map(|line| line.split('/').next().unwrap()).collect();
        assert_eq!(words, info.classes.iter().copied().collect::<HashSet<_>>(), "{list}");
    }
}

/// The whole archive in small: words, lists, noise and hidden files.
fn archive(root: &Path) {
    let clip = wav(&[1; 16_000], 16_000, 1);
    for word in ["bed", "zero"] {
        for name in ["a_nohash_0.wav", "a_nohash_1.wav", "b_nohash_0.wav", "c_nohash_0.wav"] {
            write(root, &format!("speech_commands_v0.02/{word}/{name}"), &clip);
        }
    }
    write(root, "speech_commands_v0.02/_background_noise_/pink_noise.wav", &clip);
    write(root, "speech_commands_v0.02/.cache/x.wav", &clip);
    write(
        root,
        "speech_commands_v0.02/testing_list.txt",
        b"bed/b_nohash_0.wav\r\nzero/b_nohash_0.wav",
    );
    write(
        root,
        "speech_commands_v0.02/validation_list.txt",
        b"bed/c_nohash_0.wav\nzero/c_nohash_0.wav\nzero/absent.wav",
    );
}

#[test]
fn the_publishers_split_is_two_lists_and_the_rest() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    archive(root);
    let labels = |half: &[Recording]| {
        half.iter().map(|clip| (clip.label, speaker(clip))).collect::<Vec<_>>()
    };
    let of = |speaker: &str| vec![(1, speaker.to_owned()), (34, speaker.to_owned())];
    let set: Recordings = found(Name::SpeechCommands, root);
    assert_eq!(set.split, "publisher: testing_list.txt and validation_list.txt, the rest train");
    assert_eq!(
        (labels(&set.test), labels(&set.validation), set.train.len()),
        (of("b"), of("c"), 4)
    );
    assert!(labels(&set.train).iter().all(|(_, speaker)| speaker == "a"));
    // the root itself is the data set, and is not CIFAR10-DVS for its bird, cat and dog
    let inside = root.join("speech_commands_v0.02");
    write(root, "speech_commands_v0.02/cat/a_nohash_0.wav", &wav(&[], 16_000, 1));
    assert_eq!(found(Name::SpeechCommands, &inside).train.len(), 5);
    assert!(matches!(datasets::find(Name::Cifar10Dvs, &inside).unwrap(), datasets::Found::Absent));

    fs::remove_file(inside.join("validation_list.txt")).unwrap();
    let said = common::sentence(Name::SpeechCommands, root);
    assert!(said.ends_with("found only one of the two lists; unpack the data set again"), "{said}");
    archive(root);
    write(root, "speech_commands_v0.02/maybe/a_nohash_0.wav", b"");
    let said = common::sentence(Name::SpeechCommands, root);
    assert!(
        said.starts_with(
            "ROOT/speech_commands_v0.02/maybe: expected a folder named by a word (backward, "
        ),
        "{said}"
    );
}

#[test]
fn sounds_are_padded_cut_or_refused() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    archive(root);
    let clip = found(Name::SpeechCommands, root).train[0].clone();
    let path = clip.source.path().unwrap();
    let put = |bytes: &[u8]| fs::write(path, bytes).unwrap();
    let refused = || clip.waveform().unwrap_err().to_string();

    put(&wav(&[5; 11_001], 16_000, 1));
    let padded = clip.waveform().unwrap();
    let place = |wanted: i16| {
        (padded.iter().position(|&s| s == wanted), padded.iter().rposition(|&s| s == wanted))
    };
    assert_eq!((padded.len(), place(5)), (16_000, (Some(2_499), Some(13_499))));
    put(&wav(&(0..20_000).map(|i| i as i16).collect::<Vec<_>>(), 16_000, 1));
    assert_eq!(clip.waveform().unwrap(), (0..16_000).collect::<Vec<i16>>());
    put(&wav(&[], 16_000, 1));
    assert_eq!(clip.waveform().unwrap(), [0; 16_000]);

    put(&wav(&[5; 8_000], 8_000, 1));
    assert!(refused().ends_with(
        "a_nohash_0.wav: expected 1 channel, 16000 Hz, 16 bits (Int), found 1 channels, 8000 Hz, 16 bits (Int); convert it to that"
    ));
    put(&wav(&[5; 16_000], 16_000, 2));
    assert!(refused().contains("found 2 channels, 16000 Hz"));
    let whole = wav(&[5; 20_000], 16_000, 1);
    for cut in [0, 3, 11, 20, 43, 44 + 1_001, whole.len() - 1] {
        put(&whole[..cut]);
        assert!(
            refused().contains("expected a whole WAV file, found the error"),
            "{cut}: {}",
            refused()
        );
    }
    let mut lying = whole.clone();
    lying[40..44].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
    put(&lying);
    assert!(refused().contains("expected a whole WAV file"));
    for (i, byte) in (0..44).flat_map(|i| [0, 1, 0xff].map(|byte| (i, byte))) {
        let mut damaged = whole.clone();
        damaged[i] = byte;
        put(&damaged);
        // whatever comes out, it comes out
        assert!(clip.waveform().map_or(true, |samples| samples.len() == 16_000));
    }
    assert_eq!(
        clip.events().unwrap_err().to_string(),
        "speech-commands: expected events, found a data set of sounds; ask for sounds"
    );
}

/// The waveform of fixtures/log_mel.py.
fn fixture_waveform() -> Vec<i16> {
    let sample = |n: i64| {
        let chirp = (n * n / 4) % 65_536 - 32_768;
        let noise = (n * 1_103_515_245 + 12_345) % (1 << 31) / (1 << 16) % 2_001 - 1_000;
        if (4_000..12_000).contains(&n) { 0 } else { (chirp.div_euclid(4) + noise) as i16 }
    };
    (0..16_000).map(sample).collect()
}

#[test]
fn log_mel_equals_numpys() {
    let bytes = include_bytes!("fixtures/log_mel.f32");
    let expected: Vec<f32> =
        bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    let ours = LogMel::default().spectrogram(&fixture_waveform()).unwrap();
    let difference = |(ours, expected): (&f32, &f32)| (ours - expected).abs();
    let largest = ours.values().iter().zip(&expected).map(difference).fold(0.0, f32::max);
    println!("largest difference to NumPy: {largest:e}");
    assert!(largest < 1e-4, "{largest}");
    assert_eq!(expected.len(), 64 * 64);
    let short = LogMel::default().spectrogram(&[0; 15_999]).unwrap_err().to_string();
    assert_eq!(short, "log-mel spectrogram: expected 16000 samples, found 15999");
}

/// A spectrogram whose value at band m and frame i is `value(m, i)`.
fn spectrogram(value: impl Fn(usize, usize) -> f32) -> Grid<f32> {
    let values = (0..64 * 64).map(|i| value(i / 64, i % 64)).collect();
    Grid::new(Shape { steps: 1, height: 64, width: 64, channels: 1 }, values).unwrap()
}

#[test]
fn bands_are_standardised_by_train() {
    let train = [spectrogram(|m, i| (m + i) as f32), spectrogram(|m, i| (m * 2) as f32 - i as f32)];
    let statistics = BandStatistics::of(&train).unwrap();
    let standard: Vec<_> = train.iter().map(|one| statistics.standardise(one).unwrap()).collect();
    for m in 0..64 {
        let band =
            || standard.iter().flat_map(|one| &one.values()[m * 64..][..64]).map(|&v| f64::from(v));
        let mean = band().sum::<f64>() / 128.0;
        let variance = band().map(|v| (v - mean).powi(2)).sum::<f64>() / 128.0;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "band {m}: {mean}, {variance}");
    }
    let still = BandStatistics::of([&spectrogram(|m, _| m as f32)]).unwrap();
    assert_eq!((still.mean[5], still.deviation[5]), (5.0, 1.0));
    assert!(BandStatistics::of([]).is_err());
    let other =
        Grid::new(Shape { steps: 1, height: 2, width: 2, channels: 1 }, vec![0.0; 4]).unwrap();
    let said = statistics.standardise(&other).unwrap_err().to_string();
    assert_eq!(said, "spectrogram: expected [1, 64, 64, 1], found [1, 2, 2, 1]");
}

#[test]
fn encodings_put_every_frame_where_it_belongs() {
    let value = |m: usize, i: usize| (1 + m * 64 + i) as f32;
    let one = spectrogram(value);
    let repeated = direct(&one, 3).unwrap();
    assert_eq!(repeated.shape().steps, 3);
    assert!(repeated.values().chunks_exact(64 * 64).all(|step| step == one.values()));

    let chunked = chunks(&one).unwrap();
    assert_eq!(chunked.shape(), Shape { steps: 16, height: 64, width: 64, channels: 1 });
    for (place, &seen) in chunked.values().iter().enumerate() {
        let (t, m, c) = (place / 4096, place / 64 % 64, place % 64);
        let frame = (4 * t + c).checked_sub(30).filter(|&frame| frame < 64);
        assert_eq!(
            seen,
            frame.map_or(0.0, |frame| value(m, frame)),
            "step {t}, band {m}, column {c}"
        );
    }
}

#[test]
fn classes_are_balanced_by_repeats() {
    let all = datasets::synthetic::recordings(Name::NMnist, 33, 0, 1).train;
    let uneven: Vec<Recording> =
        all.iter().filter(|recording| recording.label != 4).cloned().collect();
    let balanced = rebalance(&uneven[1..], 3);
    assert_eq!(balanced[..uneven.len() - 1], uneven[1..]);
    for label in 0..10 {
        let of_class = balanced.iter().filter(|recording| recording.label == label).count();
        assert_eq!(of_class, if label == 4 { 0 } else { 4 });
    }
    assert!(balanced.iter().all(|recording| uneven.contains(recording)));
    assert_eq!(rebalance(&uneven[1..], 3), balanced);
    assert_ne!(rebalance(&uneven[1..], 4), balanced);
    assert!(rebalance(&[], 0).is_empty());
    assert_eq!(rebalance_indices(&[7, 5, 7, 7], 0), [0, 1, 2, 3, 1, 1]);
    let labels: Vec<u32> = uneven[1..].iter().map(|recording| recording.label).collect();
    let by_index: Vec<_> =
        rebalance_indices(&labels, 3).iter().map(|&index| uneven[1 + index].clone()).collect();
    assert_eq!(by_index, balanced);
}
