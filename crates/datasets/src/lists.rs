//! Publishers' lists of files, from bytes to entries: pure functions that need nothing but words,
//! so that the fuzz target can take this file as it is.
//!
//! A list is UTF-8 text with one name a line. What editors and other systems do to such a file
//! changes nothing: a byte order mark, `\r\n` or `\r` as line ends, blank lines, blanks around a
//! name, `./` before it, `\` for `/`. A line that then has not the form of the list is a fault, for
//! a line dropped in silence would move its recording to the other half.

use std::collections::HashMap;

use sentence::quoted;

/// A name in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, parts separated by `/`.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
}

/// A line that is none of the list's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
}

/// Names and repeats that a message tells; more are counted.
const TOLD: usize = 3;

/// The entries of a list whose names have the form that `fits`.
///
/// # Errors
/// The first line that is no UTF-8 or does not fit.
pub fn entries(text: &[u8], fits: impl Fn(&str) -> bool) -> Result<Vec<Entry>, Fault> {
    let mut entries = Vec::new();
    for (line, text) in lines(text)? {
        let name = plain(text);
        if !fits(&name) {
            return Err(Fault { line, found: quoted(text) });
        }
        entries.push(Entry { name, line });
    }
    Ok(entries)
}

/// The rows of a table `file,class,…`: entries with their class. The first line is its title.
///
/// # Errors
/// No title, or nothing behind it; the first line that is no UTF-8, whose name does not fit, or
/// whose class is not 1 to `classes`.
pub fn labelled(
    text: &[u8],
    classes: u32,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<(Entry, u32)>, Fault> {
    let mut lines = lines(text)?.into_iter();
    let (line, title) = lines.next().unwrap_or((1, ""));
    if !title.starts_with("file,class") {
        return Err(Fault { line, found: quoted(title) });
    }
    let mut rows = Vec::new();
    for (line, text) in lines {
        let mut fields = text.split(',').map(str::trim);
        let name = plain(fields.next().unwrap_or_default());
        let class = fields.next().and_then(|class| class.parse().ok());
        match class.filter(|class| (1..=classes).contains(class)) {
            Some(class) if fits(&name) => rows.push((Entry { name, line }, class)),
            _ => return Err(Fault { line, found: quoted(text) }),
        }
    }
    if rows.is_empty() {
        return Err(Fault { line: line + 1, found: quoted("") });
    }
    Ok(rows)
}

/// What stands twice in these lists, each given with its file name: in two of them, or twice in
/// one; `None` if nothing does.
pub fn repeats(lists: &[(&str, &[Entry])]) -> Option<String> {
    let mut first: HashMap<&str, (usize, usize)> = HashMap::new();
    let (mut in_two, mut in_one) = (Vec::new(), Vec::new());
    for (index, &(list, entries)) in lists.iter().enumerate() {
        for Entry { name, line } in entries {
            let Some(&(before, at)) = first.get(name.as_str()) else {
                first.insert(name, (index, *line));
                continue;
            };
            if before == index {
                in_one.push(format!("{name} twice in {list} (lines {at} and {line})"));
            } else {
                let other = lists[before].0;
                in_two.push(format!("{name} in {other} (line {at}) and in {list} (line {line})"));
            }
        }
    }
    let told: Vec<String> = [in_two, in_one].into_iter().filter_map(shorten).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// The first few of what was found.
fn shorten(mut found: Vec<String>) -> Option<String> {
    let more = found.len().saturating_sub(TOLD);
    found.truncate(TOLD);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    (!found.is_empty()).then(|| found.join(", "))
}

/// The lines that hold something, without blanks around it, and their numbers from 1.
fn lines(text: &[u8]) -> Result<Vec<(usize, &str)>, Fault> {
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(Fault { line: 1, found: "UTF-16 text".to_owned() });
    }
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut number, mut lines) = (0, Vec::new());
    while !rest.is_empty() {
        number += 1;
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let ends: &[u8] =
            if behind.starts_with(b"\r\n") { b"\r\n" } else { &behind[..behind.len().min(1)] };
        rest = &behind[ends.len()..];
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(Fault { line: number, found: "bytes that are no UTF-8 text".to_owned() });
        };
        if !line.trim().is_empty() {
            lines.push((number, line.trim()));
        }
    }
    Ok(lines)
}

/// A name with `/` between its parts, and without `./` before it.
fn plain(name: &str) -> String {
    let name = name.replace('\\', "/");
    name.trim_start_matches("./").to_owned()
}

/// Whether a name is that of a file with this extension, without any folder.
pub fn is_file_name(name: &str, extension: &str) -> bool {
    let stem = name.strip_suffix(extension).and_then(|name| name.strip_suffix('.'));
    stem.is_some_and(|stem| !stem.is_empty())
        && !name.starts_with('.')
        && !name.contains(|c: char| c == '/' || c.is_control())
}
