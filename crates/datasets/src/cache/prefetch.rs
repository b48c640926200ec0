use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use super::{Cache, Error};

/// Some samples in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Their indices in the cache.
    pub indices: Vec<usize>,
    /// Their labels.
    pub labels: Vec<u32>,
    /// Their values `[B, T, H, W, C]` as little-endian bytes of the cache's type.
    pub bytes: Vec<u8>,
}

/// Reads batches ahead: one thread keeps the order, workers of its own read the samples, at most
/// three batches wait.
///
/// The batches are the same for any number of workers. The first error comes in its place, and
/// nothing after it. Dropped, it stops after the batch that is being read.
pub struct Prefetch {
    batches: Option<Receiver<Result<Batch, Error>>>,
    feeder: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Samples in the given `order`, `batch` at a time, the last batch with what is left; read by
    /// `workers` threads, 0 for one a core.
    ///
    /// # Errors
    /// A batch of no samples, or a system that gives no threads.
    pub fn new(
        cache: Arc<Cache>,
        order: Vec<usize>,
        batch: usize,
        workers: usize,
    ) -> Result<Self, Error> {
        if batch == 0 {
            let (expected, advice) = ("batches of at least one sample", "ask for one or more");
            return Err(Error::Unfit { expected, found: "0".to_owned(), advice });
        }
        let no_threads = |found: String| Error::Unfit {
            expected: "threads",
            found,
            advice: "ask for fewer workers",
        };
        // not the global pool, in which the training step works
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|n| format!("prefetch {n}"))
            .build();
        let pool = pool.map_err(|error| no_threads(error.to_string()))?;
        let (sender, receiver) = sync_channel(3);
        let feeder = thread::Builder::new().name("prefetch".to_owned());
        let feeder = feeder.spawn(move || feed(&cache, &order, batch, &pool, &sender));
        let feeder = feeder.map_err(|error| no_threads(error.to_string()))?;
        Ok(Self { batches: Some(receiver), feeder: Some(feeder) })
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // the feeder's next batch then meets a closed channel
        self.batches = None;
        if let Some(feeder) = self.feeder.take() {
            let _ = feeder.join();
        }
    }
}

fn feed(
    cache: &Cache,
    order: &[usize],
    batch: usize,
    pool: &ThreadPool,
    sender: &SyncSender<Result<Batch, Error>>,
) {
    for indices in order.chunks(batch) {
        let read = pool.install(|| read(cache, indices));
        let failed = read.is_err();
        if sender.send(read).is_err() || failed {
            return;
        }
    }
}

fn read(cache: &Cache, indices: &[usize]) -> Result<Batch, Error> {
    let mut bytes = vec![0; indices.len() * cache.sample_bytes()];
    let samples = bytes.par_chunks_exact_mut(cache.sample_bytes()).zip(indices);
    // all results before the first error among them: which one is reported does not depend on the
    // workers
    let read: Vec<Result<(), Error>> =
        samples.map(|(bytes, &index)| cache.read_into(index, bytes)).collect();
    read.into_iter().collect::<Result<(), _>>()?;
    let labels = indices.iter().map(|&index| cache.labels()[index]).collect();
    Ok(Batch { indices: indices.to_vec(), labels, bytes })
}
