//! Plain words for sentences: what the system says of a file ([`cause`]), numbers of things
//! ([`counted`]), and text that is not ours ([`escaped`], [`quoted`]). The standard library alone.

mod cause;
mod escape;

pub use cause::cause;
pub use escape::{escaped, quoted};

/// A number of things: `1 file`, `2 files`, `0 files`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "file")), ["0 files", "1 file", "2 files"]);
    }
}
