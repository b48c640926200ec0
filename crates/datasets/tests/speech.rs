//! Speech Commands: the publisher's lists, splits by speaker, sounds that cannot be right, and the
//! front end against NumPy.
// Long: one data set from list to spectrogram, on the same made clips.
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
    assert!(refused().contains("expected at least one sample, found none"), "{}", refused());

    put(&wav(&[5; 8_000], 8_000, 1));
    assert!(refused().ends_with(
        "a_nohash_0.wav: expected 1 channel, 16000 Hz, 16 bits, found 1 channel, 8000 Hz, 16 bits; convert it to that"
    ));
    put(&wav(&[5; 16_000], 16_000, 2));
    assert!(refused().contains("found 2 channels, 16000 Hz"));
    let whole = wav(&[5; 20_000], 16_000, 1);
    for cut in [0, 3, 11, 20, 43, 44 + 1_001, whole.len() - 1] {
        put(&whole[..cut]);
        let sentences =
            ["a WAV file, which begins", "a chunk at byte", "bytes of the chunk", "at least one"];
        let said = refused();
        assert!(
            sentences
                .iter()
                .any(|part| said.contains(&format!("expected {part}")) || said.contains(part)),
            "{cut}: {said}"
        );
    }
    let mut lying = whole.clone();
    lying[40..44].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
    put(&lying);
    assert!(refused().contains("expected 4294967294 bytes of the chunk \"data\" at byte 36"));
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

/// A chunk, padded to an even length.
fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let pad = &[0][..content.len() % 2];
    [&name[..], &(content.len() as u32).to_le_bytes(), content, pad].concat()
}

/// A clip in a root of its own, whose bytes can be changed.
struct OneClip {
    _root: tempfile::TempDir,
    clip: Recording,
}

impl OneClip {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        archive(root.path());
        let clip = found(Name::SpeechCommands, root.path()).train[0].clone();
        Self { _root: root, clip }
    }

    fn read(&self, bytes: &[u8]) -> Result<Vec<i16>, String> {
        fs::write(self.clip.source.path().unwrap(), bytes).unwrap();
        self.clip.waveform().map_err(|error| error.to_string())
    }
}

fn ramp() -> Vec<i16> {
    (0..16_000).map(|i| (i * 37 % 3_000) as i16 - 1_500).collect()
}

/// Chunks of even and odd length, of names that editors and recorders write, in every place.
#[test]
fn other_chunks_may_stand_anywhere() {
    let one = OneClip::new();
    let ramp = ramp();
    let note = b"INFOISFT\x05\0\0\0abcd\0";
    let chunks: Vec<Vec<u8>> = vec![
        vec![],
        chunk(b"LIST", note),
        chunk(b"LIST", &[note, &b"\0"[..]].concat()),
        chunk(b"fact", &16_000u32.to_le_bytes()),
        chunk(b"bext", &[b'x'; 603]),
        chunk(b"JUNK", &[]),
        chunk(b"PAD ", &[0; 1]),
        chunk(b"id3 ", &[1; 7]),
        [chunk(b"cue ", &[0; 3]), chunk(b"LIST", note), chunk(b"_PMX", b"<x/>!")].concat(),
    ];
    let mut read = 0;
    for before in &chunks {
        for behind in &chunks {
            let bytes = common::riff(&ramp, 32_000, before, behind);
            assert_eq!(one.read(&bytes).as_ref(), Ok(&ramp), "{}", before.escape_ascii());
            // without the pad of the last chunk, and with a length of RIFF that was never written
            if behind.ends_with(&[0]) || behind.ends_with(&[1]) {
                let cut = behind.len() - usize::from(behind.len() % 4 == 1);
                assert!(one.read(&common::riff(&ramp, 32_000, before, &behind[..cut])).is_ok());
            }
            for length in [0, u32::MAX, 36] {
                let mut bytes = bytes.clone();
                bytes[4..8].copy_from_slice(&length.to_le_bytes());
                assert_eq!(one.read(&bytes).as_ref(), Ok(&ramp), "{length}");
            }
            read += 1;
        }
    }
    assert_eq!(read, 81);
    // chunks in front of the format
    let plain = common::riff(&ramp, 32_000, b"", b"");
    let bytes = [&plain[..12], &chunk(b"JUNK", &[7; 29]), &plain[12..]].concat();
    assert_eq!(one.read(&bytes), Ok(ramp));
}

/// Those clips that hound reads too are the same samples there.
#[test]
fn samples_equal_hounds() {
    let one = OneClip::new();
    for before in [vec![], chunk(b"LIST", &[1; 18]), chunk(b"fact", &[0; 4])] {
        let bytes = common::riff(&ramp(), 32_000, &before, b"");
        let theirs = hound::WavReader::new(&bytes[..]).unwrap().into_samples::<i16>();
        assert_eq!(one.read(&bytes).unwrap(), theirs.map(Result::unwrap).collect::<Vec<_>>());
    }
    assert_eq!(one.read(&wav(&ramp(), 16_000, 1)), Ok(ramp()));
}

/// The extensible form of the same format, and one field of it changed.
#[test]
fn the_extensible_format_is_read_if_it_means_plain_samples() {
    let one = OneClip::new();
    let rest = b"\x10\0\x04\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";
    let extensible = |at: usize, value: u8| {
        let mut format = common::riff(&[], 0, b"", b"")[20..36].to_vec();
        format[..2].copy_from_slice(&[0xfe, 0xff]);
        format.extend([22, 0]);
        format.extend(rest);
        format[at] = value;
        let data: Vec<u8> = ramp().iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let body = [&b"WAVE"[..], &chunk(b"fmt ", &format), &chunk(b"data", &data)].concat();
        [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
    };
    assert_eq!(one.read(&extensible(0, 0xfe)), Ok(ramp()));
    // 3 is floating point; 12 bits that count; another identifier
    for (at, value) in [(24, 3), (18, 12), (39, 0x72), (24, 2)] {
        let said = one.read(&extensible(at, value)).unwrap_err();
        assert!(
            said.contains("expected plain samples (format 1), found the format 0xfffe"),
            "{said}"
        );
    }
}

/// What is no plain whole file is refused, each in its own words.
#[test]
fn what_riff_does_not_mean_is_refused() {
    let one = OneClip::new();
    let whole = common::riff(&ramp(), 32_000, b"", b"");
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let unpadded = common::riff(&ramp(), 32_000, &chunk(b"LIST", &[65; 17])[..25], b"");
    let inputs: Vec<(Vec<u8>, &str)> = vec![
        (with(0, b"RIFX"), "which begins with RIFF and WAVE, found \"RIFX"),
        (with(0, b"RF64"), "found \"RF64"),
        (with(8, b"AVI "), "found \"RIFF"),
        (with(0, b"OggS"), "found \"OggS"),
        (vec![0; 32_044], "found nothing but zeros"),
        (vec![], "found an empty file"),
        (with(12, b"frmt"), "expected a chunk \"fmt \", found none"),
        (with(36, b"dada"), "expected a chunk \"data\", found none"),
        (with(12, b"\0\0\0\0"), "expected the four letters of a chunk at byte 12"),
        (unpadded, "expected the four letters of a chunk"),
        (with(20, &[3, 0]), "found the format 0x0003"),
        (with(20, &[85, 0]), "found the format 0x0055"),
        (with(16, &14u32.to_le_bytes()), "expected"),
        (with(32, &[4, 0]), "found 1 channels, 16 bits and 4 bytes a block"),
        (with(34, &[12, 0]), "expected channels of whole bytes"),
        (with(22, &[0, 0]), "found 0 channels"),
        (with(40, &0u32.to_le_bytes()), "expected"),
        (with(40, &u32::MAX.to_le_bytes()), "expected 4294967295 bytes of the chunk \"data\""),
        (
            with(40, &32_001u32.to_le_bytes()),
            "expected 32001 bytes of the chunk \"data\" at byte 36, found 32000",
        ),
        (
            with(40, &31_999u32.to_le_bytes()),
            "expected whole samples of 2 bytes, found 31999 bytes",
        ),
        (common::riff(&ramp(), 32_000, b"", &chunk(b"data", &[1; 8])), "found a second \"data\""),
        (common::riff(&ramp(), 32_000, &whole[12..36], b""), "found a second \"fmt \""),
        (
            common::riff(&[0; 16_000], 32_000, b"", b""),
            "expected a sound, found 16000 samples, all of them 0",
        ),
        (whole[..whole.len() - 1].to_vec(), "expected 32000 bytes of the chunk"),
    ];
    for (bytes, sentence) in &inputs {
        let said = one.read(bytes).unwrap_err();
        assert!(said.contains(sentence), "{said} for {sentence}");
        assert!(said.contains("a_nohash_0.wav: expected ") && said.contains("; "), "{said}");
    }
    for cut in 0..whole.len() {
        if cut < 100 || cut % 997 == 0 {
            assert!(one.read(&whole[..cut]).is_err(), "{cut}");
        }
    }
}

#[test]
fn the_stored_case_of_an_odd_chunk_holds() {
    let Some(root) = shared("cases/18-riff-pad/root") else { return };
    assert_eq!(common::proof(Name::SpeechCommands, &root)[0], [""; 0]);
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
