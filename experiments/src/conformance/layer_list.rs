//! A golden network's layer list, read back into the paper's notation.

use super::axis_order::Layout;
use anyhow::{Result, bail, ensure};
use models::Spec;
use serde::Deserialize;
use std::collections::HashMap;

/// One entry of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type")]
pub enum Entry {
    Conv2d { in_channels: usize, out_channels: usize, kernel: usize, padding: usize, stride: usize },
    BatchNorm2d { channels: usize, eps: f64, momentum: f64 },
    ReLU {},
    Node {},
    MaxPool2d { kernel: usize, stride: usize },
    AvgPool2d { kernel: usize, stride: usize },
    Flatten {},
    Linear { in_features: usize, out_features: usize },
    NDropout {},
    VotingLayer { voters: usize },
}

/// A trainable tensor under both names.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// `fun.0.weight`.
    pub golden: String,
    /// `8C3-1.weight`.
    pub ours: String,
    /// How it is laid out.
    pub layout: Layout,
    /// Whether it is a convolution's bias: batch norm follows, so its true gradient is zero and the
    /// stored one is noise.
    pub noise: bool,
}

/// A batch norm under both names.
#[derive(Clone, Debug)]
pub struct Norm {
    /// `fun.1`.
    pub golden: String,
    /// `8C3-1`.
    pub ours: String,
    /// Channels.
    pub channels: usize,
    /// How much of the running statistics each step replaces.
    pub momentum: f64,
}

/// What a layer list says.
pub struct LayerList {
    /// The network in the paper's notation.
    pub spec: Spec,
    /// The same without dropout, which the golden networks run as the identity.
    pub without_dropout: Spec,
    /// Trainable tensors in order, named as in `without_dropout`.
    pub parameters: Vec<Parameter>,
    /// Batch norms in order.
    pub norms: Vec<Norm>,
}

/// ε of every batch norm of our networks.
const EPS: f64 = 1e-5;

#[derive(Default)]
struct Reader {
    stages: Vec<String>,
    /// Stages as they are named without dropout, and how often each has come.
    seen: HashMap<String, usize>,
    parameters: Vec<Parameter>,
    norms: Vec<Norm>,
    /// Channels, rows and columns where the reader stands.
    shape: [usize; 3],
}

impl LayerList {
    /// Reads a list for samples of `[channels, height, width]`.
    ///
    /// # Errors
    /// If the entries follow each other in a way that the notation cannot say, or their sizes do
    /// not fit each other.
    pub fn read(entries: &[Entry], sample: [usize; 3], classes: usize) -> Result<LayerList> {
        let mut reader = Reader { shape: sample, ..Reader::default() };
        let mut rest = entries;
        while !rest.is_empty() {
            let at = entries.len() - rest.len();
            rest = reader.stage(at, rest, classes)?;
        }
        let is_dropout = |stage: &&String| *stage == "DP";
        let without: Vec<String> = reader
            .stages
            .iter()
            .filter(|s| !is_dropout(s))
            .map(|s| s.trim_end_matches("(DP)").into())
            .collect();
        Ok(LayerList {
            spec: reader.stages.join("-").parse()?,
            without_dropout: without.join("-").parse()?,
            parameters: reader.parameters,
            norms: reader.norms,
        })
    }
}

impl Reader {
    /// Takes one stage, whose first entry has the index `at`, and returns what follows it.
    fn stage<'a>(
        &mut self,
        at: usize,
        entries: &'a [Entry],
        classes: usize,
    ) -> Result<&'a [Entry]> {
        use Entry::*;
        Ok(match entries {
            [conv @ Conv2d { .. }, norm @ BatchNorm2d { .. }, ReLU {}, Node {}, rest @ ..] => {
                self.conv(at, conv, norm)?;
                rest
            }
            [MaxPool2d { kernel, stride }, rest @ ..] if kernel == stride => {
                self.pool(at, "MP", *kernel)?;
                rest
            }
            [AvgPool2d { kernel, stride }, rest @ ..] if kernel == stride => {
                self.pool(at, "AP", *kernel)?;
                rest
            }
            [Flatten {}, rest @ ..] => rest,
            [NDropout {}, rest @ ..] => {
                self.stages.push("DP".into());
                rest
            }
            [Linear { in_features, out_features }, ReLU {}, NDropout {}, Node {}, rest @ ..] => {
                self.hidden(at, *in_features, *out_features, "(DP)")?;
                rest
            }
            [Linear { in_features, out_features }, ReLU {}, Node {}, rest @ ..] => {
                self.hidden(at, *in_features, *out_features, "")?;
                rest
            }
            [Linear { in_features, out_features }, Node {}, VotingLayer { voters }] => {
                let units = voters.checked_mul(classes);
                ensure!(
                    units == Some(*out_features),
                    "layer {at}: expected {voters} units for each of {classes} classes"
                );
                self.stages.push(format!("{voters}Voting"));
                self.linear(at, *in_features, *out_features, "head")?;
                &[]
            }
            [other, ..] => {
                bail!("layer {at}: the notation has no stage that starts with {other:?} here")
            }
            [] => &[],
        })
    }

    fn conv(&mut self, at: usize, conv: &Entry, norm: &Entry) -> Result<()> {
        let (
            &Entry::Conv2d { in_channels, out_channels, kernel, padding, stride },
            &Entry::BatchNorm2d { channels, eps, momentum },
        ) = (conv, norm)
        else {
            bail!("layer {at}: expected a convolution and its batch norm");
        };
        ensure!(
            (stride, padding, in_channels, channels, eps)
                == (1, kernel / 2, self.shape[0], out_channels, EPS),
            "layer {at}: expected a convolution of {} channels that keeps a map's size, then batch norm with eps {EPS:e}, found {conv:?}, {norm:?}",
            self.shape[0]
        );
        let name = self.name(&format!("{out_channels}C{kernel}"), "");
        self.parameter(at, "weight", &name, Layout::Conv);
        self.parameter(at, "bias", &name, Layout::Vector);
        self.parameter(at + 1, "weight", &format!("{name}.norm"), Layout::Vector);
        self.parameter(at + 1, "bias", &format!("{name}.norm"), Layout::Vector);
        let bias = self.parameters.len() - 3;
        self.parameters[bias].noise = true;
        self.norms.push(Norm { golden: format!("fun.{}", at + 1), ours: name, channels, momentum });
        self.shape[0] = out_channels;
        Ok(())
    }

    fn pool(&mut self, at: usize, kind: &str, kernel: usize) -> Result<()> {
        let [c, h, w] = self.shape;
        ensure!(
            (1..=h.min(w)).contains(&kernel),
            "layer {at}: a {kernel}x{kernel} window on a {h}x{w} map"
        );
        self.stages.push(format!("{kind}{kernel}"));
        self.shape = [c, h / kernel, w / kernel];
        Ok(())
    }

    fn hidden(&mut self, at: usize, inputs: usize, units: usize, dropout: &str) -> Result<()> {
        let name = self.name(&format!("{units}FC"), dropout);
        self.linear(at, inputs, units, &name)
    }

    fn linear(&mut self, at: usize, inputs: usize, units: usize, name: &str) -> Result<()> {
        let [c, h, w] = self.shape;
        ensure!(inputs == c * h * w, "layer {at}: expected {} inputs, found {inputs}", c * h * w);
        self.parameter(at, "weight", name, Layout::Linear(self.shape));
        self.parameter(at, "bias", name, Layout::Vector);
        self.shape = [units, 1, 1];
        Ok(())
    }

    fn parameter(&mut self, at: usize, what: &str, stage: &str, layout: Layout) {
        let (golden, ours) = (format!("fun.{at}.{what}"), format!("{stage}.{what}"));
        self.parameters.push(Parameter { golden, ours, layout, noise: false });
    }

    fn name(&mut self, stage: &str, dropout: &str) -> String {
        self.stages.push(format!("{stage}{dropout}"));
        let n = self.seen.entry(stage.into()).or_insert(0);
        *n += 1;
        format!("{stage}-{n}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn read(json: serde_json::Value, sample: [usize; 3]) -> Result<LayerList> {
        LayerList::read(&Vec::<Entry>::deserialize(json)?, sample, 3)
    }

    fn small() -> serde_json::Value {
        serde_json::json!([
            {"index": 0, "type": "Conv2d", "in_channels": 2, "out_channels": 4, "kernel": 3, "padding": 1, "stride": 1, "bias": true},
            {"index": 1, "type": "BatchNorm2d", "channels": 4, "eps": 1e-5, "momentum": 0.1},
            {"type": "ReLU"}, {"type": "Node"}, {"type": "AvgPool2d", "kernel": 2, "stride": 2}, {"type": "Flatten"},
            {"type": "Linear", "in_features": 24, "out_features": 5}, {"type": "ReLU"}, {"type": "NDropout", "p": 0.5},
            {"type": "Node"}, {"type": "NDropout", "p": 0.5},
            {"type": "Linear", "in_features": 5, "out_features": 6}, {"type": "Node"}, {"type": "VotingLayer", "voters": 2}
        ])
    }

    #[test]
    fn a_list_becomes_notation_names_and_layouts() {
        let list = read(small(), [2, 4, 7]).unwrap();
        assert_eq!(list.spec.to_string(), "4C3-AP2-5FC(DP)-DP-2Voting");
        assert_eq!(list.without_dropout.to_string(), "4C3-AP2-5FC-2Voting");
        let names: Vec<_> =
            list.parameters.iter().map(|p| (p.golden.as_str(), p.ours.as_str(), p.noise)).collect();
        assert_eq!(
            names[1..5],
            [
                ("fun.0.bias", "4C3-1.bias", true),
                ("fun.1.weight", "4C3-1.norm.weight", false),
                ("fun.1.bias", "4C3-1.norm.bias", false),
                ("fun.6.weight", "5FC-1.weight", false)
            ]
        );
        assert_eq!(names[7].1, "head.bias");
        assert!(matches!(list.parameters[4].layout, Layout::Linear([4, 2, 3])));
        assert_eq!((list.norms.len(), list.norms[0].golden.as_str()), (1, "fun.1"));
    }

    #[test]
    fn lists_that_the_notation_cannot_say_are_refused() {
        let refused = |change: fn(&mut serde_json::Value)| {
            let mut list = small();
            change(&mut list);
            read(list, [2, 4, 7]).map(|_| ()).unwrap_err().to_string()
        };
        assert!(
            refused(|l| l[0]["stride"] = 2.into())
                .contains("layer 0: expected a convolution of 2 channels")
        );
        assert!(refused(|l| l[1]["eps"] = 1e-3.into()).contains("eps 1e-5"));
        assert!(refused(|l| l[4]["kernel"] = 5.into()).contains("layer 4"));
        assert!(
            refused(|l| l[6]["in_features"] = 25.into())
                .contains("layer 6: expected 24 inputs, found 25")
        );
        assert!(
            refused(|l| l[11]["out_features"] = 7.into())
                .contains("layer 11: expected 2 units for each of 3 classes")
        );
        assert!(
            refused(|l| l[3] = serde_json::json!({"type": "Flatten"}))
                .contains("layer 0: the notation has no stage")
        );
        assert!(refused(|l| *l = serde_json::json!([])).contains("network ''"));
    }
}
