//! One golden file: a `.json` that says what is stored, and the `.safetensors` beside it.

use super::form::Form;
use anyhow::{Context, Result, anyhow, bail};
use candle_core::{DType, Device, Tensor};
use events::Columns;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The precisions that values are stored in, by the tag in a tensor's name.
const PRECISIONS: [(&str, DType); 2] = [("f32", DType::F32), ("f64", DType::F64)];

/// A golden file, which remembers what of it was asked for.
pub struct Golden {
    folder: PathBuf,
    stem: String,
    json: serde_json::Value,
    tensors: BTreeMap<String, Tensor>,
    asked: RefCell<BTreeSet<String>>,
    left_out: RefCell<BTreeSet<String>>,
    /// Another device that is held to the file beside the CPU.
    device: Option<Device>,
}

impl Golden {
    /// Reads `<stem>.json` and, where `tensors` says that there is one, `<stem>.safetensors`.
    ///
    /// # Errors
    /// If either cannot be read or is broken.
    pub fn open(
        folder: &Path,
        stem: &str,
        tensors: bool,
        device: Option<&Device>,
    ) -> Result<Golden> {
        let read = |name: &str| std::fs::read(folder.join(name)).with_context(|| name.to_string());
        let name = format!("{stem}.json");
        let text = String::from_utf8(read(&name)?)
            .map_err(|_| anyhow!("{name} is broken: expected text in UTF-8, found other bytes"))?;
        let json = report::json::parse(&text).with_context(|| format!("{name} is broken"))?;
        let tensors = if tensors {
            let name = format!("{stem}.safetensors");
            candle_core::safetensors::load_buffer(&read(&name)?, &Device::Cpu)
                .with_context(|| format!("{name} is broken"))?
        } else {
            Default::default()
        };
        let tensors = tensors.into_iter().collect();
        let (asked, left_out) = Default::default();
        Ok(Golden {
            folder: folder.into(),
            stem: stem.into(),
            json,
            tensors,
            asked,
            left_out,
            device: device.cloned(),
        })
    }

    /// The forms to check: `forms`, and with a device that one too.
    pub fn forms<const N: usize>(&self, forms: [Form; N]) -> Vec<Form> {
        forms.into_iter().chain(self.device.as_ref().map(|_| Form::Device)).collect()
    }

    /// Where a form computes.
    pub fn device(&self, form: Form) -> &Device {
        match (form, &self.device) {
            (Form::Device, Some(device)) => device,
            _ => &Device::Cpu,
        }
    }

    /// The field at a JSON pointer such as `/kinds`.
    ///
    /// # Errors
    /// If it is missing or of another type.
    pub fn field<T: DeserializeOwned>(&self, pointer: &str) -> Result<T> {
        let value = self
            .json
            .pointer(pointer)
            .with_context(|| format!("{}.json has no field {pointer}", self.stem))?;
        T::deserialize(value).with_context(|| format!("{}.json, field {pointer}", self.stem))
    }

    /// The keys of the object at a JSON pointer, in file order.
    ///
    /// # Errors
    /// As [`Golden::field`].
    pub fn keys(&self, pointer: &str) -> Result<Vec<String>> {
        Ok(self
            .field::<serde_json::Map<String, serde_json::Value>>(pointer)?
            .into_iter()
            .map(|(key, _)| key)
            .collect())
    }

    /// The stored tensor `name`.
    ///
    /// # Errors
    /// If it is missing.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let tensor = self
            .tensors
            .get(name)
            .with_context(|| format!("{}.safetensors has no tensor {name}", self.stem))?;
        self.asked.borrow_mut().insert(name.into());
        Ok(tensor.clone())
    }

    /// [`Golden::tensor`] of something that is computed with, which must not be empty.
    ///
    /// # Errors
    /// If it is missing or holds no value.
    pub fn input(&self, name: &str) -> Result<Tensor> {
        let tensor = self.tensor(name)?;
        if tensor.elem_count() == 0 {
            bail!(
                "{}.safetensors, tensor {name}: expected values, found shape {:?}",
                self.stem,
                tensor.dims()
            );
        }
        Ok(tensor)
    }

    /// Names of all tensors that start with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.tensors.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// Declares tensors that are left out on purpose.
    pub fn leave_out(&self, name: &str) {
        self.left_out.borrow_mut().insert(name.into());
    }

    /// The precisions that `prefix` is stored in.
    ///
    /// # Errors
    /// If there are none.
    pub fn precisions(&self, prefix: &str) -> Result<Vec<(&'static str, DType)>> {
        let stored = |(tag, _): &(&str, _)| self.names(&format!("{prefix}{tag}.")).next().is_some();
        let found: Vec<_> = PRECISIONS.into_iter().filter(stored).collect();
        if found.is_empty() {
            bail!("{}.safetensors has no tensors {prefix}f32.… or {prefix}f64.…", self.stem);
        }
        Ok(found)
    }

    /// The bytes of a raw file beside this one; `None` where it is absent.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn raw(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(anyhow!(error).context(name.to_string())),
        }
    }

    /// The event columns `<prefix>.t`, `.x`, `.y` and `.p`.
    ///
    /// # Errors
    /// If one is missing or holds a value that an event cannot have.
    pub fn columns(&self, prefix: &str) -> Result<Columns> {
        let column = |axis: &str| self.integers(&format!("{prefix}.{axis}"));
        let pixels = |axis: &str| -> Result<Vec<u16>> {
            let pixels = column(axis)?.into_iter().map(u16::try_from).collect::<Result<_, _>>();
            pixels.with_context(|| format!("{}.safetensors, tensor {prefix}.{axis}", self.stem))
        };
        let on = column("p")?.into_iter().map(|p| p != 0).collect();
        Ok(Columns { t_us: column("t")?, x: pixels("x")?, y: pixels("y")?, on })
    }

    /// The whole numbers of the tensor `name`.
    ///
    /// # Errors
    /// If it is missing or has another type or more than one axis.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        self.tensor(name)?
            .to_vec1()
            .with_context(|| format!("{}.safetensors, tensor {name}", self.stem))
    }

    /// How many tensors were used and left out, or which ones no check asked for: nothing stored
    /// goes unnoticed.
    ///
    /// # Errors
    /// If a tensor was neither used nor left out.
    pub fn account(&self) -> Result<String> {
        let (asked, left_out) = (self.asked.borrow(), self.left_out.borrow());
        let forgotten: Vec<&str> = self
            .names("")
            .filter(|name| !asked.contains(*name) && !left_out.contains(*name))
            .collect();
        if let [first, ..] = forgotten[..] {
            bail!("{} tensors have no check, the first is {first}", forgotten.len());
        }
        let left_out = left_out.iter().filter(|name| self.tensors.contains_key(*name)).count();
        let used = self.tensors.len() - left_out;
        Ok(match left_out {
            0 => format!("{used} used"),
            _ => format!("{used} used, {left_out} left out on purpose"),
        })
    }
}
