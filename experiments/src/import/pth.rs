//! What `torch.save` writes since PyTorch 1.6: a zip archive of a pickle, `<name>/data.pkl`, that
//! describes tensors, and of one file for each storage, `<name>/data/<key>`. A pickle is a program;
//! candle's reader makes plain objects of it and runs nothing.

use super::{MANY, counted};
use anyhow::{Context, Result, bail, ensure};
use candle_core::pickle::{Object, Stack};
use candle_core::{Device, Tensor};
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// Where programs put a state dict in what they save; the paper's released code says `network`.
const NESTED: [&str; 6] = ["network", "state_dict", "model", "net", "model_state_dict", "module"];
/// What wrappers put in front of every name: `DataParallel` and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
/// A pickle that describes some hundred tensors has some 10 KB; one beyond this is none of ours.
const LARGEST_PICKLE: u64 = 32 << 20;

/// A checkpoint that was opened: its tensors by name, without the prefixes of wrappers.
pub struct Checkpoint {
    archive: ZipArchive<BufReader<File>>,
    /// `<name>/` of the archive's files.
    folder: String,
    tensors: BTreeMap<String, Stored>,
}

/// A tensor as the pickle describes it.
#[derive(Debug, PartialEq)]
struct Stored {
    /// `FloatStorage` and so on.
    storage: String,
    key: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl Checkpoint {
    /// Opens the file and reads its pickle.
    ///
    /// # Errors
    /// If it is no such archive, or holds no state dict.
    pub fn open(path: &Path) -> Result<Checkpoint> {
        let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))
            .context("the zip archive is damaged or cut short; copy the file again")?;
        let names: Vec<String> =
            archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let pickle = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
        let pickle = pickle.context(
            "expected the archive of torch.save with its data.pkl, found another zip archive",
        )?;
        let folder = pickle.trim_end_matches("data.pkl").to_owned();
        let bytes = read(&mut archive, pickle, 0, LARGEST_PICKLE)?;
        if names.contains(&format!("{folder}byteorder")) {
            let order = read(&mut archive, &format!("{folder}byteorder"), 0, 16)?;
            ensure!(
                order == b"little",
                "expected little-endian numbers, found byteorder {order:?}; save it on such a machine"
            );
        }
        let tensors = described(&bytes)?;
        Ok(Checkpoint { archive, folder, tensors })
    }

    /// Sizes of every tensor, by name.
    pub fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, stored)| (name.clone(), stored.shape.clone())).collect()
    }

    /// The values of a tensor, in f64. Ask only for one whose sizes are the expected ones: they
    /// bound what is read.
    ///
    /// # Errors
    /// If it is absent, of whole numbers, has gaps, or its storage is damaged.
    pub fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let stored = self.tensors.get(name).with_context(|| format!("{name} is missing"))?;
        let Stored { storage, key, offset, shape, strides } = stored;
        let Some((bytes, decode)) = element(storage) else {
            bail!("{name} is of {storage}, expected floating-point numbers");
        };
        let n = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let (Some(n), true) = (n, spans_itself(shape, strides)) else {
            bail!(
                "{name} of shape {shape:?} lies in its storage with strides {strides:?}; save it with .contiguous()"
            );
        };
        let sizes = offset.checked_mul(bytes).zip(n.checked_mul(bytes));
        let (skip, length) = sizes
            .with_context(|| format!("{name} starts at number {offset}, where no file has one"))?;
        let file = format!("{}data/{key}", self.folder);
        let raw = read(&mut self.archive, &file, skip as u64, length as u64)
            .with_context(|| name.to_owned())?;
        ensure!(
            raw.len() == length,
            "{name}: expected {length} bytes in {file}, found {}",
            raw.len()
        );
        let values: Vec<f64> = raw.chunks_exact(bytes).map(decode).collect();
        let values = in_order(shape, strides)
            .map(|at| values.get(at).copied())
            .collect::<Option<Vec<f64>>>();
        let values = values.with_context(|| format!("{name} reaches beyond its storage"))?;
        Ok(Tensor::from_vec(values, &shape[..], &Device::Cpu)?)
    }
}

/// At most `length` bytes of a file of the archive, behind the first `skip`.
fn read(
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    skip: u64,
    length: u64,
) -> Result<Vec<u8>> {
    let file = archive.by_name(name).with_context(|| format!("the archive has no whole {name}"))?;
    let mut file = BufReader::new(file);
    let damaged = || format!("{name} in the archive is damaged; copy the file again");
    std::io::copy(&mut file.by_ref().take(skip), &mut std::io::sink()).with_context(damaged)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).with_context(damaged)?;
    Ok(bytes)
}

/// The number that bytes say.
type Decode = fn(&[u8]) -> f64;

/// Bytes of an element of a storage, and what they say.
fn element(storage: &str) -> Option<(usize, Decode)> {
    fn bytes<const N: usize>(b: &[u8]) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(b).for_each(|(to, from)| *to = *from);
        bytes
    }
    match storage {
        "FloatStorage" => Some((4, |b| f64::from(f32::from_le_bytes(bytes(b))))),
        "DoubleStorage" => Some((8, |b| f64::from_le_bytes(bytes(b)))),
        "HalfStorage" => Some((2, |b| f16::from_le_bytes(bytes(b)).to_f64())),
        "BFloat16Storage" => Some((2, |b| bf16::from_le_bytes(bytes(b)).to_f64())),
        _ => None,
    }
}

/// Whether a tensor's elements are as many adjacent ones of its storage, in whatever order of its
/// axes.
fn spans_itself(shape: &[usize], strides: &[usize]) -> bool {
    let mut axes: Vec<(usize, usize)> =
        strides.iter().copied().zip(shape.iter().copied()).collect();
    axes.retain(|&(_, size)| size != 1);
    axes.sort_unstable();
    let step = axes.iter().try_fold(1usize, |step, &(stride, size)| match stride == step {
        true => step.checked_mul(size),
        false => None,
    });
    shape.len() == strides.len() && step.is_some()
}

/// Where each element lies, in row-major order.
fn in_order(shape: &[usize], strides: &[usize]) -> impl Iterator<Item = usize> {
    let n: usize = shape.iter().product();
    (0..n).map(move |i| {
        let axes = shape.iter().zip(strides).rev();
        axes.fold((0, i), |(at, rest), (&size, &stride)| (at + rest % size * stride, rest / size)).0
    })
}

/// The state dict of a pickle.
fn described(pickle: &[u8]) -> Result<BTreeMap<String, Stored>> {
    let mut stack = Stack::empty();
    let mut rest = pickle;
    let read = stack.read_loop(&mut rest).and_then(|()| stack.finalize());
    let object = read
        .map_err(|error| crate::run::in_one_sentence(error).context("data.pkl cannot be read"))?;
    let Object::Dict(entries) = object else {
        bail!(
            "expected a state dict, found a whole Python object; save model.state_dict() instead of the model"
        );
    };
    let nested = NESTED.iter().find_map(|key| {
        let (_, value) =
            entries.iter().find(|(k, _)| matches!(k, Object::Unicode(k) if k == key))?;
        let Object::Dict(entries) = value else { return None };
        Some(tensors(entries)).filter(|found| !found.is_empty())
    });
    // the nested one first: beside it there may be a tensor at the top level, such as the best
    // accuracy so far
    let found = nested.unwrap_or_else(|| tensors(&entries));
    if found.is_empty() {
        let keys = entries.iter().filter_map(|(key, _)| {
            if let Object::Unicode(key) = key { Some(key.as_str()) } else { None }
        });
        bail!(
            "expected tensors by name, plain or under one of {}, found {}",
            NESTED.join(", "),
            counted("the keys", keys.take(MANY))
        );
    }
    Ok(found)
}

fn tensors(entries: &[(Object, Object)]) -> BTreeMap<String, Stored> {
    let named = entries.iter().filter_map(|(name, value)| match name {
        Object::Unicode(name) => Some((unwrapped(name).to_owned(), stored(value)?)),
        _ => None,
    });
    named.collect()
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

/// A tensor, or a parameter around one.
fn stored(value: &Object) -> Option<Stored> {
    let mut value = value;
    loop {
        let Object::Reduce { callable, args } = value else { return None };
        let (Object::Class { module_name, class_name }, Object::Tuple(args)) =
            (&**callable, &**args)
        else {
            return None;
        };
        match (module_name.as_str(), class_name.as_str(), &args[..]) {
            ("torch._utils", "_rebuild_parameter", [inner, ..]) => value = inner,
            (
                "torch._utils",
                "_rebuild_tensor_v2",
                [Object::PersistentLoad(id), offset, shape, strides, ..],
            ) => {
                let Object::Tuple(id) = &**id else { return None };
                let [_, Object::Class { class_name, .. }, Object::Unicode(key), ..] = &id[..]
                else {
                    return None;
                };
                return Some(Stored {
                    storage: class_name.clone(),
                    key: key.clone(),
                    offset: whole(offset)?,
                    shape: sizes(shape)?,
                    strides: sizes(strides)?,
                });
            }
            _ => return None,
        }
    }
}

fn sizes(object: &Object) -> Option<Vec<usize>> {
    let Object::Tuple(sizes) = object else { return None };
    sizes.iter().map(whole).collect()
}

fn whole(object: &Object) -> Option<usize> {
    match *object {
        Object::Int(n) => usize::try_from(n).ok(),
        Object::Long(n) => usize::try_from(n).ok(),
        _ => None,
    }
}
