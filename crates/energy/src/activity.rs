use neuron::Cost;
use std::fmt;

/// What a network was seen to do, counted over samples and steps; [`crate::observe`] fills it.
/// Everything is a total over all samples and, where nothing else is said, all steps. Starts empty
/// with `Activity::default()`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// Samples.
    pub samples: u64,
    /// Time steps T of each.
    pub steps: u64,
    /// Each layer with weights or neurons, from the input on.
    pub layers: Vec<Layer>,
    /// What the network keeps in memory.
    pub stored: Stored,
    /// What syops 0.0.5 would count.
    pub syops: Syops,
    /// Outputs of ReLUs and neurons, one entry for each batch.
    pub batches: Vec<Batch>,
}

/// Weights, and the neurons that they drive.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The stage, such as `128C3-1`: the name of the batch norm or the neurons that take the
    /// weights' output; `conv-3` or `linear-1`, counted from 1, where none takes it directly.
    pub name: String,
    /// Its weights, if it has any.
    pub synapses: Option<Synapses>,
    /// Its neurons, if it has any.
    pub neurons: Option<Neurons>,
}

/// The weights of a convolution or a fully connected layer, and the operations they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synapses {
    /// Values of the input.
    pub input_values: u64,
    /// Those that are not 0.
    pub input_nonzero: u64,
    /// Synaptic operations in calls whose input holds only −1, 0 and 1: pairs of an input and a
    /// weight that meet and are both not 0. A call is one step of one batch, as in NeuroBench;
    /// nothing outside the map's border counts.
    pub accumulates: u64,
    /// The same in all other calls.
    pub multiply_accumulates: u64,
    /// The same in all calls if no input and no weight were 0.
    pub dense: u64,
    /// Weights, without biases.
    pub weights: u64,
    /// Weights that are 0.
    pub zero_weights: u64,
    /// Biases.
    pub biases: u64,
    /// Output values of one sample at one step.
    pub outputs: u64,
    /// Whether no neurons stand before these weights and every sample's input was the same at all
    /// steps, as with a still image: then their currents could be computed once.
    pub still: bool,
}

/// A layer's neurons, and what they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neurons {
    /// Neurons of one sample.
    pub neurons: u64,
    /// Spikes.
    pub spikes: u64,
    /// Neurons · samples · steps: how many spikes there could have been.
    pub chances: u64,
    /// Updates of membranes as NeuroBench counts them: all at the first step, and later those with
    /// u[t] ≠ u[t−1], where u is the membrane before its reset.
    pub membrane_updates: u64,
    /// What each of them computes and carries at one step.
    pub cost: Cost,
}

/// What a network keeps in memory, whatever it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Trainable parameters: weights and biases of convolutions, fully connected layers and batch
    /// norms, and those of neurons.
    pub parameters: u64,
    /// Their bytes.
    pub parameter_bytes: u64,
    /// Bytes of running means and variances, and 8 for the number of batches that PyTorch keeps
    /// with each batch norm.
    pub norm_buffer_bytes: u64,
    /// Layers of neurons.
    pub neuron_layers: u64,
}

/// Operations by the rules of syops 0.0.5, for batches of one sample: see [`crate::detailed`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Syops {
    /// Operations whose input passes for spikes, each times the mean of that input.
    pub accumulates: f64,
    /// All others.
    pub multiply_accumulates: u64,
}

/// Outputs of activations in one batch, over all layers and steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Samples.
    pub samples: u64,
    /// Outputs of ReLUs that are not 0.
    pub rectified_nonzero: u64,
    /// Outputs of ReLUs.
    pub rectified_values: u64,
    /// Spikes.
    pub spikes: u64,
    /// Neurons · samples · steps.
    pub chances: u64,
}

/// Two activities are not of the same network, or not of as many steps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "activity of {place}: expected {expected}, found {found}; add up batches of one network with equal steps only"
)]
pub struct Mismatch {
    place: String,
    expected: String,
    found: String,
}

impl Activity {
    /// Adds what `other` counted.
    ///
    /// # Errors
    /// If the two are not of the same network or differ in steps; nothing is added then.
    pub fn merge(&mut self, other: Activity) -> Result<(), Mismatch> {
        if self.samples == 0 {
            *self = other;
            return Ok(());
        }
        if other.samples == 0 {
            return Ok(());
        }
        self.fits(&other)?;
        for (layer, other) in self.layers.iter_mut().zip(&other.layers) {
            if let (Some(a), Some(b)) = (&mut layer.synapses, &other.synapses) {
                a.add(b);
            }
            if let (Some(a), Some(b)) = (&mut layer.neurons, &other.neurons) {
                a.add(b);
            }
        }
        self.samples += other.samples;
        self.syops.accumulates += other.syops.accumulates;
        self.syops.multiply_accumulates += other.syops.multiply_accumulates;
        self.batches.extend(other.batches);
        Ok(())
    }

    /// Spikes ÷ (neurons · samples · steps), over all layers of neurons. NaN without neurons.
    pub fn firing_rate(&self) -> f64 {
        self.neurons().map(|n| n.spikes).sum::<u64>() as f64
            / self.neurons().map(|n| n.chances).sum::<u64>() as f64
    }

    /// The layers' weights, from the input on.
    pub fn synapses(&self) -> impl Iterator<Item = &Synapses> {
        self.layers.iter().filter_map(|layer| layer.synapses.as_ref())
    }

    /// The layers' neurons, from the input on.
    pub fn neurons(&self) -> impl Iterator<Item = &Neurons> {
        self.layers.iter().filter_map(|layer| layer.neurons.as_ref())
    }

    fn fits(&self, other: &Activity) -> Result<(), Mismatch> {
        same("the network", "steps", self.steps, other.steps)?;
        same("the network", "layers", self.layers.len(), other.layers.len())?;
        same("the network", "parameters", self.stored.parameters, other.stored.parameters)?;
        for (a, b) in self.layers.iter().zip(&other.layers) {
            same("a layer", "as its name", &a.name, &b.name)?;
            let sizes = |l: &Layer| {
                (l.synapses.map(|s| (s.weights, s.outputs)), l.neurons.map(|n| n.neurons))
            };
            let ((sa, na), (sb, nb)) = (sizes(a), sizes(b));
            same(&a.name, "weights and outputs", sa.unwrap_or_default(), sb.unwrap_or_default())?;
            same(&a.name, "neurons", na.unwrap_or(0), nb.unwrap_or(0))?;
        }
        Ok(())
    }
}

/// An error unless both are equal.
fn same<T: PartialEq + fmt::Debug>(
    place: &str,
    what: &str,
    expected: T,
    found: T,
) -> Result<(), Mismatch> {
    if expected == found {
        return Ok(());
    }
    Err(Mismatch {
        place: place.into(),
        expected: format!("{expected:?} {what}"),
        found: format!("{found:?}"),
    })
}

impl Synapses {
    fn add(&mut self, other: &Synapses) {
        self.input_values += other.input_values;
        self.input_nonzero += other.input_nonzero;
        self.accumulates += other.accumulates;
        self.multiply_accumulates += other.multiply_accumulates;
        self.dense += other.dense;
        self.still &= other.still;
    }

    /// Operations that were done, of both kinds.
    pub fn operations(&self) -> u64 {
        self.accumulates + self.multiply_accumulates
    }
}

impl Neurons {
    fn add(&mut self, other: &Neurons) {
        self.spikes += other.spikes;
        self.chances += other.chances;
        self.membrane_updates += other.membrane_updates;
    }
}
