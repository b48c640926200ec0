//! What a program can see of a figure.
#![allow(clippy::unwrap_used, dead_code)]

use resvg::usvg::{Group, Node, Options, Rect, Tree};

/// Leaves the figure as SVG and PNG in the folder `REPORT_FIGURES`, if it is set.
pub fn leave(file: &str, svg: &str) {
    if let Some(folder) = std::env::var_os("REPORT_FIGURES") {
        let path = |ending: &str| std::path::Path::new(&folder).join(format!("{file}.{ending}"));
        report::write_text(&path("svg"), svg).unwrap();
        report::write_bytes(&path("png"), &report::figures::png(svg, 144.0).unwrap()).unwrap();
    }
}

/// What must hold of every figure.
pub fn check(file: &str, svg: &str) {
    leave(file, svg);
    assert!(
        svg.starts_with("<svg width=\"360pt\" height=\"") && svg.ends_with("</svg>\n"),
        "{file}"
    );
    assert!(svg.contains("viewBox=\"0 0 7200 "), "{file}");
    assert!(!svg.contains("report-figure"), "{file}");
    for word in ["NaN", "inf\"", "href", "url("] {
        assert!(!svg.contains(word), "{file} contains {word}");
    }
    assert_well_formed(svg);
}

/// As [`check`]; and that all text stands on the page, and none on another.
pub fn check_texts(file: &str, svg: &str) {
    check(file, svg);
    let mut options = Options { font_family: "DejaVu Sans".into(), ..Options::default() };
    options.fontdb_mut().load_font_data(std::fs::read("assets/DejaVuSans.ttf").unwrap());
    let tree = Tree::from_str(svg, &options).unwrap();
    let mut boxes = Vec::new();
    collect(tree.root(), &mut boxes);
    let (width, height) = (tree.size().width(), tree.size().height());
    for (words, place) in &boxes {
        let inside = place.left() >= 0.0
            && place.right() <= width
            && place.top() >= 0.0
            && place.bottom() <= height;
        assert!(inside, "{file}: \"{words}\" at {place:?} leaves the page of {width} x {height}");
    }
    for (k, (words, place)) in boxes.iter().enumerate() {
        for (others, other) in &boxes[..k] {
            let across = place.right().min(other.right()) - place.left().max(other.left());
            let down = place.bottom().min(other.bottom()) - place.top().max(other.top());
            // a line's box is taller than its letters
            let slack =
                0.3 * place.height().min(place.width()).min(other.height().min(other.width()));
            assert!(
                across <= 0.0 || down <= 0.0 || across.min(down) <= slack,
                "{file}: \"{words}\" on \"{others}\""
            );
        }
    }
}

fn collect(group: &Group, boxes: &mut Vec<(String, Rect)>) {
    for node in group.children() {
        match node {
            Node::Group(group) => collect(group, boxes),
            Node::Text(text) => {
                let words: String = text.chunks().iter().map(|chunk| chunk.text()).collect();
                boxes.push((words, node.abs_bounding_box()));
            }
            _ => {}
        }
    }
}

/// Every element is closed in turn, and no text holds a bare `<` or `&`.
pub fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>'), "{text}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split_whitespace().next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        for entity in text.split('&').skip(1) {
            assert!(
                ["lt;", "gt;", "amp;", "quot;", "apos;"]
                    .iter()
                    .any(|known| entity.starts_with(known)),
                "{text}"
            );
        }
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    assert!(open.is_empty(), "{open:?}");
}

/// The texts of a figure, trimmed.
pub fn texts(svg: &str) -> Vec<&str> {
    svg.split("<text").skip(1).map(|part| part.split(['>', '<']).nth(1).unwrap().trim()).collect()
}
