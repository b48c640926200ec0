//! Circles of imports between the files of a crate: none.
//!
//! A file imports another where a path of its code leads there, by `use` or not, and through
//! re-exports to the file that has the item. A `mod`, a re-export of what lies below, and a use of
//! what a parent has itself are no imports; tests inside of a file are not looked at.

use super::{folder, packages, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The paths of each file, by the path of its module; the root's is empty.
type Files = BTreeMap<String, Vec<Use>>;

/// A path in code.
struct Use {
    path: String,
    /// The name that it has here.
    name: String,
    /// Whether it stands in a `pub use`.
    passes_on: bool,
}

/// The parts of a list, split at the commas outside of braces.
fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let outside = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    list.split(outside).map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The paths of a tree of imports: of `a::{b, c as d}` they are `a::b` and `a::c`, by their names.
fn expand(before: &str, tree: &str, passes_on: bool, found: &mut Vec<Use>) {
    for part in parts(tree) {
        if let Some((head, rest)) = part.split_once('{') {
            let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
            expand(&format!("{before}{}", head.trim()), inner, passes_on, found);
            continue;
        }
        let (path, alias) = part.split_once(" as ").map_or((part, None), |(p, a)| (p, Some(a)));
        let path = format!("{before}{path}").trim_end_matches("::self").to_owned();
        let name = alias.unwrap_or(path.rsplit("::").next().unwrap_or(&path)).to_owned();
        found.push(Use { path, name, passes_on });
    }
}

/// All paths of a file: its imports, and those elsewhere that begin with `crate` or `super`.
fn uses(code: &str) -> Vec<Use> {
    let (mut found, mut import) = (Vec::new(), String::new());
    for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if line == "mod tests {" {
            break;
        }
        let begins = line.starts_with("use ") || line.starts_with("pub") && line.contains(" use ");
        if begins || !import.is_empty() {
            import += line;
            import.push(' ');
            if line.ends_with(';') {
                if let Some((head, tree)) = import.trim_end_matches([';', ' ']).split_once("use ") {
                    expand("", tree, head.starts_with("pub"), &mut found);
                }
                import.clear();
            }
            continue;
        }
        for path in line.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))) {
            if path.starts_with("crate::") || path.starts_with("super::") {
                found.push(Use { path: path.to_owned(), name: String::new(), passes_on: false });
            }
        }
    }
    found
}

/// `path` below `module`.
fn join(module: &str, path: &str) -> String {
    [module, path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("::")
}

/// The module above.
fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// The file that has what `path` names in `module`; `None` of another crate's.
fn target(files: &Files, module: &str, path: &str, depth: usize) -> Option<String> {
    let (mut at, mut rest) = (module, path);
    while let Some(above) = rest.strip_prefix("super::") {
        (at, rest) = (parent(at), above);
    }
    if let Some(below) = rest.strip_prefix("crate::") {
        (at, rest) = ("", below);
    }
    let rest = rest.strip_prefix("self::").unwrap_or(rest);
    let first = rest.split("::").next().unwrap_or(rest);
    let here = rest != path || files.contains_key(&join(at, first));
    let mut at = at.to_owned();
    for item in rest.split("::") {
        let child = join(&at, item);
        if files.contains_key(&child) {
            at = child;
            continue;
        }
        let from = files[&at].iter().find(|other| other.name == item && other.path != path);
        // a name that another path gave it
        let passed = from.filter(|_| here && depth > 0);
        return passed
            .and_then(|from| target(files, &at, &from.path, depth - 1))
            .or(here.then_some(at));
    }
    here.then_some(at)
}

/// Whether `module` lies somewhere below `above`.
fn below(module: &str, above: &str) -> bool {
    above.is_empty() || module.starts_with(&format!("{above}::"))
}

/// Which files each file imports.
fn imports(files: &Files) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |module: &str, uses: &[Use]| -> BTreeSet<String> {
        let found = uses.iter().filter_map(|used| {
            let target = target(files, module, &used.path, 8)?;
            let list = used.passes_on && below(&target, module);
            (!list && target != module && !below(module, &target)).then_some(target)
        });
        found.collect()
    };
    files.iter().map(|(module, uses)| (module.as_str(), of(module, uses))).collect()
}

/// The files that reach each other, each circle once.
fn circles(files: &Files) -> BTreeSet<Vec<String>> {
    let imports = imports(files);
    let reached = |from: &str| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(next) = open.pop() {
            let new = imports[next.as_str()].iter().filter(|to| reached.insert((*to).clone()));
            open.extend(new.cloned().collect::<Vec<_>>());
        }
        reached
    };
    let reaches: BTreeMap<&str, BTreeSet<String>> =
        files.keys().map(|file| (file.as_str(), reached(file))).collect();
    let circle = |file: &str| -> Vec<String> {
        reaches[file]
            .iter()
            .filter(|other| reaches[other.as_str()].contains(file))
            .cloned()
            .collect()
    };
    files.keys().map(|file| circle(file)).filter(|circle| circle.len() > 1).collect()
}

/// The path of the module that a file below `src` is; `None` of a program.
fn module(file: &Path) -> Option<String> {
    let path = file.with_extension("");
    let mut parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    if parts[0] == "bin" || parts == ["main"] {
        return None;
    }
    if matches!(parts.last(), Some(&"mod" | &"lib")) {
        parts.pop();
    }
    Some(parts.join("::"))
}

#[test]
fn files_import_each_other_in_no_circle() {
    let mut faults = Vec::new();
    for package in packages() {
        let source = folder(&package).join("src");
        let name = folder(&package).file_name().unwrap().to_str().unwrap().to_owned();
        if !source.join("lib.rs").exists() {
            continue;
        }
        let files: Files = sources(&source)
            .into_iter()
            .filter_map(|(path, code)| {
                Some((module(path.strip_prefix(&source).unwrap())?, uses(&code)))
            })
            .collect();
        for circle in circles(&files) {
            faults.push(format!("{name}: {} import each other in a circle", circle.join(", ")));
        }
    }
    assert_eq!(faults, [""; 0], "what both need lies below both, what names all lies above all");
}

#[test]
fn a_circle_is_found_through_re_exports_and_a_list_above_is_none() {
    let found = |files: &[(&str, &str)]| -> Vec<Vec<String>> {
        let files = files.iter().map(|(module, code)| (module.to_string(), uses(code))).collect();
        circles(&files).into_iter().collect()
    };
    let root = ("", "mod a;\nmod b;\npub use a::A;\npub use b::{self, B as C};");
    let [one, other] = [("a", "use crate::{\n    C,\n    D,\n};"), ("b", "use crate::A;")];
    assert_eq!(found(&[root, one, other]), [["a", "b"]]);
    assert_eq!(found(&[root, one, ("b", "fn f() { super::A::new() }")]), [["a", "b"]]);
    for code in ["", "// use crate::A;", "mod tests {\n    use crate::A;", "use std::a::A;"] {
        assert!(found(&[root, one, ("b", code)]).is_empty(), "{code}");
    }
    // a parent lists its children, which use what it has itself
    let parent = ("p", "mod c;\nmod d;\npub use c::C;\nuse d::D;\nstruct P;");
    let child = ("p::c", "use super::P;\nuse super::D;");
    assert!(found(&[root, parent, child, ("p::d", "use super::P;")]).is_empty());
    assert_eq!(found(&[root, parent, child, ("p::d", "use crate::p::C;")]), [["p::c", "p::d"]]);
}
