use candle_core::Device;
use models::{EventDriven, Network, Options};

/// How passes are computed: beside rounding, and time and memory, it changes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compute {
    /// Whether passes are event-driven where a network can be: on the CPU, with neurons that have the kernels. If not,
    /// they are tensor operations, which are the definition.
    pub event_driven: bool,
    /// How event-driven passes choose.
    pub options: Options,
}

impl Default for Compute {
    /// Event-driven, with the default options.
    fn default() -> Self {
        Self { event_driven: true, options: Options::default() }
    }
}

impl Compute {
    /// The blocks of an event-driven pass; `None` if passes of this network are tensor operations.
    pub fn blocks<'n>(&self, network: &'n Network, device: &Device) -> Option<EventDriven<'n>> {
        if self.event_driven && device.is_cpu() { network.event_driven() } else { None }
    }
}
