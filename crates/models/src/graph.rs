//! From the layers of a network to a graph of blocks.

use crate::{Layer, Network};
use blocks::{Block, Delay, EventDriven, Graph, Origin, Source, Weight};
use layers::Masks;
use neuron::Pooling;

/// Places in a block, in the order in which it applies them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Sources,
    Norm,
    Rectify,
    DropCurrents,
    Neuron,
    Pool,
    DropActivations,
}

impl Network {
    /// This network as blocks: plain data for the engines of the crate `blocks`, with the same
    /// weights. `None` if its layers do not end in votes, or have no blocks.
    pub fn graph(&self) -> Option<Graph> {
        let (Layer::Vote(voters), layers) = self.layers().split_last()? else { return None };
        let mut cut = Cut { blocks: Vec::new(), open: None };
        let end = cut.layers(layers, Origin::Frames)?;
        match cut.close(end) {
            Origin::Block(last) if last + 1 == cut.blocks.len() => {
                Some(Graph { blocks: cut.blocks, voters: *voters })
            }
            _ => None,
        }
    }

    /// This network as event-driven blocks, on the CPU and in f32; `None` where
    /// [`EventDriven::new`] has none.
    pub fn event_driven(&self) -> Option<EventDriven> {
        EventDriven::new(self.graph()?)
    }

    /// This network as blocks on the CUDA device that its weights lie on, all f32; `None` where
    /// [`blocks::OnDevice::new`] has none.
    #[cfg(feature = "cuda")]
    pub fn on_device(&self) -> Option<blocks::OnDevice> {
        blocks::OnDevice::new(self.graph()?)
    }
}

/// Cuts layers into blocks.
struct Cut {
    blocks: Vec<Block>,
    /// The block that grows, and the last place of it that is taken.
    open: Option<(Block, Place)>,
}

impl Cut {
    /// Takes `layers` on the activations of `from`; returns whose activations come out while no
    /// block is open.
    fn layers(&mut self, layers: &[Layer], from: Origin) -> Option<Origin> {
        let mut at = from;
        for (i, layer) in layers.iter().enumerate() {
            match layer {
                // a linear layer flattens by itself
                Layer::Flatten => {
                    matches!(layers.get(i + 1), Some(Layer::Linear(_))).then_some(())?
                }
                Layer::Conv(conv) => at = self.product(at, Weight::Conv(conv.clone())),
                Layer::Depthwise(depthwise) => {
                    at = self.product(at, Weight::Depthwise(depthwise.clone()));
                }
                Layer::Linear(linear) => at = self.product(at, Weight::Linear(linear.clone())),
                Layer::Residual { body, shortcut } => at = self.residual(at, body, shortcut)?,
                Layer::StridedAvgPool(windows) => {
                    // behind neurons a block of its own: what they count lies apart
                    if self.open.as_ref().is_some_and(|(block, _)| block.neuron.is_some()) {
                        at = self.close(at);
                    }
                    self.at(Place::Pool, &mut at).windows = Some(*windows);
                }
                // blocks have no product of membranes, and none of these traces
                Layer::BackEi { .. } | Layer::NeuNorm(_) | Layer::Vote(_) => return None,
                Layer::Norm(name, norm) => {
                    let block = self.at(Place::Norm, &mut at);
                    block.affine = Some((name.clone(), norm.clone()));
                }
                Layer::Rectify => self.at(Place::Rectify, &mut at).rectify = true,
                Layer::Neuron(name, neuron) => {
                    let block = self.at(Place::Neuron, &mut at);
                    block.neuron = Some(neuron.clone());
                    block.name.clone_from(name);
                }
                Layer::Recurrent { name, neuron, weight } => {
                    // what returns is added behind a norm, and as it was before a pool
                    if self.open.as_ref().is_some_and(|(_, taken)| *taken > Place::Sources) {
                        at = self.close(at);
                    }
                    let itself = Origin::Block(self.blocks.len());
                    let block = self.at(Place::Neuron, &mut at);
                    let weight = Some(weight.clone());
                    block.sources.push(Source { from: itself, weight, delay: Delay::Next });
                    block.neuron = Some(neuron.clone());
                    block.name.clone_from(name);
                    at = self.close(at);
                }
                Layer::MaxPool(k) => self.at(Place::Pool, &mut at).pool = Pooling::Max(*k),
                Layer::AvgPool(k) => self.at(Place::Pool, &mut at).pool = Pooling::Average(*k),
                Layer::Dropout(name, masks) => at = self.dropout(at, name, *masks),
            }
        }
        Some(at)
    }

    /// Opens a block with a product of what there is.
    fn product(&mut self, at: Origin, weight: Weight) -> Origin {
        let from = self.close(at);
        self.open(vec![Source::now(from, Some(weight))]);
        from
    }

    /// Dropout of the open block's currents, or of its activations.
    fn dropout(&mut self, mut at: Origin, name: &str, masks: Masks) -> Origin {
        let other =
            |(block, _): &(Block, Place)| block.drop_currents.is_some() && block.masks != masks;
        // a block's masks stay equally long
        if self.open.as_ref().is_some_and(other) {
            at = self.close(at);
        }
        let before = self.open.as_ref().is_none_or(|(_, at)| *at < Place::DropCurrents);
        let place = if before { Place::DropCurrents } else { Place::DropActivations };
        let block = self.at(place, &mut at);
        block.masks = masks;
        match before {
            true => block.drop_currents = Some(name.to_owned()),
            false => block.drop_activations = Some(name.to_owned()),
        }
        at
    }

    /// body(x) + shortcut(x).
    fn residual(&mut self, at: Origin, body: &[Layer], shortcut: &[Layer]) -> Option<Origin> {
        let from = self.close(at);
        let mut sources = Vec::new();
        for branch in [body, shortcut] {
            let end = self.layers(branch, from)?;
            match self.open.take() {
                // products alone are summands of the block that adds them up
                Some((block, Place::Sources)) => sources.extend(block.sources),
                open => {
                    self.open = open;
                    sources.push(Source::now(self.close(end), None));
                }
            }
        }
        self.open(sources);
        Some(from)
    }

    fn open(&mut self, sources: Vec<Source>) {
        let name = format!("block-{}", self.blocks.len());
        self.open = Some((Block::of(name, sources), Place::Sources));
    }

    /// The open block with `place` free and now taken: another one, which reads the one before as
    /// it is, where that place or one behind it was taken.
    fn at(&mut self, place: Place, at: &mut Origin) -> &mut Block {
        if self.open.as_ref().is_some_and(|(_, taken)| *taken >= place) {
            *at = self.close(*at);
        }
        let name = format!("block-{}", self.blocks.len());
        let identity = Block::of(name, vec![Source::now(*at, None)]);
        let (block, taken) = self.open.get_or_insert((identity, Place::Sources));
        *taken = place;
        block
    }

    /// Whose activations come out when the open block, if there is one, is done.
    fn close(&mut self, at: Origin) -> Origin {
        let Some((mut block, _)) = self.open.take() else { return at };
        if let (Some((name, _)), None) = (&block.affine, &block.neuron) {
            block.name.clone_from(name);
        }
        self.blocks.push(block);
        Origin::Block(self.blocks.len() - 1)
    }
}
