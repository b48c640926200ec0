//! Speech Commands v0.02: 105,829 clips of up to one second, 35 spoken words.

use crate::{Content, Download, Info, Unpack};

/// Samples a second, and so samples of a clip of one second.
const RATE_HZ: u32 = 16_000;

pub(crate) const INFO: Info = Info {
    id: "speech-commands",
    title: "Speech Commands",
    content: Content::Speech { rate_hz: RATE_HZ, samples: RATE_HZ as usize },
    classes: &[
        "backward", "bed", "bird", "cat", "dog", "down", "eight", "five", "follow", "forward", "four", "go", "happy",
        "house", "learn", "left", "marvin", "nine", "no", "off", "on", "one", "right", "seven", "sheila", "six",
        "stop", "three", "tree", "two", "up", "visual", "wow", "yes", "zero",
    ],
    train: 84_843,
    validation: Some(9_981),
    test: 11_005,
    citation: "P. Warden, \"Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition\", arXiv:1804.03209, 2018",
    licence: "CC BY 4.0",
    page: "https://arxiv.org/abs/1804.03209",
    downloads: &[Download {
        file: "speech_commands_v0.02.tar.gz",
        urls: &[
            "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        ],
        bytes: Some(2_428_923_189),
        md5: Some("6b74f3901214cb2c2934e98196829835"),
        sha256: Some("af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58"),
        unpack: Unpack::TarGz,
    }],
    manual: None,
};
