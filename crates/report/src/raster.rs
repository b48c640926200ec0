//! A figure as pixels: the SVG drawn by resvg with the embedded font, and the PNG made of it.

use plotters::style::RGBColor;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::theme;

/// CSS pixels, which usvg counts in, of one point.
const CSS: f64 = 96.0 / 72.0;
const PT_PER_METRE: f64 = 72.0 / 0.0254;

/// Opaque pixels, three bytes each, row by row.
pub(crate) struct Raster {
    width: usize,
    rgb: Vec<u8>,
    pixels_per_pt: f64,
}

impl Raster {
    /// Draws an SVG of [`theme::figure`]; the error is the library's.
    pub(crate) fn draw(svg: &str, pixels_per_pt: f64) -> Result<Raster, String> {
        let mut options = Options { font_family: "DejaVu Sans".into(), ..Options::default() };
        options.fontdb_mut().load_font_data(theme::FONT.to_vec());
        let tree = Tree::from_str(svg, &options).map_err(|e| e.to_string())?;
        let scale = pixels_per_pt / CSS;
        let pixels = |length: f32| (f64::from(length) * scale).round() as u32;
        let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
        let mut pixmap = Pixmap::new(width, height).ok_or_else(|| format!("no room for {width} x {height} pixels"))?;
        // the last row and column may be covered in part
        pixmap.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(scale as f32, scale as f32), &mut pixmap.as_mut());
        let rgb = pixmap.data().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        Ok(Raster { width: width as usize, rgb, pixels_per_pt })
    }

    /// Fills the rectangle of `size` (width, height) from `corner` (x, y); what lies outside is left out.
    pub(crate) fn fill(&mut self, corner: (usize, usize), size: (usize, usize), RGBColor(r, g, b): RGBColor) {
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
        encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit }));
        let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
        writer.write_image_data(&self.rgb).map_err(|e| e.to_string())?;
        writer.finish().map_err(|e| e.to_string())?;
        Ok(png)
    }
}
