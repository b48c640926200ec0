//! The pieces of an HDF5 file that a cache is made of, as bytes: the format of HDF5 1.0 to 1.6,
//! which every later library reads.
//!
//! Source: The HDF Group, "HDF5 File Format Specification Version 3.0", sections II.A (superblock),
//! III.A (version 1 B-trees), III.B (symbol table nodes), III.D (local heaps) and IV.A (object
//! headers). All numbers are little-endian, addresses and lengths have 8 bytes.

use super::Dtype;

/// An address that leads nowhere.
pub(super) const NOWHERE: u64 = u64::MAX;
/// Bytes of a superblock of version 0.
pub(super) const SUPERBLOCK: u64 = 96;
/// Half the children of a group's B-tree node, and of a symbol table node: the library's values.
const GROUP_INTERNAL_K: u16 = 16;
const GROUP_LEAF_K: u16 = 4;
/// Most children of a node of a chunk B-tree: twice the 32 that a superblock of version 0 implies.
pub(super) const CHUNK_CHILDREN: usize = 64;

/// The number by which HDF5 knows deflate.
pub(super) const DEFLATE: u16 = 1;

/// Concatenates numbers and bytes into a message.
macro_rules! bytes {
    ($($part:expr),* $(,)?) => {{
        let mut all: Vec<u8> = Vec::new();
        $(all.extend_from_slice($part.as_ref());)*
        all
    }};
}

/// `bytes` with zeros up to a multiple of 8.
pub(super) fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// The first bytes of the file: its length, and where the root group lies.
pub(super) fn superblock(length: u64, root: u64, group: Group) -> Vec<u8> {
    bytes![
        b"\x89HDF\r\n\x1a\n",
        [0, 0, 0, 0, 0, 8, 8, 0],
        GROUP_LEAF_K.to_le_bytes(),
        GROUP_INTERNAL_K.to_le_bytes(),
        [0; 4],
        0u64.to_le_bytes(),
        NOWHERE.to_le_bytes(),
        length.to_le_bytes(),
        NOWHERE.to_le_bytes(),
        // the entry of the root group: no name, its header, and a copy of its two addresses
        0u64.to_le_bytes(),
        root.to_le_bytes(),
        1u32.to_le_bytes(),
        [0; 4],
        group.tree.to_le_bytes(),
        group.heap.to_le_bytes(),
    ]
}

/// Where a group's B-tree and names lie.
#[derive(Clone, Copy)]
pub(super) struct Group {
    pub tree: u64,
    pub heap: u64,
}

impl Group {
    /// The message that leads from a group's header to its members.
    pub fn message(self) -> Message {
        Message { kind: 0x11, body: bytes![self.tree.to_le_bytes(), self.heap.to_le_bytes()] }
    }
}

/// The blocks of a group whose members have these names, in text order, and lie at these addresses;
/// the blocks will lie at `at`, one after the other.
///
/// One symbol table node holds at most 8 members.
pub(super) fn group(at: u64, members: &[(&str, u64)]) -> (Group, Vec<u8>) {
    let mut names = vec![0; 8];
    let mut entries = Vec::new();
    let mut last = 0u64;
    for (name, address) in members {
        last = names.len() as u64;
        let no_cache = [0u8; 24];
        entries.extend(bytes![last.to_le_bytes(), address.to_le_bytes(), no_cache]);
        names = padded(bytes![names, name.as_bytes(), [0]]);
    }
    let heap_bytes = 32 + names.len() as u64;
    let tree_bytes = 24 + (4 * u64::from(GROUP_INTERNAL_K) + 1) * 8;
    let (tree, node) = (at + heap_bytes, at + heap_bytes + tree_bytes);
    let no_free_block = 1u64;
    let heap = bytes![
        b"HEAP\0\0\0\0",
        (names.len() as u64).to_le_bytes(),
        no_free_block.to_le_bytes(),
        (at + 32).to_le_bytes(),
        names,
    ];
    // one child, between the empty name and the last one
    let mut tree_node = bytes![
        b"TREE\0\0",
        1u16.to_le_bytes(),
        NOWHERE.to_le_bytes(),
        NOWHERE.to_le_bytes(),
        0u64.to_le_bytes(),
        node.to_le_bytes(),
        last.to_le_bytes(),
    ];
    tree_node.resize(tree_bytes as usize, 0);
    let mut symbols = bytes![b"SNOD\x01\0", (members.len() as u16).to_le_bytes(), entries];
    symbols.resize(8 + 2 * usize::from(GROUP_LEAF_K) * 40, 0);
    (Group { tree, heap: at }, bytes![heap, tree_node, symbols])
}

/// A message of an object header.
pub(super) struct Message {
    pub kind: u16,
    pub body: Vec<u8>,
}

/// An object header of version 1.
pub(super) fn header(messages: Vec<Message>) -> Vec<u8> {
    let count = messages.len() as u16;
    let mut body = Vec::new();
    for Message { kind, body: message } in messages {
        let message = padded(message);
        body.extend(bytes![kind.to_le_bytes(), (message.len() as u16).to_le_bytes(), [0; 4]]);
        body.extend(message);
    }
    let references = 1u32;
    bytes![
        [1, 0],
        count.to_le_bytes(),
        references.to_le_bytes(),
        (body.len() as u32).to_le_bytes(),
        [0; 4],
        body,
    ]
}

/// The type of a number.
pub(super) fn number(bits: u16, float: bool) -> Vec<u8> {
    let size = u32::from(bits / 8).to_le_bytes();
    let (offset, precision) = (0u16.to_le_bytes(), bits.to_le_bytes());
    if !float {
        return bytes![[0x10, 0, 0, 0], size, offset, precision];
    }
    // IEEE 754 single precision: sign in bit 31, 8 bits of exponent from bit 23, 23 of mantissa
    let fields = [23, 8, 0, 23];
    bytes![[0x11, 0x20, 31, 0], size, offset, precision, fields, 127u32.to_le_bytes()]
}

/// The type of a sample's values.
pub(super) fn of_dtype(dtype: Dtype) -> Vec<u8> {
    number(8 * dtype.bytes() as u16, dtype == Dtype::F32)
}

/// The messages of every data set: its sizes, its type, no fill value.
pub(super) fn dataset(sizes: &[u64], datatype: Vec<u8>, late: bool) -> Vec<Message> {
    let mut dataspace = vec![1, sizes.len() as u8, 0, 0, 0, 0, 0, 0];
    dataspace.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    // space is taken at once, or chunk by chunk; the fill value is the default
    let fill = vec![2, if late { 2 } else { 3 }, 2, 1, 0, 0, 0, 0];
    vec![
        Message { kind: 0x1, body: dataspace },
        Message { kind: 0x3, body: datatype },
        Message { kind: 0x5, body: fill },
    ]
}

/// Where the bytes of an unchunked data set lie.
pub(super) fn contiguous(at: u64, length: u64) -> Message {
    Message { kind: 0x8, body: bytes![[3, 1], at.to_le_bytes(), length.to_le_bytes()] }
}

/// Where the B-tree of a chunked data set lies, and how large a chunk is.
pub(super) fn chunked(tree: u64, chunk: &[u32], element: u32) -> Message {
    let mut body = bytes![[3, 2, chunk.len() as u8 + 1], tree.to_le_bytes()];
    body.extend(chunk.iter().chain([&element]).flat_map(|size| size.to_le_bytes()));
    Message { kind: 0x8, body }
}

/// That chunks are deflated.
pub(super) fn deflated(level: u32) -> Message {
    let (name_length, optional, values) = (8u16, 1u16, 1u16);
    let head = [DEFLATE, name_length, optional, values].map(u16::to_le_bytes).concat();
    let body = bytes![[1, 1, 0, 0, 0, 0, 0, 0], head, b"deflate\0", level.to_le_bytes(), [0; 4]];
    Message { kind: 0xb, body }
}

/// A text as an attribute.
pub(super) fn attribute(name: &str, text: &str) -> Message {
    let name = bytes![name.as_bytes(), [0]];
    // padded by zeros, UTF-8
    let datatype = bytes![[0x13, 0x11, 0, 0], (text.len() as u32).to_le_bytes()];
    let scalar = [1u8, 0, 0, 0, 0, 0, 0, 0];
    let lengths = [name.len(), datatype.len(), scalar.len()].map(|length| length as u16);
    let lengths = lengths.map(u16::to_le_bytes).concat();
    let body = bytes![[1, 0], lengths, padded(name), padded(datatype), scalar, text.as_bytes()];
    Message { kind: 0xc, body }
}

/// A child of a chunk B-tree: a chunk, or a node below.
#[derive(Clone, Copy)]
pub(super) struct Child {
    /// The first sample of it.
    pub sample: u64,
    /// Where it lies.
    pub at: u64,
    /// Stored bytes of that sample.
    pub stored: u32,
}

/// The nodes of a B-tree over one chunk a sample, which will lie at `at`, level after level; and
/// the address of the root.
pub(super) fn chunk_tree(at: u64, rank: usize, chunks: Vec<Child>) -> (u64, Vec<u8>) {
    if chunks.is_empty() {
        return (NOWHERE, Vec::new());
    }
    let samples = chunks.len() as u64;
    let key_bytes = 8 + 8 * (rank + 1);
    let node_bytes = 24 + (CHUNK_CHILDREN + 1) * key_bytes + CHUNK_CHILDREN * 8;
    let (mut level, mut children, mut blocks) = (0u8, chunks, Vec::new());
    loop {
        let nodes = children.len().div_ceil(CHUNK_CHILDREN);
        let first = at + blocks.len() as u64;
        let place = |node: usize| first + (node * node_bytes) as u64;
        let mut parents = Vec::with_capacity(nodes);
        for (index, of_node) in children.chunks(CHUNK_CHILDREN).enumerate() {
            let left = if index == 0 { NOWHERE } else { place(index - 1) };
            let right = if index + 1 == nodes { NOWHERE } else { place(index + 1) };
            let used = of_node.len() as u16;
            let head = [[1, level], used.to_le_bytes()].concat();
            let mut node = bytes![b"TREE", head, left.to_le_bytes(), right.to_le_bytes()];
            for child in of_node {
                node.extend(key(child.stored, child.sample, rank));
                node.extend(child.at.to_le_bytes());
            }
            // the key behind the last child: the first sample that is not below this node
            let end = children.get((index + 1) * CHUNK_CHILDREN);
            node.extend(key(0, end.map_or(samples, |next| next.sample), rank));
            node.resize(node_bytes, 0);
            blocks.extend(node);
            parents.push(Child { at: place(index), ..of_node[0] });
        }
        if let [root] = parents[..] {
            return (root.at, blocks);
        }
        (level, children) = (level + 1, parents);
    }
}

/// The key of a chunk: stored bytes, no filter left out, and its first element.
fn key(stored: u32, sample: u64, rank: usize) -> Vec<u8> {
    let behind = vec![0; 8 * rank];
    bytes![stored.to_le_bytes(), [0; 4], sample.to_le_bytes(), behind]
}
