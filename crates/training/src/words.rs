//! Plain data of a setup as short words on a command line: `tet:0.05`, `cosine:300:1e-6`.

/// What can be written in short words.
pub trait Words: Sized {
    /// What is written, for a message.
    const TAKES: &'static str;

    /// The value of such words; `None` where they are none. Numbers are checked by the setup that
    /// takes the value.
    fn parse(text: &str) -> Option<Self>;
}

/// The parts between colons.
pub(crate) fn parts(text: &str) -> Vec<&str> {
    text.split(':').collect()
}

/// A finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
