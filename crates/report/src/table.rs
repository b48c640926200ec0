use serde_json::{Value, json};

use crate::{Align, Error, latex};

/// A table as text: a title, columns, rows with one cell for each column, and notes below.
///
/// Every row has as many cells as there are columns. A cell is the same text in every format; only
/// Markdown, LaTeX and the [`crate::page`] give a meaning to `**` and `` ` `` in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    title: String,
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

/// The terminal width that [`Table::to_terminal`] aims at, in characters.
const TERMINAL_WIDTH: usize = 120;
const GAP: &str = "  ";

impl Table {
    /// A table without rows.
    pub fn new(title: &str, columns: &[(&str, Align)]) -> Table {
        let columns = columns.iter().map(|&(name, align)| (name.to_owned(), align)).collect();
        Table { title: title.to_owned(), columns, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row below the others.
    ///
    /// # Errors
    /// [`Error::Cells`] unless there is one cell for each column.
    pub fn push_row<S: Into<String>>(
        &mut self,
        cells: impl IntoIterator<Item = S>,
    ) -> Result<(), Error> {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        let (expected, found) = (self.columns.len(), cells.len());
        if found != expected {
            return Err(Error::Cells {
                table: self.title.clone(),
                row: self.rows.len() + 1,
                expected,
                found,
            });
        }
        self.rows.push(cells);
        Ok(())
    }

    /// Adds a note below the table.
    pub fn push_note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn columns(&self) -> &[(String, Align)] {
        &self.columns
    }

    pub(crate) fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// GitHub Markdown: the title in bold, the table with aligned columns, the notes as a list.
    /// Pipes, backslashes and line breaks of a cell are escaped, and so is whatever could be a tag
    /// of HTML or a link.
    pub fn to_markdown(&self) -> String {
        let header = self.columns.iter().map(|(name, _)| escape(name)).collect();
        let mut lines: Vec<Vec<String>> = vec![header];
        lines.extend(self.rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()));
        // a delimiter row needs three characters a column: `--:`
        let widths = self.widths(&lines, 3);
        let delimiters = self.columns.iter().zip(&widths).map(|((_, align), &width)| match align {
            Align::Left => "-".repeat(width),
            Align::Right => format!("{}:", "-".repeat(width - 1)),
        });
        lines.insert(1, delimiters.collect());

        let mut text = String::new();
        if !self.title.is_empty() {
            text += &format!("**{}**\n\n", without_markup(&one_line(&self.title)));
        }
        for line in &lines {
            text += &format!("| {} |\n", self.aligned(line, &widths).join(" | "));
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for note in &self.notes {
            text += &format!("- {}\n", without_markup(&one_line(note)));
        }
        text
    }

    /// Comma-separated values (RFC 4180, but with `\n`): the header and the rows. Title and notes
    /// are left out, because a reader of CSV would take them for rows.
    ///
    /// # Errors
    /// [`Error::Csv`] when the writer refuses the table.
    pub fn to_csv(&self) -> Result<String, Error> {
        let fail = |found: String| Error::Csv { table: self.title.clone(), found };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer
            .write_record(self.columns.iter().map(|(name, _)| name))
            .map_err(|e| fail(e.to_string()))?;
        for row in &self.rows {
            writer.write_record(row).map_err(|e| fail(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|e| fail(e.to_string()))?;
        String::from_utf8(bytes).map_err(|e| fail(e.to_string()))
    }

    /// `{"title", "columns": [text], "rows": [[text]], "notes": [text]}`, indented, with a final
    /// newline.
    pub fn to_json(&self) -> String {
        let columns: Vec<Value> = self.columns.iter().map(|(name, _)| json!(name)).collect();
        let table = json!({ "title": self.title, "columns": columns, "rows": self.rows, "notes": self.notes });
        format!("{table:#}\n")
    }

    /// A LaTeX float with rules of the package booktabs, for plain pdflatex: the title is its
    /// caption, the notes stand below in footnote size. All characters that LaTeX would take for
    /// commands are escaped, signs and Greek letters become commands, and a character that pdflatex
    /// does not know is written as `[U+9E7F]`. Characters that a label cannot hold become hyphens;
    /// an empty `label` is left out.
    pub fn to_latex(&self, label: &str) -> String {
        let parts = latex::Parts {
            title: &self.title,
            columns: &self.columns,
            rows: &self.rows,
            notes: &self.notes,
        };
        latex::float(&parts, label)
    }

    /// Plain text for a terminal: aligned columns without boxes. Where the table is wider than 120
    /// characters, its widest columns of words are wrapped; a single word is never cut, nor is a
    /// column of numbers.
    pub fn to_terminal(&self) -> String {
        let header: Vec<String> = self.columns.iter().map(|(name, _)| one_line(name)).collect();
        let mut lines = vec![header];
        lines.extend(self.rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()));
        let widths = self.fit(&lines);
        lines.insert(1, widths.iter().map(|&width| "-".repeat(width)).collect());

        let mut text = String::new();
        for line in wrap(&self.title, TERMINAL_WIDTH) {
            text += &format!("{line}\n");
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for line in &lines {
            text += &self.terminal_row(line, &widths);
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for line in self.notes.iter().flat_map(|note| wrap(note, TERMINAL_WIDTH)) {
            text += &format!("{line}\n");
        }
        text
    }

    /// One row, which takes as many lines as its tallest cell.
    fn terminal_row(&self, cells: &[String], widths: &[usize]) -> String {
        let wrapped: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(cell, &width)| wrap(cell, width)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        let mut text = String::new();
        for k in 0..height {
            let line: Vec<String> =
                wrapped.iter().map(|cell| cell.get(k).cloned().unwrap_or_default()).collect();
            text += self.aligned(&line, widths).join(GAP).trim_end();
            text.push('\n');
        }
        text
    }

    /// Column widths for the terminal: natural where all fits, else the widest columns of words
    /// give way.
    fn fit(&self, lines: &[Vec<String>]) -> Vec<usize> {
        let longest_word = |cell: &String| cell.split_whitespace().map(length).max().unwrap_or(0);
        let mut widths = self.widths(lines, 1);
        let least: Vec<usize> = (0..widths.len())
            .map(|k| match self.columns[k].1 {
                Align::Left => {
                    lines.iter().map(|line| longest_word(&line[k])).max().unwrap_or(0).max(1)
                }
                Align::Right => widths[k],
            })
            .collect();
        let room = TERMINAL_WIDTH.saturating_sub(GAP.len() * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let widest =
                (0..widths.len()).filter(|&k| widths[k] > least[k]).max_by_key(|&k| widths[k]);
            let Some(k) = widest else { break };
            widths[k] -= 1;
        }
        widths
    }

    fn widths(&self, lines: &[Vec<String>], least: usize) -> Vec<usize> {
        let width =
            |k: usize| lines.iter().map(|line| length(&line[k])).max().unwrap_or(0).max(least);
        (0..self.columns.len()).map(width).collect()
    }

    fn aligned(&self, cells: &[String], widths: &[usize]) -> Vec<String> {
        let columns = self.columns.iter().zip(cells.iter().zip(widths));
        columns
            .map(|((_, align), (cell, &width))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            })
            .collect()
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A line break or tab would break the layout of a line of text, and an escape character the
/// terminal.
fn one_line(text: &str) -> String {
    text.replace("\r\n", " ").replace(char::is_control, " ")
}

/// Text of Markdown in which no tag begins, no comment and no link: names and titles may come from
/// anywhere. A `<` before a blank or a number is none.
fn without_markup(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('<', Some(next)) if next.is_ascii_alphabetic() || "/!?".contains(*next) => {
                safe.push_str("&lt;");
            }
            // not a backslash, which another in front of it would undo
            (']', Some('(' | '[')) => safe.push_str("&#93;"),
            _ => safe.push(c),
        }
    }
    safe
}

fn escape(cell: &str) -> String {
    one_line(
        &without_markup(cell)
            .replace('\\', "\\\\")
            .replace('|', "\\|")
            .replace("\r\n", "<br>")
            .replace('\n', "<br>"),
    )
}

/// Breaks `text` between words into lines of at most `width` characters; a longer word has a line
/// of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty())
    {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
