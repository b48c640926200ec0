/// Most characters of a text that a sentence quotes.
const QUOTED: usize = 60;

/// Text in which every character that could command a terminal or hide text is written as in JSON:
/// a line feed is `\n`, an escape `\u001b`, a right-to-left override `\u202e`. With `line_feeds`
/// these stay.
pub fn escaped(text: &str, line_feeds: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if line_feeds => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if commands(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Controls of both sets, line and paragraph separators, what is invisible or changes the direction
/// of text, and tags.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || ('\u{200b}'..='\u{200f}').contains(&c)
        || ('\u{2028}'..='\u{202e}').contains(&c)
        || ('\u{2060}'..='\u{206f}').contains(&c)
        || ('\u{fff9}'..='\u{fffb}').contains(&c)
        || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// The first 60 characters of bytes that a file holds, between quotation marks: text as
/// [`escaped`] writes it, a byte that is of no text as `\xff`.
pub fn quoted(bytes: impl AsRef<[u8]>) -> String {
    let (mut shown, mut left) = (String::new(), QUOTED);
    for chunk in bytes.as_ref().utf8_chunks() {
        let text: String = chunk.valid().chars().take(left).collect();
        left -= text.chars().count();
        shown += &escaped(&text, false);
        if text.len() < chunk.valid().len() {
            return format!("\"{shown}…\"");
        }
        for byte in chunk.invalid() {
            if left == 0 {
                return format!("\"{shown}…\"");
            }
            left -= 1;
            shown += &format!("\\x{byte:02x}");
        }
    }
    format!("\"{shown}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_command_a_terminal() {
        for (text, safe) in [
            ("plain, Zürich, 鹿, µs\\n", "plain, Zürich, 鹿, µs\\n"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}", "\\u001b[2J\\u0007"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(escaped(text, false), safe);
            assert_eq!(quoted(text), format!("\"{safe}\""));
        }
        assert_eq!(escaped("a\nb\u{1b}", true), "a\nb\\u001b");
    }

    #[test]
    fn bytes_are_quoted_in_part() {
        assert_eq!(quoted(b"\xff\0a\n\xc3"), "\"\\xff\\u0000a\\n\\xc3\"");
        assert_eq!(quoted("ä".repeat(60)), format!("\"{}\"", "ä".repeat(60)));
        assert_eq!(quoted("ä".repeat(61)), format!("\"{}…\"", "ä".repeat(60)));
        assert_eq!(quoted([0xff; 61]), format!("\"{}…\"", "\\xff".repeat(60)));
        assert_eq!(quoted(""), "\"\"");
    }
}
