//! `data simulate`: recordings of still images, by the camera model, as N-MNIST lays its files out.

use crate::data::in_one_sentence;
use crate::simulator_check::{Image, Model};
use crate::usage::between;
use crate::{progress, stop};
use anyhow::{Context, Result, anyhow, bail};
use datasets::synthetic::idx;
use events::Events;
use rayon::prelude::*;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The file that says of a folder that its recordings are no camera's.
pub const MARKER: &str = "SIMULATED.json";

/// Flags of `data simulate`.
#[derive(clap::Args)]
pub struct Flags {
    /// An idx file of 28×28 images, packed or not, or a folder with train-images-idx3-ubyte.gz
    #[arg(long, value_name = "FILE")]
    images: PathBuf,
    /// Their labels, 0 to 9 [default: the file beside the images with labels-idx1 in its name]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Images to simulate as train recordings, from the first on
    #[arg(long, value_name = "N", value_parser = between::<u32>(1, 1_000_000))]
    count: u32,
    /// Images after those to simulate as test recordings [default: a tenth of --count, at least 1]
    #[arg(long, value_name = "N", value_parser = between::<u32>(1, 1_000_000))]
    test: Option<u32>,
    /// Seed of the camera and its noise
    #[arg(long, default_value_t = 0, value_parser = between::<u64>(0, u64::MAX))]
    seed: u64,
    /// Folder to make: <Train|Test>/<label>/<number>.bin, as N-MNIST lays its files out
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Simulates recordings of still images, and lays them out as N-MNIST does; the folder appears when
/// it is complete.
///
/// # Errors
/// If the images or labels cannot be read or are too few, a label is no digit, or the folder holds
/// something or cannot be made.
pub fn run(flags: &Flags) -> Result<()> {
    let train = flags.count as usize;
    let all = train + flags.test.map_or((train / 10).max(1), |n| n as usize);
    let images_path = images_file(&flags.images)?;
    let labels_path = labels_file(flags, &images_path)?;
    vacant(&flags.out)?;
    let images = idx::images(&images_path, all).map_err(in_one_sentence)?;
    let labels = idx::labels(&labels_path, all).map_err(in_one_sentence)?;
    if let Some(index) = labels.iter().position(|label| *label > 9) {
        let (path, found) = (labels_path.display(), labels[index]);
        bail!(
            "{path}: expected labels from 0 to 9, found {found} for image {index}; N-MNIST has ten classes, name another file"
        );
    }
    stop::listen()?;
    let _under_way = stop::under_way();
    let folder = Folder::beside(&flags.out)?;
    let model = Model::default();
    write(&folder, &model, &images, &labels, train, flags.seed)?;
    let marker = json!({
        "what": "simulated recordings, no camera's: accuracies on them say nothing about N-MNIST",
        "images": images_path.file_name().map(|name| name.to_string_lossy()),
        "train": train,
        "test": all - train,
        "seed": flags.seed,
        "model": model,
    });
    folder.write(Path::new(MARKER), format!("{marker:#}\n").as_bytes())?;
    folder.publish(&flags.out)?;
    terminal::say!(
        "written to {}: {train} train and {} test recordings, SIMULATED",
        flags.out.display(),
        all - train
    );
    Ok(())
}

/// Image `index` becomes the file of number `index` + 1, in either half.
fn write(
    folder: &Folder,
    model: &Model,
    images: &[Image],
    labels: &[u8],
    train: usize,
    seed: u64,
) -> Result<()> {
    let bar = progress::counter("images to events", images.len() as u64);
    let one = |(index, (image, label)): (usize, (&Image, &u8))| -> Result<()> {
        if stop::asked() {
            return Err(stop::Interrupted.into());
        }
        let half = if index < train { "Train" } else { "Test" };
        let path = PathBuf::from(format!("{half}/{label}/{:05}.bin", index + 1));
        folder.write(&path, &bytes(&model.record(image, seed, index as u64)?))?;
        bar.inc(1);
        Ok(())
    };
    let done = images.par_iter().zip(labels).enumerate().try_for_each(one);
    bar.finish_and_clear();
    done
}

/// N-MNIST's five bytes an event: x, y, then polarity (1 bit) and time in µs (23 bits), big-endian.
fn bytes(events: &Events) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 * events.len());
    for (((&t_us, &x), &y), &on) in
        events.t_us().iter().zip(events.x()).zip(events.y()).zip(events.on())
    {
        let word = (u32::from(on) << 23 | t_us as u32 & 0x7f_ffff).to_be_bytes();
        bytes.extend([x as u8, y as u8, word[1], word[2], word[3]]);
    }
    bytes
}

fn images_file(path: &Path) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let files =
        ["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"].map(|name| path.join(name));
    files.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        anyhow!(
            "{}: expected train-images-idx3-ubyte.gz in it, found no such file; name the file of images itself",
            path.display()
        )
    })
}

fn labels_file(flags: &Flags, images: &Path) -> Result<PathBuf> {
    let beside = || {
        let name = images.file_name()?.to_string_lossy().replace("images-idx3", "labels-idx1");
        Some(images.with_file_name(name)).filter(|path| path != images && path.is_file())
    };
    flags.labels.clone().or_else(beside).ok_or_else(|| {
        anyhow!(
            "{}: expected a file of labels beside it, found none; name it with --labels FILE",
            images.display()
        )
    })
}

/// Nothing of the user's is ever written over.
fn vacant(out: &Path) -> Result<()> {
    let held = if out.is_dir() {
        std::fs::read_dir(out).map_or(true, |mut dir| dir.next().is_some())
    } else {
        out.exists()
    };
    if held {
        bail!(
            "{}: expected a new or empty folder, found something there; choose another with --out DIR",
            out.display()
        );
    }
    Ok(())
}

/// A folder in the making, hidden beside its place; dropped unless published.
struct Folder(tempfile::TempDir);

impl Folder {
    fn beside(out: &Path) -> Result<Self> {
        let parent =
            out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let fail = |cause: std::io::Error| {
            anyhow!(
                "cannot make a folder in {}: {}; choose another place with --out DIR",
                parent.display(),
                sentence::cause(&cause)
            )
        };
        std::fs::create_dir_all(parent).map_err(fail)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".simulate-").suffix(".partial");
        // tempfile's default is for secrets (0700); recordings are for everyone whom the umask
        // admits
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        Ok(Self(builder.tempdir_in(parent).map_err(fail)?))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let path = self.0.path().join(path);
        let parent = path.parent().unwrap_or(self.0.path());
        let written = std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, bytes));
        written.map_err(|cause| {
            anyhow!(
                "cannot write {}: {}; free some space or choose another place with --out DIR",
                path.display(),
                sentence::cause(&cause)
            )
        })
    }

    /// Puts it in its place, which is absent or an empty folder.
    fn publish(self, out: &Path) -> Result<()> {
        if out.is_dir() {
            std::fs::remove_dir(out).with_context(|| {
                format!(
                    "{} is no longer empty; choose another folder with --out DIR",
                    out.display()
                )
            })?;
        }
        std::fs::rename(self.0.path(), out).map_err(|cause| {
            anyhow!(
                "cannot move the recordings to {}: {}; choose another folder with --out DIR",
                out.display(),
                sentence::cause(&cause)
            )
        })
    }
}
