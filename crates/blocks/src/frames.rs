use candle_core::{Result, bail};

/// Frames of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// `[T, B, H, W, C]`, or `[B, H, W, C]` of a still image.
    pub values: &'a [f32],
    /// T.
    pub steps: usize,
    /// The same values as bytes, where all of them are whole numbers up to 255: a device is sent
    /// these, a quarter as much.
    pub bytes: Option<&'a [u8]>,
    /// B, H, W, C.
    pub shape: [usize; 4],
    /// Whether all steps show the same frames, which `values` then holds once: what they are
    /// multiplied with is computed once.
    pub still: bool,
}

impl Frames<'_> {
    /// Refuses values that are not those of the shape, or none at all.
    ///
    /// # Errors
    /// In these cases.
    pub(crate) fn check(&self) -> Result<()> {
        let steps = if self.still { 1 } else { self.steps };
        let size = steps * self.shape.iter().product::<usize>();
        if self.steps == 0 || self.values.len() != size || size == 0 {
            bail!(
                "frames of {} steps and {:?} take {size} values, at least one, found {}",
                self.steps,
                self.shape,
                self.values.len()
            );
        }
        Ok(())
    }
}
