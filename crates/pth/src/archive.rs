//! The zip archive around the pickle. Its files are stored, so each is a part of the bytes.

use crate::error::shown;
use crate::{Error, Tensor, described, numbers};
use std::collections::BTreeMap;
use std::io::Cursor;
use zip::{CompressionMethod, ZipArchive};

/// A file of `torch.save` in memory, whose pickle was read.
pub struct File<'b> {
    bytes: &'b [u8],
    archive: ZipArchive<Cursor<&'b [u8]>>,
    /// `<name>/` of the archive's files.
    folder: String,
    tensors: BTreeMap<String, Tensor>,
}

impl<'b> File<'b> {
    /// Reads the archive's directory and its pickle.
    ///
    /// # Errors
    /// If it is no such archive, or holds no state dict.
    pub fn read(bytes: &'b [u8]) -> Result<Self, Error> {
        let damaged = |found: &str| Error::Damaged { found: found.into() };
        let mut archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|_| damaged("it has no whole list of its files at its end"))?;
        if archive.has_duplicate_names() {
            return Err(damaged("two of its files have one name"));
        }
        match archive.has_overlapping_entries() {
            Ok(false) => {}
            Ok(true) => return Err(damaged("two of its files lie in one place")),
            Err(_) => return Err(damaged("its list names a file where none begins")),
        }
        let names: Vec<String> =
            archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
        let pickle = names.iter().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
        let pickle = pickle.ok_or(Error::NotTorch)?;
        let folder = pickle.trim_end_matches("data.pkl").to_owned();
        let mut file = Self { bytes, archive, folder, tensors: BTreeMap::new() };
        if names.contains(&format!("{}byteorder", file.folder)) {
            let order = file.part("byteorder")?;
            if order != b"little" {
                return Err(Error::ByteOrder { found: shown(&String::from_utf8_lossy(order)) });
            }
        }
        file.tensors = described(file.part("data.pkl")?)?;
        Ok(file)
    }

    /// Every tensor by name, without the prefixes of wrappers.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The values of a tensor in row-major order.
    ///
    /// # Errors
    /// If it is absent, not of floating-point numbers, has gaps, or its storage is damaged.
    pub fn values(&mut self, name: &str) -> Result<Vec<f64>, Error> {
        let Some(tensor) = self.tensors.get(name).cloned() else {
            return Err(Error::Tensor { name: shown(name), found: "is missing".into() });
        };
        let storage = self.part(&format!("data/{}", tensor.key))?;
        numbers::values(&tensor, storage)
            .map_err(|found| Error::Tensor { name: name.to_owned(), found })
    }

    /// A file of the archive, whose checksum holds.
    fn part(&mut self, name: &str) -> Result<&'b [u8], Error> {
        let name = format!("{}{name}", self.folder);
        let damaged = |what: &str| Error::Damaged { found: format!("{} {what}", shown(&name)) };
        let mut file =
            self.archive.by_name(&name).map_err(|_| damaged("is not there, or not whole"))?;
        if file.compression() != CompressionMethod::Stored || file.encrypted() {
            return Err(Error::Packed { name: shown(&name) });
        }
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        let start = file.data_start().and_then(|start| usize::try_from(start).ok());
        let range = start.and_then(|start| Some(start..start.checked_add(size)?));
        let part = range
            .and_then(|range| self.bytes.get(range))
            .ok_or_else(|| damaged("reaches beyond the end"))?;
        // reading to its end compares the checksum
        match std::io::copy(&mut file, &mut std::io::sink()) {
            Ok(read) if read == size as u64 => Ok(part),
            _ => Err(damaged("has another checksum than it was written with")),
        }
    }
}
