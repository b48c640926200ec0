//! Named tensors as a safetensors file: a text of ours in its header, and a SHA-256 of text, names,
//! sizes and values. Tensors of ours are f32.

use crate::vars::values;
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors, serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The header's one key: several would come in another order every time.
const KEY: &str = "spikegrad";
/// What every text of ours begins with.
const OURS: &str = "spikegrad ";
/// What stands in front of the text's own checksum.
const SUM: &str = "sha256\t";
/// The line of a text that says which run the weights are of.
const RUN: &str = "run\t";
/// What a checkpoint holds beside the variables: the optimiser's state, the epoch's start.
const BESIDE: [&str; 4] = ["adamw.", "amsgrad.", "sgd.", "epoch-start."];

/// Named values with their sizes, in the order of their names.
pub(crate) type Named = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights out of a safetensors file: of ours, a checkpoint too, or of another program.
#[derive(Debug)]
pub struct Weights {
    /// The run that they are of, as it was given to [`crate::save_weights`]; nothing in a file of
    /// another program, or of a time when ours did not say so.
    pub run: Option<String>,
    /// The tensors by name, of any floating-point type.
    pub tensors: BTreeMap<String, Tensor>,
}

/// Why bytes are no weights; reads as the end of a sentence that names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadWeights(pub(crate) String);

impl Weights {
    /// Reads the bytes of a file. One of ours must have the very text, names, sizes and values that
    /// its checksum is of.
    ///
    /// # Errors
    /// Bytes that are damaged or no such file, or a tensor that is not of floating-point numbers.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadWeights> {
        let stored = Stored::parse(bytes).map_err(BadWeights)?;
        let run = stored.text.as_deref().and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix(RUN)).map(str::to_owned)
        });
        let mut tensors = BTreeMap::new();
        for (name, view) in stored.tensors {
            if !BESIDE.iter().any(|prefix| name.starts_with(prefix)) {
                let tensor = tensor(&name, &view).map_err(BadWeights)?;
                tensors.insert(name, tensor);
            }
        }
        Ok(Self { run, tensors })
    }
}

/// What is wrong with the values of a variable, if anything: a network computes nothing with them,
/// and a NaN current even looks like a neuron that is silent.
pub fn unsound(name: &str, values: &[f32]) -> Option<&'static str> {
    if !values.iter().all(|value| value.is_finite()) {
        return Some("holds a number that is not finite");
    }
    let variance = name.ends_with("running_var");
    (variance && values.iter().any(|&value| value < 0.0)).then_some("holds a negative variance")
}

/// The line of a text that says which run the weights are of.
pub(crate) fn line_of_run(run: &str) -> String {
    format!("{RUN}{}\n", run.replace(['\n', '\r'], " "))
}

pub(crate) fn put(
    all: &mut Named,
    prefix: &str,
    name: &str,
    tensor: &Tensor,
) -> candle_core::Result<()> {
    all.insert(format!("{prefix}{name}"), (tensor.dims().to_vec(), values(tensor)?));
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

pub(crate) fn previous(path: &Path) -> PathBuf {
    with_ending(path, ".previous")
}

pub(crate) fn partial(path: &Path) -> PathBuf {
    with_ending(path, ".partial")
}

/// Writes the file whole or not at all; with `keep` the one that was there becomes
/// `<path>.previous`.
pub(crate) fn write(path: &Path, all: &Named, text: &str, keep: bool) -> io::Result<()> {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = all
        .iter()
        .map(|(name, (dims, values))| {
            (&**name, &**dims, values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let text =
        format!("{text}{SUM}{}\n", digest(text, bytes.iter().map(|(n, d, b)| (*n, *d, &**b))));
    let views = bytes
        .iter()
        .map(|(name, dims, bytes)| Ok((*name, TensorView::new(Dtype::F32, dims.to_vec(), bytes)?)));
    let views: Result<Vec<_>, SafeTensorError> = views.collect();
    let header = HashMap::from([(KEY.to_owned(), text)]);
    let file = views.and_then(|views| serialize(views, Some(header))).map_err(io::Error::other)?;
    let partial = partial(path);
    let written =
        File::create(&partial).and_then(|mut f| f.write_all(&file).and_then(|()| f.sync_all()));
    let moved = written.and_then(|()| {
        if keep && path.exists() {
            std::fs::rename(path, previous(path))?;
        }
        std::fs::rename(&partial, path)
    });
    moved.inspect_err(|_| {
        // what is half written helps nobody, and takes the space that is missing
        let _ = std::fs::remove_file(&partial);
    })
}

fn digest<'a>(
    text: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let mut hash = Sha256::new();
    hash.update(text);
    for (name, dims, bytes) in tensors {
        hash.update(format!("{name} {dims:?} "));
        hash.update(bytes);
    }
    sentence::hex(&hash.finalize())
}

/// A file that was taken apart.
pub(crate) struct Stored<'b> {
    /// The text without its checksum, which held; `None` in a file of another program.
    pub text: Option<String>,
    /// In the order of their names; in a file of ours all are f32.
    pub tensors: BTreeMap<String, TensorView<'b>>,
}

impl<'b> Stored<'b> {
    /// A file from its bytes, or what is wrong with them.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, String> {
        let file = SafeTensors::deserialize(bytes).map_err(|error| in_words(&error))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| in_words(&error))?;
        let tensors: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
        let Some(text) = header.metadata().as_ref().map(ours).transpose()?.flatten() else {
            return Ok(Self { text: None, tensors });
        };
        let text = text.strip_suffix('\n').and_then(|text| text.rsplit_once(SUM));
        let (text, sum) = text.ok_or("it has no checksum at the end of its header")?;
        if let Some((name, view)) = tensors.iter().find(|(_, view)| view.dtype() != Dtype::F32) {
            return Err(format!("{name} is of type {}, expected F32", view.dtype()));
        }
        let all = tensors.iter().map(|(name, t)| (name.as_str(), t.shape(), t.data()));
        match digest(text, all) == sum {
            true => Ok(Self { text: Some(text.to_owned()), tensors }),
            false => Err("it has another checksum than it was written with".into()),
        }
    }
}

/// The text of ours in a header. A key or a text of ours alone is a file of ours that changed.
fn ours(header: &HashMap<String, String>) -> Result<Option<&str>, String> {
    match header.get(KEY) {
        Some(text) => Ok(Some(text)),
        None if header.values().any(|text| text.starts_with(OURS)) => {
            Err("its header has no key of ours in front of a text of ours".into())
        }
        None => Ok(None),
    }
}

/// A tensor of floating-point numbers, in their own type.
pub(crate) fn tensor(name: &str, view: &TensorView) -> Result<Tensor, String> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        other => {
            return Err(format!("{name} is of type {other}, expected floating-point numbers"));
        }
    };
    Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)
        .map_err(|_| format!("{name} has sizes {:?} that are not those of its bytes", view.shape()))
}

/// Why bytes are no safetensors file, without the library's own words.
fn in_words(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            "it ends within its header".into()
        }
        SafeTensorError::HeaderTooLarge => "its header claims more than 100 MB".into(),
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidOffset(_) => {
            "its tensors do not fill its bytes one after the other".into()
        }
        SafeTensorError::TensorInvalidInfo | SafeTensorError::ValidationOverflow => {
            "a tensor's sizes are not those of its bytes".into()
        }
        _ => "its header is not the list of tensors that it should be".into(),
    }
}
