//! Text from data as HTML.

/// Text between tags or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            '\n' | '\t' => html.push(c),
            // HTML has no place for them, and a parser would report each
            c if c.is_control() => html.push(' '),
            c => html.push(c),
        }
    }
    html
}

/// Text with the markup that a table's Markdown has too: `` `code` `` and `**strong**`. A mark
/// without a partner is text.
pub(super) fn inline(text: &str) -> String {
    between(text, "`", "code", |plain| between(plain, "**", "strong", escape))
}

/// What stands between two `mark`s in an element, the rest by `plain`.
fn between(text: &str, mark: &str, element: &str, plain: impl Fn(&str) -> String) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = first_pair(rest, mark) {
        html += &format!("{}<{element}>{}</{element}>", plain(before), escape(inside));
        rest = after;
    }
    html + &plain(rest)
}

/// What stands before, in and after the first two marks; nothing where they hold nothing.
fn first_pair<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = text.split_once(mark)?;
    let (inside, after) = rest.split_once(mark)?;
    (!inside.is_empty()).then_some((before, inside, after))
}

/// A path relative to the page as the value of `href`. It can be neither another scheme nor another
/// host, because colons are escaped and a leading slash is not the first character.
pub(super) fn href(path: &str) -> String {
    let mut link = String::from(if path.starts_with('/') { "." } else { "" });
    link += &percent(path);
    link
}

/// Percent-encoding (RFC 3986) of everything but unreserved characters, `/` and `+`.
pub(super) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'+' => encoded.push(char::from(byte)),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

/// An id of lower-case letters, digits and `-` that begins with a letter. Ids within drawings hold
/// a `_`, so the two never meet.
pub(super) fn slug(id: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = id.chars().map(allowed).collect();
    if slug.starts_with(|c: char| c.is_ascii_alphabetic()) {
        slug
    } else {
        format!("section-{slug}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(
            escape("<script a='b' c=\"d\">&amp;\0"),
            "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;amp; "
        );
    }

    #[test]
    fn code_and_strong_in_pairs_only() {
        for (text, html) in [
            ("run `a < b` **now**", "run <code>a &lt; b</code> <strong>now</strong>"),
            ("`a **b** c`", "<code>a **b** c</code>"),
            ("2 ** 3, a ` b", "2 ** 3, a ` b"),
            ("`` and ****", "`` and ****"),
            ("`<b>", "`&lt;b&gt;"),
        ] {
            assert_eq!(inline(text), html);
        }
    }

    #[test]
    fn a_link_stays_beside_the_page() {
        for (path, link) in [
            ("runs/train/mnist-bpsa+bpta-s0.json", "runs/train/mnist-bpsa+bpta-s0.json"),
            ("a \"b\"?#%.json", "a%20%22b%22%3F%23%25.json"),
            ("javascript:alert(1)", "javascript%3Aalert%281%29"),
            ("//host/x", ".//host/x"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(href(path), link);
        }
    }

    #[test]
    fn ids_begin_with_a_letter() {
        for (id, expected) in
            [("table2", "table2"), ("Fig. 1_a", "fig--1-a"), ("2", "section-2"), ("", "section-")]
        {
            assert_eq!(slug(id), expected);
        }
    }
}
