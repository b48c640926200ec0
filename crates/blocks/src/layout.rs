//! The sizes of everything in a graph, for frames of one shape.

use crate::{Block, Delay, Graph, Origin};
use candle_core::{Result, bail};
use layers::{Consumer, Product};

/// Sizes of a block.
#[derive(Clone, Debug)]
pub struct Layout {
    /// For each source with a weight what multiplies it: all maps of all steps at once, or of one
    /// step if its origin is still.
    pub products: Vec<Option<Product>>,
    /// B, H, W, C of a step's currents.
    pub currents: [usize; 4],
    /// B, H, W, C behind the pool.
    pub activations: [usize; 4],
    /// Whether the currents are the same at every step, and so are held once.
    pub still: bool,
    /// Whether the activations are.
    pub still_activations: bool,
    /// Who reads the activations.
    pub readers: Readers,
}

/// Who reads a block's activations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readers {
    /// Convolutions, and sources without a weight.
    pub convolution: bool,
    /// Linear layers.
    pub linear: bool,
    /// The last reader in this step.
    pub last: Option<usize>,
}

/// Shape of the frames, `[B, H, W, C]`, and whether all steps show the same.
pub type Shown = ([usize; 4], bool);

impl Layout {
    /// Numbers of the currents that are held, of so many steps.
    pub fn size(&self, steps: usize) -> usize {
        self.currents.iter().product::<usize>() * if self.still { 1 } else { steps }
    }

    /// Numbers of the activations of so many steps.
    pub fn activations_size(&self, steps: usize) -> usize {
        let steps = if self.still_activations { 1 } else { steps };
        self.activations.iter().product::<usize>() * steps
    }
}

/// The layout of every block for frames of that shape and so many steps.
///
/// # Errors
/// If they do not fit the graph, or it is no graph: a block that reads one behind it in the same
/// step, one without a source, one that nobody reads.
pub fn layouts(graph: &Graph, (shape, still): Shown, steps: usize) -> Result<Vec<Layout>> {
    let mut found: Vec<Layout> = Vec::new();
    for i in 0..graph.blocks.len() {
        let layout = one(graph, i, &found, (shape, still), steps)?;
        found.push(layout);
    }
    for (i, block) in graph.blocks.iter().enumerate() {
        for (at, source) in block.sources.iter().enumerate() {
            let Origin::Block(j) = source.from else { continue };
            let Some(origin) = found.get(j) else {
                bail!("the block {} reads the block {j}, which is not there", block.name)
            };
            let (shape, currents) = (origin.activations, found[i].currents);
            let (product, [h, w, c]) = product(source, shape, origin.still_activations, steps)?;
            if [h, w, c] != currents[1..] {
                bail!(
                    "the block {} adds up maps {:?} and {:?}",
                    block.name,
                    &currents[1..],
                    [h, w, c]
                );
            }
            let readers = &mut found[j].readers;
            match product.map(|p| p.consumer()) {
                Some(Consumer::Linear) => readers.linear = true,
                _ => readers.convolution = true,
            }
            if source.delay == Delay::Now {
                readers.last = readers.last.max(Some(i));
            }
            found[i].products[at] = product;
        }
    }
    let unread = |l: &Layout| !l.readers.convolution && !l.readers.linear;
    let Some((_, others)) = found.split_last() else { bail!("a network without layers") };
    match others.iter().position(unread) {
        Some(i) => bail!("nobody reads the block {}", graph.blocks[i].name),
        None => Ok(found),
    }
}

/// The layout of block `i` behind `found`, from its sources of this step.
fn one(
    graph: &Graph,
    i: usize,
    found: &[Layout],
    (frames, still_frames): Shown,
    steps: usize,
) -> Result<Layout> {
    let block = &graph.blocks[i];
    // what runs step by step holds every step, and so does what a norm makes differ
    let (mut currents, mut products) = (None, Vec::new());
    let mut still = graph.range_of(i).is_none() && !block.by_step();
    for source in &block.sources {
        let (shape, still_source) = match (source.from, source.delay) {
            (Origin::Frames, Delay::Now) => (frames, still_frames),
            (Origin::Block(j), Delay::Now) if j < i => {
                (found[j].activations, found[j].still_activations)
            }
            (Origin::Block(_), Delay::Next) => {
                products.push(None);
                still = false;
                continue;
            }
            (Origin::Frames, Delay::Next) => {
                bail!("the block {} reads frames one step later", block.name)
            }
            (Origin::Block(j), Delay::Now) => {
                bail!("the block {} reads the block {j} before it has run", block.name)
            }
        };
        let (product, out) = product(source, shape, still_source, steps)?;
        if currents.is_some_and(|before| before != out) {
            bail!("the block {} adds up maps {:?} and {out:?}", block.name, currents);
        }
        currents = Some(out);
        still &= still_source;
        products.push(product);
    }
    let Some([h, w, c]) = currents else { bail!("the block {} reads nothing", block.name) };
    let [oh, ow] = pooled(block, [h, w])?;
    Ok(Layout {
        products,
        currents: [frames[0], h, w, c],
        activations: [frames[0], oh, ow, c],
        still,
        still_activations: still && block.neuron.is_none(),
        readers: Readers::default(),
    })
}

/// Height and width behind a block's pool.
fn pooled(block: &Block, [h, w]: [usize; 2]) -> Result<[usize; 2]> {
    let Some(windows) = block.windows else {
        let k = block.pool.side();
        if k == 0 || h < k || w < k {
            bail!("pooling with a {k}×{k} window needs maps of at least that size, found {h}×{w}");
        }
        return Ok([h / k, w / k]);
    };
    if block.neuron.is_some() || block.pool.side() != 1 {
        bail!("windows that overlap are behind currents and alone, but {} has more", block.name);
    }
    match (windows.across(h), windows.across(w)) {
        (Some(h), Some(w)) if 2 * windows.padding <= windows.side => Ok([h, w]),
        _ => bail!("pooling with {windows:?} does not fit maps of {h}×{w}"),
    }
}

/// What a source does to activations of that shape, and the maps it gives.
fn product(
    source: &crate::Source,
    [b, h, w, c]: [usize; 4],
    still: bool,
    steps: usize,
) -> Result<(Option<Product>, [usize; 3])> {
    match &source.weight {
        None => Ok((None, [h, w, c])),
        Some(weight) => {
            let n = if still { b } else { b * steps };
            let (product, out) = weight.product([n, h, w, c])?;
            Ok((Some(product), out))
        }
    }
}
