use std::path::PathBuf;

/// What can go wrong between a record and a figure; every message names the place, what was
/// expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be written; nothing of it is left behind and an older file of that name is
    /// untouched.
    #[error("cannot write {}: expected a writable folder with free space, found {found}; {advice}", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What stood in the way.
        found: String,
        /// What to do about it.
        advice: String,
    },
    /// A file or folder could not be read.
    #[error("cannot read {}: {}; check that it exists and that you may read it", path.display(), sentence::cause(cause))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// A file is not the JSON of a record.
    #[error(
        "{}, line {line}, column {column}: expected a record, found {found}; \
         restore the file, or delete it so that the row runs again",
        path.display()
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser said.
        found: String,
    },
    /// A record reads well but says something it must not.
    #[error("{}: expected {expected}, found {found}; {advice}", path.display())]
    Content {
        /// The file read, or about to be written.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// A table row has too few or too many cells.
    #[error(
        "table \"{table}\", row {row}: expected {expected} cells, found {found}; give one cell for each column"
    )]
    Cells {
        /// Title of the table.
        table: String,
        /// Row, from 1.
        row: usize,
        /// Number of columns.
        expected: usize,
        /// Number of cells given.
        found: usize,
    },
    /// The CSV writer refused a table.
    #[error(
        "table \"{table}\": expected cells that can be written as CSV, found an error ({found}); mend the cell"
    )]
    Csv {
        /// Title of the table.
        table: String,
        /// What the writer said.
        found: String,
    },
    /// The numbers given cannot be drawn as this figure.
    #[error("figure \"{title}\": expected {expected}, found {found}; {advice}")]
    Figure {
        /// Title of the figure.
        title: String,
        /// What can be drawn.
        expected: String,
        /// What was given.
        found: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The drawing library failed.
    #[error(
        "figure \"{title}\": expected a drawing, found an error of the drawing library ({found}); report this as a fault"
    )]
    Draw {
        /// Title of the figure.
        title: String,
        /// What the library said.
        found: String,
    },
}
