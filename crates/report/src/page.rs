//! All results as one HTML page: [`html`] puts tables, figures and [`Receipt`]s of [`Section`]s
//! into one file that needs no other file, no network and no script, and escapes whatever comes
//! from data.

mod receipts;
mod svg;
mod table;
mod text;

use std::collections::HashSet;

use crate::{Origin, Record, Table};
use text::{escape, href, inline};

/// One experiment on the page.
///
/// In `lead`, captions and tables ``
/// ` `` and `**` mean what they mean in Markdown; no other text has a markup.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The name in links, such as `table2`; what no link takes becomes `-`, and a name that is
    /// taken gets a number.
    pub id: String,
    /// The title.
    pub title: String,
    /// One paragraph in front of the tables.
    pub lead: String,
    /// What makes the receipts, such as `cargo table2`; the page says so, and says it louder where
    /// there are none yet. Empty for a section that is not made of receipts.
    pub command: String,
    /// The tables, in order.
    pub tables: Vec<Table>,
    /// The figures, in order, below the tables.
    pub figures: Vec<Figure>,
    /// The runs behind all this.
    pub receipts: Vec<Receipt>,
}

/// A drawing on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The SVG, which may begin with an XML declaration.
    pub svg: String,
    /// What is to be seen, for who cannot see it.
    pub alt: String,
    /// What stands below.
    pub caption: String,
    /// The same as files (`.svg`, `.png`), relative to the page.
    pub files: Vec<String>,
}

/// A run, and where its file lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Path relative to the page, such as `runs/table2/n-mnist-bpsa-short-s0.json`.
    pub path: String,
    /// What it says.
    pub record: Record,
}

const STYLE: &str = include_str!("../assets/page.css");

/// What a browser may do with the page: nothing but show it. Images are those inside it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The page. Everything on it comes from the arguments, so the same results make the same bytes; a
/// section with synthetic receipts says so in red at its head, at each of them and in the table of
/// contents.
///
/// ```
/// let page = report::page::html("Results", "What was run.", &[]);
/// assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
/// ```
pub fn html(title: &str, lead: &str, sections: &[Section]) -> String {
    let ids = ids(sections);
    let mut page = head(title);
    page += &format!(
        "<header id=\"top\">\n<h1>{}</h1>\n<p>{}</p>\n<p class=\"soft\">{}</p>\n</header>\n",
        escape(title),
        inline(lead),
        total(sections)
    );
    page += &contents(sections, &ids);
    page += "<main>\n";
    for (k, (one, id)) in sections.iter().zip(&ids).enumerate() {
        page += &section(one, id, k + 1);
    }
    page += "</main>\n</body>\n</html>\n";
    page
}

fn head(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(title)
    )
}

/// One id for each section, all different.
fn ids(sections: &[Section]) -> Vec<String> {
    let mut taken = HashSet::from(["top".to_owned()]);
    let free = |section: &Section| {
        let slug = text::slug(&section.id);
        let names = std::iter::once(slug.clone()).chain((2..).map(|k| format!("{slug}-{k}")));
        names.into_iter().find(|name| taken.insert(name.clone())).unwrap_or(slug)
    };
    sections.iter().map(free).collect()
}

/// How many runs there are, and on what data.
fn total(sections: &[Section]) -> String {
    let receipts: Vec<&Receipt> = sections.iter().flat_map(|section| &section.receipts).collect();
    if receipts.is_empty() {
        return "No receipts yet.".to_owned();
    }
    let of =
        |origin| receipts.iter().filter(|receipt| receipt.record.data.origin == origin).count();
    let kinds = [
        (Origin::Complete, "on a complete data set"),
        (Origin::Sample, "on a sample of one"),
        (Origin::Synthetic, "on synthetic data"),
    ];
    let parts: Vec<String> = kinds
        .iter()
        .filter(|(origin, _)| of(*origin) > 0)
        .map(|(origin, words)| format!("{} {words}", of(*origin)))
        .collect();
    format!("{}: {}.", count(receipts.len(), "receipt"), parts.join(", "))
}

fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn synthetic(section: &Section) -> usize {
    section
        .receipts
        .iter()
        .filter(|receipt| receipt.record.data.origin == Origin::Synthetic)
        .count()
}

fn contents(sections: &[Section], ids: &[String]) -> String {
    let mut html =
        String::from("<nav aria-label=\"Contents\">\n<p class=\"nav-title\">Contents</p>\n<ol>\n");
    for (section, id) in sections.iter().zip(ids) {
        let state = match (section.receipts.len(), synthetic(section)) {
            (_, 1..) => " <span class=\"badge synthetic\">synthetic</span>",
            (0, _) if !section.command.is_empty() => " <span class=\"badge\">no receipts</span>",
            _ => "",
        };
        html += &format!("<li><a href=\"#{id}\">{}</a>{state}</li>\n", escape(&section.title));
    }
    html += "</ol>\n</nav>\n";
    html
}

fn section(section: &Section, id: &str, number: usize) -> String {
    let mut html = format!("<section id=\"{id}\">\n<h2>{}</h2>\n", escape(&section.title));
    html += &paragraph("", &inline(&section.lead));
    html += &warning(section);
    html += &made(section);
    for table in &section.tables {
        html += &table::html(table);
    }
    if !section.figures.is_empty() {
        html += "<div class=\"figures\">\n";
        for (k, one) in section.figures.iter().enumerate() {
            html += &figure(one, &format!("figure_{number}_{}_", k + 1));
        }
        html += "</div>\n";
    }
    html += &receipts::html(&section.receipts);
    html += "<p class=\"back\"><a href=\"#top\">Back to the top</a></p>\n</section>\n";
    html
}

fn paragraph(class: &str, html: &str) -> String {
    match (class, html) {
        (_, "") => String::new(),
        ("", _) => format!("<p>{html}</p>\n"),
        _ => format!("<p class=\"{class}\">{html}</p>\n"),
    }
}

fn warning(section: &Section) -> String {
    let (synthetic, all) = (synthetic(section), section.receipts.len());
    if synthetic == 0 {
        return String::new();
    }
    let html = format!(
        "<strong>SYNTHETIC DATA.</strong> {synthetic} of {} here saw data that a program made: such a number is no \
         measurement on the published data set.",
        count(all, "run")
    );
    paragraph("warning", &html)
}

fn made(section: &Section) -> String {
    let command = escape(&section.command);
    match section.receipts.len() {
        _ if command.is_empty() => String::new(),
        0 => paragraph(
            "absent",
            &format!("No receipts yet, so cells are empty; make them with <code>{command}</code>."),
        ),
        n => paragraph(
            "soft",
            &format!("Made by <code>{command}</code> from {}.", count(n, "receipt")),
        ),
    }
}

fn figure(figure: &Figure, prefix: &str) -> String {
    let links: Vec<String> = figure
        .files
        .iter()
        .map(|path| {
            format!(
                "<a href=\"{}\">{}</a>",
                href(path),
                escape(path.rsplit('/').next().unwrap_or(path))
            )
        })
        .collect();
    format!(
        "<figure>\n<div class=\"canvas\">{}</div>\n<figcaption>{} <span class=\"files\">{}</span></figcaption>\n</figure>\n",
        svg::html(&figure.svg, prefix, &figure.alt),
        inline(&figure.caption),
        links.join(" ")
    )
}
