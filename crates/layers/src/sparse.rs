//! Activations by their non-zero entries.

use rayon::prelude::*;

/// Activations `[n, h, w, c]` of which most are zero, as lists of the others: for each pixel, in
/// order, the entries of its channels, in order. Built once for a layer and used by all three of
/// its products.
#[derive(Clone, Debug, PartialEq)]
pub struct Sparse {
    shape: [usize; 4],
    /// Pixels through which an index counts: those of a row of the map, or all of it for a
    /// flattened map.
    line: usize,
    starts: Vec<u32>,
    index: Vec<u32>,
    values: Option<Vec<f32>>,
}

/// What consumes the activations, which decides how their entries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// A convolution: entries count within a row of the map, column · channels + channel.
    Convolution,
    /// A linear layer: entries count within the flattened map.
    Linear,
}

/// Entries of some pixels in a row.
#[derive(Default)]
struct Piece {
    ends: Vec<u32>,
    index: Vec<u32>,
    values: Vec<f32>,
}

/// One more entry of a piece.
#[inline(always)]
fn push(piece: &mut Piece, index: usize, value: Option<f32>) {
    piece.index.push(index as u32);
    if let Some(value) = value {
        piece.values.push(value);
    }
}

/// Pixels of one task.
const PIXELS: usize = 512;

impl Sparse {
    /// The non-zero entries of `x`.
    ///
    /// # Panics
    /// If `x` has not the size of `shape`, or 2³² entries and more.
    pub fn of_dense(x: &[f32], shape: [usize; 4], consumer: Consumer) -> Sparse {
        let binary = x.par_chunks(1 << 16).all(|x| x.iter().all(|&x| x == 0.0 || x == 1.0));
        build(x, shape, consumer, |pixel, _, first, piece| {
            for (c, &x) in pixel.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                push(piece, first + c, (!binary).then_some(x));
            }
        })
    }

    /// The non-zero entries of `scale · counts`, times the mask of its sample if there is one:
    /// masks repeat after as many pixels as they have.
    ///
    /// # Panics
    /// As [`Sparse::of_dense`], and if a mask's length is no multiple of the channels.
    pub fn of_counts(
        counts: &[u8],
        shape: [usize; 4],
        consumer: Consumer,
        scale: f32,
        mask: Option<&[f32]>,
    ) -> Sparse {
        let c = shape[3];
        if let Some(mask) = mask {
            assert!(
                !mask.is_empty() && mask.len() % c == 0,
                "a mask of {} for {c} channels",
                mask.len()
            );
            let pixels = mask.len() / c;
            return build(counts, shape, consumer, |pixel, at, first, piece| {
                let mask = &mask[at % pixels * c..][..c];
                each_count(pixel, |c, count| {
                    if mask[c] != 0.0 {
                        push(piece, first + c, Some(f32::from(count) * scale * mask[c]));
                    }
                });
            });
        }
        let binary = scale == 1.0 && counts.par_chunks(1 << 16).all(|x| x.iter().all(|&x| x <= 1));
        build(counts, shape, consumer, |pixel, _, first, piece| match binary {
            true => each_count(pixel, |c, _| push(piece, first + c, None)),
            false => {
                each_count(pixel, |c, count| push(piece, first + c, Some(f32::from(count) * scale)))
            }
        })
    }

    /// `[n, h, w, c]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Entries that are not zero.
    pub fn entries(&self) -> usize {
        self.index.len()
    }

    /// Entries ÷ size.
    pub fn density(&self) -> f64 {
        self.entries() as f64 / self.shape.iter().product::<usize>().max(1) as f64
    }

    /// Whether every entry is a bf16 as it is: spikes, quarters of them, counts up to 256.
    pub(crate) fn is_bf16(&self) -> bool {
        let exact = |values: &Vec<f32>| {
            values.par_chunks(1 << 16).all(|v| v.iter().all(|v| v.to_bits() & 0xffff == 0))
        };
        self.values.as_ref().is_none_or(exact)
    }

    /// Whether these are activations of that shape, listed for that consumer.
    pub(crate) fn belongs(&self, shape: [usize; 4], consumer: Consumer) -> bool {
        self.shape == shape && self.line == line(shape, consumer)
    }

    /// Where the entries of each pixel start, and where the last ones end.
    pub(crate) fn starts(&self) -> &[u32] {
        &self.starts
    }

    /// The entries of pixel `p`, counted through all maps: their range and their channels.
    pub fn pixel(&self, p: usize) -> (std::ops::Range<usize>, impl Iterator<Item = usize> + '_) {
        let range = self.starts[p] as usize..self.starts[p + 1] as usize;
        let first = p % self.line * self.shape[3];
        (range.clone(), self.index[range].iter().map(move |&i| i as usize - first))
    }

    /// Every entry in its place.
    pub fn to_dense(&self) -> Vec<f32> {
        self.scatter(self.values.as_deref())
    }

    /// Adds every entry to what stands in its place.
    ///
    /// # Panics
    /// If `x` has another size.
    pub fn add_to(&self, x: &mut [f32]) {
        assert_eq!(x.len(), self.shape.iter().product::<usize>(), "a tensor of this shape");
        self.each(self.values.as_deref(), x, |x, value| *x += value);
    }

    /// A tensor of this shape with `values` at the entries (ones if none are given) and zero
    /// elsewhere.
    fn scatter(&self, values: Option<&[f32]>) -> Vec<f32> {
        let mut x = vec![0.0; self.shape.iter().product()];
        self.each(values, &mut x, |x, value| *x = value);
        x
    }

    /// Calls `f` with the place of every entry and its value (one if none are given).
    fn each(&self, values: Option<&[f32]>, x: &mut [f32], f: impl Fn(&mut f32, f32) + Sync) {
        let c = self.shape[3];
        x.par_chunks_mut((PIXELS * c).max(1)).enumerate().for_each(|(i, x)| {
            for (p, x) in x.chunks_exact_mut(c).enumerate() {
                let (range, channels) = self.pixel(i * PIXELS + p);
                range.zip(channels).for_each(|(at, c)| f(&mut x[c], values.map_or(1.0, |v| v[at])));
            }
        });
    }

    /// `gradient`, one number for each entry, in a tensor of this shape that is zero elsewhere.
    ///
    /// # Panics
    /// If there are not as many numbers as entries.
    pub fn spread(&self, gradient: &[f32]) -> Vec<f32> {
        assert_eq!(gradient.len(), self.entries(), "a gradient has one number for each entry");
        self.scatter(Some(gradient))
    }

    /// Of a tensor of this shape, what stands at the entries.
    ///
    /// # Panics
    /// If `dense` has another size.
    pub fn gather(&self, dense: &[f32]) -> Vec<f32> {
        let [.., c] = self.shape;
        assert_eq!(
            dense.len(),
            self.shape.iter().product::<usize>(),
            "a tensor of the shape of the activations"
        );
        let mut out = Vec::with_capacity(self.entries());
        for (p, x) in dense.chunks_exact(c).enumerate() {
            out.extend(self.pixel(p).1.map(|c| x[c]));
        }
        out
    }

    pub(crate) fn index(&self) -> &[u32] {
        &self.index
    }

    pub(crate) fn values(&self) -> Option<&[f32]> {
        self.values.as_deref()
    }
}

/// Calls `f(channel, count)` for the counts of a pixel that are not zero, eight at a look.
#[inline(always)]
fn each_count(pixel: &[u8], mut f: impl FnMut(usize, u8)) {
    let (eights, rest) = pixel.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        let mut bits = u64::from_le_bytes(*eight);
        while bits != 0 {
            let byte = bits.trailing_zeros() as usize / 8;
            f(i * 8 + byte, eight[byte]);
            bits &= !(0xff << (8 * byte));
        }
    }
    let first = 8 * eights.len();
    rest.iter().enumerate().filter(|(_, n)| **n != 0).for_each(|(i, &n)| f(first + i, n));
}

/// Pixels through which a consumer's index counts.
fn line([_, h, w, _]: [usize; 4], consumer: Consumer) -> usize {
    match consumer {
        Consumer::Convolution => w,
        Consumer::Linear => h * w,
    }
}

/// Lists of what `entries(pixel, its number, index of its first channel, piece)` pushes; all with a
/// value, or none.
fn build<X: Sync>(
    x: &[X],
    shape: [usize; 4],
    consumer: Consumer,
    entries: impl Fn(&[X], usize, usize, &mut Piece) + Sync,
) -> Sparse {
    let [n, h, w, c] = shape;
    assert!(c > 0 && x.len() == n * h * w * c, "{} values for activations {shape:?}", x.len());
    let line = line(shape, consumer);
    let pieces: Vec<Piece> = x
        .par_chunks(PIXELS * c)
        .enumerate()
        .map(|(i, x)| {
            let mut piece = Piece { ends: Vec::with_capacity(PIXELS), ..Piece::default() };
            for (p, pixel) in x.chunks_exact(c).enumerate() {
                let at = i * PIXELS + p;
                let first = at % line * c;
                entries(pixel, at, first, &mut piece);
                piece.ends.push(piece.index.len() as u32);
            }
            piece
        })
        .collect();
    let total: usize = pieces.iter().map(|p| p.index.len()).sum();
    let valued = pieces.iter().any(|p| !p.values.is_empty());
    assert!(
        total < u32::MAX as usize && line * c < u32::MAX as usize,
        "{total} entries are more than lists count"
    );
    let mut all = Sparse {
        shape,
        line,
        starts: Vec::with_capacity(n * h * w + 1),
        index: Vec::with_capacity(total),
        values: valued.then(|| Vec::with_capacity(total)),
    };
    all.starts.push(0);
    for piece in pieces {
        let before = all.index.len() as u32;
        all.starts.extend(piece.ends.iter().map(|&end| before + end));
        all.index.extend_from_slice(&piece.index);
        if let Some(values) = &mut all.values {
            values.extend_from_slice(&piece.values);
        }
    }
    all
}
