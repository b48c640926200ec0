//! What makes a table or a figure.

use crate::choice::Choice;
use crate::selection::Receipts;
use anyhow::Result;
use neuron::Method;
use report::Table;

/// A table or figure: which runs it wants, and how it lays out what their receipts say. One file of
/// `tables/` each, whose list has all.
pub struct Experiment {
    /// What is typed, such as `table2`.
    pub id: &'static str,
    /// As the paper heads it.
    pub title: &'static str,
    /// One paragraph for the page.
    pub about: &'static str,
    /// The methods that are trained unless others are asked for.
    pub methods: &'static [Method],
    /// What is trained, for some of the methods; in the order in which it is.
    pub choices: fn(&[Method]) -> Vec<Choice>,
    /// The tables made of receipts; a figure has none of its own.
    pub tables: fn(&Receipts<'_>) -> Result<Vec<Table>>,
    /// The figures made of receipts.
    pub figures: fn(&Receipts<'_>) -> Result<Vec<Picture>>,
}

/// A figure of an experiment.
pub struct Picture {
    /// Its file's name without the ending, such as `table2-n-mnist`.
    pub name: String,
    /// The drawing.
    pub svg: String,
    /// What it shows, in a sentence.
    pub caption: String,
}
