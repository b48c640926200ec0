//! Files and functions that one can read: a file has at most 400 lines, a function
//! 60, and a line 100 columns. One that is longer says why: `// Long: …`, near the head of the
//! file, or above the function or on its first line.

use super::{sources, workspace};

const FILE: usize = 400;
const FUNCTION: usize = 60;
const COLUMNS: usize = 100;
/// Lines in which a file's reason stands.
const HEAD: usize = 40;
/// How a reason begins.
const REASON: &str = "// Long: ";

/// A line that is a reason.
fn is_reason(line: &&str) -> bool {
    line.trim_start().strip_prefix(REASON).is_some_and(|reason| !reason.is_empty())
}

/// The name of the function that a line begins, if it does.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let begins = before.split_whitespace().all(|word| words.contains(&word));
    let name = after.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    (begins && !name.is_empty()).then_some(name)
}

/// The functions of a file that rustfmt has been over: name, first line, lines.
fn functions(lines: &[&str]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let ends = |line: &&str| line.ends_with([';', '{', '}']);
        let Some(signature) = lines[first..].iter().position(ends) else { continue };
        if !lines[first + signature].ends_with('{') {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let length = lines[first..].iter().position(|line| *line == end);
        found.extend(length.map(|length| (name.to_owned(), first, length + 1)));
    }
    found
}

/// What is too long in a file, without a reason.
fn faults(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().collect();
    let mut faults = Vec::new();
    if lines.len() > FILE && !lines.iter().take(HEAD).any(is_reason) {
        faults.push(format!("has {} lines, expected at most {FILE}", lines.len()));
    }
    for (name, first, length) in functions(&lines) {
        // above, behind its comments and attributes, or on the first lines inside
        let above = lines[..first].iter().rev();
        let mut above = above.take_while(|line| line.trim_start().starts_with(['/', '#']));
        let body = lines[first..].iter().take_while(|line| !line.ends_with('{')).count() + 1;
        let reason = above.any(is_reason) || is_reason(&lines[first + body]);
        if length > FUNCTION && !reason {
            faults.push(format!("{name} has {length} lines, expected at most {FUNCTION}"));
        }
    }
    for (number, line) in lines.iter().enumerate() {
        let columns = line.chars().count();
        // rustfmt breaks code, but no comment and no text
        if line.trim_start().starts_with("//") && columns > COLUMNS {
            faults.push(format!("line {} has {columns} columns", number + 1));
        }
    }
    faults
}

#[test]
fn no_file_and_no_function_is_long_without_a_reason() {
    let mut found = Vec::new();
    for folder in ["crates", "experiments", "benches", "examples"] {
        for (path, code) in sources(&workspace().join(folder)) {
            let faults = faults(&code).into_iter();
            found.extend(faults.map(|fault| format!("{}: {fault}", path.display())));
        }
    }
    found.sort();
    assert_eq!(found, [""; 0], "split it, or say why it is long: `{REASON}…`");
}

#[test]
fn what_is_too_long_is_told_unless_it_says_why() {
    let body = "    f();\n".repeat(FUNCTION - 1);
    let function = format!("pub fn long(\n    x: u8,\n) -> u8 {{\n{body}}}\n");
    assert_eq!(faults(&function), ["long has 63 lines, expected at most 60"]);
    assert!(faults(&format!("/// It.\n// Long: one table.\n#[test]\n{function}")).is_empty());
    assert!(faults(&function.replacen("{\n", "{\n    // Long: one table.\n", 1)).is_empty());
    assert!(!faults(&format!("// Long: \n{function}")).is_empty());
    // a declaration has no body
    assert!(faults(&format!("trait T {{\n    fn f();\n    fn g();\n{body}}}\n")).is_empty());
    let file = "const X: u8 = 0;\n".repeat(FILE + 1);
    assert_eq!(faults(&file), ["has 401 lines, expected at most 400"]);
    assert!(faults(&format!("//! It.\n\n// Long: one table.\n{file}")).is_empty());
    let comment = format!("// {}", "ü".repeat(COLUMNS - 3));
    assert!(faults(&comment).is_empty());
    assert_eq!(faults(&format!("{comment}ü")), ["line 1 has 101 columns"]);
}
