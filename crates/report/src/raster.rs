//! A figure as pixels: the SVG drawn by resvg with the embedded font, and the PNG made of it.

use plotters::style::RGBColor;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::{Error, theme};

/// CSS pixels, which usvg counts in, of one point.
const CSS: f64 = 96.0 / 72.0;
const PT_PER_METRE: f64 = 72.0 / 0.0254;

/// More pixels than this take more memory than a figure is worth.
const MOST_PIXELS: f64 = 100e6;

/// A figure of this crate as PNG, drawn with the embedded font, so that it looks the same on every
/// machine. `dpi` is its resolution in pixels an inch, 300 for print; the PNG states it, so that it
/// has the size of the SVG on paper.
///
/// # Errors
/// [`Error::Figure`] when `dpi` is not from 10 to 2400 or gives more than 100 million pixels;
/// [`Error::Draw`] when the drawing library fails, as it does on what is not SVG.
pub fn png(svg: &str, dpi: f64) -> Result<Vec<u8>, Error> {
    const TITLE: &str = "PNG";
    if !(10.0..=2400.0).contains(&dpi) {
        return Err(Error::Figure {
            title: TITLE.to_owned(),
            expected: "10 to 2400 pixels an inch".to_owned(),
            found: dpi.to_string(),
            advice: "ask for 300, which is enough for print",
        });
    }
    let draw = |found| Error::Draw { title: TITLE.to_owned(), found };
    let tree = parse(svg).map_err(draw)?;
    let scale = dpi / 72.0 / CSS;
    let pixels = f64::from(tree.size().width()) * f64::from(tree.size().height()) * scale * scale;
    if pixels > MOST_PIXELS {
        return Err(Error::Figure {
            title: TITLE.to_owned(),
            expected: "at most 100 million pixels".to_owned(),
            found: format!("{:.0} million at {dpi} pixels an inch", pixels / 1e6),
            advice: "ask for fewer pixels an inch",
        });
    }
    Raster::render(&tree, dpi / 72.0).and_then(|raster| raster.png()).map_err(draw)
}

fn parse(svg: &str) -> Result<Tree, String> {
    let mut options = Options { font_family: "DejaVu Sans".into(), ..Options::default() };
    options.fontdb_mut().load_font_data(theme::FONT.to_vec());
    Tree::from_str(svg, &options).map_err(|e| e.to_string())
}

/// Opaque pixels, three bytes each, row by row.
pub(crate) struct Raster {
    width: usize,
    rgb: Vec<u8>,
    pixels_per_pt: f64,
}

impl Raster {
    /// Draws an SVG of [`theme::figure`]; the error is the library's.
    pub(crate) fn draw(svg: &str, pixels_per_pt: f64) -> Result<Raster, String> {
        Raster::render(&parse(svg)?, pixels_per_pt)
    }

    fn render(tree: &Tree, pixels_per_pt: f64) -> Result<Raster, String> {
        let scale = pixels_per_pt / CSS;
        let pixels = |length: f32| (f64::from(length) * scale).round() as u32;
        let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
        let mut pixmap = Pixmap::new(width, height)
            .ok_or_else(|| format!("no room for {width} x {height} pixels"))?;
        // the last row and column may be covered in part
        pixmap.fill(Color::WHITE);
        resvg::render(
            tree,
            Transform::from_scale(scale as f32, scale as f32),
            &mut pixmap.as_mut(),
        );
        let rgb =
            pixmap.data().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        Ok(Raster { width: width as usize, rgb, pixels_per_pt })
    }

    /// Fills the rectangle of `size` (width, height) from `corner` (x, y); what lies outside is
    /// left out.
    pub(crate) fn fill(
        &mut self,
        corner: (usize, usize),
        size: (usize, usize),
        RGBColor(r, g, b): RGBColor,
    ) {
        let left = corner.0.min(self.width);
        let right = (corner.0 + size.0).min(self.width);
        for row in self.rgb.chunks_exact_mut(3 * self.width).skip(corner.1).take(size.1) {
            row[3 * left..3 * right].as_chunks_mut::<3>().0.fill([r, g, b]);
        }
    }

    /// The PNG, with its physical size; the error is the library's.
    pub(crate) fn png(&self) -> Result<Vec<u8>, String> {
        let mut png = Vec::new();
        let height = self.rgb.len() / (3 * self.width);
        let mut encoder = png::Encoder::new(&mut png, self.width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        let per_metre = (self.pixels_per_pt * PT_PER_METRE).round() as u32;
        let unit = png::Unit::Meter;
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: per_metre,
            yppu: per_metre,
            unit,
        }));
        let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
        writer.write_image_data(&self.rgb).map_err(|e| e.to_string())?;
        writer.finish().map_err(|e| e.to_string())?;
        Ok(png)
    }
}
