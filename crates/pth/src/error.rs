pub(crate) use sentence::shown;

/// A pickle that describes some hundred tensors has some 20 KB; one beyond this describes no
/// network's weights.
pub const LARGEST_PICKLE: usize = 4 << 20;

/// Why a file gives no tensors; each is one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive's own structure does not hold.
    #[error("the zip archive is damaged or cut short: {found}; copy the file again")]
    Damaged {
        /// What is wrong.
        found: String,
    },
    /// A zip archive of something else.
    #[error("expected the archive of torch.save with its data.pkl, found another zip archive")]
    NotTorch,
    /// A packed or encrypted file in the archive, which `torch.save` never writes.
    #[error(
        "expected files that are stored as they are, as torch.save does, found {name} packed; load it with torch.load and \
         save it again with torch.save"
    )]
    Packed {
        /// The file in the archive.
        name: String,
    },
    /// Numbers of a machine with another order of bytes.
    #[error(
        "expected little-endian numbers, found byteorder \"{found}\"; save it on such a machine"
    )]
    ByteOrder {
        /// What the archive says.
        found: String,
    },
    /// The pickle cannot be read.
    #[error(
        "data.pkl cannot be read: byte {at}: {found}; save it again with torch.save(model.state_dict(), …)"
    )]
    Pickle {
        /// Where in the pickle.
        at: usize,
        /// What stands there.
        found: String,
    },
    /// A pickle too large to describe a network.
    #[error(
        "expected a data.pkl of at most {} bytes, found {found}; save model.state_dict() alone",
        LARGEST_PICKLE
    )]
    LargePickle {
        /// Its bytes.
        found: usize,
    },
    /// No state dict at all.
    #[error("expected a state dict, found {found}; save model.state_dict() instead")]
    NoDict {
        /// What it is.
        found: String,
    },
    /// Dicts, but no tensors in them.
    #[error(
        "expected tensors by name, plain or under one of {places}, found {found}; save model.state_dict() instead"
    )]
    NoTensors {
        /// Keys under which a state dict is looked for.
        places: String,
        /// The keys that there are.
        found: String,
    },
    /// An entry of the state dict that something else makes than PyTorch's plain tensors.
    #[error(
        "expected a plain tensor under {name}, found what {global} makes; save dense tensors on the CPU"
    )]
    Foreign {
        /// The entry.
        name: String,
        /// Module and name of what would have been called.
        global: String,
    },
    /// Two entries of one name.
    #[error(
        "{name} is there twice, once perhaps with another prefix such as module.; save one of them"
    )]
    Twice {
        /// The name without prefixes.
        name: String,
    },
    /// A tensor whose description or storage does not hold.
    #[error("{name} {found}")]
    Tensor {
        /// The tensor.
        name: String,
        /// What is wrong with it, and what to do.
        found: String,
    },
}
