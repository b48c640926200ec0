use crate::{Error, Refusal, Set, Setup, Values, stream};
use candle_core::{Device, Tensor};
use events::{Grid, Shape, transforms};
use models::Frames;
use rand_chacha::rand_core::RngCore;
use rayon::prelude::*;
use std::sync::mpsc;

/// The order in which epoch `epoch` visits `n` samples: Fisher–Yates on the stream of (seed,
/// epoch).
pub(crate) fn order(n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = stream(seed, &format!("order of epoch {epoch}"));
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        // The bias of a remainder of 64 random bits is below 2⁻⁴⁰ for any n that fits a memory.
        order.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
    order
}

/// A batch in the order of its axes `[T, B, H, W, C]`, not yet on a device.
pub(crate) struct Batch {
    /// Of still images one step, which stands for all.
    values: Vec<f32>,
    /// The same as bytes, if they were asked for and every value is one.
    bytes: Option<Vec<u8>>,
    steps: usize,
    /// B, H, W, C.
    shape: [usize; 4],
    still: bool,
    pub labels: Vec<u32>,
}

impl Batch {
    /// The batch on its device, every step of it.
    pub fn into_tensor(self, device: &Device) -> candle_core::Result<Tensor> {
        let [b, h, w, c] = self.shape;
        let values = if self.still { self.values.repeat(self.steps) } else { self.values };
        Tensor::from_vec(values, (self.steps, b, h, w, c), device)
    }

    /// The batch for a pass without tensors.
    pub fn frames(&self) -> Frames<'_> {
        let bytes = self.bytes.as_deref();
        Frames {
            values: &self.values,
            bytes,
            steps: self.steps,
            shape: self.shape,
            still: self.still,
        }
    }

    /// The samples `indices`.
    pub fn gather(how: Gathering, indices: &[usize]) -> Result<Self, Refusal> {
        let Gathering { set, setup, epoch, bytes } = how;
        let prepared: Vec<Result<Floats, Refusal>> =
            indices.par_iter().map(|&i| Floats::of(set, i, setup, epoch)).collect();
        // of several errors the first in order, whatever the threads did
        let samples: Vec<Floats> = prepared.into_iter().collect::<Result<_, _>>()?;
        let Some(shape) = samples.first().map(|s| s.shape) else {
            return Err("a batch needs at least one sample".into());
        };
        if let Some(odd) = samples.iter().position(|s| s.shape != shape) {
            let (first, other) = (indices[0], indices[odd]);
            let sizes = |shape: Shape| {
                let Shape { steps, height, width, channels } = shape;
                format!("{steps} frames of {height}×{width}×{channels}")
            };
            return Err(format!(
                "samples {first} and {other} of a batch: expected one size, found {} and {}; frame by number or by time, not by duration",
                sizes(shape),
                sizes(samples[odd].shape)
            )
            .into());
        }
        let steps = match set.encoding.still {
            Some(steps) if shape.steps == 1 => steps,
            Some(_) => {
                return Err(format!(
                    "sample {} has {} frames and was to be shown as one",
                    indices[0], shape.steps
                )
                .into());
            }
            None => shape.steps,
        };
        let frame = shape.height * shape.width * shape.channels;
        let bernoulli = set.encoding.bernoulli;
        // one step of a still image stands for all, but not of spikes drawn at each step
        let shown = if bernoulli.is_some() { steps } else { shape.steps };
        let mut values = vec![0f32; shown * indices.len() * frame];
        values.par_chunks_mut((indices.len() * frame).max(1)).enumerate().for_each(|(t, step)| {
            let all = step.chunks_exact_mut(frame).zip(&samples).zip(indices);
            for ((to, sample), &index) in all {
                let from = &sample.values[t % shape.steps * frame..][..frame];
                match bernoulli {
                    None => to.copy_from_slice(from),
                    Some(b) => to.copy_from_slice(&b.spikes(from, epoch, index, t)),
                }
            }
        });
        Ok(Self {
            bytes: if bytes { as_bytes(&values) } else { None },
            values,
            steps,
            shape: [indices.len(), shape.height, shape.width, shape.channels],
            still: shown == 1 && steps > 1,
            labels: indices.iter().map(|&i| set.samples.label(i)).collect(),
        })
    }
}

/// How batches are made.
#[derive(Clone, Copy)]
pub(crate) struct Gathering<'a> {
    pub set: Set<'a>,
    pub setup: &'a Setup,
    /// Of a training pass, with its run's seed; without it nothing is augmented.
    pub epoch: Option<(u64, usize)>,
    /// Whether values are wanted as bytes too.
    pub bytes: bool,
}

impl Set<'_> {
    /// The samples `indices` as a network sees them in an evaluation, `[T, B, H, W, C]`, and their
    /// classes; every step of them.
    ///
    /// # Errors
    /// A sample that cannot be read, or samples of unequal sizes.
    pub fn frames(
        self,
        indices: &[usize],
        setup: &Setup,
        device: &Device,
    ) -> Result<(Tensor, Vec<u32>), Error> {
        let work = Gathering { set: self, setup, epoch: None, bytes: false };
        let mut batch = Batch::gather(work, indices)?;
        let labels = std::mem::take(&mut batch.labels);
        Ok((batch.into_tensor(device)?, labels))
    }
}

/// Values as bytes, if every one is a whole number up to 255.
fn as_bytes(values: &[f32]) -> Option<Vec<u8>> {
    const CHUNK: usize = 1 << 16;
    let whole = |v: &f32| f32::from(*v as u8) == *v;
    let all = values.par_chunks(CHUNK).all(|chunk| chunk.iter().all(whole));
    all.then(|| values.par_iter().with_min_len(CHUNK).map(|v| *v as u8).collect())
}

/// One sample as its batch takes it.
struct Floats {
    shape: Shape,
    values: Vec<f32>,
}

impl Floats {
    fn of(
        set: Set,
        index: usize,
        setup: &Setup,
        epoch: Option<(u64, usize)>,
    ) -> Result<Self, Refusal> {
        let change = Change { setup, epoch, index };
        let mut sample = match set.samples.values(index)? {
            Values::Counts(grid) => change.floats(&grid),
            Values::Bytes(grid) => change.floats(&grid),
            Values::Features(grid) => change.floats(&grid),
        };
        let standard = &set.encoding.standard;
        if !standard.is_empty() {
            if standard.len() != sample.shape.channels {
                let found = sample.shape.channels;
                return Err(format!(
                    "sample {index}: expected {} channels, found {found}",
                    standard.len()
                )
                .into());
            }
            for pixel in sample.values.chunks_exact_mut(standard.len()) {
                pixel
                    .iter_mut()
                    .zip(standard)
                    .for_each(|(v, (mean, deviation))| *v = (*v - mean) / deviation);
            }
        }
        Ok(sample)
    }
}

/// What happens to sample `index` on its way into a batch.
struct Change<'a> {
    setup: &'a Setup,
    epoch: Option<(u64, usize)>,
    index: usize,
}

impl Change<'_> {
    fn floats<T: Copy + Default + Into<f32>>(&self, grid: &Grid<T>) -> Floats {
        let augmented = self
            .setup
            .augment
            .zip(self.epoch)
            .map(|(a, (seed, epoch))| a.apply(grid, seed, epoch, self.index));
        let grid = augmented.as_ref().unwrap_or(grid);
        let resized = self.setup.side.map(|side| transforms::resize_nearest(grid, side, side));
        let grid = resized.as_ref().unwrap_or(grid);
        Floats { shape: grid.shape(), values: grid.values().iter().map(|&v| v.into()).collect() }
    }
}

/// Batches that wait, made; the next one is in the making.
const AHEAD: usize = 2;

/// Calls `work` with the batches `indices`, in their order, while a thread of its own makes the
/// next ones.
///
/// The batches are the same for any number of threads, since each is a function of its indices
/// alone. The first error, of a batch or of `work`, ends it.
pub(crate) fn each_batch<E: From<Refusal>>(
    how: Gathering,
    indices: &[&[usize]],
    mut work: impl FnMut(usize, Batch) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(AHEAD);
        scope.spawn(move || {
            for indices in indices {
                // a receiver that is gone has stopped at an error: so do we
                if sender.send(Batch::gather(how, indices)).is_err() {
                    return;
                }
            }
        });
        // dropped at an error, so that the thread above does not wait for ever
        let receiver = receiver;
        receiver.iter().enumerate().try_for_each(|(step, batch)| work(step, batch?))
    })
}
