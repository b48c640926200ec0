//! A table for plain pdflatex with the package booktabs.

use crate::Align;

/// What stands in a table, as [`crate::Table`] holds it.
pub(crate) struct Parts<'a> {
    pub(crate) title: &'a str,
    pub(crate) columns: &'a [(String, Align)],
    pub(crate) rows: &'a [Vec<String>],
    pub(crate) notes: &'a [String],
}

/// The table as a float.
pub(crate) fn float(parts: &Parts, label: &str) -> String {
    let header: Vec<String> = parts.columns.iter().map(|(name, _)| escape(name)).collect();
    let letters: String = parts.columns.iter().map(|(_, align)| letter(*align)).collect();
    let mut text = String::from("% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n");
    if !parts.title.is_empty() {
        text += &format!("  \\caption{{{}}}\n", escape(parts.title));
    }
    if !label.is_empty() {
        text += &format!("  \\label{{{}}}\n", key(label));
    }
    text += &format!(
        "  \\begin{{tabular}}{{{}}}\n    \\toprule\n",
        if letters.is_empty() { "l" } else { &letters }
    );
    text += &format!("    {} \\\\\n    \\midrule\n", line(&header));
    for row in parts.rows {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        text += &format!("    {} \\\\\n", line(&cells));
    }
    text += "    \\bottomrule\n  \\end{tabular}\n";
    for (k, note) in parts.notes.iter().enumerate() {
        let gap = if k == 0 { "\\par\\smallskip" } else { "\\par" };
        text += &format!("  {gap}\n  {{\\footnotesize {}}}\n", escape(note));
    }
    text + "\\end{table}\n"
}

fn letter(align: Align) -> char {
    match align {
        Align::Left => 'l',
        Align::Right => 'r',
    }
}

/// A row that begins with `[` would be taken for the optional argument of the `\\` before it.
fn line(cells: &[String]) -> String {
    let joined = cells.join(" & ");
    if joined.starts_with('[') { format!("{{}}{joined}") } else { joined }
}

/// A label keeps what LaTeX allows in one; anything else becomes a hyphen.
fn key(label: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-:._+/".contains(c);
    label.chars().map(|c| if allowed(c) { c } else { '-' }).collect()
}

/// `text` as LaTeX that shows the same; `**x**` becomes bold and `` `x` `` typewriter, as in
/// Markdown.
pub(crate) fn escape(text: &str) -> String {
    let text = text.replace("\r\n", " ");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, mark, inner, after)) = next_marked(rest) {
        let command = if mark == "**" { "textbf" } else { "texttt" };
        out += &format!("{}\\{command}{{{}}}", plain(before), plain(inner));
        rest = after;
    }
    out + &plain(rest)
}

/// The first pair of marks with something between them: what is before, the mark, what is within,
/// what is after.
fn next_marked(text: &str) -> Option<(&str, &'static str, &str, &str)> {
    let pair = |mark: &'static str| {
        let (before, rest) = text.split_once(mark)?;
        let (inner, after) = rest.split_once(mark)?;
        (!inner.trim().is_empty()).then_some((before, mark, inner, after))
    };
    [pair("**"), pair("`")].into_iter().flatten().min_by_key(|(before, ..)| before.len())
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match special(c) {
            Some(latex) => out += latex,
            // two in a row would become a dash
            None if c == '-' && out.ends_with('-') => out += "{-}",
            None if c.is_control() => out.push(' '),
            None if c.is_ascii() || accented(c) => out.push(c),
            None => out += &format!("[U+{:04X}]", u32::from(c)),
        }
    }
    out
}

/// Letters of Latin-1 and Latin Extended-A that even LaTeX's oldest font encoding, OT1, can
/// compose.
fn accented(c: char) -> bool {
    ('\u{c0}'..='\u{17f}').contains(&c) && !"ÐðÞþ×÷ĄąĘęĮįŲųĐđŊŋĸĦħŦŧĿŀŉſĲĳ".contains(c)
}

/// What stands for a character that LaTeX takes for something else, or that pdflatex does not know.
fn special(c: char) -> Option<&'static str> {
    ascii(c).or_else(|| greek(c)).or_else(|| sign(c))
}

fn ascii(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "\\&",
        '%' => "\\%",
        '$' => "\\$",
        '#' => "\\#",
        '_' => "\\_",
        '{' => "\\{",
        '}' => "\\}",
        '~' => "\\textasciitilde{}",
        '^' => "\\textasciicircum{}",
        '\\' => "\\textbackslash{}",
        '<' => "\\textless{}",
        '>' => "\\textgreater{}",
        '|' => "\\textbar{}",
        _ => return None,
    })
}

fn greek(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "$\\alpha$",
        'β' => "$\\beta$",
        'γ' => "$\\gamma$",
        'δ' => "$\\delta$",
        'ε' => "$\\varepsilon$",
        'ζ' => "$\\zeta$",
        'η' => "$\\eta$",
        'θ' => "$\\theta$",
        'ι' => "$\\iota$",
        'κ' => "$\\kappa$",
        'λ' => "$\\lambda$",
        'μ' | 'µ' => "$\\mu$",
        'ν' => "$\\nu$",
        'ξ' => "$\\xi$",
        'π' => "$\\pi$",
        'ρ' => "$\\rho$",
        'σ' => "$\\sigma$",
        'τ' => "$\\tau$",
        'φ' => "$\\varphi$",
        'χ' => "$\\chi$",
        'ψ' => "$\\psi$",
        'ω' => "$\\omega$",
        'Γ' => "$\\Gamma$",
        'Δ' | '∆' => "$\\Delta$",
        'Θ' => "$\\Theta$",
        'Λ' => "$\\Lambda$",
        'Π' | '∏' => "$\\Pi$",
        'Σ' | '∑' => "$\\Sigma$",
        'Φ' => "$\\Phi$",
        'Ψ' => "$\\Psi$",
        'Ω' => "$\\Omega$",
        _ => return None,
    })
}

fn sign(c: char) -> Option<&'static str> {
    Some(match c {
        '±' => "$\\pm$",
        '×' => "$\\times$",
        '÷' => "$\\div$",
        '·' | '⋅' => "$\\cdot$",
        '°' => "$^\\circ$",
        '§' => "\\S{}",
        '–' => "--",
        '—' => "---",
        '−' => "$-$",
        '‑' | '‐' => "-",
        '…' => "\\ldots{}",
        '‘' | '’' => "'",
        '“' => "``",
        '”' => "''",
        '„' => ",,",
        '≈' => "$\\approx$",
        '≤' => "$\\leq$",
        '≥' => "$\\geq$",
        '≠' => "$\\neq$",
        '≪' => "$\\ll$",
        '≫' => "$\\gg$",
        '∞' => "$\\infty$",
        '∂' => "$\\partial$",
        '∇' => "$\\nabla$",
        '∈' => "$\\in$",
        '√' => "$\\surd$",
        '∝' => "$\\propto$",
        '→' => "$\\rightarrow$",
        '←' => "$\\leftarrow$",
        '↔' => "$\\leftrightarrow$",
        '⇒' => "$\\Rightarrow$",
        '↑' => "$\\uparrow$",
        '↓' => "$\\downarrow$",
        '²' => "$^2$",
        '³' => "$^3$",
        '¹' => "$^1$",
        '⁻' => "$^-$",
        '½' => "$\\frac12$",
        '†' => "\\dag{}",
        '‡' => "\\ddag{}",
        '•' => "\\textbullet{}",
        '✓' | '✔' => "$\\surd$",
        '\u{a0}' => "~",
        '\u{2009}' | '\u{202f}' => "\\,",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_latex_would_take_for_itself_is_escaped() {
        for (text, latex) in [
            ("94.3 ± 0.5 %", "94.3 $\\pm$ 0.5 \\%"),
            ("a_b & c#d $1", "a\\_b \\& c\\#d \\$1"),
            ("{x} ~ ^ \\", "\\{x\\} \\textasciitilde{} \\textasciicircum{} \\textbackslash{}"),
            ("a < b > c", "a \\textless{} b \\textgreater{} c"),
            ("1–2 −3 8×8", "1--2 $-$3 8$\\times$8"),
            (
                "α θ λ ∂o/∂u → µJ",
                "$\\alpha$ $\\theta$ $\\lambda$ $\\partial$o/$\\partial$u $\\rightarrow$ $\\mu$J",
            ),
            ("--flag N-MNIST ---", "-{-}flag N-MNIST -{-}-"),
            ("Zürich, Ž", "Zürich, Ž"),
            ("鹿\t\u{0}", "[U+9E7F]  "),
        ] {
            assert_eq!(escape(text), latex, "{text}");
        }
    }

    #[test]
    fn marks_of_markdown_become_commands_and_single_marks_stay() {
        assert_eq!(escape("**94.3 %** of `a_b`"), "\\textbf{94.3 \\%} of \\texttt{a\\_b}");
        assert_eq!(escape("2 ** 3"), "2 ** 3");
        assert_eq!(escape("****"), "****");
        assert_eq!(escape("a ` b"), "a ` b");
        assert_eq!(escape("`a` **b** `c`"), "\\texttt{a} \\textbf{b} \\texttt{c}");
    }

    #[test]
    fn every_character_gives_ascii_or_a_latin_letter_with_balanced_braces() {
        for c in (0..=0x1_ffff).filter_map(char::from_u32) {
            let latex = escape(&c.to_string());
            assert!(
                latex
                    .chars()
                    .all(|c| (' '..='~').contains(&c) || ('\u{c0}'..='\u{17f}').contains(&c)),
                "{c:?}"
            );
            let bare = latex.replace("\\{", "").replace("\\}", "");
            assert_eq!(bare.matches('{').count(), bare.matches('}').count(), "{c:?}");
            assert_eq!(bare.replace("\\$", "").matches('$').count() % 2, 0, "{c:?}");
        }
    }

    #[test]
    fn a_label_is_one_whatever_it_was() {
        assert_eq!(key("tab:n-mnist"), "tab:n-mnist");
        assert_eq!(key("a b}#%"), "a-b---");
    }
}
