use super::{Spec, Stage};
use sentence::shown;
use std::str::FromStr;

/// What is wrong with a network's text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("network '{text}', character {at}: expected {expected}, found {found}")]
pub struct ParseError {
    text: String,
    /// Counted from 1.
    pub at: usize,
    expected: &'static str,
    found: String,
}

const FORMS: &str =
    "a stage such as 128C3, 64S3, 64RB3/2, MP2, AP2, AN2, GAP, BN, DP, 512FC or 10Voting";
/// No layer of the paper is near this; a typed number beyond it is a typing error, not a network.
const LARGEST: usize = 1 << 20;
const LARGEST_WINDOW: usize = 31;
/// Stages of a network; the paper's deepest, ResNet34, has about 20.
const MOST_STAGES: usize = 1024;
/// What should have stood where: bytes of the text that are wrong, their offset, and what was
/// expected.
struct Wrong<'t> {
    text: &'t str,
    at: usize,
    expected: &'static str,
}

/// A part of the text and its offset in it.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Word<'t> {
    fn wrong<T>(self, expected: &'static str) -> Result<T, Wrong<'t>> {
        Err(Wrong { text: self.text, at: self.at, expected })
    }

    fn skip(self, bytes: usize) -> Word<'t> {
        Word { text: self.text.get(bytes..).unwrap_or_default(), at: self.at + bytes }
    }

    fn strip(self, prefix: &str) -> Option<Word<'t>> {
        self.text.starts_with(prefix).then(|| self.skip(prefix.len()))
    }

    /// The digits it starts with, and what follows them.
    fn digits(self) -> (Word<'t>, Word<'t>) {
        let digits =
            self.text.len() - self.text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        (Word { text: &self.text[..digits], at: self.at }, self.skip(digits))
    }

    /// The whole number that it is, written as it is printed.
    fn number(self) -> Result<usize, Wrong<'t>> {
        let plain = self.text.bytes().all(|b| b.is_ascii_digit()) && !self.text.starts_with('0');
        match self.text.parse::<usize>() {
            Ok(n) if plain && (1..=LARGEST).contains(&n) => Ok(n),
            _ => self.wrong("a whole number from 1 to 1048576"),
        }
    }

    fn end(self, expected: &'static str) -> Result<(), Wrong<'t>> {
        if self.text.is_empty() { Ok(()) } else { self.wrong(expected) }
    }
}

impl FromStr for Spec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Spec, ParseError> {
        read(text).map_err(|wrong| ParseError {
            text: shown(text),
            at: text[..wrong.at].chars().count() + 1,
            expected: wrong.expected,
            found: if wrong.text.is_empty() {
                "nothing".into()
            } else {
                format!("'{}'", shown(wrong.text))
            },
        })
    }
}

fn read(text: &str) -> Result<Spec, Wrong<'_>> {
    let (mut stages, mut words) = (Vec::new(), Vec::new());
    let mut at = 0;
    for part in text.split('-') {
        let word = Word { text: part, at };
        if matches!(stages.last(), Some(Stage::Voting { .. })) {
            return word.wrong("the end, since the voting stage comes last");
        }
        let (times, stage) = repeated(word)?;
        let behind_convolution = matches!(stages.last(), Some(Stage::Conv { .. }));
        if matches!(stage, Stage::NeuNorm { .. }) && !(behind_convolution && times == 1) {
            return word.wrong("NN only directly behind a convolution such as 128C3");
        }
        if stages.len() + times > MOST_STAGES {
            return word.wrong("the voting stage, since a network has at most 1024 stages");
        }
        stages.extend(std::iter::repeat_n(stage, times));
        words.push(times);
        at += part.len() + 1;
    }
    match stages.last() {
        Some(Stage::Voting { .. }) => Ok(Spec { stages, words }),
        _ => Word { text: "", at: text.len() }.wrong("a last stage that votes, such as -10Voting"),
    }
}

/// A stage, and how often it stands: `3*64RB3`.
fn repeated(word: Word) -> Result<(usize, Stage), Wrong> {
    let Some(star) = word.text.find('*') else { return Ok((1, stage(word)?)) };
    let count = Word { text: &word.text[..star], at: word.at };
    match (count.number(), stage(word.skip(star + 1))) {
        (Ok(2..=99), Ok(Stage::Voting { .. })) => word.wrong("no repetition of the voting stage"),
        (Ok(times @ 2..=99), stage) => Ok((times, stage?)),
        _ => count.wrong("a repetition from 2 to 99"),
    }
}

fn stage(word: Word) -> Result<Stage, Wrong> {
    let (count, rest) = word.digits();
    if count.text.is_empty() {
        return match word.text {
            "DP" => Ok(Stage::Dropout),
            "BN" => Ok(Stage::Norm),
            "GAP" => Ok(Stage::GlobalAvgPool),
            "NN" => Ok(Stage::NeuNorm { shared: false, mean: false }),
            "NN(shared)" => Ok(Stage::NeuNorm { shared: true, mean: false }),
            "NN(mean)" => Ok(Stage::NeuNorm { shared: false, mean: true }),
            "NN(shared)(mean)" => Ok(Stage::NeuNorm { shared: true, mean: true }),
            _ => match (word.strip("MP"), word.strip("AP"), word.strip("AN")) {
                (Some(window), ..) => Ok(Stage::MaxPool(window.number()?)),
                (_, Some(window), _) => average(window),
                (.., Some(window)) => Ok(Stage::PoolNeurons(window.number()?)),
                _ => word.wrong(FORMS),
            },
        };
    }
    let count = count.number()?;
    match rest.text {
        "FC" => Ok(Stage::FullyConnected { units: count, dropout: false }),
        "FC(DP)" => Ok(Stage::FullyConnected { units: count, dropout: true }),
        "Voting" => Ok(Stage::Voting { voters: count }),
        _ => windowed(count, rest),
    }
}

/// The window of average pooling, `2`, `3/2` or `3/2(P1)`.
fn average(window: Word) -> Result<Stage, Wrong> {
    let (digits, rest) = window.digits();
    let Some(after) = rest.strip("/") else { return Ok(Stage::AvgPool(window.number()?)) };
    let (window, (step, rest)) = (digits.number()?, after.digits());
    let stride = match step.number() {
        Ok(stride) if stride <= LARGEST_WINDOW => stride,
        _ => return step.wrong("a stride from 1 to 31"),
    };
    let Some(border) = rest.strip("(P") else {
        rest.end("(P1) (a border of zeros) or the end of the stage")?;
        return Ok(Stage::StridedAvgPool { window, stride, padding: 0 });
    };
    let (border, rest) = border.digits();
    let padding = match border.number() {
        Ok(padding) if padding <= window / 2 => padding,
        _ => return border.wrong("a border of at least 1 and at most half of the window"),
    };
    match rest.text {
        ")" => Ok(Stage::StridedAvgPool { window, stride, padding }),
        _ => rest.wrong("a closing ) and the end of the stage"),
    }
}

/// What convolves: `C3`, `S3/2`, `RB3/2(post)` behind the number of channels.
fn windowed(channels: usize, rest: Word) -> Result<Stage, Wrong> {
    if let Some(window) = rest.strip("C") {
        let (kernel, rest) = kernel(window)?;
        let after = rest.strip("(valid)");
        let (valid, rest) = (after.is_some(), after.unwrap_or(rest));
        // what returns to neurons: one of the two
        let (lateral, rest) = returning(rest, "(L")?;
        let (back_ei, rest) = match lateral {
            None => returning(rest, "(BE")?,
            Some(_) => (None, rest),
        };
        rest.end("(valid), (L5), (BE5) or the end of the stage")?;
        Ok(Stage::Conv { channels, kernel, valid, lateral, back_ei })
    } else if let Some(window) = rest.strip("S") {
        let (kernel, rest) = kernel(window)?;
        let (stride, rest) = stride(rest)?;
        rest.end("/2 (a stride) or the end of the stage")?;
        Ok(Stage::Stem { channels, kernel, stride })
    } else if let Some(window) = rest.strip("RB") {
        let (kernel, rest) = kernel(window)?;
        let (stride, rest) = stride(rest)?;
        let post = rest.text == "(post)";
        if !post {
            rest.end("/2 (a stride), (post) or the end of the stage")?;
        }
        Ok(Stage::Residual { channels, kernel, stride, post })
    } else {
        rest.wrong("C3 (convolution), S3 (stem), RB3 (residual block), FC (fully connected) or Voting after the number")
    }
}

/// The window of connections that return, `(L5)` or `(BE5)` by how it opens.
fn returning<'t>(rest: Word<'t>, opens: &str) -> Result<(Option<usize>, Word<'t>), Wrong<'t>> {
    let Some(window) = rest.strip(opens) else { return Ok((None, rest)) };
    let (side, after) = kernel(window)?;
    match after.strip(")") {
        Some(after) => Ok((Some(side), after)),
        None => after.wrong("a closing ) or the end of the stage"),
    }
}

fn kernel(window: Word) -> Result<(usize, Word), Wrong> {
    let (digits, rest) = window.digits();
    match if digits.text.is_empty() { window.number()? } else { digits.number()? } {
        kernel if kernel > LARGEST_WINDOW => digits.wrong("a window of at most 31"),
        kernel if kernel % 2 == 1 => Ok((kernel, rest)),
        _ => digits.wrong("an odd window, which keeps a map's size"),
    }
}

fn stride(rest: Word) -> Result<(usize, Word), Wrong> {
    let Some(after) = rest.strip("/") else { return Ok((1, rest)) };
    let (digits, rest) = after.digits();
    match digits.number() {
        Ok(stride @ 2..=LARGEST_WINDOW) => Ok((stride, rest)),
        _ => digits.wrong("a stride from 2 to 31"),
    }
}
