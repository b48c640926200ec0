use sentence::shown;

/// Why a network has no NIR graph, or a NIR file no network; each is one sentence that says what to
/// do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// NIR has no word for a part of the network.
    #[error("NIR cannot say {what}: {why}")]
    Unsaid {
        /// The part, with the layer that it is of.
        what: String,
        /// Why, and what to do.
        why: String,
    },
    /// A node of a file that has no layer here.
    #[error("node {}: expected {expected}, found {}", shown(node), shown(found))]
    Node {
        /// The node's name.
        node: String,
        /// What can be read.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A graph that is no chain.
    #[error("the graph: {0}")]
    Graph(String),
    /// A file that is no NIR file.
    #[error("expected a NIR file, found {0}")]
    File(String),
    /// Tensor operations that failed.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
}
