//! An image in a PNG file.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use events::{Grid, Shape};
use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use crate::{
    Content, Error,
    error::unlike,
    files::{self, LOST},
};

/// Most bytes of one file: an image has a few thousand, what is written beside it seldom more.
const MOST_BYTES: u64 = 1 << 20;

/// What every PNG file begins with.
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The image in a PNG file, of the size that the data set says, channels last: `[1, H, W, C]`.
/// Colours from a palette and greys are colours too; values are never scaled.
pub(crate) fn read(path: &Path, content: Content) -> Result<Grid<u8>, Error> {
    let Content::Images { height, width, channels } = content else {
        return Err(Error::Size {
            what: "decoding a PNG file",
            expected: "a data set of images".to_owned(),
            found: format!("one of {}", content.noun()),
        });
    };
    let bytes = files::read(path, MOST_BYTES)?;
    let refuse = |found: String| {
        let expected = format!("a PNG image of {width}x{height} pixels, 8 bits a colour");
        Err(unlike(path, expected, found, "it is damaged or of another data set: copy it again"))
    };
    let picture = match decode(&bytes) {
        Ok(picture) => picture,
        Err(found) => return refuse(found),
    };
    if (picture.width, picture.height) != (width as u32, height as u32) {
        return refuse(format!("one of {}x{} pixels", picture.width, picture.height));
    }
    let Some(values) = picture.with_channels(channels) else {
        return refuse(picture.colours().to_owned());
    };
    if values.iter().all(|&value| value == 0) {
        return Err(unlike(path, "an image", "nothing but zeros", LOST));
    }
    let shape = Shape { steps: 1, height, width, channels };
    Grid::new(shape, values).map_err(|source| Error::Decode { path: path.to_owned(), source })
}

/// What is in a PNG file.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ImageSummary {
    /// `png`.
    pub format: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Values of a pixel: 1 of greys, 3 of colours, one more with transparency.
    pub channels: usize,
    /// Bits of a value once colours are looked up in the palette, if there is one: 8 or 16.
    pub bits: u8,
    /// Mean value of each channel, 0 to 255; of 16 bits none.
    pub means: Vec<f64>,
}

impl ImageSummary {
    /// Of a file, if it begins as PNG files do.
    ///
    /// # Errors
    /// A file that cannot be read, is longer than a mebibyte or damaged.
    pub fn of_png(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |cause| files::unreadable(path, cause);
        let mut head = Vec::new();
        let file = files::open_file(path).map_err(failed)?;
        file.take(SIGNATURE.len() as u64).read_to_end(&mut head).map_err(failed)?;
        if head != SIGNATURE {
            return Ok(None);
        }
        let picture = decode(&files::read(path, MOST_BYTES)?)
            .map_err(|found| unlike(path, "a PNG image", found, "copy it again"))?;
        let channels = picture.kind.samples();
        let pixels = picture.width * picture.height;
        let mean = |channel: usize| -> f64 {
            let of_channel = picture.values.iter().skip(channel).step_by(channels);
            of_channel.map(|&value| f64::from(value)).sum::<f64>() / f64::from(pixels)
        };
        let means = if picture.sixteen_bits { 0..0 } else { 0..channels };
        Ok(Some(Self {
            format: "png",
            width: picture.width,
            height: picture.height,
            channels,
            bits: if picture.sixteen_bits { 16 } else { 8 },
            means: means.map(mean).collect(),
        }))
    }
}

/// A decoded PNG file.
struct Picture {
    width: u32,
    height: u32,
    kind: ColorType,
    sixteen_bits: bool,
    values: Vec<u8>,
}

/// Decodes a PNG file whole, its checksums and its end too; else what was found instead.
fn decode(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.is_empty() {
        return Err("an empty file".to_owned());
    }
    if !bytes.starts_with(SIGNATURE) {
        let head: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        return Err(format!("a file that begins with the bytes {}", head.join(" ")));
    }
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: 16 << 20 });
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(|error| fault(&error))?;
    let (width, height) = (header.width, header.height);
    let sixteen_bits = header.bit_depth == png::BitDepth::Sixteen;
    // no larger picture is unpacked, whatever the file says
    if width > 4096 || height > 4096 {
        return Err(format!("one of {width}x{height} pixels"));
    }
    let mut reader = decoder.read_info().map_err(|error| fault(&error))?;
    let size = reader.output_buffer_size().unwrap_or(0);
    let mut values = vec![0; size];
    reader.next_frame(&mut values).map_err(|error| fault(&error))?;
    reader.finish().map_err(|error| fault(&error))?;
    Ok(Picture { width, height, kind: reader.output_color_type().0, sixteen_bits, values })
}

/// What is wrong with a file that does not decode.
fn fault(error: &DecodingError) -> String {
    match error {
        DecodingError::IoError(_) => "one that ends too early".to_owned(),
        DecodingError::LimitsExceeded => "one that needs too much memory".to_owned(),
        DecodingError::Format(_) | DecodingError::Parameter(_) => {
            "a damaged one, whose checksums or values do not fit".to_owned()
        }
    }
}

impl Picture {
    /// Its values with so many channels, unless that would change a value or leave out one.
    fn with_channels(&self, channels: usize) -> Option<Vec<u8>> {
        match (self.kind, channels) {
            _ if self.sixteen_bits => None,
            (ColorType::Rgb, 3) | (ColorType::Grayscale, 1) => Some(self.values.clone()),
            (ColorType::Grayscale, 3) => {
                Some(self.values.iter().flat_map(|&grey| [grey; 3]).collect())
            }
            _ => None,
        }
    }

    /// Its colours, in words.
    fn colours(&self) -> &'static str {
        match self.kind {
            _ if self.sixteen_bits => "16 bits a colour",
            ColorType::Rgba | ColorType::GrayscaleAlpha => "one with transparency",
            ColorType::Grayscale => "greys",
            ColorType::Rgb | ColorType::Indexed => "colours",
        }
    }
}
