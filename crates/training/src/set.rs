use crate::{InputEncoding, Samples};

/// Samples and how a network sees them.
#[derive(Clone, Copy)]
pub struct Set<'a> {
    /// The samples.
    pub samples: &'a dyn Samples,
    /// What becomes of their values.
    pub encoding: &'a InputEncoding,
}

impl<'a> Set<'a> {
    /// Samples that are shown as they are.
    pub fn recorded(samples: &'a dyn Samples) -> Self {
        const AS_THEY_ARE: &InputEncoding = &InputEncoding::RECORDED;
        Self { samples, encoding: AS_THEY_ARE }
    }
}
