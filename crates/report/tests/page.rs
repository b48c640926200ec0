//! The page is one file that reaches for nothing, and whatever comes from data is text on it.
#![allow(clippy::unwrap_used)]

use report::page::{Figure, Receipt, Section, html};
use report::{Align, DataIdentity, Host, Metric, Origin, Record, SCHEMA, Table};

const EVIL: &str = "<script>alert('x')</script>\"'&";

fn record(origin: Origin, word: &str) -> Record {
    Record {
        schema: SCHEMA,
        experiment: word.into(),
        row: word.into(),
        title: word.into(),
        run: serde_json::Value::Null,
        metrics: (0..9)
            .map(|k| Metric { name: format!("{word}{k}"), value: 94.25, unit: word.into() })
            .collect(),
        curves: vec![],
        data: DataIdentity {
            name: word.into(),
            origin,
            manifest_sha256: word.into(),
            split: word.into(),
            train: 1000,
            train_published: 60_000,
            test: 100,
            test_published: 10_000,
            held_out: 0,
            fold: None,
        },
        profile: word.into(),
        seed: 7,
        device: word.into(),
        threads: 2,
        host: Host { cpu: word.into(), cores: 2, os: word.into() },
        program_sha256: word.into(),
        commit: Some(word.into()),
        dirty: Some(true),
        started_utc: word.into(),
        seconds: 61.5,
        peak_memory_bytes: None,
        compute: serde_json::Value::Null,
        weights_sha256: None,
        outcome: None,
        analysis: None,
        versions: [].into(),
    }
}

fn section(word: &str, origins: &[Origin]) -> Section {
    let mut table = Table::new(word, &[(word, Align::Left), ("%", Align::Right)]);
    table.push_row([word, "94.3"]).unwrap();
    table.push_row([word, ""]).unwrap();
    table.push_note(word);
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><text id="a"/></svg>"#
        .to_owned();
    let figure = Figure { svg, alt: word.into(), caption: word.into(), files: vec![word.into()] };
    Section {
        id: word.into(),
        title: word.into(),
        lead: word.into(),
        command: word.into(),
        tables: vec![table],
        figures: vec![figure.clone(), figure],
        receipts: origins
            .iter()
            .map(|&o| Receipt { path: format!("runs/{word}"), record: record(o, word) })
            .collect(),
    }
}

/// What stands in front of `open` is left out, so that every element's start is one item.
fn starts<'a>(html: &'a str, open: &str) -> Vec<&'a str> {
    html.split(open).skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

#[test]
fn whatever_comes_from_data_is_text() {
    let page = html(
        EVIL,
        EVIL,
        &[section(EVIL, &[Origin::Complete, Origin::Synthetic]), section(EVIL, &[])],
    );
    assert!(!page.contains("<script") && !page.contains("alert('x')"), "{page}");
    assert!(
        page.contains("<h1>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&#39;&amp;</h1>")
    );
    let body = page.split("</head>").nth(1).unwrap();
    for href in starts(body, "href=") {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "\"#/%-_.+~".contains(c);
        assert!(href.chars().all(allowed), "{href}");
    }
    assert_eq!(body.matches("<h1>").count(), 1);
    let tags = |name: &str| {
        (body.matches(&format!("<{name}")).count(), body.matches(&format!("</{name}>")).count())
    };
    for name in [
        "section", "table", "tr", "figure", "svg", "details", "dl", "ol", "ul", "nav", "main",
        "code",
    ] {
        assert_eq!(tags(name).0, tags(name).1, "{name}");
    }
}

#[test]
fn the_page_reaches_for_nothing() {
    let page = html("Results", "All of them.", &[section("table2", &[Origin::Sample])]);
    assert!(page.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
    for reach in
        ["http://", "https://", "@import", "url(", "<script", "<iframe", "srcset", "javascript:"]
    {
        assert!(!page.contains(reach), "{reach}");
    }
    assert_eq!(starts(&page, "<link "), ["rel=\"icon\" href=\"data:,\""]);
    assert!(
        page.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
    );
}

#[test]
fn every_id_is_there_once_and_every_anchor_points_at_one() {
    let page =
        html("r", "l", &[section("top", &[]), section("Table 2", &[]), section("table-2", &[])]);
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for id in
        ["top", "top-2", "table-2", "table-2-2", "figure_1_1_a", "figure_1_2_a", "figure_3_2_a"]
    {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
    for anchor in starts(&page, "href=\"#") {
        assert!(ids.contains(&anchor.trim_end_matches('"')), "{anchor}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn synthetic_numbers_are_unmistakable_and_others_are_not_accused() {
    let page = html(
        "r",
        "l",
        &[section("a", &[Origin::Synthetic, Origin::Sample]), section("b", &[Origin::Complete])],
    );
    let body = page.split("</head>").nth(1).unwrap();
    assert!(
        body.contains("2 receipts") && body.contains("1 on a sample of one, 1 on synthetic data.")
    );
    assert!(body.contains("<strong>SYNTHETIC DATA.</strong> 1 of 2 runs here"));
    assert_eq!(body.matches("<li class=\"receipt synthetic\">").count(), 1);
    // in the contents and at the receipt
    assert_eq!(body.matches("<span class=\"badge synthetic\">synthetic</span>").count(), 2);
    assert_eq!(body.matches("<p class=\"warning\">").count(), 2);
    assert!(!body.split("<section id=\"b\">").nth(1).unwrap().to_lowercase().contains("synthetic"));
}

#[test]
fn an_experiment_without_receipts_keeps_its_empty_cells_and_says_what_makes_them() {
    let mut one = section("table1", &[]);
    one.command = "cargo table1".into();
    let page = html("r", "l", &[one.clone()]);
    assert!(page.contains(
        "No receipts yet, so cells are empty; make them with <code>cargo table1</code>."
    ));
    assert!(page.contains("<td class=\"number\"></td>") && !page.contains("<details>"));
    assert!(
        page.contains("<span class=\"badge\">no receipts</span>")
            && page.contains("No receipts yet.</p>")
    );
    one.command.clear();
    let page = html("r", "l", &[one]);
    assert!(!page.contains("make them with") && !page.contains(">no receipts<"));
}

#[test]
fn a_receipt_says_all_that_a_reader_asks() {
    let mut one = section("table2", &[Origin::Sample]);
    let record = &mut one.receipts[0].record;
    record.title = "N-MNIST bpsa".into();
    record.started_utc = "2026-11-24T07:07:32Z".into();
    record.commit = Some("40e69bdbb54147f76bde158d7d032adb39bd57ce".into());
    record.peak_memory_bytes = Some(227_987_456);
    record.metrics[1].value = f64::NAN;
    one.receipts[0].path = "runs/table2/n-mnist-bpsa+bpta-s7.json".into();
    let page = html("r", "l", &[one]);
    for part in [
        "<a href=\"runs/table2/n-mnist-bpsa+bpta-s7.json\">N-MNIST bpsa, seed 7</a>",
        "<span class=\"badge sample\">sample</span> <span class=\"badge dirty\">dirty work tree</span>",
        "<dd>94.25 table2</dd>",
        "<dd>NaN table2</dd>",
        "and 2 more metrics in the file",
        "1,000 + 100 of 60,000 + 10,000",
        ">2026-11-24 07:07:32 UTC</time>",
        "<dd>1 min 2 s</dd>",
        "<dd>218 MiB</dd>",
        ">40e69bdbb</code>, changed</dd>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn numbers_stand_on_the_right_and_notes_below() {
    let page = html("r", "l", &[section("x", &[Origin::Sample])]);
    for part in [
        "<div class=\"scroll\" role=\"region\" aria-label=\"x\" tabindex=\"0\">\n<table>",
        "<tr><th scope=\"col\">x</th><th scope=\"col\" class=\"number\">%</th></tr>",
        "<tr><th scope=\"row\">x</th><td class=\"number\">94.3</td></tr>",
        "<ul class=\"notes\">\n<li>x</li>\n</ul>",
        "<svg role=\"img\" aria-label=\"x\" viewBox=\"0 0 1 1\"><text id=\"figure_1_1_a\"></text></svg>",
        "<figcaption>x <span class=\"files\"><a href=\"x\">x</a></span></figcaption>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}
