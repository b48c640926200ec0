mod parse;

pub use parse::ParseError;

use std::fmt;

/// One entry of the notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// `128C3`: convolution with a 3×3 window, stride 1, same size; batch norm, ReLU, neuron.
    /// `15C5(valid)` has no zeros around the map, which shrinks by the window but for one.
    /// `32C3(L5)` adds lateral connections: behind the norm, each channel's own spikes of the step
    /// before, through a depthwise 5×5 window without bias. `32C3(BE5)` adds BackEISNN's feedback,
    /// which gates currents, and signs, which let spikes inhibit, both by 5×5 windows.
    Conv {
        /// Output channels.
        channels: usize,
        /// Side of the window, odd.
        kernel: usize,
        /// Whether the window stays inside of the map.
        valid: bool,
        /// Side of the lateral window, odd.
        lateral: Option<usize>,
        /// Side of the windows of feedback and signs, odd.
        back_ei: Option<usize>,
    },
    /// `NN`, directly behind a convolution: NeuNorm, whose trace of a pixel's spikes over all
    /// channels, by a weight of each pixel and channel, is taken from them. `NN(shared)` has a
    /// weight of each pixel, `NN(mean)` a trace of the channels' mean in place of the source's
    /// formula, which divides by their number twice.
    NeuNorm {
        /// Whether channels share a weight.
        shared: bool,
        /// Whether the trace is of the channels' mean.
        mean: bool,
    },
    /// `64S3`: a stem, a convolution alone, without bias, norm or neuron; `64S3/2` with stride 2.
    /// What follows must bring its own norm and neuron, as a block with pre-activation does.
    Stem {
        /// Output channels.
        channels: usize,
        /// Side of the window, odd.
        kernel: usize,
        /// Step of the window.
        stride: usize,
    },
    /// `64RB3`: residual block of two convolutions without bias; `64RB3/2` has stride 2 in the
    /// first and in the shortcut.
    ///
    /// With pre-activation y = s(x) + c₂(a₂(c₁(a₁(x)))), each a batch norm, ReLU and neuron, each c
    /// a convolution, and s the identity, or 1×1 convolution behind an activation of its own where
    /// channels or stride change the shape. `64RB3(post)` activates behind: y = r(s(x) +
    /// n₂(c₂(a₁(c₁(x))))), n a batch norm, r ReLU and neuron, s the identity or 1×1 convolution and
    /// batch norm.
    Residual {
        /// Output channels.
        channels: usize,
        /// Side of both windows, odd.
        kernel: usize,
        /// Step of the first window and of the shortcut's.
        stride: usize,
        /// Whether activations stand behind the convolutions instead of before.
        post: bool,
    },
    /// `BN`: batch norm alone.
    Norm,
    /// `GAP`: average pooling over the whole map, which must be square.
    GlobalAvgPool,
    /// `MP2`: max pooling, window = stride.
    MaxPool(usize),
    /// `AP2`: average pooling, window = stride.
    AvgPool(usize),
    /// `AP3/2`: average pooling with stride 2; `AP3/2(P1)` with a border of zeros, one pixel wide,
    /// whose pixels count, as PyTorch's do by default. A CUDA device runs a network with it by
    /// tensor operations.
    StridedAvgPool {
        /// Side of the window.
        window: usize,
        /// Step of the window.
        stride: usize,
        /// Zeros on every side, at most half of the window.
        padding: usize,
    },
    /// `AN2`: average pooling, window = stride, and behind it neurons of its own (SBPSNN): they
    /// integrate without a leak, fire above a threshold of 0.75, are reset to zero, and pass a
    /// gradient of 1 where they fired, and none across the reset.
    PoolNeurons(usize),
    /// `DP`: neuron dropout, p = 0.5, one mask for all steps.
    Dropout,
    /// `2048FC`: linear, ReLU, neuron. `2048FC(DP)` drops currents before the neuron, as the
    /// released code of the small network does; the paper's `2048FC-DP` drops spikes after it.
    FullyConnected {
        /// Units.
        units: usize,
        /// Whether dropout stands between ReLU and neuron.
        dropout: bool,
    },
    /// `10Voting`, once, last: linear to `voters` units a class, neuron, mean over each class's
    /// units.
    Voting {
        /// Units that vote for one class.
        voters: usize,
    },
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Conv { channels, kernel, valid, lateral, back_ei } => {
                write!(f, "{channels}C{kernel}{}", if *valid { "(valid)" } else { "" })?;
                lateral.map_or(Ok(()), |side| write!(f, "(L{side})"))?;
                back_ei.map_or(Ok(()), |side| write!(f, "(BE{side})"))
            }
            Stage::NeuNorm { shared, mean } => {
                write!(f, "NN{}", if *shared { "(shared)" } else { "" })?;
                write!(f, "{}", if *mean { "(mean)" } else { "" })
            }
            Stage::Stem { channels, kernel, stride } => {
                write!(f, "{channels}S{kernel}{}", Stride(*stride))
            }
            Stage::Residual { channels, kernel, stride, post } => {
                write!(
                    f,
                    "{channels}RB{kernel}{}{}",
                    Stride(*stride),
                    if *post { "(post)" } else { "" }
                )
            }
            Stage::Norm => write!(f, "BN"),
            Stage::GlobalAvgPool => write!(f, "GAP"),
            Stage::MaxPool(k) => write!(f, "MP{k}"),
            Stage::AvgPool(k) => write!(f, "AP{k}"),
            Stage::StridedAvgPool { window, stride, padding } => {
                write!(f, "AP{window}/{stride}")?;
                if *padding == 0 { Ok(()) } else { write!(f, "(P{padding})") }
            }
            Stage::PoolNeurons(k) => write!(f, "AN{k}"),
            Stage::Dropout => write!(f, "DP"),
            Stage::FullyConnected { units, dropout: false } => write!(f, "{units}FC"),
            Stage::FullyConnected { units, dropout: true } => write!(f, "{units}FC(DP)"),
            Stage::Voting { voters } => write!(f, "{voters}Voting"),
        }
    }
}

/// `/2`, and nothing for 1.
struct Stride(usize);

impl fmt::Display for Stride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { Ok(()) } else { write!(f, "/{}", self.0) }
    }
}

/// A network in the paper's notation, in which `3*64RB3` is short for `64RB3-64RB3-64RB3`. Written
/// and read as text; text → spec → text is the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    stages: Vec<Stage>,
    /// How many of the stages each word stands for, in order.
    words: Vec<usize>,
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stages = &self.stages[..];
        for (i, &times) in self.words.iter().enumerate() {
            let Some(stage) = stages.first() else { return Ok(()) };
            let hyphen = if i == 0 { "" } else { "-" };
            match times {
                1 => write!(f, "{hyphen}{stage}")?,
                times => write!(f, "{hyphen}{times}*{stage}")?,
            }
            stages = stages.get(times..).unwrap_or_default();
        }
        Ok(())
    }
}

impl Spec {
    /// The stages in order, each as often as it stands; the last one votes.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The same network with channels and hidden units divided by `divisor` (rounded up); voters
    /// stay.
    pub fn narrowed(&self, divisor: usize) -> Spec {
        let narrow = |n: usize| n.div_ceil(divisor.max(1));
        let narrowed = |&stage: &Stage| match stage {
            Stage::Conv { channels, kernel, valid, lateral, back_ei } => {
                Stage::Conv { channels: narrow(channels), kernel, valid, lateral, back_ei }
            }
            Stage::Stem { channels, kernel, stride } => {
                Stage::Stem { channels: narrow(channels), kernel, stride }
            }
            Stage::Residual { channels, kernel, stride, post } => {
                Stage::Residual { channels: narrow(channels), kernel, stride, post }
            }
            Stage::FullyConnected { units, dropout } => {
                Stage::FullyConnected { units: narrow(units), dropout }
            }
            Stage::Norm
            | Stage::NeuNorm { .. }
            | Stage::GlobalAvgPool
            | Stage::MaxPool(_)
            | Stage::AvgPool(_)
            | Stage::StridedAvgPool { .. }
            | Stage::PoolNeurons(_)
            | Stage::Dropout
            | Stage::Voting { .. } => stage,
        };
        Spec { stages: self.stages.iter().map(narrowed).collect(), words: self.words.clone() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Spec>().unwrap_err().to_string()
    }

    #[test]
    fn text_to_spec_to_text_is_the_identity() {
        for text in [
            "10Voting",
            "128C3-MP2-128C3-256C3-AP2-2048FC(DP)-10Voting",
            "64C5-AP4-DP-1024FC-DP-3Voting",
            "64S3-3*64RB3-128RB3/2-64RB3-64RB3-BN-GAP-10Voting",
            "8C3-AP3/2(P1)-AP3/1-AP2/2-AP5/31(P2)-2*AP2/1-3Voting",
            "15C5(valid)-AN2-32C3(L5)-4C3(valid)(L3)-AN4-10Voting",
            "8C3-NN-MP2-2*8C3(BE5)-9C5(valid)(BE3)-4C3-NN(shared)-4C1-NN(shared)(mean)-3Voting",
            "7S5/3-12*9RB1/31(post)-8RB3(post)-2*MP2-2*8FC(DP)-3Voting",
        ] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_point_at_the_character() {
        assert_eq!(
            error("128C3-MQ2"),
            "network '128C3-MQ2', character 7: expected a stage such as 128C3, 64S3, 64RB3/2, MP2, AP2, AN2, GAP, BN, DP, 512FC or 10Voting, found 'MQ2'"
        );
        assert!(error("128C3-MP2").contains("character 10: expected a last stage that votes"));
        assert!(error("").contains("character 1"));
        assert!(error("128X3-10Voting").contains("character 4: expected C3"));
        assert!(error("128C-10Voting").contains("character 5: expected a whole number"));
        assert!(
            error("128C4-10Voting").contains("odd window, which keeps a map's size, found '4'")
        );
        assert!(error("8C33-10Voting").contains("character 3: expected a window of at most 31"));
        assert!(error("10Voting-DP").contains("character 10: expected the end"));
        assert!(error("0C3-10Voting").contains("character 1: expected a whole number"));
        assert!(
            error("99999999999999999999C3-10Voting")
                .contains("character 1: expected a whole number")
        );
        assert!(error("128C3--10Voting").contains("character 7"));
        assert!(error("128C3-ÄP2").contains("found 'ÄP2'"));
        assert!(error("128C3x-10Voting").contains(
            "character 6: expected (valid), (L5), (BE5) or the end of the stage, found 'x'"
        ));
        for text in ["8C3(L4)-10Voting", "8C3(L)-10Voting", "8C3(L33)-10Voting"] {
            assert!(error(text).contains("character 6: expected"), "{}", error(text));
        }
        assert!(error("8C3-NN(share)-10Voting").contains("found 'NN(share)'"));
        assert!(error("8C3(BE4)-10Voting").contains("character 7: expected an odd window"));
        for text in ["8C3-MP2-NN", "NN", "2*NN", "8C3-NN-NN", "8FC-NN"] {
            let said = error(&format!("{text}-10Voting"));
            assert!(said.contains("expected NN only directly behind a convolution"), "{said}");
        }
        for text in
            ["8C3(L5", "8C3(L5)(valid)", "8C3(L5)(BE5)", "8C3(BE5)(L5)", "8C3(valid)(valid)"]
        {
            let text = format!("{text}-10Voting");
            assert!(error(&text).contains("or the end of the stage"), "{}", error(&text));
        }
        assert!(error("MP2-128C03-10Voting").contains("character 9: expected a whole number"));
        assert!(error("8C3-MP+2-10Voting").contains("character 7: expected a whole number"));
    }

    #[test]
    fn errors_of_residual_stages_point_at_the_character() {
        assert!(error("64RB-10Voting").contains("character 5: expected a whole number"));
        assert!(error("64RB4-10Voting").contains("character 5: expected an odd window"));
        assert!(
            error("8S3-64RB3/1-10Voting")
                .contains("character 11: expected a stride from 2 to 31, found '1'")
        );
        assert!(
            error("64RB3/-10Voting")
                .contains("character 7: expected a stride from 2 to 31, found nothing")
        );
        assert!(
            error("64RB3/2(pre)-10Voting")
                .contains("character 8: expected /2 (a stride), (post) or the end of the stage")
        );
        assert!(
            error("64S3(post)-10Voting")
                .contains("character 5: expected /2 (a stride) or the end of the stage")
        );
        assert!(error("64C3/2-10Voting").contains(
            "character 5: expected (valid), (L5), (BE5) or the end of the stage, found '/2'"
        ));
        assert!(error("8S3-3*-10Voting").contains("character 7: expected a stage such as"));
        assert!(
            error("8S3-1*64RB3-10Voting")
                .contains("character 5: expected a repetition from 2 to 99, found '1'")
        );
        assert!(error("*64RB3-10Voting").contains("character 1: expected a repetition"));
        assert!(error("2*3*64RB3-10Voting").contains("character 4: expected C3"));
        assert!(
            error("2*10Voting").contains("character 1: expected no repetition of the voting stage")
        );
        assert!(error("BNN-10Voting").contains("character 1: expected a stage such as"));
    }

    #[test]
    fn a_repetition_is_its_stages_written_out() {
        let short: Spec = "8S3-3*8RB3-10Voting".parse().unwrap();
        let long: Spec = "8S3-8RB3-8RB3-8RB3-10Voting".parse().unwrap();
        assert_eq!(short.stages(), long.stages());
    }

    #[test]
    fn narrowing_leaves_pools_and_voters_alone() {
        let spec: Spec = "128C3-MP2-100FC-10Voting".parse().unwrap();
        assert_eq!(spec.narrowed(16).to_string(), "8C3-MP2-7FC-10Voting");
        let spec: Spec = "64S3-3*64RB3-128RB3/2(post)-BN-GAP-10Voting".parse().unwrap();
        assert_eq!(spec.narrowed(16).to_string(), "4S3-3*4RB3-8RB3/2(post)-BN-GAP-10Voting");
    }
}
