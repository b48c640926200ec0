use super::text::{escape, inline};
use crate::{Align, Table};

/// Characters from which on the name of a column of numbers is given room.
const LONG: usize = 18;

/// A table in a frame of its own that scrolls sideways, so that a wide one never widens the page;
/// its title is a heading above, because a caption would scroll with it.
pub(super) fn html(table: &Table) -> String {
    let mut html = String::new();
    if !table.title().is_empty() {
        html += &format!("<h3>{}</h3>\n", inline(table.title()));
    }
    let name = if table.title().is_empty() { "Table" } else { table.title() };
    // A frame that scrolls must be reachable by keyboard, and what is reachable needs a name.
    html += &format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">\n<table>\n",
        escape(name)
    );
    html += "<thead>\n<tr>";
    for (name, align) in table.columns() {
        html += &cell("col", *align, name);
    }
    html += "</tr>\n</thead>\n<tbody>\n";
    for row in table.rows() {
        html += "<tr>";
        for (k, (text, (_, align))) in row.iter().zip(table.columns()).enumerate() {
            html += &cell(if k == 0 { "row" } else { "" }, *align, text);
        }
        html += "</tr>\n";
    }
    html += "</tbody>\n</table>\n</div>\n";
    if !table.notes().is_empty() {
        let notes: String =
            table.notes().iter().map(|note| format!("<li>{}</li>\n", inline(note))).collect();
        html += &format!("<ul class=\"notes\">\n{notes}</ul>\n");
    }
    html
}

/// A cell that heads what `scope` says: `col`, `row` or nothing.
fn cell(scope: &str, align: Align, text: &str) -> String {
    let class = match align {
        Align::Left => "",
        // a browser would set a long name as a tower of words over narrow numbers
        Align::Right if scope == "col" && text.chars().count() > LONG => " class=\"number long\"",
        Align::Right => " class=\"number\"",
    };
    let html = inline(text).replace('\n', "<br>");
    // an empty header would name its cells with nothing
    match scope {
        "col" | "row" if !text.is_empty() => format!("<th scope=\"{scope}\"{class}>{html}</th>"),
        _ => format!("<td{class}>{html}</td>"),
    }
}
