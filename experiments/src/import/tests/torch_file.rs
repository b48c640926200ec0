//! What `torch.save` writes, without it.

use candle_core::{DType, Tensor};

/// CRC-32 as zip has it.
fn crc(bytes: &[u8]) -> u32 {
    let byte = |crc: u32, b: &u8| {
        (0..8).fold(
            crc ^ u32::from(*b),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 },
        )
    };
    !bytes.iter().fold(!0, byte)
}

/// A zip archive of files that are stored as they are.
pub fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let (at, size) = (out.len() as u32, (bytes.len() as u32).to_le_bytes());
        // version, flags, method, time and date, checksum, sizes, lengths of name and extra
        let common = [
            &[0, 0, 0, 0, 0, 0, 0, 0],
            &crc(bytes).to_le_bytes()[..],
            &size,
            &size,
            &(name.len() as u16).to_le_bytes(),
            &[0, 0],
        ]
        .concat();
        out.extend([b"PK\x03\x04\x14\0", &common[..], name.as_bytes(), bytes].concat());
        directory.extend(
            [b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()]
                .concat(),
        );
    }
    let (n, at) = ((files.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    out.extend_from_slice(&directory);
    out.extend(
        [b"PK\x05\x06\0\0\0\0", &n[..], &n, &(directory.len() as u32).to_le_bytes(), &at, &[0, 0]]
            .concat(),
    );
    out
}

/// A pickle of protocol 2, opcode by opcode.
#[derive(Default)]
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    fn int(&mut self, n: usize) -> &mut Self {
        self.op(b"J").op(&(n as u32).to_le_bytes())
    }

    fn ints(&mut self, all: &[usize]) -> &mut Self {
        self.op(b"(");
        for &n in all {
            self.int(n);
        }
        self.op(b"t")
    }

    /// `_rebuild_tensor_v2(('storage', FloatStorage, key, 'cpu', n), 0, shape, strides, False,
    /// OrderedDict())`.
    fn tensor(&mut self, key: usize, shape: &[usize]) -> &mut Self {
        let strides: Vec<usize> =
            (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
        self.op(b"ctorch._utils\n_rebuild_tensor_v2\n((")
            .text("storage")
            .op(b"ctorch\nFloatStorage\n");
        self.text(&key.to_string()).text("cpu").int(shape.iter().product()).op(b"tQ").int(0);
        self.ints(shape).ints(&strides).op(b"\x89ccollections\nOrderedDict\n)RtR")
    }
}

/// A checkpoint to be written: names and values.
#[derive(Clone, Default)]
pub struct Torch {
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Under a key, beside other things, as training programs save it; with a prefix.
    pub nested: Option<(&'static str, &'static str)>,
}

impl Torch {
    pub fn put(&mut self, name: &str, tensor: &Tensor) {
        let values = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        self.tensors.push((name.into(), tensor.dims().to_vec(), values));
    }

    pub fn pickle(&self) -> Vec<u8> {
        let mut p = Pickle::default();
        p.op(b"\x80\x02");
        if let Some((key, _)) = self.nested {
            p.op(b"}(")
                .text("best_acc")
                .tensor(0, &self.tensors[0].1)
                .text("epoch")
                .op(b"K\x03")
                .text(key);
        }
        p.op(b"ccollections\nOrderedDict\n)Rq\x07(");
        let prefix = self.nested.map_or("", |(_, prefix)| prefix);
        for (key, (name, shape, _)) in self.tensors.iter().enumerate() {
            p.text(&format!("{prefix}{name}")).tensor(key, shape);
        }
        p.op(b"u}").text("_metadata").op(b"ccollections\nOrderedDict\n)Rsb");
        if self.nested.is_some() {
            p.text("optimizer").op(b"}").text("lr").op(b"G?PbM\xd2\xf1\xa9\xfcsu");
        }
        p.op(b".");
        p.0
    }

    pub fn bytes(&self) -> Vec<u8> {
        let storage = |(key, (_, _, values)): (usize, &(String, Vec<usize>, Vec<f32>))| {
            (format!("archive/data/{key}"), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        };
        let mut files = vec![("archive/data.pkl".to_owned(), self.pickle())];
        files.extend(self.tensors.iter().enumerate().map(storage));
        files.push(("archive/version".into(), b"3\n".to_vec()));
        zip(&files)
    }

    pub fn named(&mut self, name: &str) -> &mut (String, Vec<usize>, Vec<f32>) {
        self.tensors.iter_mut().find(|(n, ..)| n == name).unwrap()
    }
}
