//! One small table in each format, and the texts that would break a format.
#![allow(clippy::unwrap_used)]

use report::{Align, Error, Table};

fn table() -> Table {
    let columns = [("Method", Align::Left), ("Accuracy (%)", Align::Right), ("n", Align::Right)];
    let mut table = Table::new("Accuracy on N-MNIST", &columns);
    table.push_row(["BPSA + BPTA", "94.3 ± 0.5", "3"]).unwrap();
    table.push_row(["STBP", "9.1", "1"]).unwrap();
    table.push_note("mean ± sample standard deviation");
    table
}

#[test]
fn markdown() {
    let expected = "\
**Accuracy on N-MNIST**

| Method      | Accuracy (%) |   n |
| ----------- | -----------: | --: |
| BPSA + BPTA |   94.3 ± 0.5 |   3 |
| STBP        |          9.1 |   1 |

- mean ± sample standard deviation
";
    assert_eq!(table().to_markdown(), expected);
}

#[test]
fn terminal() {
    let expected = "\
Accuracy on N-MNIST

Method       Accuracy (%)  n
-----------  ------------  -
BPSA + BPTA    94.3 ± 0.5  3
STBP                  9.1  1

mean ± sample standard deviation
";
    assert_eq!(table().to_terminal(), expected);
}

#[test]
fn csv() {
    assert_eq!(
        table().to_csv().unwrap(),
        "Method,Accuracy (%),n\nBPSA + BPTA,94.3 ± 0.5,3\nSTBP,9.1,1\n"
    );
}

#[test]
fn json() {
    let value: serde_json::Value = serde_json::from_str(&table().to_json()).unwrap();
    assert_eq!(value["columns"][1], "Accuracy (%)");
    assert_eq!(value["rows"][0][1], "94.3 ± 0.5");
    assert_eq!(value["notes"][0], "mean ± sample standard deviation");
}

#[test]
fn csv_quotes_and_reads_back() {
    let cells = ["a,b", "say \"hi\"", "two\nlines"];
    let mut table = Table::new("", &[("x", Align::Left), ("y", Align::Left), ("z", Align::Left)]);
    table.push_row(cells).unwrap();
    let text = table.to_csv().unwrap();
    assert_eq!(text, "x,y,z\n\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n");
    let back = csv::Reader::from_reader(text.as_bytes()).records().next().unwrap().unwrap();
    assert_eq!(back.iter().collect::<Vec<_>>(), cells);
}

#[test]
fn markdown_escapes_what_would_end_a_cell() {
    let mut table = Table::new("", &[("a|b", Align::Left)]);
    table.push_row(["c\\|d\r\ne\tf"]).unwrap();
    assert_eq!(
        table.to_markdown(),
        "| a\\|b          |\n| ------------- |\n| c\\\\\\|d<br>e f |\n"
    );
}

#[test]
fn a_wide_table_wraps_words_and_keeps_numbers_whole() {
    let long = "a method whose name goes on and on ".repeat(5);
    let mut table =
        Table::new("", &[("Method", Align::Left), ("Note", Align::Left), ("%", Align::Right)]);
    table.push_row([long.as_str(), "short", "94.3 ± 0.5"]).unwrap();
    let text = table.to_terminal();
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    assert!(text.lines().count() > 3 && text.contains("short  94.3 ± 0.5"), "{text}");
    let words = text.split_whitespace().filter(|word| long.contains(word)).count();
    assert!(words >= long.split_whitespace().count(), "no word is lost:\n{text}");

    let unbreakable = "x".repeat(120);
    let mut table = Table::new("", &[("Method", Align::Left)]);
    table.push_row([unbreakable.as_str()]).unwrap();
    assert!(table.to_terminal().contains(&unbreakable));
}

#[test]
fn a_ragged_row_is_refused() {
    let error = table().push_row(["only one"]).unwrap_err();
    assert!(matches!(error, Error::Cells { row: 3, expected: 3, found: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("expected 3 cells, found 1"), "{error}");
}

#[test]
fn a_table_without_columns_or_rows_is_still_text() {
    assert_eq!(Table::new("", &[("a", Align::Right)]).to_markdown(), "|   a |\n| --: |\n");
    let _ = Table::new("", &[]).to_terminal();
    let _ = Table::new("", &[]).to_markdown();
    let _ = Table::new("", &[]).to_csv();
}

#[test]
fn latex() {
    let expected = "\
% needs \\usepackage{booktabs}
\\begin{table}
  \\centering
  \\caption{Accuracy on N-MNIST}
  \\label{tab:n-mnist}
  \\begin{tabular}{lrr}
    \\toprule
    Method & Accuracy (\\%) & n \\\\
    \\midrule
    BPSA + BPTA & 94.3 $\\pm$ 0.5 & 3 \\\\
    STBP & 9.1 & 1 \\\\
    \\bottomrule
  \\end{tabular}
  \\par\\smallskip
  {\\footnotesize mean $\\pm$ sample standard deviation}
\\end{table}
";
    assert_eq!(table().to_latex("tab:n-mnist"), expected);
    let mut odd = Table::new("", &[("[x]", Align::Left)]);
    odd.push_row(["[0.3, 2.1]"]).unwrap();
    assert!(
        odd.to_latex("").contains("{}[0.3, 2.1] \\\\"),
        "an optional argument of the line break before it"
    );
    assert!(Table::new("", &[]).to_latex("").contains("\\begin{tabular}{l}"));
}
