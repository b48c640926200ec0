//! Images and labels to simulate recordings of: idx files as MNIST has them, of any set with 28×28
//! images.
//!
//! Layout: 0, 0, 8 (bytes), the number of sizes, each size as four bytes, big-endian; then the
//! values. Packed by gzip or not.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, files};

/// Bytes of an image.
pub const PIXELS: usize = 28 * 28;

/// The first `count` images of a file with images of 28×28 bytes.
///
/// # Errors
/// A file that cannot be read, is none of such images, or holds fewer.
pub fn images(path: &Path, count: usize) -> Result<Vec<[u8; PIXELS]>, Error> {
    let values = read(path, &[28, 28], count)?;
    Ok(values.as_chunks().0.to_vec())
}

/// The first `count` labels of a file with one byte for each.
///
/// # Errors
/// A file that cannot be read, is none of labels, or holds fewer.
pub fn labels(path: &Path, count: usize) -> Result<Vec<u8>, Error> {
    read(path, &[], count)
}

/// The first `count` items of `sizes`. No more is read, whatever the file says or a packed file
/// unpacks to.
fn read(path: &Path, sizes: &[u32], count: usize) -> Result<Vec<u8>, Error> {
    let unreadable = |source| files::unreadable(path, source);
    let mut file = BufReader::new(files::open_file(path).map_err(unreadable)?);
    let packed = file.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]);
    let mut file: Box<dyn Read> =
        if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };

    let mut header = Vec::new();
    file.by_ref().take(8 + 4 * sizes.len() as u64).read_to_end(&mut header).map_err(unreadable)?;
    let mut expected = vec![0, 0, 8, 1 + sizes.len() as u8];
    let item: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
    expected.extend(&item);
    let refuse = |expected, found, advice| {
        Err(Error::Layout { path: path.to_owned(), expected, found, advice })
    };
    if header.len() != 8 + item.len() || header[..4] != expected[..4] || header[8..] != item {
        let what = if sizes.is_empty() { "labels" } else { "28×28 images" };
        let found = format!("the first bytes {header:02x?}");
        return refuse(
            format!("an idx file of {what}"),
            found,
            "name a file such as train-images-idx3-ubyte.gz",
        );
    }
    let length = sizes.iter().product::<u32>() as usize;
    let mut values = Vec::new();
    file.take((count as u64).saturating_mul(length as u64))
        .read_to_end(&mut values)
        .map_err(unreadable)?;
    if values.len() / length < count {
        let found = format!("{}", values.len() / length);
        return refuse(
            format!("at least {count} items"),
            found,
            "ask for fewer, or fetch the file again if it is cut off",
        );
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn sentence<T: std::fmt::Debug>(found: Result<T, Error>, dir: &Path) -> String {
        found.unwrap_err().to_string().replace(&dir.display().to_string(), "DIR")
    }

    #[test]
    fn reads_what_is_asked_for_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
        bytes.extend([7; PIXELS]);
        bytes.extend([9; PIXELS]);
        let (plain, packed) = (dir.path().join("plain"), dir.path().join("packed.gz"));
        fs::write(&plain, &bytes).unwrap();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&bytes).unwrap();
        fs::write(&packed, gzip.finish().unwrap()).unwrap();
        for path in [&plain, &packed] {
            assert_eq!(images(path, 2).unwrap(), [[7; PIXELS], [9; PIXELS]]);
            assert_eq!(images(path, 1).unwrap(), [[7; PIXELS]]);
        }
        let three = sentence(images(&plain, 3), dir.path());
        let expected = "DIR/plain: expected at least 3 items, found 2; ask for fewer, or fetch the file again if it is cut off";
        assert_eq!(three, expected);
        assert!(sentence(images(&plain, usize::MAX), dir.path()).contains("found 2"));
    }

    #[test]
    fn other_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels");
        fs::write(&path, [0, 0, 8, 1, 0, 0, 0, 3, 4, 5, 6]).unwrap();
        assert_eq!(labels(&path, 3).unwrap(), [4, 5, 6]);
        let found = sentence(images(&path, 1), dir.path());
        assert!(
            found
                .starts_with("DIR/labels: expected an idx file of 28×28 images, found the first bytes [00, 00, 08, 01"),
            "{found}"
        );
        fs::write(&path, []).unwrap();
        assert!(sentence(labels(&path, 1), dir.path()).contains("found the first bytes []"));
        fs::write(&path, [0x1f, 0x8b, 0]).unwrap();
        assert!(sentence(labels(&path, 1), dir.path()).contains("expected to read it"));
    }
}
