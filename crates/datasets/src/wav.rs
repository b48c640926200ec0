//! WAV files: from the bytes of a RIFF file to the samples in it.
//!
//! A RIFF file is `RIFF`, its length, `WAVE`, then chunks: four letters, a length, so many bytes,
//! and a zero byte where the length is odd. One chunk `fmt ` says what a sample is, one chunk
//! `data` holds them; all others, in any place, say other things. Numbers are little-endian.
//!
//! Source: IBM and Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991;
//! Microsoft, "Multiple Channel Audio Data and WAVE Files", 2007, for the extensible form.

/// Why bytes are no WAV file that can be read, in the parts of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub expected: String,
    pub found: String,
    pub advice: &'static str,
}

/// What a WAV file holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sound<'a> {
    pub channels: u16,
    pub rate_hz: u32,
    pub bits: u16,
    /// Whole samples of whole numbers.
    pub data: &'a [u8],
}

const DAMAGED: &str = "it is damaged or cut off: unpack the data set again";
const CONVERT: &str = "convert it to plain PCM samples";
/// Bytes before a chunk's content.
const HEAD: usize = 8;
/// The identifier of plain samples in an extensible format, behind its first two bytes.
const PCM_REST: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

/// The sound in a WAV file's bytes. What is not understood is refused.
///
/// # Errors
/// Bytes that are no RIFF WAVE file; a chunk that is cut off or damaged; no `fmt ` or `data` chunk,
/// or two; samples that are not whole numbers, or none of them.
pub(crate) fn read(bytes: &[u8]) -> Result<Sound<'_>, Fault> {
    if bytes.len() < 12 || !bytes.starts_with(b"RIFF") || &bytes[8..12] != b"WAVE" {
        let found = match bytes.len() {
            0 => "an empty file".to_owned(),
            _ if bytes.iter().all(|&byte| byte == 0) => "nothing but zeros".to_owned(),
            n if n < 12 => format!("{n} bytes"),
            _ => sentence::quoted(&bytes[..12]),
        };
        return Err(fault("a WAV file, which begins with RIFF and WAVE", found, DAMAGED));
    }
    let (mut format, mut data) = (None, None);
    let mut at = 12;
    while at < bytes.len() && !is_rest(bytes, at, format.is_some() && data.is_some()) {
        let chunk = Chunk::parse(bytes, at)?;
        let place = match &chunk.name {
            b"fmt " => &mut format,
            b"data" => &mut data,
            _ => &mut None,
        };
        if place.replace(chunk.content).is_some() {
            let name = sentence::quoted(chunk.name);
            return Err(fault(
                "one chunk of a kind",
                format!("a second {name} at byte {at}"),
                CONVERT,
            ));
        }
        // what pads an odd chunk may be missing at the end
        at = at + HEAD + chunk.content.len().next_multiple_of(2);
    }
    let missing = |what| fault(format!("a chunk \"{what}\""), "none", DAMAGED);
    let sound = Sound {
        data: data.ok_or_else(|| missing("data"))?,
        ..parse_format(format.ok_or_else(|| missing("fmt "))?)?
    };
    let block = usize::from(sound.channels) * usize::from(sound.bits / 8);
    if sound.data.is_empty() {
        return Err(fault(
            "at least one sample",
            "none: its data chunk has a length of 0",
            DAMAGED,
        ));
    }
    if !sound.data.len().is_multiple_of(block) {
        let found = format!("{} bytes", sound.data.len());
        return Err(fault(format!("whole samples of {block} bytes"), found, DAMAGED));
    }
    Ok(sound)
}

/// Whether what lies at `at` is no chunk but the rest of a file whose sound is complete: behind the
/// length that RIFF gives, or a few zeros.
fn is_rest(bytes: &[u8], at: usize, complete: bool) -> bool {
    let end = u64::from(u32_at(bytes, 4)) + HEAD as u64;
    let rest = &bytes[at..];
    complete && (at as u64 >= end || rest.len() < HEAD && rest.iter().all(|&byte| byte == 0))
}

struct Chunk<'a> {
    name: [u8; 4],
    content: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn parse(bytes: &'a [u8], at: usize) -> Result<Self, Fault> {
        let rest = &bytes[at..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else {
            let found = format!("{} bytes before the end", rest.len());
            return Err(fault(format!("a chunk at byte {at}"), found, DAMAGED));
        };
        let [a, b, c, d, ..] = *head;
        let name = [a, b, c, d];
        if !name.iter().all(|&letter| letter == b' ' || letter.is_ascii_graphic()) {
            let found = sentence::quoted(name);
            return Err(fault(format!("the four letters of a chunk at byte {at}"), found, DAMAGED));
        }
        let length = u32_at(head, 4);
        let content = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let content = content.ok_or_else(|| {
            let name = sentence::quoted(name);
            let expected = format!("{length} bytes of the chunk {name} at byte {at}");
            let advice = "it is cut off, or was written by a program that never gave its length: \
                          copy it again, or convert it";
            fault(expected, format!("{} before the end", rest.len()), advice)
        })?;
        Ok(Self { name, content })
    }
}

/// What the chunk `fmt ` says.
fn parse_format(format: &[u8]) -> Result<Sound<'static>, Fault> {
    if format.len() < 16 {
        let found = format!("{} bytes", format.len());
        return Err(fault("at least 16 bytes of format", found, DAMAGED));
    }
    let [tag, channels, block, bits] = [0, 2, 12, 14].map(|at| u16_at(format, at));
    let plain = match tag {
        1 => true,
        // extensible: bits that count, speakers, then the identifier of the true format
        0xfffe if format.len() >= 40 => {
            u16_at(format, 18) == bits && u16_at(format, 24) == 1 && format[26..40] == PCM_REST
        }
        _ => false,
    };
    if !plain {
        let found = format!("the format {tag:#06x}");
        return Err(fault("plain samples (format 1)", found, CONVERT));
    }
    if bits == 0
        || bits % 8 != 0
        || channels == 0
        || u32::from(block) != u32::from(channels) * u32::from(bits / 8)
    {
        let found = format!("{channels} channels, {bits} bits and {block} bytes a block");
        return Err(fault("channels of whole bytes, as many as a block has", found, DAMAGED));
    }
    Ok(Sound { channels, rate_hz: u32_at(format, 4), bits, data: &[] })
}

fn fault(expected: impl Into<String>, found: impl Into<String>, advice: &'static str) -> Fault {
    Fault { expected: expected.into(), found: found.into(), advice }
}

/// Two bytes that the caller knows to be there.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Four bytes that the caller knows to be there.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
