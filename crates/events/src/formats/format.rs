use serde::{Serialize, Serializer};

/// A format that this crate decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The 5-byte events of N-MNIST's `.bin` and of `.bs2`: [`super::nmnist`].
    NMnist,
    /// AEDAT 2.0 of a DVS128 camera: [`super::aedat2`].
    Aedat2,
    /// AEDAT 2.0 of a DAVIS camera: [`super::davis`].
    Davis,
    /// AEDAT 3.1: [`super::aedat31`].
    Aedat31,
    /// Prophesee EVT 2.0: [`super::evt2`].
    Evt2,
    /// Prophesee EVT 2.1: [`super::evt21`].
    Evt21,
    /// Prophesee EVT 3.0: [`super::evt3`].
    Evt3,
    /// Prophesee DAT with CD events: [`super::dat`].
    Dat,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] = [
        Self::NMnist,
        Self::Aedat2,
        Self::Davis,
        Self::Aedat31,
        Self::Evt2,
        Self::Evt21,
        Self::Evt3,
        Self::Dat,
    ];

    /// The name by which a user asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NMnist => "nmnist",
            Self::Aedat2 => "aedat2",
            Self::Davis => "aedat2-davis",
            Self::Aedat31 => "aedat3.1",
            Self::Evt2 => "evt2",
            Self::Evt21 => "evt2.1",
            Self::Evt3 => "evt3",
            Self::Dat => "dat",
        }
    }

    /// Raised whenever this format's decoder gives other [`Columns`] for the same bytes, or
    /// [`crate::Events`] orders them otherwise: what was kept from before is then never taken for
    /// what would be decoded now. `tests/versions.rs` fails where it was forgotten.
    pub fn decoder_version(self) -> u32 {
        match self {
            // 2: clocks that turn over, overflow marks, pulses, rows from above; 3: clocks that are
            // set back, rows beyond the marks, special records
            Self::NMnist | Self::Aedat2 | Self::Davis | Self::Dat => 3,
            Self::Aedat31 | Self::Evt2 | Self::Evt21 | Self::Evt3 => 1,
        }
    }

    /// The names of all formats, for a sentence.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
