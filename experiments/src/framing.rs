//! How recordings become frames, in the words of flags: `number:16`, `time:16`, `time:64,empty`,
//! `duration:1000`.

use crate::Encoding;
use events::{EmptyWindow, Error, Framing};
use sentence::shown;

/// More frames than any recording is cut into.
const MOST_FRAMES: u32 = Framing::MOST_FRAMES as u32;

/// `number:T`: T frames of equally many events. `time:T`: T frames of equal duration, each of which
/// must hold an event. `time:T,empty`: a frame without events is one of zeros; `time:1` is that
/// too, for its one frame holds all events. `duration:US`: as many frames of US µs as a recording
/// fills.
///
/// # Errors
/// Any other text, in a sentence that says what was expected.
pub fn parse(text: &str) -> Result<Framing, String> {
    let expected = || {
        format!(
            "expected number:T or time:T, T frames a recording from 1 to {MOST_FRAMES}, time:T,empty where frames may be without events, or duration:US, frames of so many µs, found \"{}\"",
            shown(text)
        )
    };
    let (by, value) = text.split_once(':').ok_or_else(expected)?;
    let (number, empty) = match value.strip_suffix(",empty") {
        Some(number) if by == "time" => (number, true),
        _ => (value, false),
    };
    let number = number.parse::<u32>().ok().filter(|&number| number > 0).ok_or_else(expected)?;
    let frames = (number <= MOST_FRAMES).then_some(number as usize);
    match by {
        "number" => Ok(Framing::Number { frames: frames.ok_or_else(expected)? }),
        "time" => {
            let zeros = empty || number == 1;
            let empty_window = if zeros { EmptyWindow::ZeroFrame } else { EmptyWindow::Error };
            Ok(Framing::Time { frames: frames.ok_or_else(expected)?, empty_window })
        }
        "duration" => Ok(Framing::Duration { us: number }),
        _ => Err(expected()),
    }
}

/// As [`parse`], for a cache, whose samples have one shape.
///
/// # Errors
/// As [`parse`], and frames of a fixed duration.
pub fn parse_for_cache(text: &str) -> Result<Framing, String> {
    match parse(text)? {
        Framing::Duration { .. } => Err(format!(
            "expected number:T or time:T, T frames a recording, since samples of a cache have one shape, found \"{}\"",
            shown(text)
        )),
        framing => Ok(framing),
    }
}

/// The framing as [`parse`] reads it.
pub fn words(framing: Framing) -> String {
    match framing {
        Framing::Number { frames } => format!("number:{frames}"),
        Framing::Time { frames: 1, .. } => "time:1".into(),
        Framing::Time { frames, empty_window: EmptyWindow::Error } => format!("time:{frames}"),
        Framing::Time { frames, empty_window: EmptyWindow::ZeroFrame } => {
            format!("time:{frames},empty")
        }
        Framing::Duration { us } => format!("duration:{us}"),
    }
}

/// An encoding in the same words.
pub(crate) fn encoding_words(encoding: Encoding) -> String {
    match encoding {
        Encoding::Events(framing) => words(framing),
        Encoding::Direct { steps } => format!("direct:{steps}"),
        Encoding::Bernoulli { steps, scale, raw } => {
            format!("bernoulli:{steps}:{scale}{}", if raw { ":raw" } else { "" })
        }
        Encoding::Chunks => "chunks".into(),
    }
}

/// The flag by which `error` would not happen, if there is one; `flag` is what stands before the
/// framing, as `--frames `.
pub fn advice(error: &Error, framing: Framing, flag: &str) -> String {
    match (error, framing) {
        (Error::EmptyWindow { .. }, Framing::Time { frames, .. }) => {
            let zeros = Framing::Time { frames, empty_window: EmptyWindow::ZeroFrame };
            format!(" ({flag}{})", words(zeros))
        }
        _ => String::new(),
    }
}

/// `bernoulli:T:SCALE`, spikes drawn at each of T steps, and `bernoulli:T:SCALE:raw` of pixels that
/// are not standardised; `None` where the text is none of it.
pub(crate) fn bernoulli(text: &str) -> Option<Encoding> {
    let (steps, scale) = text.strip_prefix("bernoulli:")?.split_once(':')?;
    let (scale, raw) = match scale.strip_suffix(":raw") {
        Some(scale) => (scale, true),
        None => (scale, false),
    };
    Some(Encoding::Bernoulli { steps: steps.parse().ok()?, scale: scale.parse().ok()?, raw })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for text in ["number:16", "number:1", "time:16", "time:64,empty", "time:1", "duration:1000"]
        {
            assert_eq!(parse(text).map(words).as_deref(), Ok(text));
        }
        let empty = EmptyWindow::ZeroFrame;
        assert_eq!(parse("time:1,empty"), Ok(Framing::Time { frames: 1, empty_window: empty }));
    }

    #[test]
    fn anything_else_is_refused_in_a_sentence() {
        for text in [
            "number",
            "number:0",
            "number:-1",
            "number:16,empty",
            "number:65537",
            "time:",
            "time:x",
            "time:4,zeros",
            "time:4,empty,empty",
            "duration:0",
            "duration:9,empty",
            "duration:4294967296",
            "voxel:3",
            "",
        ] {
            let sentence = parse(text).map_err(|sentence| sentence.contains("expected number:T"));
            assert_eq!(sentence, Err(true), "{text}");
        }
        assert!(parse_for_cache("duration:9").is_err_and(|said| said.contains("one shape")));
    }
}
