//! JSON that people may have written or changed. A parser of JSON takes the last of two equal keys
//! and 0 for a number that is too small, without a word; here both are errors.

use crate::words;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Why a text is not the JSON that it should be. Reads as
/// `line 3, column 7: the field "a" twice`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {found}")]
pub struct Unreadable {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1; 0 at the beginning of a line.
    pub column: usize,
    /// What is there, in words.
    pub found: String,
    /// What kind of fault it is.
    pub kind: Fault,
}

/// The kinds of faults of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON.
    NoJson,
    /// An object has a key twice.
    Twice,
    /// A number that f64 takes for 0 or for infinity.
    Number,
    /// It is JSON of something else.
    Other,
}

/// What a JSON text describes.
///
/// # Errors
/// As [`prove`], and JSON of something else.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    prove(text)?;
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

/// Proves that a text is JSON, that none of its objects has a key twice, and that f64 has a value
/// for each of its numbers.
///
/// # Errors
/// The first place that is otherwise.
pub fn prove(text: &str) -> Result<(), Unreadable> {
    // first, since a number of a million digits costs the parser their square
    if let Some(fault) = lost(text) {
        return Err(fault);
    }
    serde_json::from_str::<Proven>(text).map(drop).map_err(|error| unreadable(&error))
}

/// The f64 that a text is written as; nothing for a text that is no number, or one that f64 takes
/// for 0 or for infinity.
pub fn number(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    (number != 0.0 || !says_more_than_zero(text)).then_some(number)
}

/// Whether a number is written with a digit other than 0 in front of its exponent.
fn says_more_than_zero(text: &str) -> bool {
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

/// The first number of a JSON text that f64 takes for 0 or for infinity.
fn lost(text: &str) -> Option<Unreadable> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = behind_string(bytes, at),
            b'-' | b'0'..=b'9' => {
                let rest = &bytes[at..];
                let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let length = rest.iter().take_while(|byte| part(byte)).count();
                let written = &text[at..at + length];
                if written.parse::<f64>().is_ok() && number(written).is_none() {
                    return Some(no_number(text, at, written));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// The place behind the string that begins at `at`.
fn behind_string(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn no_number(text: &str, at: usize, written: &str) -> Unreadable {
    let before = &text[..at];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |end| end + 1) + 1;
    let taken = if says_more_than_zero(written) && written.parse() == Ok(0.0) {
        "zero"
    } else {
        "infinity"
    };
    let found =
        sentence::shown(&format!("the number {written}, which double precision takes for {taken}"));
    Unreadable { line, column, found, kind: Fault::Number }
}

/// What the parser said, in words.
pub(crate) fn unreadable(error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    // serde_json ends its sentence with the position, which ours begins with
    let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let kind = match text {
        _ if error.is_data() && text.starts_with("duplicate field ") => Fault::Twice,
        _ if error.is_data() => Fault::Other,
        "number out of range" => Fault::Number,
        _ => Fault::NoJson,
    };
    Unreadable { line, column, found: words::of(error.classify(), text), kind }
}

/// Any JSON whose objects have every key once.
struct Proven;

impl<'de> Deserialize<'de> for Proven {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Proven;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_str<E>(self, _: &str) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_unit<E>(self) -> Result<Proven, E> {
        Ok(Proven)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Proven, A::Error> {
        while items.next_element::<Proven>()?.is_some() {}
        Ok(Proven)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Proven, A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                // as the parser itself says it of a field that it knows
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            seen.insert(key);
            map.next_value::<Proven>()?;
        }
        Ok(Proven)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::Value;

    fn fault(text: &str) -> (Fault, String) {
        let fault = parse::<Value>(text).unwrap_err();
        (fault.kind, fault.to_string())
    }

    #[test]
    fn a_key_twice_is_named_wherever_it_is() {
        for (text, place) in [
            (r#"{"a":1,"a":2}"#, "line 1, column 10"),
            (r#"{"a":1,"\u0061":1}"#, "line 1, column 15"),
            (r#"[[{"b":{"a":1,"c":2,"a":null}}]]"#, "line 1, column 23"),
            ("{\"a\":{},\n\"b\":[],\n\"a\":{}}", "line 3, column 3"),
        ] {
            let said = format!("{place}: the field \"a\" twice");
            assert_eq!(fault(text), (Fault::Twice, said), "{text}");
        }
        for good in [r#"{"a":{"a":1},"b":{"a":1}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"a":1,"A":2}"#] {
            assert_eq!(parse::<Value>(good).unwrap(), good.parse::<Value>().unwrap());
        }
        assert_eq!(fault(r#"{"a":1,"a":2"#).0, Fault::Twice);
        assert_eq!(fault("{\"\u{1b}\":1,\"\u{1b}\":2}").0, Fault::NoJson, "a control in a string");
        let (kind, said) = fault("{\"\\u001b\":1,\"\\u001b\":2}");
        assert!(kind == Fault::Twice && !said.contains('\u{1b}'), "{said}");
    }

    #[test]
    fn a_number_that_f64_does_not_hold_is_named() {
        for (written, taken) in [
            ("1e-400", "zero"),
            ("-0.00001e-330", "zero"),
            ("1e999", "infinity"),
            ("-2E400", "infinity"),
        ] {
            for text in
                [written.to_owned(), format!("{{\"1e-999\":[\"2e-999\\\"\",\n {written}]}}")]
            {
                let (kind, said) = fault(&text);
                let words =
                    format!("the number {written}, which double precision takes for {taken}");
                assert!(kind == Fault::Number && said.ends_with(&words), "{text}: {said}");
            }
            assert_eq!(number(written), None);
        }
        assert_eq!(fault("[0,\n 1e-999]").1.split(':').next(), Some("line 2, column 2"));
        for good in ["0", "-0.0", "0e-999", "0.000", "5e-324", "1.7976931348623157e308"] {
            parse::<f64>(good).unwrap();
            assert!(number(good).is_some(), "{good}");
        }
        let digits = format!("0.1{}", "234567890".repeat(40));
        assert_eq!(number(&digits), digits.parse().ok(), "more digits than f64 holds");
        assert!(["", "x", "NaN", "inf", "-inf", "1e", "0x1"].iter().all(|t| number(t).is_none()));
    }

    #[test]
    fn what_is_no_json_or_of_something_else_says_so() {
        for text in ["", "{", "text", "{\"a\":}", "[1,]", "1 2", "NaN"] {
            assert_eq!(fault(text).0, Fault::NoJson, "{text}");
        }
        let deep = "[".repeat(500);
        assert_eq!(fault(&deep).0, Fault::NoJson);
        assert_eq!(parse::<u8>("\"x\"").unwrap_err().kind, Fault::Other);
    }
}
