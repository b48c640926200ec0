//! How fast samples come out of a cache:
//! `cargo run --release -p spikegrad-datasets --example cache_speed [-- FILE]` reads the recordings
//! in SPIKEGRAD_SHARED, else ../shared, and writes the numbers as JSON to FILE
//! (results/bench/cache.json).
//!
//! Numbers are decoded bytes a second over all samples in random order, the file being in the page
//! cache. Those of one thread are by its processor time, the mean of some passes, which other
//! programs on the machine disturb little; those of all threads are by the clock, the best pass,
//! and worth what the load on the machine lets them be. The reader stands beside a copy within
//! memory, beside plain reads of uncompressed samples, and beside codecs that were considered,
//! whose bytes lie in memory.
#![allow(clippy::unwrap_used)]

use std::{
    fs, hint::black_box, io::Read, os::unix::fs::FileExt, path::Path, sync::Arc, time::Instant,
};

use datasets::{
    Name, Recording, Recordings, Source,
    cache::{Cache, Dtype, Prefetch, prepare},
    synthetic,
};
use events::Framing;
use flate2::{Compression, Decompress, FlushDecompress, read::ZlibEncoder};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};

/// A measurement ends after so many seconds, or so many passes.
const SECONDS: f64 = 1.0;
const PASSES: usize = 15;

fn main() {
    let shared = std::env::var_os("SPIKEGRAD_SHARED").unwrap_or_else(|| "../shared".into());
    let data = Path::new(&shared).join("data");
    if !data.is_dir() {
        terminal::say!("skipped: no recordings in {}", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        ("N-MNIST, 16x34x34x2", digits(&data), 1),
        ("gesture clips, 16x128x128x2", gestures(&data, folder.path()), 16),
    ];
    let there = |(what, recordings, _): &&(&str, Recordings, usize)| {
        let there = !recordings.train.is_empty();
        if !there {
            terminal::say!("skipped: no recordings for {what} in {}", data.display());
        }
        there
    };
    let sets: Vec<Value> = sets
        .iter()
        .filter(there)
        .map(|(what, recordings, repeats)| set(what, recordings, *repeats))
        .collect();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, name)| name);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let threads = rayon::current_num_threads();
    let all = json!({ "cpu": cpu, "threads": threads, "load_at_the_end": load.trim(), "unit": "decoded GB/s", "sets": sets });
    let text = serde_json::to_string_pretty(&all).unwrap() + "\n";
    terminal::print(&text).unwrap();
    if let Some(file) = std::env::args_os().nth(1) {
        fs::write(file, text).unwrap();
    }
}

/// The stand-in's fields around other recordings: nothing here looks at them.
fn recordings(name: Name, train: Vec<Recording>) -> Recordings {
    let mut recordings = synthetic::recordings(name, 1, 1, 0);
    recordings.train = train;
    recordings.test.clear();
    recordings
}

fn digits(data: &Path) -> Recordings {
    match datasets::find(Name::NMnist, data).unwrap() {
        datasets::Found::Recordings(found) => {
            recordings(Name::NMnist, [found.train, found.test].concat())
        }
        _ => recordings(Name::NMnist, vec![]),
    }
}

fn set(what: &str, recordings: &Recordings, repeats: usize) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let framing = Framing::Number { frames: 16 };
    let cache = prepare(recordings, framing, None, Dtype::U8, folder.path(), &mut |_| {
        std::ops::ControlFlow::Continue(())
    })
    .unwrap()
    .cache;
    let seconds = start.elapsed().as_secs_f64();
    let cache = Arc::new(cache);
    let mut order: Vec<usize> = (0..repeats).flat_map(|_| 0..cache.len()).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
    let samples: Vec<Vec<u8>> =
        (0..cache.len()).map(|index| cache.read::<u8>(index).unwrap().into_values()).collect();
    let all = samples.concat();
    let filled = all.iter().filter(|&&value| value != 0).count();
    json!({
        "set": what,
        "samples": cache.len(),
        "sample_bytes": cache.sample_bytes(),
        "nonzero_percent": round(100.0 * filled as f64 / all.len() as f64),
        "file_bytes": cache.path().metadata().unwrap().len(),
        "prepare_seconds": round(seconds),
        "memory_copy": both(&samples, &order, |index, bytes| bytes.copy_from_slice(&samples[index])),
        "uncompressed_read": uncompressed(folder.path(), &samples, &order),
        "cache_read": both(&samples, &order, |index, bytes| cache.read_into(index, bytes).unwrap()),
        "cache_prefetch_batches_of_32": prefetch(&cache, &order),
        "codecs": codecs(&samples, &order),
    })
}

/// Bytes a second of `read` over all samples in `order`, by one thread and by one for each core.
fn both(samples: &[Vec<u8>], order: &[usize], read: impl Fn(usize, &mut [u8]) + Sync) -> Value {
    let bytes = samples[0].len();
    let parallel = best(order.len() * bytes, || {
        order.par_iter().with_min_len(8).for_each_init(
            || vec![0; bytes],
            |into, &index| {
                read(index, into);
                black_box(&into);
            },
        );
    });
    json!({ "one_thread": serial(samples, order, read), "all_threads": parallel })
}

fn serial(samples: &[Vec<u8>], order: &[usize], read: impl Fn(usize, &mut [u8])) -> Value {
    let mut into = vec![0; samples[0].len()];
    mean(order.len() * into.len(), || {
        for &index in order {
            read(index, &mut into);
            black_box(&into);
        }
    })
}

/// Seconds on the clock.
fn clock() -> f64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// Seconds that this thread has had a processor (Linux).
fn processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn uncompressed(folder: &Path, samples: &[Vec<u8>], order: &[usize]) -> Value {
    let path = folder.join("uncompressed");
    fs::write(&path, samples.concat()).unwrap();
    let file = fs::File::open(&path).unwrap();
    both(samples, order, |index, bytes| {
        file.read_exact_at(bytes, (index * bytes.len()) as u64).unwrap()
    })
}

fn prefetch(cache: &Arc<Cache>, order: &[usize]) -> Value {
    best(order.len() * cache.sample_bytes(), || {
        for batch in Prefetch::new(cache.clone(), order.to_vec(), 32, 0).unwrap() {
            black_box(batch.unwrap());
        }
    })
}

/// Deflate at several levels, of u8, of u16, and of values packed in 4 bits.
fn codecs(samples: &[Vec<u8>], order: &[usize]) -> Value {
    let wide: Vec<Vec<u8>> = samples
        .iter()
        .map(|sample| sample.iter().flat_map(|&count| [count, 0]).collect())
        .collect();
    let halves = |pair: &[u8]| pair[0].min(15) << 4 | pair[1].min(15);
    let packed: Vec<Vec<u8>> =
        samples.iter().map(|sample| sample.chunks_exact(2).map(halves).collect()).collect();
    let forms = [
        ("u8", samples, &[1, 4, 6, 9][..]),
        ("u16", &wide, &[4]),
        ("u8 in 4 bits, still packed", &packed, &[4]),
    ];
    let rows = forms.iter().flat_map(|(form, samples, levels)| {
        levels.iter().map(|&level| codec(form, samples, level, order))
    });
    rows.collect()
}

fn codec(form: &str, samples: &[Vec<u8>], level: u32, order: &[usize]) -> Value {
    let deflate = |sample: &Vec<u8>| {
        let mut deflated = Vec::new();
        ZlibEncoder::new(&sample[..], Compression::new(level)).read_to_end(&mut deflated).unwrap();
        deflated
    };
    let bytes: usize = samples.iter().map(Vec::len).sum();
    let start = processor();
    let deflated: Vec<Vec<u8>> = samples.iter().map(deflate).collect();
    let writing = bytes as f64 / (processor() - start) / 1e9;
    let ratio = bytes as f64 / deflated.iter().map(Vec::len).sum::<usize>() as f64;
    let with = |zlib: bool| {
        let inflate = std::cell::RefCell::new(Decompress::new(zlib));
        serial(samples, order, |index, into| {
            let mut inflate = inflate.borrow_mut();
            inflate.reset(zlib);
            let stored = if zlib { &deflated[index][..] } else { &deflated[index][2..] };
            inflate.decompress(stored, into, FlushDecompress::Finish).unwrap();
        })
    };
    json!({ "form": form, "deflate_level": level, "ratio": round(ratio), "writing": round(writing),
        "inflate": with(false), "inflate_and_adler32": with(true) })
}

fn best(bytes: usize, pass: impl FnMut()) -> Value {
    let seconds = passes(clock, pass).into_iter().fold(f64::MAX, f64::min);
    json!(round(bytes as f64 / seconds / 1e9))
}

/// The mean, since the system counts processor time in ticks of some milliseconds.
fn mean(bytes: usize, pass: impl FnMut()) -> Value {
    let seconds = passes(processor, pass);
    json!(round(bytes as f64 * seconds.len() as f64 / seconds.iter().sum::<f64>() / 1e9))
}

fn passes(now: fn() -> f64, mut pass: impl FnMut()) -> Vec<f64> {
    let begin = clock();
    let mut seconds = Vec::new();
    while seconds.len() < PASSES && (seconds.is_empty() || clock() - begin < SECONDS) {
        let start = now();
        pass();
        seconds.push(now() - start);
    }
    seconds
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The clips are in the format of N-MNIST; as gestures they are cuts of AEDAT 3.1 files, so they
/// are written as such.
fn gestures(data: &Path, folder: &Path) -> Recordings {
    let clips = (1..=10)
        .map(|clip| data.join(format!("dvs128_gesture/clips_bs2/{clip}.bs2")))
        .filter(|path| path.is_file());
    let clip = |path: std::path::PathBuf| {
        let columns = events::formats::nmnist::decode(&fs::read(&path).unwrap()).unwrap();
        let mut bytes = b"#!AER-DAT3.1\r\n#!END-HEADER\r\n".to_vec();
        let count = columns.t_us.len() as u32;
        bytes.extend([1, 0, 1, 0]);
        bytes.extend([8, 4, 0, count, count, count].into_iter().flat_map(u32::to_le_bytes));
        for i in 0..columns.t_us.len() {
            let [x, y, on] = [columns.x[i].into(), columns.y[i].into(), u32::from(columns.on[i])];
            bytes.extend(
                [x << 17 | y << 2 | on << 1 | 1, columns.t_us[i] as u32]
                    .into_iter()
                    .flat_map(u32::to_le_bytes),
            );
        }
        let aedat = folder.join(path.file_name().unwrap()).with_extension("aedat");
        fs::write(&aedat, bytes).unwrap();
        Recording { name: Name::DvsGesture, label: 0, source: Source::File(aedat) }
    };
    recordings(Name::DvsGesture, clips.map(clip).collect())
}
