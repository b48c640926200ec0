//! What is wrong with a command line, in one sentence: flag, what it takes, what was found, what to
//! do. The parser of the command line has words of its own for it, over several lines.

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;

/// Flags that contradict each other, or a value that they do not take: the program ends with
/// status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Usage {}

/// Columns of a help.
pub const PAGE: usize = 100;
/// Characters of a value that a sentence repeats.
const SHOWN: usize = 80;
/// What to do where a flag is not known.
const HELP: &str = "--help lists them";

/// Refuses a list of which a word is there twice: each is a run, and none is run twice.
///
/// # Errors
/// [`Usage`]: the first such word.
pub fn prove_once<'w>(flag: &str, words: impl IntoIterator<Item = &'w str>) -> Result<()> {
    let mut seen = Vec::new();
    for word in words {
        if seen.contains(&word) {
            let word = short(word);
            return Err(Usage(format!(
                "{flag}: expected every one once, found {word} twice; leave one out"
            ))
            .into());
        }
        seen.push(word);
    }
    Ok(())
}

/// A whole number from `low` to `high`, as the value of a flag.
pub fn between<N: TryFrom<u64>>(
    low: u64,
    high: u64,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| (low..=high).contains(number));
        number
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| format!("expected a whole number from {low} to {high}"))
    }
}

/// What the parser of a command line refused; nothing where it was asked for help or version.
pub fn sentence(error: &clap::Error) -> Option<String> {
    use ErrorKind as Kind;
    let context = Context(error);
    let flag = || flag(&context.first(ContextKind::InvalidArg));
    let found = || shown(&context.first(ContextKind::InvalidValue));
    Some(match error.kind() {
        Kind::DisplayHelp
        | Kind::DisplayVersion
        | Kind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        Kind::ValueValidation => {
            let said = error.source().map(ToString::to_string).unwrap_or_default();
            // a library's sentence may begin with the flag's own name
            let named = format!("{}: ", flag().trim_start_matches('-'));
            let said = said.strip_prefix(&named).unwrap_or(&said);
            match said.contains(", found ") {
                true => format!("{}: {said}", flag()),
                false => format!("{}: {said}, found {}", flag(), found()),
            }
        }
        Kind::InvalidValue | Kind::NoEquals | Kind::WrongNumberOfValues | Kind::TooFewValues => {
            let known = context.all(ContextKind::ValidValue);
            let expected =
                if known.is_empty() { "a value".to_owned() } else { listed(&known, "or") };
            format!("{}: expected {expected}, found {}", flag(), found())
        }
        Kind::TooManyValues => {
            format!("{}: expected no such value, found {}; leave it out", flag(), found())
        }
        Kind::UnknownArgument => unknown(&context),
        Kind::InvalidSubcommand => {
            let found = shown(&context.first(ContextKind::InvalidSubcommand));
            let meant = meant(&context.all(ContextKind::SuggestedSubcommand));
            format!("expected a command, found {found}{meant}; {HELP}")
        }
        Kind::MissingSubcommand => format!("expected a command, found none; {HELP}"),
        Kind::MissingRequiredArgument => {
            let missing = context.all(ContextKind::InvalidArg);
            format!("expected {}, found nothing; --help says what it is", listed(&missing, "and"))
        }
        Kind::ArgumentConflict => {
            let (one, others) = (flag(), context.all(ContextKind::PriorArg));
            let others: Vec<String> = others.iter().map(|other| self::flag(other)).collect();
            match &others[..] {
                [] => format!("{one}: expected it alone, found it beside others; leave them out"),
                [other] if *other == one => {
                    format!("{one}: expected it once, found it twice; leave one out")
                }
                others => format!(
                    "{one}: expected it without {}, found both; leave one of the two out",
                    listed(others, "or")
                ),
            }
        }
        Kind::InvalidUtf8 => {
            "expected flags and values in UTF-8, found bytes that are none; write them in it".into()
        }
        _ => "expected flags and values as --help shows them, found others; see --help".into(),
    })
}

fn unknown(context: &Context<'_>) -> String {
    let found = context.first(ContextKind::InvalidArg);
    let kind = if found.starts_with('-') { "a flag of this command" } else { "no further word" };
    let meant = meant(&context.all(ContextKind::SuggestedArg));
    format!("expected {kind}, found {}{meant}; {HELP}", shown(&found))
}

/// What the parser knows of an error.
struct Context<'e>(&'e clap::Error);

impl Context<'_> {
    fn all(&self, kind: ContextKind) -> Vec<String> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn first(&self, kind: ContextKind) -> String {
        self.all(kind).into_iter().next().unwrap_or_default()
    }
}

/// `--seed` of `--seed <SEED>`, `NAME` of `<NAME>...`.
fn flag(argument: &str) -> String {
    let name = argument.split([' ', '=']).next().unwrap_or_default();
    name.trim_matches(['<', '>', '[', ']', '.']).to_owned()
}

fn meant(others: &[String]) -> String {
    match others {
        [] => String::new(),
        others => format!(" (is it {}?)", listed(others, "or")),
    }
}

/// `a`, `a or b`, `a, b or c`.
fn listed(all: &[String], word: &str) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

fn shown(value: &str) -> String {
    if value.is_empty() { "nothing".into() } else { format!("\"{}\"", short(value)) }
}

/// Not longer than a sentence bears; who prints it sees to what commands a terminal.
fn short(value: &str) -> String {
    let more = if value.chars().nth(SHOWN).is_some() { "…" } else { "" };
    value.chars().take(SHOWN).chain(more.chars()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::{Parser, Subcommand, ValueEnum};

    #[derive(Parser)]
    struct Flags {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Subcommand)]
    enum Command {
        Go(Go),
    }

    #[derive(clap::Args)]
    struct Go {
        #[arg(value_name = "FILE", required = true)]
        _files: Vec<String>,
        #[arg(long, value_parser = between::<u16>(1, 128))]
        _many: Option<u16>,
        #[arg(long, value_enum)]
        _colour: Option<Colour>,
        #[arg(long, conflicts_with = "_many")]
        _all: bool,
        #[arg(long, requires = "_many")]
        _some: bool,
    }

    #[derive(Clone, ValueEnum)]
    enum Colour {
        Red,
        Green,
    }

    #[test]
    fn every_kind_of_error_is_one_sentence() {
        for (arguments, said) in [
            ("go a --many 0", r#"--many: expected a whole number from 1 to 128, found "0""#),
            ("go a --many -1", r#"expected a flag of this command, found "-1"; --help lists them"#),
            ("go a --many=-1", r#"--many: expected a whole number from 1 to 128, found "-1""#),
            ("go a --many", "--many: expected a value, found nothing"),
            ("go a --many=", "--many: expected a whole number from 1 to 128, found nothing"),
            ("go a --many 1 --many 2", "--many: expected it once, found it twice; leave one out"),
            ("go a --colour blue", r#"--colour: expected red or green, found "blue""#),
            ("go a --colour", "--colour: expected red or green, found nothing"),
            ("go a --all=yes", r#"--all: expected no such value, found "yes"; leave it out"#),
            (
                "go a --al",
                r#"expected a flag of this command, found "--al" (is it --all?); --help lists them"#,
            ),
            (
                "go a --all --many 2",
                "--all: expected it without --many, found both; leave one of the two out",
            ),
            ("go a --some", "expected --many <MANY>, found nothing; --help says what it is"),
            ("go", "expected <FILE>..., found nothing; --help says what it is"),
            ("gone a", r#"expected a command, found "gone" (is it go?); --help lists them"#),
        ] {
            let arguments = std::iter::once("program").chain(arguments.split(' '));
            let Err(error) = Flags::try_parse_from(arguments.clone()) else {
                unreachable!("{said}")
            };
            assert_eq!(sentence(&error).as_deref(), Some(said), "{error:?}");
        }
        for asked in ["--help", "-h"] {
            let error = Flags::try_parse_from(["program", asked]).err().unwrap();
            assert_eq!(sentence(&error), None);
        }
    }

    #[test]
    fn a_word_twice_is_named() {
        prove_once("--only", ["a", "b", "c"]).unwrap();
        let said = prove_once("--only", ["a", "b", "a"]).unwrap_err();
        assert!(said.is::<Usage>());
        let words = "--only: expected every one once, found a twice; leave one out";
        assert_eq!(said.to_string(), words);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown(&"9".repeat(65_536)).chars().count(), SHOWN + 3);
        assert_eq!(flag("--seed <SEED>"), "--seed");
        assert_eq!(flag("[NAME]..."), "NAME");
    }
}
