//! Which neurons never fire. A neuron that never fires gets no gradient at all under BPSA.

use candle_core::{D, Result, Tensor};

/// How many neurons of a layer never fired on a set of samples. A feature map of a convolution
/// counts as one: its neurons share their weights, so it is silent if none of them fires, of those
/// that a pooling behind them lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The layer's name.
    pub layer: String,
    /// Its feature maps, or its neurons where it has no maps.
    pub neurons: usize,
    /// Those of them that never fired.
    pub silent: usize,
}

/// Whether each channel fired.
pub(crate) type Heard = Vec<bool>;

/// Which of the channels, the last axis of `spikes`, fired anywhere.
pub(crate) fn heard_channels(spikes: &[u8], channels: usize) -> Heard {
    let mut any = vec![0u8; channels];
    for place in spikes.chunks_exact(channels.max(1)) {
        any.iter_mut().zip(place).for_each(|(any, spikes)| *any |= spikes);
    }
    any.into_iter().map(|any| any > 0).collect()
}

/// Of each channel the most spikes at any place, in tensor operations; above 0 where it fired.
pub(crate) fn most_of_channels(spikes: &Tensor) -> Result<Tensor> {
    let channels = spikes.dim(D::Minus1)?;
    spikes.reshape((spikes.elem_count() / channels.max(1), channels))?.max(0)
}

/// Which neurons of each layer fired so far, in the order first seen.
#[derive(Default)]
pub(crate) struct Listener(Vec<(String, Heard)>);

impl Listener {
    pub fn hear(&mut self, layer: &str, heard: Heard) {
        match self.0.iter_mut().find(|(name, _)| name == layer) {
            Some((_, all)) => all.iter_mut().zip(heard).for_each(|(all, heard)| *all |= heard),
            None => self.0.push((layer.to_owned(), heard)),
        }
    }

    /// The silent neurons of each layer.
    pub fn silence(&self) -> Vec<Silence> {
        let silent = |heard: &Heard| heard.iter().filter(|heard| !**heard).count();
        let of = |(layer, heard): &(String, Heard)| Silence {
            layer: layer.clone(),
            neurons: heard.len(),
            silent: silent(heard),
        };
        self.0.iter().map(of).collect()
    }

    /// The silent voters of each class, where `head` is the layer of voters and their number a
    /// class.
    pub fn voters(&self, head: Option<(&str, usize)>) -> Vec<usize> {
        let Some((head, voters)) = head else { return Vec::new() };
        let Some((_, heard)) = self.0.iter().find(|(name, _)| name == head) else {
            return Vec::new();
        };
        let silent = |class: &[bool]| class.iter().filter(|heard| !**heard).count();
        heard.chunks(voters.max(1)).map(silent).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_fired_nowhere_are_silent() {
        let heard = heard_channels(&[0, 1, 0, 0, 2, 0], 3);
        assert_eq!(heard, [false, true, false]);
        let mut all = Listener::default();
        all.hear("head", heard);
        all.hear("head", vec![false, false, true]);
        let silence = Silence { layer: "head".into(), neurons: 3, silent: 1 };
        assert_eq!(all.silence(), [silence]);
        assert_eq!(all.voters(Some(("head", 1))), [1, 0, 0]);
        assert_eq!(all.voters(Some(("head", 3))), [1]);
        assert_eq!(all.voters(Some(("other", 3))), [0usize; 0]);
    }
}
