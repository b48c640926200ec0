//! A drawing as a part of the page.

use resvg::usvg::roxmltree::{Attribute, Document, Node};

use super::text::{escape, percent};

/// What can only draw. Everything else could reach beyond the drawing: `style` into the page,
/// `script` and `foreignObject` anywhere.
const ELEMENTS: [&str; 23] = [
    "svg",
    "g",
    "defs",
    "symbol",
    "use",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "clipPath",
    "mask",
    "pattern",
    "marker",
    "linearGradient",
    "radialGradient",
    "stop",
    "title",
    "desc",
];
const SVG: &str = "http://www.w3.org/2000/svg";
const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// The drawing as an element of the page, its ids beginning with `prefix`; one that holds more than
/// shapes and text, or is no SVG, as an image inside the page, where nothing of it reaches out.
pub(super) fn html(svg: &str, prefix: &str, alt: &str) -> String {
    inlined(svg, prefix, alt).unwrap_or_else(|| {
        format!(
            "<img alt=\"{}\" src=\"data:image/svg+xml,{}\">",
            escape(alt),
            percent(svg.trim_start())
        )
    })
}

fn inlined(svg: &str, prefix: &str, alt: &str) -> Option<String> {
    let document = Document::parse(svg.trim_start()).ok()?;
    let root = document.root_element();
    if !root.has_tag_name((SVG, "svg")) {
        return None;
    }
    let mut html = format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"{}\"",
        escape(alt),
        escape(&view(root)?)
    );
    let ours = ["width", "height", "viewBox", "role", "id"];
    html += &attributes(
        root.attributes().filter(|a| !ours.contains(&a.name()) && !a.name().starts_with("aria-")),
        prefix,
    )?;
    html.push('>');
    for child in root.children() {
        html += &node(child, prefix)?;
    }
    Some(html + "</svg>")
}

/// The root's viewBox; without one its size in pixels, which is the same.
fn view(root: Node) -> Option<String> {
    let pixels = |name| root.attribute(name)?.trim_end_matches("px").parse::<f64>().ok();
    match root.attribute("viewBox") {
        Some(view) => Some(view.to_owned()),
        None => Some(format!("0 0 {} {}", pixels("width")?, pixels("height")?)),
    }
}

/// Nothing where there is something that cannot be inlined.
fn node(node: Node, prefix: &str) -> Option<String> {
    if node.is_text() {
        return Some(escape(node.text().unwrap_or_default()));
    }
    let name = node.tag_name().name();
    // comments, and what an editor notes for itself
    if !node.is_element() || name == "metadata" || node.tag_name().namespace() != Some(SVG) {
        return Some(String::new());
    }
    if !ELEMENTS.contains(&name) {
        return None;
    }
    let mut html = format!("<{name}{}>", attributes(node.attributes(), prefix)?);
    for child in node.children() {
        html += &self::node(child, prefix)?;
    }
    Some(html + &format!("</{name}>"))
}

fn attributes<'a>(
    attributes: impl Iterator<Item = Attribute<'a, 'a>>,
    prefix: &str,
) -> Option<String> {
    let mut html = String::new();
    for attribute in attributes {
        let space = match attribute.namespace() {
            None => "",
            Some(XLINK) => "xlink:",
            Some(XML) => "xml:",
            // an editor's notes
            Some(_) => continue,
        };
        let (name, value) = (attribute.name(), attribute.value());
        let value = match name {
            _ if name.starts_with("on") => return None,
            // the page's own style would take hold of it
            "class" => continue,
            "id" => format!("{prefix}{value}"),
            "href" => format!("#{prefix}{}", value.strip_prefix('#')?),
            _ => local(value, prefix)?,
        };
        html += &format!(" {space}{name}=\"{}\"", escape(&value));
    }
    Some(html)
}

/// A value whose `url(#…)` points at the renamed ids; nothing where it points elsewhere.
fn local(value: &str, prefix: &str) -> Option<String> {
    let urls = value.to_ascii_lowercase().matches("url(").count();
    (urls == value.matches("url(#").count())
        .then(|| value.replace("url(#", &format!("url(#{prefix}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<svg xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\" width=\"30\" height=\"20px\">{inside}</svg>"
        )
    }

    #[test]
    fn ids_and_what_points_at_them_are_renamed_together() {
        let inside = "<defs><clipPath id=\"a\"><path d=\"M0 0\"/></clipPath></defs>\
                      <g clip-path=\"url(#a)\" style=\"fill:url(#a)\"><use xlink:href=\"#a\"/><use href=\"#a\"/></g>";
        let expected = "<svg role=\"img\" aria-label=\"x\" viewBox=\"0 0 30 20\">\
                        <defs><clipPath id=\"p_a\"><path d=\"M0 0\"></path></clipPath></defs>\
                        <g clip-path=\"url(#p_a)\" style=\"fill:url(#p_a)\"><use xlink:href=\"#p_a\"></use>\
                        <use href=\"#p_a\"></use></g></svg>";
        assert_eq!(html(&svg(inside), "p_", "x"), expected);
    }

    #[test]
    fn what_reaches_beyond_the_drawing_becomes_an_image() {
        for inside in [
            "<script>alert(1)</script>",
            "<style>*{color:red}</style>",
            "<foreignObject/>",
            "<g onload=\"alert(1)\"/>",
            "<use href=\"http://example.org/a.svg#b\"/>",
            "<rect fill=\"url(http://example.org/#a)\"/>",
            "<rect fill=\"URL('x')\"/>",
            "<image href=\"a.png\"/>",
            "<g>",
        ] {
            let html = html(&svg(inside), "p_", "a \"b\"");
            assert!(
                html.starts_with("<img alt=\"a &quot;b&quot;\" src=\"data:image/svg+xml,%3C%3Fxml"),
                "{html}"
            );
            assert_eq!(html.matches(['<', '>']).count(), 2, "{html}");
        }
        assert!(html("no drawing", "p_", "x").starts_with("<img"));
        assert!(html("<p>no drawing</p>", "p_", "x").starts_with("<img"));
    }

    #[test]
    fn notes_and_classes_are_left_out_and_text_stays_text() {
        let inside = "<!-- n --><metadata><a/></metadata><text class=\"warning\" xml:space=\"preserve\">a &lt; b</text>";
        assert!(
            html(&svg(inside), "p_", "")
                .ends_with("20\"><text xml:space=\"preserve\">a &lt; b</text></svg>")
        );
    }
}
