//! Clips of speech: the samples of a file, at the one rate there is.

use std::path::Path;

use crate::{Error, error::unlike, files, files::LOST, wav};

/// Samples a second, and so samples of a clip of one second.
pub(crate) const RATE_HZ: u32 = 16_000;

/// The clip's samples, cut behind or padded with zeros on both sides to one second.
pub(crate) fn waveform(path: &Path, most_bytes: u64) -> Result<Vec<i16>, Error> {
    let samples = sound(path, most_bytes)?;
    let second = RATE_HZ as usize;
    let missing = second.saturating_sub(samples.len());
    let mut padded = vec![0; missing / 2];
    padded.extend(samples.into_iter().take(second));
    padded.resize(second, 0);
    Ok(padded)
}

/// The clip's samples, however many.
pub(crate) fn sound(path: &Path, most_bytes: u64) -> Result<Vec<i16>, Error> {
    let bytes = files::read(path, most_bytes)?;
    let refused = |fault: wav::Fault| unlike(path, fault.expected, fault.found, fault.advice);
    let sound = wav::read(&bytes).map_err(refused)?;
    if (sound.channels, sound.rate_hz, sound.bits) != (1, RATE_HZ, 16) {
        let found = format!(
            "{}, {} Hz, {} bits",
            sentence::counted(sound.channels.into(), "channel"),
            sound.rate_hz,
            sound.bits
        );
        let expected = format!("1 channel, {RATE_HZ} Hz, 16 bits");
        return Err(unlike(path, expected, found, "convert it to that"));
    }
    let samples = sound.data.as_chunks().0.iter().map(|&sample| i16::from_le_bytes(sample));
    // the publisher left out clips without a voice, so no sound is a loss and not a recording
    if sound.data.iter().all(|&byte| byte == 0) {
        let found = format!("{}, all of them 0", sentence::counted(samples.len(), "sample"));
        return Err(unlike(path, "a sound", found, LOST));
    }
    Ok(samples.collect())
}
