//! Text that is safe on a terminal.

use sentence::escaped;

/// `text` as one line: without the frames of a backtrace, without the secrets of addresses, and
/// with every character that could command a terminal or hide text written as in JSON: a line
/// feed is `\n`, an escape `\u001b`, a right-to-left override `\u202e`.
pub fn line(text: &str) -> String {
    escaped(&without_secrets(without_frames(text).trim_end_matches('\n')), false)
}

/// As [`line()`], for text of several lines, such as a table or JSON: line feeds stay, and so does
/// all that is not dangerous. JSON stays JSON of the same value.
pub fn block(text: &str) -> String {
    escaped(text, true)
}

/// A text without the backtrace that candle appends to its messages where RUST_BACKTRACE asks for
/// one: everything from the first line that is a frame, such as `   0: core::fmt`.
fn without_frames(text: &str) -> &str {
    let mut end = 0;
    for part in text.split_inclusive('\n') {
        let indented = part.trim_start_matches(' ');
        let number = indented.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_frame = indented.len() < part.len()
            && number.len() < indented.len()
            && number.starts_with(": ");
        if end > 0 && is_frame {
            return &text[..end];
        }
        end += part.len();
    }
    text
}

/// What stands for a secret.
const HIDDEN: &str = "***";

/// A text whose addresses have neither user and password nor the values of keys and tokens.
fn without_secrets(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        safe.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c));
        let (address, next) = after.split_at(end.unwrap_or(after.len()));
        safe.push_str(&of_address(address));
        rest = next;
    }
    safe + rest
}

/// What follows the `://` of an address.
fn of_address(address: &str) -> String {
    let (place, query) = match address.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (address, None),
    };
    // a password may hold what ends a host; hiding a path that has an @ is the lesser harm
    let mut safe = match place.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => place.to_owned(),
    };
    let Some(query) = query else { return safe };
    let mut query: String = query.to_owned();
    if let Some((_, host)) = query.rsplit_once('@') {
        // a question mark in a password is no query
        return format!("{HIDDEN}@{host}");
    }
    let fields: Vec<String> = query.split('&').map(of_field).collect();
    query = fields.join("&");
    safe.push('?');
    safe + &query
}

/// One `name=value` of a query.
fn of_field(field: &str) -> String {
    const SECRETS: [&str; 6] = ["token", "key", "secret", "pass", "sig", "auth"];
    match field.split_once('=') {
        Some((name, _)) if SECRETS.iter().any(|word| name.to_lowercase().contains(word)) => {
            format!("{name}={HIDDEN}")
        }
        _ => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_command_a_terminal() {
        for (text, safe) in [
            ("plain, Zürich, 鹿, µs\\n", "plain, Zürich, 鹿, µs\\n"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}", "\\u001b[2J\\u0007"),
            ("x\u{9b}31m\u{7f}", "x\\u009b31m\\u007f"),
            ("gnp.\u{202e}exe", "gnp.\\u202eexe"),
            ("a\u{200b}b\u{2066}c\u{feff}\u{2028}", "a\\u200bb\\u2066c\\ufeff\\u2028"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(line(text), safe);
        }
        assert_eq!(block("a\nb\u{1b}"), "a\nb\\u001b");
    }

    #[test]
    fn every_character_is_either_shown_or_escaped_to_ascii() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let safe = line(&format!("<{c}>"));
            let kept = safe == format!("<{c}>");
            assert!(kept || safe.is_ascii(), "{safe}");
            assert!(!safe.chars().any(char::is_control), "{safe}");
        }
    }

    #[test]
    fn a_backtrace_is_no_part_of_a_sentence() {
        let said =
            "shape mismatch\n   0: candle_core::error::Error::bt\n             at /x.rs:1:2\n";
        assert_eq!(line(said), "shape mismatch");
        for kept in ["0: a first line is no frame", "a: 1: b", "a\n1: b"] {
            assert_eq!(line(kept), kept.replace('\n', "\\n"));
        }
    }

    #[test]
    fn addresses_keep_their_host_and_lose_their_secrets() {
        for (text, safe) in [
            ("https://u:p@h/f: gone", "https://***@h/f: gone"),
            ("ftp://u@h, http://a/b", "ftp://***@h, http://a/b"),
            ("https://u:p/q@h/f", "https://***@h/f"),
            ("https://u:p?q@h/f", "https://***@h/f"),
            ("https://h/f?id=3&token=abc&X-Sig=1", "https://h/f?id=3&token=***&X-Sig=***"),
            ("https://h/f?id=3", "https://h/f?id=3"),
            ("a@b://c", "a@b://c"),
        ] {
            assert_eq!(line(text), safe);
        }
    }
}
