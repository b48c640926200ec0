//! The data sets by name, and what is published about each; the files of the data sets lie above.

use std::fmt;

use events::Sensor;
use serde::{Deserialize, Serialize};

use crate::Download;

/// The data sets, a line each: its variant, its identifier in commands and records, and what its
/// own file tells of it. Their order is part of the stand-ins' random numbers: a new one goes last.
///
/// Two macros read the list: the one below makes the names of it, the one in `sets.rs` finds the
/// files.
macro_rules! data_sets {
    ($reader:ident) => {
        $reader! {
            /// N-MNIST: digits before a camera that moves in three saccades.
            NMnist "n-mnist" nmnist::SET,
            /// DVS128 Gesture: eleven gestures of hands and arms.
            DvsGesture "dvs-gesture" dvs_gesture::SET,
            /// CIFAR10-DVS: CIFAR-10 images that move on a screen.
            Cifar10Dvs "dvs-cifar10" cifar10_dvs::SET,
            /// Speech Commands v0.02: spoken words of one second.
            SpeechCommands "speech-commands" speech_commands::SET,
            /// MNIST: images of handwritten digits.
            Mnist "mnist" mnist::SET,
            /// CIFAR-10: colour images of ten classes.
            Cifar10 "cifar10" cifar::SET_10,
            /// CIFAR-100: colour images of a hundred classes.
            Cifar100 "cifar100" cifar::SET_100,
        }
    };
}
pub(crate) use data_sets;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident $id:literal $file:ident::$set:ident,)+) => {
        /// The data sets of the paper.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Name {
            $($(#[$doc])* #[serde(rename = $id)] $name,)+
        }

        impl Name {
            /// All data sets.
            pub const ALL: [Self; [$($id),+].len()] = [$(Self::$name),+];
        }
    };
}

data_sets!(names);

/// What is published about a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Info {
    /// The identifier used in commands and records.
    pub id: &'static str,
    /// The title used in tables.
    pub title: &'static str,
    /// What one recording holds.
    pub content: Content,
    /// Class names in label order.
    pub classes: &'static [&'static str],
    /// Number of training recordings of the complete data set.
    pub train: usize,
    /// Number of validation recordings of the complete data set, where the publisher sets some
    /// apart.
    pub validation: Option<usize>,
    /// Number of test recordings of the complete data set.
    pub test: usize,
    /// The publication to cite.
    pub citation: &'static str,
    /// The licence as published.
    pub licence: &'static str,
    /// The publisher's page.
    pub page: &'static str,
    /// For each channel of an image the mean and the standard deviation of its bytes, by which
    /// networks are shown `(v − mean) / deviation`; empty where values stay as they are.
    pub standard: &'static [(f32, f32)],
    /// The publisher's files.
    pub downloads: &'static [Download],
    /// What a person has to do where the publisher has no direct link.
    pub manual: Option<&'static str>,
}

/// What one recording of a data set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Events: [`crate::Recording::events`].
    Events {
        /// The camera's size.
        sensor: Sensor,
    },
    /// An image of 8 bits a value: [`crate::Recording::image`].
    Images {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Values per pixel: 1 grey, 3 red, green, blue.
        channels: usize,
    },
    /// A sound of 16 bits a sample, one channel: [`crate::Recording::waveform`].
    Speech {
        /// Samples a second.
        rate_hz: u32,
        /// Samples, after cutting or padding.
        samples: usize,
    },
}

impl Content {
    /// The camera's size, if these are events.
    pub fn sensor(self) -> Option<Sensor> {
        match self {
            Self::Events { sensor } => Some(sensor),
            Self::Images { .. } | Self::Speech { .. } => None,
        }
    }

    /// `[H, W, C]` of what a network sees at one step: counts of OFF and ON events, an image's
    /// pixels, or a log-mel spectrogram.
    pub fn frame(self) -> [usize; 3] {
        match self {
            Self::Events { sensor } => [sensor.height.into(), sensor.width.into(), 2],
            Self::Images { height, width, channels } => [height, width, channels],
            Self::Speech { .. } => [64, 64, 1],
        }
    }

    /// What these are called in an error message.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Events { .. } => "events",
            Self::Images { .. } => "images",
            Self::Speech { .. } => "sounds",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
