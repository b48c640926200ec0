//! The cache holds what direct framing gives, serves nothing else, and survives whatever happens to
//! its file.
// Long: what can happen to one file, one test each, on the same small recordings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    ops::{ControlFlow, Range},
    path::{Path, PathBuf},
    sync::Arc,
};

use datasets::{
    Found, Name, Recording, Recordings, Source,
    cache::{Batch, Cache, Dtype, Error, Items, Key, Prefetch, Prepared, Step, prepare, write},
    find, synthetic,
};
use events::{EmptyWindow, Framing, Grid, Shape, transforms::resize_nearest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a caller says who wants the cache.
const GO_ON: ControlFlow<()> = ControlFlow::Continue(());
const NUMBER: Framing = Framing::Number { frames: 16 };

fn digits() -> Recordings {
    synthetic::recordings(Name::NMnist, 40, 9, 5)
}

fn prepared(recordings: &Recordings, folder: &Path) -> Prepared {
    prepare(recordings, NUMBER, None, Dtype::U8, folder, &mut |_| GO_ON).unwrap()
}

/// A small cache in a folder of its own, and its bytes.
fn small() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let recordings = synthetic::recordings(Name::NMnist, 5, 2, 5);
    let path = prepare(
        &recordings,
        Framing::Number { frames: 4 },
        Some(12),
        Dtype::U8,
        folder.path(),
        &mut |_| GO_ON,
    )
    .unwrap()
    .cache
    .path()
    .to_owned();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn sentence(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

/// The real sample of N-MNIST, if it is here.
fn real() -> Option<Recordings> {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    match find(Name::NMnist, &shared.join("data")) {
        Ok(Found::Recordings(recordings)) => Some(recordings),
        _ => {
            eprintln!("skipped: no N-MNIST sample in {}", shared.join("data").display());
            None
        }
    }
}

fn equals_direct_framing(recordings: &Recordings, framing: Framing, side: Option<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let wide = prepare(recordings, framing, side, Dtype::U16, folder.path(), &mut |_| GO_ON)
        .unwrap()
        .cache;
    let narrow =
        prepare(recordings, framing, side, Dtype::U8, folder.path(), &mut |_| GO_ON).unwrap().cache;
    assert_eq!(
        (wide.train(), wide.len()),
        (0..recordings.train.len(), recordings.train.len() + recordings.test.len())
    );
    for (index, recording) in recordings.train.iter().chain(&recordings.test).enumerate() {
        let frames = framing.frames(&recording.events().unwrap()).unwrap();
        let frames = side.map(|side| resize_nearest(&frames, side, side)).unwrap_or(frames);
        assert_eq!(wide.read::<u16>(index).unwrap(), frames);
        let values: Vec<u16> =
            narrow.read::<u8>(index).unwrap().values().iter().map(|&count| count.into()).collect();
        assert_eq!(values, frames.values());
        assert_eq!(wide.labels()[index], recording.label);
    }
}

#[test]
fn synthetic_samples_equal_direct_framing() {
    equals_direct_framing(&digits(), NUMBER, None);
    let time = Framing::Time { frames: 5, empty_window: EmptyWindow::ZeroFrame };
    equals_direct_framing(&synthetic::recordings(Name::DvsGesture, 11, 3, 1), time, Some(64));
}

#[test]
fn real_samples_equal_direct_framing() {
    if let Some(mut recordings) = real() {
        recordings.train.truncate(150);
        equals_direct_framing(&recordings, NUMBER, None);
        equals_direct_framing(
            &recordings,
            Framing::Time { frames: 10, empty_window: EmptyWindow::Error },
            Some(17),
        );
    }
}

/// A folder laid out as DVS128 Gesture, whose files hold several cuts each.
fn gestures(root: &Path) -> Recordings {
    let folder = root.join("DvsGesture");
    fs::create_dir_all(&folder).unwrap();
    for (file, list) in
        [("user01_led", "trials_to_train.txt"), ("user24_led", "trials_to_test.txt")]
    {
        fs::write(folder.join(list), format!("{file}.aedat\n")).unwrap();
        // cuts that overlap, that leave gaps, and that come out of order
        let csv = "class,startTime_usec,endTime_usec\n1,100,400\n2,350,700\n11,900,1000\n2,0,100\n";
        fs::write(folder.join(format!("{file}_labels.csv")), csv).unwrap();
        fs::write(
            folder.join(format!("{file}.aedat")),
            aedat31(&mut ChaCha8Rng::seed_from_u64(7), 1000),
        )
        .unwrap();
    }
    let Found::Recordings(recordings) = find(Name::DvsGesture, root).unwrap() else {
        panic!("{}", root.display())
    };
    recordings
}

fn aedat31(rng: &mut ChaCha8Rng, events: u32) -> Vec<u8> {
    let mut bytes =
        b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n".to_vec();
    bytes.extend([1, 0, 1, 0]);
    for field in [8, 4, 0, events, events, events] {
        bytes.extend(u32::to_le_bytes(field));
    }
    for event in 0..events {
        let (x, y, on) =
            (rng.random_range(0..128), rng.random_range(0..128), rng.random_range(0..2));
        // now and then a step back in time
        let t_us = if event % 50 == 49 { event - 20 } else { event };
        bytes.extend(u32::to_le_bytes(x << 17 | y << 2 | on << 1 | 1));
        bytes.extend(t_us.to_le_bytes());
    }
    bytes
}

#[test]
fn cuts_of_one_file_equal_direct_framing() {
    let root = tempfile::tempdir().unwrap();
    let recordings = gestures(root.path());
    assert_eq!((recordings.train.len(), recordings.test.len()), (4, 4));
    equals_direct_framing(&recordings, Framing::Number { frames: 3 }, None);
}

#[test]
fn features_and_images_are_kept_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { steps: 1, height: 5, width: 7, channels: 3 };
    let value = |index: usize, at: usize| (index * 1000 + at) as f32 / 3.0 - 90.0;
    let make = |group: Range<usize>| {
        group
            .map(|index| {
                Ok(Grid::new(shape, (0..105).map(|at| value(index, at)).collect()).unwrap())
            })
            .collect()
    };
    let groups: Vec<Range<usize>> = (0..70).map(|index| index..index + 1).collect();
    let labels: Vec<u32> = (0..70).map(|index| index % 35).collect();
    let items = Items { labels: &labels, train: 70, groups: &groups };
    let mut key = Key::of_recordings(&digits(), NUMBER, None, Dtype::F32);
    key.data_set = "speech".to_owned();
    let cache = write::<f32>(folder.path(), &key, items, &make, &mut |_| GO_ON).unwrap().cache;
    for index in [0, 31, 32, 69] {
        let expected: Vec<f32> = (0..105).map(|at| value(index, at)).collect();
        assert_eq!(cache.read::<f32>(index).unwrap().into_values(), expected);
    }
    assert_eq!((cache.train(), cache.test(), cache.dtype()), (0..70, 70..70, Dtype::F32));
    assert!(
        sentence(&cache.read::<u16>(0).unwrap_err())
            .contains("expected samples of 420 bytes of f32, found u16 asked")
    );
    assert!(
        sentence(&cache.read::<f32>(70).unwrap_err())
            .contains("expected a sample below 70, found 70")
    );
    assert!(
        sentence(&cache.read_into(0, &mut [0; 9]).unwrap_err()).contains("found 9 bytes asked for")
    );
}

#[test]
fn the_file_is_the_same_every_time_and_for_any_number_of_threads() {
    let recordings = digits();
    let bytes = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let cache = pool.install(|| prepared(&recordings, folder.path())).cache;
        assert_eq!(names(folder.path()), [cache.key().file_name()]);
        fs::read(cache.path()).unwrap()
    };
    let first = bytes(1);
    assert!(first == bytes(1) && first == bytes(3));
}

#[test]
fn a_second_call_finds_the_cache_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = prepared(&digits(), folder.path());
    let written = fs::metadata(first.cache.path()).unwrap().modified().unwrap();
    let second = prepared(&digits(), folder.path());
    assert!(!first.was_there && second.was_there);
    assert_eq!(fs::metadata(second.cache.path()).unwrap().modified().unwrap(), written);
}

#[test]
fn every_part_of_the_key_changes_the_name() {
    let recordings = digits();
    let key = Key::of_recordings(&recordings, NUMBER, None, Dtype::U8);
    let mut others = vec![
        Key::of_recordings(&recordings, Framing::Number { frames: 15 }, None, Dtype::U8),
        Key::of_recordings(&recordings, Framing::Duration { us: 16 }, None, Dtype::U8),
        Key::of_recordings(&recordings, NUMBER, Some(34), Dtype::U8),
        Key::of_recordings(&recordings, NUMBER, Some(33), Dtype::U8),
        Key::of_recordings(&recordings, NUMBER, None, Dtype::U16),
    ];
    for empty_window in [EmptyWindow::Error, EmptyWindow::ZeroFrame] {
        others.push(Key::of_recordings(
            &recordings,
            Framing::Time { frames: 16, empty_window },
            None,
            Dtype::U8,
        ));
    }
    let change = |change: &dyn Fn(&mut Recordings)| {
        let mut changed = recordings.clone();
        change(&mut changed);
        Key::of_recordings(&changed, NUMBER, None, Dtype::U8)
    };
    others.push(change(&|changed| changed.manifest_sha256 = "0".repeat(64)));
    others.push(change(&|changed| changed.name = Name::Cifar10Dvs));
    others.push(change(&|changed| changed.train[3].label = 9));
    others.push(change(&|changed| changed.train.swap(0, 1)));
    others.push(change(&|changed| drop(changed.train.pop())));
    others.push(change(&|changed| changed.test.insert(0, changed.train[39].clone())));
    others.push(change(&|changed| changed.train[0].source = Source::File("a/b/1.bin".into())));
    others.push(change(&|changed| changed.train[0].source = Source::File("a/c/1.bin".into())));
    let cut = |start_us, end_us| Source::Cut {
        path: "a/b.aedat".into(),
        start_us,
        end_us,
        occurrence: 0,
    };
    others.push(change(&|changed| changed.train[0].source = cut(1, 20)));
    others.push(change(&|changed| changed.train[0].source = cut(12, 0)));
    for version in key.versions.keys() {
        let mut other = key.clone();
        *other.versions.get_mut(version).unwrap() += 1;
        others.push(other);
    }
    assert!(key.versions.len() == 3);
    let mut named: BTreeMap<String, &Key> = BTreeMap::new();
    for other in others.iter().chain([&key]) {
        assert_eq!(other.file_name().len(), other.data_set.len() + "-.h5".len() + 64);
        if let Some(same) = named.insert(other.file_name(), other) {
            panic!("{same:?} and {other:?} have one name");
        }
    }
    // where the data lie is no part of it
    let moved = |root: &str| {
        change(&|changed| changed.train[0].source = Source::File(format!("{root}/b/1.bin").into()))
    };
    assert_eq!(moved("/x").file_name(), moved("/y/z").file_name());
}

#[test]
fn what_another_version_made_is_never_served_and_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = digits();
    let key = Key::of_recordings(&recordings, NUMBER, None, Dtype::U8);
    let mut older = key.clone();
    *older.versions.get_mut("decoder").unwrap() -= 1;
    let zeros = |group: Range<usize>| {
        let shape = Shape { steps: 1, height: 1, width: 2, channels: 1 };
        group.map(|_| Ok(Grid::new(shape, vec![0_u8; 2]).unwrap())).collect()
    };
    let items = Items { labels: &[0], train: 1, groups: std::slice::from_ref(&(0..1)) };
    let old = write::<u8>(folder.path(), &older, items, &zeros, &mut |_| GO_ON).unwrap().cache;
    assert!(Cache::find(folder.path(), &key).unwrap().is_none());
    // even under the new one's name
    fs::rename(old.path(), folder.path().join(key.file_name())).unwrap();
    assert!(
        sentence(&Cache::find(folder.path(), &key).unwrap_err())
            .contains("expected the key of its name")
    );
    let mut replaced = 0;
    let report = &mut |step: Step| {
        replaced += u32::from(matches!(step, Step::Replaces(Error::Foreign { .. })));
        GO_ON
    };
    let new = prepare(&recordings, NUMBER, None, Dtype::U8, folder.path(), report).unwrap();
    assert!(!new.was_there && replaced == 1);
    assert_eq!(new.cache.key(), &key);
}

/// Whether a damaged file still gives what was written; an error is the other right answer.
fn unharmed(path: &Path, whole: &[(Vec<u8>, u32)], key: &Key) -> bool {
    let Ok(cache) = Cache::open(path) else { return false };
    let samples = |cache: &Cache| -> Result<Vec<(Vec<u8>, u32)>, Error> {
        (0..cache.len())
            .map(|index| Ok((cache.read::<u8>(index)?.into_values(), cache.labels()[index])))
            .collect()
    };
    let Ok(samples) = samples(&cache) else { return false };
    assert!(samples == whole && cache.key() == key && cache.train() == (0..5), "damage was served");
    true
}

fn contents(path: &Path) -> (Vec<(Vec<u8>, u32)>, Key) {
    let cache = Cache::open(path).unwrap();
    let sample = |index| (cache.read::<u8>(index).unwrap().into_values(), cache.labels()[index]);
    ((0..cache.len()).map(sample).collect(), cache.key().clone())
}

#[test]
fn a_flipped_bit_is_seen_or_harms_nothing() {
    let (_folder, path, bytes) = small();
    let (whole, key) = contents(&path);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut seen = 0;
    for _ in 0..2000 {
        let mut flipped = bytes.clone();
        flipped[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8);
        fs::write(&path, &flipped).unwrap();
        seen += u32::from(!unharmed(&path, &whole, &key));
    }
    eprintln!("{seen} of 2000 flips in {} bytes seen", bytes.len());
    // most of so small a file is room for more samples in the node of the index, which nobody reads
    assert!(seen > 500);
}

#[test]
fn a_truncated_file_is_refused_and_replaced() {
    let (folder, path, bytes) = small();
    let recordings = synthetic::recordings(Name::NMnist, 5, 2, 5);
    let cuts = (0..10).map(|tenth| bytes.len() * tenth / 10).chain([bytes.len() - 1]);
    for cut in cuts {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = sentence(&Cache::open(&path).unwrap_err());
        assert!(
            error.contains("expected a frame cache, found") && error.contains("by `data prepare`"),
            "{error}"
        );
        prepare(
            &recordings,
            Framing::Number { frames: 4 },
            Some(12),
            Dtype::U8,
            folder.path(),
            &mut |_| GO_ON,
        )
        .unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
    }
    fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert!(matches!(Cache::open(&path), Err(Error::Foreign { .. })));
    fs::write(&path, "not HDF5 at all").unwrap();
    assert!(matches!(Cache::open(&path), Err(Error::Foreign { .. })));
}

#[test]
fn a_sample_damaged_on_disk_is_named_and_replaced() {
    let (folder, path, bytes) = small();
    // the samples come first: their middle is in the first tenth of a file of this size at the
    // latest
    let (whole, key) = contents(&path);
    let damaged = (bytes.len() / 20..bytes.len()).find(|&at| {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        Cache::open(&path).is_ok() && !unharmed(&path, &whole, &key)
    });
    assert!(damaged.is_some());
    let error = Cache::open(&path).unwrap().verify().unwrap_err();
    assert!(
        sentence(&error).contains(": sample ") && error.to_string().contains("by `data prepare`"),
        "{error}"
    );
    let recordings = synthetic::recordings(Name::NMnist, 5, 2, 5);
    let mut replaced = String::new();
    let report = &mut |step: Step| {
        if let Step::Replaces(why) = step {
            replaced = why.to_string();
        }
        GO_ON
    };
    prepare(&recordings, Framing::Number { frames: 4 }, Some(12), Dtype::U8, folder.path(), report)
        .unwrap();
    assert_eq!(replaced, error.to_string());
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn what_cannot_be_cached_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut recordings = digits();
    let refused = |recordings: &Recordings, framing, dtype| {
        let error =
            prepare(recordings, framing, None, dtype, folder.path(), &mut |_| GO_ON).unwrap_err();
        assert!(names(folder.path()).is_empty(), "{error}");
        sentence(&error)
    };
    let duration = refused(&recordings, Framing::Duration { us: 10_000 }, Dtype::U8);
    assert!(
        duration.contains("found frames of 10000 µs each; frame by number or by time"),
        "{duration}"
    );
    assert!(refused(&recordings, NUMBER, Dtype::F32).contains("expected u8 or u16"));
    assert!(
        refused(&recordings, Framing::Number { frames: 0 }, Dtype::U8)
            .starts_with("synthetic recording 0: ")
    );
    let dense = folder.path().parent().unwrap().join(format!("{}-dense.bin", std::process::id()));
    fs::write(&dense, [1, 1, 0, 0, 0].repeat(300)).unwrap();
    recordings.train[33] =
        Recording { source: Source::File(dense.clone()), ..recordings.train[33].clone() };
    let count = refused(&recordings, Framing::Number { frames: 1 }, Dtype::U8);
    assert!(
        count.contains("expected counts up to 255 for u8, found 300; take u16")
            && count.contains("dense.bin"),
        "{count}"
    );
    fs::write(&dense, [0_u8; 7]).unwrap();
    assert!(refused(&recordings, NUMBER, Dtype::U8).contains("byte 5"));
    fs::remove_file(&dense).unwrap();
    recordings.train.clear();
    recordings.test.clear();
    assert!(refused(&recordings, NUMBER, Dtype::U8).contains("at least one sample"));
}

/// Samples around and above 65,535 bytes, and more of them than a node of the index holds, or a
/// node of nodes: 64, and 4,096.
#[test]
fn large_and_many_samples_are_read_back() {
    for (steps, side, count) in [
        (1, 255, 3),
        (1, 256, 3),
        (16, 128, 3),
        (32, 256, 2),
        (2, 4, 64),
        (2, 4, 65),
        (2, 4, 4_100),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { steps, height: side, width: side, channels: 2 };
        let value = |index: usize, at: usize| (index * 31 + at * 7 + at / 251) as u8;
        let bytes = shape.steps * side * side * 2;
        let sample = |index: usize| (0..bytes).map(|at| value(index, at)).collect::<Vec<u8>>();
        let make = |group: Range<usize>| {
            group.map(|index| Ok(Grid::new(shape, sample(index)).unwrap())).collect()
        };
        let groups: Vec<Range<usize>> = (0..count).map(|index| index..index + 1).collect();
        let labels: Vec<u32> = (0..count as u32).collect();
        let items = Items { labels: &labels, train: 2, groups: &groups };
        let key = Key::of_recordings(&digits(), NUMBER, None, Dtype::U8);
        let cache = write::<u8>(folder.path(), &key, items, &make, &mut |_| GO_ON).unwrap().cache;
        assert_eq!(
            (cache.len(), cache.sample_bytes(), cache.labels()),
            (count, bytes, &labels[..])
        );
        for index in (0..count).step_by(count.div_ceil(100)).chain([count - 1]) {
            assert!(cache.read::<u8>(index).unwrap().into_values() == sample(index), "{index}");
        }
        cache.verify().unwrap();
        // the library's own way to the values: by the index, as any reader of HDF5 goes
        let file = hdf5::File::open_streaming(cache.path()).unwrap();
        let frames = file.dataset("frames").unwrap();
        let sizes = [count, steps, side, side, 2].map(|size| size as u64);
        assert_eq!(frames.shape().unwrap(), sizes);
        if count * bytes < 10_000_000 {
            let all: Vec<u8> = (0..count).flat_map(sample).collect();
            assert!(frames.read_u8().unwrap() == all);
        }
    }
}

/// A file of layout 1: elements of an array type. h5py 3.16 could not open all of them.
#[test]
fn a_cache_of_an_older_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.h5");
    let base_type = Box::new(hdf5::make_u8_type());
    let element = hdf5::Datatype::Array { base_type, dimensions: vec![1, 2, 2, 1] };
    let mut builder = hdf5::FileBuilder::new();
    let frames = builder.create_dataset("frames");
    let unlimited = hdf5::MaxExtent::Unlimited;
    frames.with_dtype(element).with_shape(&[0]).with_maxshape(&[unlimited]).with_chunks(&[1]);
    builder.write(&path).unwrap();
    let said = sentence(&Cache::open(&path).unwrap_err());
    assert!(
        said.ends_with("found one of an older version of this program; make it anew by `data prepare`, which replaces the file"),
        "{said}"
    );
}

#[test]
fn samples_of_another_shape_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let make = |group: Range<usize>| {
        let shape = |index| Shape {
            steps: 1,
            height: 1,
            width: if index == 40 { 3 } else { 2 },
            channels: 1,
        };
        group
            .map(|index| Ok(Grid::new(shape(index), vec![1_u8; shape(index).width]).unwrap()))
            .collect()
    };
    let groups: Vec<Range<usize>> = (0..50).map(|index| index..index + 1).collect();
    let items = Items { labels: &[0; 50], train: 50, groups: &groups };
    let key = Key::of_recordings(&digits(), NUMBER, None, Dtype::U8);
    let error = write::<u8>(folder.path(), &key, items, &make, &mut |_| GO_ON).unwrap_err();
    assert!(
        sentence(&error).starts_with("sample 40: expected the shape [T, H, W, C] = [1, 1, 2, 1]"),
        "{error}"
    );
    assert!(names(folder.path()).is_empty());
    let gap = Items { groups: &groups[..49], ..items };
    assert!(matches!(
        write::<u8>(folder.path(), &key, gap, &make, &mut |_| GO_ON),
        Err(Error::Unfit { .. })
    ));
}

#[test]
fn a_source_that_changes_after_it_was_found_is_refused_and_leaves_nothing() {
    let (root, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let try_it = |recordings: &Recordings| {
        prepare(
            recordings,
            Framing::Number { frames: 2 },
            None,
            Dtype::U8,
            folder.path(),
            &mut |_| GO_ON,
        )
    };
    let found = gestures(root.path());
    let file = root.path().join("DvsGesture/user01_led.aedat");
    let first = fs::read(&file).unwrap();
    fs::write(&file, aedat31(&mut ChaCha8Rng::seed_from_u64(8), 1000)).unwrap();
    let error = try_it(&found).unwrap_err();
    assert!(
        sentence(&error)
            .ends_with("found one changed since; prepare again when nothing writes there"),
        "{error}"
    );
    assert!(names(folder.path()).is_empty());
    // the same files again, and what is found anew, are as good as ever
    fs::write(&file, first).unwrap();
    assert!(!try_it(&found).unwrap().was_there);
    fs::write(&file, aedat31(&mut ChaCha8Rng::seed_from_u64(8), 1000)).unwrap();
    let Found::Recordings(anew) = find(Name::DvsGesture, root.path()).unwrap() else {
        panic!("not found")
    };
    assert!(!try_it(&anew).unwrap().was_there);
}

#[test]
fn unfinished_files_go_although_the_cache_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let own = prepared(&digits(), folder.path()).cache.key().file_name();
    let other = format!("n-mnist-{}.partial", "a".repeat(64));
    for name in [&own.replace(".h5", ".partial"), &other] {
        fs::write(folder.path().join(name), "half a cache").unwrap();
    }
    assert!(prepared(&digits(), folder.path()).was_there);
    assert_eq!(names(folder.path()), [own]);
}

#[test]
fn the_unfinished_file_of_a_dead_process_is_removed_and_of_a_living_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    let hash = |digit: &str| digit.repeat(64);
    let write = |name: String| fs::write(at(name), "half a cache").unwrap();
    write(format!("n-mnist-{}.partial", hash("a")));
    write(format!("n-mnist-{}.partial", hash("b")));
    write("mine-of-no-cache.partial".to_owned());
    let alive = fs::File::create(at(format!("n-mnist-{}.lock", hash("b")))).unwrap();
    alive.lock().unwrap();
    let cache = prepared(&digits(), folder.path()).cache;
    let mut left = names(folder.path());
    left.sort();
    let mut expected = vec![
        cache.key().file_name(),
        "mine-of-no-cache.partial".to_owned(),
        format!("n-mnist-{}.partial", hash("b")),
        format!("n-mnist-{}.lock", hash("b")),
    ];
    expected.sort();
    assert_eq!(left, expected);
}

#[test]
fn threads_that_prepare_at_once_make_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = digits();
    let made: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..6).map(|_| scope.spawn(|| prepared(&recordings, folder.path()))).collect();
        threads.into_iter().map(|thread| usize::from(!thread.join().unwrap().was_there)).sum()
    });
    assert_eq!(made, 1);
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn prefetched_batches_are_the_same_for_any_number_of_workers() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Arc::new(prepared(&digits(), folder.path()).cache);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let order: Vec<usize> = (0..130).map(|_| rng.random_range(0..cache.len())).collect();
    let expected: Vec<Batch> = order
        .chunks(8)
        .map(|indices| {
            let bytes = indices
                .iter()
                .flat_map(|&index| cache.read::<u8>(index).unwrap().into_values())
                .collect();
            Batch {
                indices: indices.to_vec(),
                labels: indices.iter().map(|&index| cache.labels()[index]).collect(),
                bytes,
            }
        })
        .collect();
    for workers in [1, 2, 5] {
        let batches = Prefetch::new(cache.clone(), order.clone(), 8, workers).unwrap();
        assert!(batches.map(Result::unwrap).eq(expected.iter().cloned()));
    }
}

#[test]
fn a_prefetch_reports_an_error_in_its_place_and_stops_when_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Arc::new(prepared(&digits(), folder.path()).cache);
    let mut order: Vec<usize> = (0..40).collect();
    order[22] = 1000;
    order[23] = 2000;
    let batches: Vec<_> = Prefetch::new(cache.clone(), order, 5, 2).unwrap().collect();
    assert_eq!(batches.len(), 5);
    assert!(batches[..4].iter().all(Result::is_ok));
    assert!(matches!(batches[4], Err(Error::Index { index: 1000, .. })));
    let mut long = Prefetch::new(cache.clone(), vec![0; 10_000_000], 4, 2).unwrap();
    assert!(long.next().unwrap().is_ok());
    // returns after the batch in work, long before ten million samples; the cache is then nobody
    // else's
    drop(long);
    assert_eq!(Arc::strong_count(&cache), 1);
    assert!(matches!(Prefetch::new(cache, vec![0], 0, 1), Err(Error::Unfit { .. })));
}

/// Whoever is told may end it: while it waits, reads what is there, or writes.
#[test]
fn a_caller_who_ends_it_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = synthetic::recordings(Name::NMnist, 70, 5, 5);
    let ended = |at: &dyn Fn(&Step) -> bool| {
        let report = &mut |step: Step| match at(&step) {
            true => ControlFlow::Break(()),
            false => GO_ON,
        };
        let error = prepare(&recordings, NUMBER, None, Dtype::U8, folder.path(), report);
        assert!(matches!(error, Err(Error::Ended)), "{error:?}");
    };
    for samples in [32, 64, 75] {
        ended(&|step| matches!(step, Step::Done(done, _) if *done >= samples));
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
    let cache = prepared(&recordings, folder.path()).cache;
    let whole = fs::read(cache.path()).unwrap();
    ended(&|step| matches!(step, Step::Still));
    assert_eq!((names(folder.path()).len(), fs::read(cache.path()).unwrap()), (1, whole));
    // the lock of another one stays
    let lock = fs::File::create(cache.path().with_extension("lock")).unwrap();
    lock.lock().unwrap();
    for wait in [true, false] {
        ended(&|step| matches!((step, wait), (Step::Waits, true) | (Step::Still, false)));
        assert_eq!(names(folder.path()).len(), 2);
    }
}
