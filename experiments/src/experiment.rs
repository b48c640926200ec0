//! What makes a table or a figure.

use crate::run_request::{RunRequest, Variation};
use crate::selection::Receipts;
use crate::systems::{self, System};
use anyhow::Result;
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
    /// The systems that are trained unless others are asked for.
    pub systems: &'static [&'static System],
    /// Whether it lays out published settings too.
    pub published_settings: bool,
    /// What is trained, for some of the systems in the house's setting; in the order in which it
    /// is.
    pub requests: fn(&[&'static System]) -> Vec<RunRequest>,
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

impl Experiment {
    /// Every run that one of its cells can hold, in both settings of every system.
    pub fn every_request(&self) -> Vec<RunRequest> {
        with_published((self.requests)(systems::ALL))
    }
}

/// The same runs, and behind them the published settings of those that have one.
pub fn with_published(mut all: Vec<RunRequest>) -> Vec<RunRequest> {
    let house = all.clone().into_iter().filter(|request| request.variation == Variation::None);
    let has_one = |request: &RunRequest| (request.system.published_setting)(request.data).is_some();
    all.extend(
        house.filter(has_one).map(|request| RunRequest::published(request.data, request.system)),
    );
    all
}
