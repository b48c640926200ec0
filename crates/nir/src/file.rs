//! A graph as an HDF5 file, as the Python package `nir` writes and reads it: `version`, and a group
//! `node` with `type`, `edges` and a group for each of `nodes`. Only this module knows HDF5.

use crate::Error;
use crate::graph::{Array, Convolution, Graph, Node, Pool, Population};
use hdf5::{DType, Dataset, DatasetBuilder, FileBuilder, Group, GroupBuilder};
use sentence::shown;
use std::path::Path;

/// The version of NIR that files say.
const VERSION: &str = "1.0.8";
/// Most bytes of a file that is read: fifty times the paper's largest network.
const LARGEST: u64 = 4 << 30;
/// Most numbers of one field: a file of a few bytes can claim any size.
const MOST: u64 = 1 << 29;
/// Most nodes and edges: more than any network of layers has.
const MANY: usize = 10_000;

impl Graph {
    /// The bytes of its file.
    ///
    /// # Errors
    /// A graph that HDF5 cannot hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut file = FileBuilder::new();
        text(file.create_dataset("version"), VERSION);
        let mut root = file.create_group("node");
        text(root.create_dataset("type"), "NIRGraph");
        let ends: Vec<&str> = self.edges.iter().flat_map(|(a, b)| [&**a, &**b]).collect();
        root.create_dataset("edges")
            .with_vlen_strings(&ends)
            .with_shape(&[self.edges.len() as u64, 2]);
        let mut nodes = root.create_group("nodes");
        for (name, node) in &self.nodes {
            let mut group = nodes.create_group(name);
            text(group.create_dataset("type"), node.kind());
            put(&mut group, node);
            nodes.add_group(group.finish());
        }
        root.add_group(nodes.finish());
        file.add_group(root.finish());
        file.finish().map_err(|error| Error::File(format!("what HDF5 cannot hold: {error}")))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If there is none, it is no NIR file, or a field is missing or of another kind.
    pub fn read(path: &Path) -> Result<Graph, Error> {
        let failed = |cause: std::io::Error| Error::File(sentence::cause(&cause));
        let about = std::fs::metadata(path).map_err(failed)?;
        if !about.is_file() {
            return Err(Error::File("something that is no regular file".into()));
        }
        if about.len() > LARGEST {
            return Err(Error::File(format!("{} bytes, more than {LARGEST}", about.len())));
        }
        Graph::from_bytes(std::fs::read(path).map_err(failed)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As [`Graph::read`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Graph, Error> {
        if !hdf5::is_hdf5_bytes(&bytes) {
            return Err(Error::File("a file that is not HDF5".into()));
        }
        let file = hdf5::File::from_bytes(bytes)
            .map_err(|_| Error::File("an HDF5 file that does not read".into()))?;
        let root = file
            .group("node")
            .map_err(|_| Error::File("an HDF5 file without a group \"node\"".into()))?;
        let root = Fields { node: "node", group: root };
        let edges = pairs(&root)?;
        let nodes = root
            .group
            .group("nodes")
            .map_err(|_| Error::File("a graph without a group \"nodes\"".into()))?;
        let names = nodes.groups().map_err(|_| Error::File("nodes that do not read".into()))?;
        if names.len().max(edges.len()) > MANY {
            return Err(Error::File(format!("more than {MANY} nodes or edges")));
        }
        let mut graph = Graph { nodes: Vec::new(), edges };
        for name in names {
            let group = nodes
                .group(&name)
                .map_err(|_| Error::File(format!("a node {} that does not read", shown(&name))))?;
            let node = Fields { node: &name, group }.node()?;
            graph.nodes.push((name, node));
        }
        Ok(graph)
    }
}

fn pairs(root: &Fields<'_>) -> Result<Vec<(String, String)>, Error> {
    let edges = root.dataset("edges")?;
    let shape = edges.shape().unwrap_or_default();
    // a graph without edges may have any shape
    if shape.contains(&0) {
        return Ok(Vec::new());
    }
    if !matches!(shape[..], [many, 2] if many <= MANY as u64) {
        let found = format!("shape {shape:?}");
        return Err(root.wrong("edges of shape [n, 2]", found));
    }
    let ends = edges.read_string().map_err(|_| root.wrong("edges as texts", "another type"))?;
    Ok(ends.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn text(dataset: &mut DatasetBuilder, value: &str) {
    dataset.with_vlen_strings(&[value]).with_shape(&[]);
}

fn array(group: &mut GroupBuilder, name: &str, array: &Array) {
    let shape: Vec<u64> = array.shape.iter().map(|&size| size as u64).collect();
    group.create_dataset(name).with_f32_data(&array.values).with_shape(&shape);
}

fn sizes(group: &mut GroupBuilder, name: &str, sizes: &[usize]) {
    let values: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
    group.create_dataset(name).with_i64_data(&values).with_shape(&[values.len() as u64]);
}

fn whole(group: &mut GroupBuilder, name: &str, value: i64) {
    group.create_dataset(name).with_i64_data(&[value]).with_shape(&[]);
}

/// Writes the fields of a node.
fn put(group: &mut GroupBuilder, node: &Node) {
    match node {
        Node::Input(shape) | Node::Output(shape) => sizes(group, "shape", shape),
        Node::Conv2d(conv) => {
            array(group, "weight", &conv.weight);
            array(group, "bias", &conv.bias);
            if let Some(shape) = conv.input_shape {
                sizes(group, "input_shape", &shape);
            }
            sizes(group, "stride", &conv.stride);
            sizes(group, "padding", &conv.padding);
            sizes(group, "dilation", &conv.dilation);
            whole(group, "groups", conv.groups as i64);
        }
        Node::Affine(weight, bias) => {
            array(group, "weight", weight);
            array(group, "bias", bias);
        }
        Node::Linear(weight) => array(group, "weight", weight),
        Node::AvgPool2d(pool) | Node::SumPool2d(pool) => {
            sizes(group, "kernel_size", &pool.kernel);
            sizes(group, "stride", &pool.stride);
            sizes(group, "padding", &pool.padding);
        }
        Node::Flatten { start, end, input } => {
            whole(group, "start_dim", *start);
            whole(group, "end_dim", *end);
            sizes(group, "input_type", input);
        }
        Node::Neurons(of) => {
            let leaks = of.tau.is_some();
            match (&of.tau, &of.synapse) {
                (Some(tau), Some([tau_syn, w_in])) => {
                    array(group, "tau_mem", tau);
                    array(group, "tau_syn", tau_syn);
                    array(group, "w_in", w_in);
                }
                (Some(tau), None) => array(group, "tau", tau),
                (None, _) => {}
            }
            array(group, "r", &of.r);
            if leaks {
                array(group, "v_leak", &of.v_leak);
            }
            array(group, "v_threshold", &of.v_threshold);
            array(group, "v_reset", &of.v_reset);
        }
        Node::Other(_) => {}
    }
}

/// The fields of one node of a file.
struct Fields<'a> {
    node: &'a str,
    group: Group,
}

impl Fields<'_> {
    fn wrong(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Node { node: self.node.into(), expected: expected.into(), found: found.into() }
    }

    fn dataset(&self, name: &str) -> Result<Dataset, Error> {
        self.group.dataset(name).map_err(|_| self.wrong(format!("a field {name}"), "none"))
    }

    fn has(&self, name: &str) -> bool {
        self.group.datasets().is_ok_and(|names| names.iter().any(|of| of == name))
    }

    fn text(&self, name: &str) -> Result<String, Error> {
        let read =
            self.dataset(name)?.read_string().ok().and_then(|texts| texts.into_iter().next());
        read.ok_or_else(|| self.wrong(format!("a text {name}"), "another type"))
    }

    fn array(&self, name: &str) -> Result<Array, Error> {
        let dataset = self.dataset(name)?;
        let unread = || self.wrong(format!("numbers {name}"), "what does not read");
        let shape = dataset.shape().map_err(|_| unread())?;
        let count = shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size));
        if count.is_none_or(|count| count > MOST) {
            return Err(self.wrong(format!("at most {MOST} numbers {name}"), format!("{shape:?}")));
        }
        let values = dataset.read_f32().map_err(|_| unread())?;
        if values.len() as u64 != count.unwrap_or_default() {
            return Err(unread());
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(self.wrong(format!("finite numbers {name}"), value.to_string()));
        }
        Ok(Array { shape: shape.iter().map(|&size| size as usize).collect(), values })
    }

    fn whole(&self, name: &str) -> Result<Vec<i64>, Error> {
        let dataset = self.dataset(name)?;
        let few = dataset.shape().is_ok_and(|shape| shape.iter().product::<u64>() <= 16);
        let values = if few { dataset.read_i64().ok() } else { None };
        values.ok_or_else(|| self.wrong(format!("whole numbers {name}"), "another type"))
    }

    fn sizes(&self, name: &str) -> Result<Vec<usize>, Error> {
        let values = self.whole(name)?;
        let sizes =
            values.iter().map(|&value| usize::try_from(value).ok().filter(|&v| v < 1 << 31));
        sizes
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| self.wrong(format!("sizes {name} from 0 to 2³¹"), format!("{values:?}")))
    }

    /// Rows and columns: two sizes, or one for both.
    fn pair(&self, name: &str) -> Result<[usize; 2], Error> {
        match self.sizes(name)?[..] {
            [both] => Ok([both, both]),
            [rows, columns] => Ok([rows, columns]),
            ref found => Err(self.wrong(format!("one or two sizes {name}"), format!("{found:?}"))),
        }
    }

    fn node(&self) -> Result<Node, Error> {
        let kind = self.text("type")?;
        Ok(match kind.as_str() {
            "Input" => Node::Input(self.sizes("shape")?),
            "Output" => Node::Output(self.sizes("shape")?),
            "Conv2d" => Node::Conv2d(self.convolution()?),
            "Affine" => Node::Affine(self.array("weight")?, self.array("bias")?),
            "Linear" => Node::Linear(self.array("weight")?),
            "AvgPool2d" => Node::AvgPool2d(self.pool()?),
            "SumPool2d" => Node::SumPool2d(self.pool()?),
            "Flatten" => {
                let axis = |name: &str| {
                    let first = self.whole(name)?.first().copied();
                    first.ok_or_else(|| self.wrong(format!("a number {name}"), "none"))
                };
                let known = self.has("input_type");
                let input = if known { self.sizes("input_type")? } else { Vec::new() };
                Node::Flatten { start: axis("start_dim")?, end: axis("end_dim")?, input }
            }
            "IF" | "LIF" | "CubaLIF" => Node::Neurons(self.neurons(&kind)?),
            _ => Node::Other(kind),
        })
    }

    fn convolution(&self) -> Result<Convolution, Error> {
        let weight = self.array("weight")?;
        let stride = self.pair("stride")?;
        let padding = self.dataset("padding")?;
        // the package takes the words of PyTorch too
        let padding = match padding.dtype() {
            Ok(DType::String | DType::VariableLengthString) => {
                match (self.text("padding")?.as_str(), &weight.shape[..]) {
                    ("valid", _) => [0, 0],
                    ("same", &[_, _, h, w]) if h % 2 == 1 && w % 2 == 1 => [h / 2, w / 2],
                    (word, _) => return Err(self.wrong("padding in pixels", word)),
                }
            }
            _ => self.pair("padding")?,
        };
        let known = self.has("input_shape");
        let input_shape = if known { self.pair("input_shape").ok() } else { None };
        let groups = self.sizes("groups")?.first().copied().unwrap_or(1);
        let (bias, dilation) = (self.array("bias")?, self.pair("dilation")?);
        Ok(Convolution { weight, bias, input_shape, stride, padding, dilation, groups })
    }

    fn pool(&self) -> Result<Pool, Error> {
        let (kernel, stride) = (self.pair("kernel_size")?, self.pair("stride")?);
        Ok(Pool { kernel, stride, padding: self.pair("padding")? })
    }

    fn neurons(&self, kind: &str) -> Result<Population, Error> {
        let v_threshold = self.array("v_threshold")?;
        let or_zeros = |name: &str| match self.has(name) {
            true => self.array(name),
            false => Ok(Array::filled(&v_threshold.shape, 0.0)),
        };
        let tau = match kind {
            "IF" => None,
            "LIF" => Some(self.array("tau")?),
            _ => Some(self.array("tau_mem")?),
        };
        let synapse = match kind {
            "CubaLIF" => Some([self.array("tau_syn")?, self.array("w_in")?]),
            _ => None,
        };
        let (v_leak, v_reset) = (or_zeros("v_leak")?, or_zeros("v_reset")?);
        Ok(Population { tau, synapse, r: self.array("r")?, v_leak, v_threshold, v_reset })
    }
}
