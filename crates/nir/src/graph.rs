//! A NIR graph as plain data: nodes by name, and edges between them.

use sentence::shown;

/// Numbers with their sizes, the last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The size of each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Vec<f32>,
}

impl Array {
    /// `shape` filled with one number.
    pub fn filled(shape: &[usize], value: f32) -> Array {
        Array { shape: shape.to_vec(), values: vec![value; shape.iter().product()] }
    }

    /// The number that all of them are; `None` where two differ or there is none.
    pub fn uniform(&self) -> Option<f32> {
        let first = *self.values.first()?;
        self.values.iter().all(|&value| value == first).then_some(first)
    }
}

/// A convolution: weight `[out, in, height, width]`, bias `[out]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// `[out, in / groups, height, width]`.
    pub weight: Array,
    /// `[out]`.
    pub bias: Array,
    /// Height and width of the maps; NIR leaves them out where it does not know them.
    pub input_shape: Option<[usize; 2]>,
    /// Step of the window: rows, columns.
    pub stride: [usize; 2],
    /// Zeros around the map: rows, columns.
    pub padding: [usize; 2],
    /// Distance between the window's taps.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

/// The constants of integrate-and-fire neurons, each of the shape of the population. Times are in
/// seconds.
///
/// ```text
/// τ · dv/dt = (v_leak − v) + R·i      a spike where v > v_threshold, then v = v_reset
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    /// τ; `None` for neurons without a leak (`IF`): dv/dt = R·i.
    pub tau: Option<Array>,
    /// τ and weight of a synaptic current (`CubaLIF`): τ_syn · di/dt = −i + w_in · s.
    pub synapse: Option<[Array; 2]>,
    /// R.
    pub r: Array,
    /// v_leak; 0 for `IF`.
    pub v_leak: Array,
    /// v_threshold.
    pub v_threshold: Array,
    /// v_reset.
    pub v_reset: Array,
}

/// Pooling windows: rows, columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Size of a window.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Zeros around the map.
    pub padding: [usize; 2],
}

/// A node of a graph, with NIR's names for kinds and fields. Maps are `[channels, height, width]`,
/// without an axis for the batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Where numbers come in.
    Input(Vec<usize>),
    /// Where they come out.
    Output(Vec<usize>),
    /// Convolution.
    Conv2d(Convolution),
    /// y = W·x + b, W `[out, in]`, b `[out]`.
    Affine(Array, Array),
    /// y = W·x.
    Linear(Array),
    /// Average pooling.
    AvgPool2d(Pool),
    /// Pooling by sums.
    SumPool2d(Pool),
    /// The axes from start to end as one.
    Flatten {
        /// First axis.
        start: i64,
        /// Last axis; −1 is the last of all.
        end: i64,
        /// The shape of what comes in.
        input: Vec<usize>,
    },
    /// Integrate-and-fire neurons: NIR's `IF`, `LIF` and `CubaLIF`.
    Neurons(Population),
    /// A kind that has no network here, by its name.
    Other(String),
}

impl Node {
    /// The kind of node, as a file has it.
    pub fn kind(&self) -> &str {
        match self {
            Node::Input(_) => "Input",
            Node::Output(_) => "Output",
            Node::Conv2d(_) => "Conv2d",
            Node::Affine(..) => "Affine",
            Node::Linear(_) => "Linear",
            Node::AvgPool2d(_) => "AvgPool2d",
            Node::SumPool2d(_) => "SumPool2d",
            Node::Flatten { .. } => "Flatten",
            Node::Neurons(Population { synapse: Some(_), .. }) => "CubaLIF",
            Node::Neurons(Population { tau: None, .. }) => "IF",
            Node::Neurons(_) => "LIF",
            Node::Other(kind) => kind,
        }
    }
}

/// Nodes by name, and the edges between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Nodes, each under a name that no other has.
    pub nodes: Vec<(String, Node)>,
    /// From whose output to whose input. What several edges bring to a node is added up.
    pub edges: Vec<(String, String)>,
}

impl Graph {
    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|(of, _)| of == name).map(|(_, node)| node)
    }

    /// The nodes from the input to the output, where each has one before it and one behind it.
    ///
    /// # Errors
    /// A graph that is no such chain: what it is instead, as the end of a sentence.
    pub(crate) fn chain(&self) -> Result<Vec<(&str, &Node)>, String> {
        let input = self.nodes.iter().filter(|(_, node)| matches!(node, Node::Input(_)));
        let [(name, node)] = input.collect::<Vec<_>>()[..] else {
            return Err("expected one Input node, found none or several".into());
        };
        let mut chain: Vec<(&str, &Node)> = vec![(name, node)];
        while let Some((at, node)) = chain.last()
            && !matches!(node, Node::Output(_))
        {
            let behind: Vec<&str> =
                self.edges.iter().filter(|(from, _)| from == at).map(|(_, to)| &**to).collect();
            let &[next] = &behind[..] else {
                return Err(format!(
                    "expected one node behind {}, found {}; a chain alone can be read",
                    shown(at),
                    behind.len()
                ));
            };
            let before = self.edges.iter().filter(|(_, to)| to == next).count();
            if before > 1 {
                return Err(format!(
                    "expected one node before {}, found {before}; a chain alone can be read",
                    shown(next)
                ));
            }
            match self.nodes.iter().find(|(of, _)| of == next) {
                Some((name, node)) => chain.push((name, node)),
                None => {
                    return Err(format!("there is an edge to {}, but no such node", shown(next)));
                }
            }
            if chain.len() > self.nodes.len() {
                return Err("the edges lead in a circle".into());
            }
        }
        match self.nodes.len() - chain.len() {
            0 => Ok(chain),
            apart => Err(format!(
                "expected a chain, found {} beside it",
                sentence::counted(apart, "node")
            )),
        }
    }
}
