//! What a sentence holds: [`shown`] texts, [`number`]s, [`size`]s in bytes, digests in [`hex`],
//! numbers of things ([`counted`]), what the system says of a file ([`cause`]), and text that is
//! not ours ([`escaped`], [`quoted`]). Whatever the value, what comes out is short, on one line,
//! and never empty of meaning, such as "0 MiB" of something.
//!
//! Every crate may use it; it uses none.

mod cause;
mod escape;

pub use cause::cause;
pub use escape::{escaped, quoted};

/// Characters of a text that a sentence repeats.
const LONGEST: usize = 120;

/// A text from outside, such as a name in a file: at most its first 120 characters, with `…` where
/// there are more, and with � for each control character.
///
/// ```
/// assert_eq!(sentence::shown("a\nb"), "a\u{fffd}b");
/// ```
pub fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// A number, exactly: with an exponent where it would be a row of zeros, so that no number takes
/// more than 24 characters.
///
/// ```
/// assert_eq!((sentence::number(1e308), sentence::number(0.25)), ("1e308".into(), "0.25".into()));
/// ```
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && size.is_finite() && !(1e-5..1e16).contains(&size) => {
            format!("{value:e}")
        }
        _ => value.to_string(),
    }
}

/// So many bytes, rounded up, in the largest unit of which there are ten or more: KiB, MiB, GiB or
/// TiB; below 1 KiB the bytes themselves.
///
/// ```
/// assert_eq!(sentence::size(37 << 30), "37 GiB");
/// ```
pub fn size(bytes: u128) -> String {
    let (unit, name) = match bytes {
        0..1024 => (1, "bytes"),
        n if n < 10 << 20 => (1 << 10, "KiB"),
        n if n < 10 << 30 => (1 << 20, "MiB"),
        n if n < 10 << 40 => (1 << 30, "GiB"),
        _ => (1u128 << 40, "TiB"),
    };
    format!("{} {name}", bytes.div_ceil(unit))
}

/// A digest in hexadecimal digits, two a byte, in small letters.
///
/// ```
/// assert_eq!(sentence::hex(&[0x0f, 0xa0]), "0fa0");
/// ```
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number of things: `1 file`, `2 files`, `0 files`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "file")), ["0 files", "1 file", "2 files"]);
    }

    #[test]
    fn a_text_is_short_and_on_one_line() {
        assert_eq!(shown("64C3-é鹿"), "64C3-é鹿");
        assert_eq!(shown("\u{1b}[2J\u{9b}\t"), "\u{fffd}[2J\u{fffd}\u{fffd}");
        assert_eq!(shown(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
        assert_eq!(shown(&"é".repeat(70_000)), "é".repeat(LONGEST) + "…");
    }

    #[test]
    fn a_number_is_exact_and_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-5, "0.00001"),
            (-9e-6, "-9e-6"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e16, "1e16"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
        let mut state = 1u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(state);
            let text = number(value);
            assert!(text.len() <= 24, "{text}");
            assert!(value.is_nan() || text.parse() == Ok(value), "{text}");
        }
    }

    #[test]
    fn a_size_is_never_nothing() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1025, "2 KiB"),
            (3 << 20, "3072 KiB"),
            (218 << 20, "218 MiB"),
            (8 << 30, "8192 MiB"),
            (u128::from(u64::MAX), "16777216 TiB"),
            (u128::MAX, "309485009821345068724781056 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
