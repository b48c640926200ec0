//! What a JSON parser says, in words for people.

use serde_json::error::Category;

/// What stands in the file, as `text`, a message of serde_json without its place, says it.
pub(crate) fn of(category: Category, text: &str) -> String {
    let words = match category {
        Category::Io => "text that cannot be read".to_owned(),
        Category::Eof => "the end of the text in the middle of it".to_owned(),
        Category::Syntax => syntax(text).to_owned(),
        Category::Data => data(text),
    };
    sentence::shown(&words)
}

fn syntax(text: &str) -> &'static str {
    match text {
        "number out of range" => "a number that is too large",
        "recursion limit exceeded" => "lists or objects nested too deeply",
        "trailing characters" => "more text behind its end",
        _ => "text that is no JSON",
    }
}

fn data(text: &str) -> String {
    let quoted = |text: &str| text.replace('`', "\"");
    if let Some(field) = text.strip_prefix("missing field ") {
        return format!("no field {}", quoted(field));
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        return format!("the field {} twice", quoted(field));
    }
    if let Some(rest) = text.strip_prefix("unknown field ") {
        let field = rest.split(", expected").next().unwrap_or(rest);
        return format!("the field {}, which no record has there", quoted(field));
    }
    for prefix in ["invalid type: ", "invalid value: ", "unknown variant ", "invalid length "] {
        if let Some(rest) = text.strip_prefix(prefix) {
            let (found, expected) = rest.split_once(", expected ").unwrap_or((rest, "another"));
            return format!("{} where {} belongs", quoted(kind(found)), quoted(kind(expected)));
        }
    }
    "values that are no record's".to_owned()
}

/// A kind of value without the names that Rust has for it.
fn kind(text: &str) -> &str {
    match text {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of 0 or more",
        "f32" | "f64" => "a number",
        "map" => "an object",
        "sequence" | "a sequence" => "a list",
        "unit" => "nothing",
        text if text.starts_with("struct ") || text == "a map" => "an object",
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_the_parsers() {
        for (text, words) in [
            ("missing field `seed`", "no field \"seed\""),
            (
                "unknown field `x`, expected one of `a`, `b`",
                "the field \"x\", which no record has there",
            ),
            ("duplicate field `a`", "the field \"a\" twice"),
            (
                "invalid type: map, expected u64",
                "an object where a whole number of 0 or more belongs",
            ),
            (
                "invalid type: integer `-1`, expected struct Host",
                "integer \"-1\" where an object belongs",
            ),
            (
                "unknown variant `x`, expected one of `a`, `b`",
                "\"x\" where one of \"a\", \"b\" belongs",
            ),
            ("something new", "values that are no record's"),
        ] {
            assert_eq!(of(Category::Data, text), words);
        }
        assert_eq!(of(Category::Syntax, "expected value"), "text that is no JSON");
        assert_eq!(
            of(Category::Data, &"missing field `x`".replace('x', &"x".repeat(300))).chars().count(),
            121
        );
    }
}
