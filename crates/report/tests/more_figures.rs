//! The figures made of analyses: by eye they are looked at elsewhere, and what a program can see of
//! them is checked here. With `REPORT_FIGURES=<folder>` set, every figure drawn here is also left
//! in that folder.
// Long: one test for each figure, all drawn of one made analysis.
#![allow(clippy::unwrap_used)]

mod svg;

use report::figures::{
    Axes, Band, Caption, Dash, Point, Series, Style, anytime, confusion, curves, front, histograms,
    layer_rates, membranes, png, raster,
};
use report::{Error, Histogram, LayerTrace, Membrane, Origin, Trace};
use svg::{check_texts, texts};

fn caption(title: &str) -> Caption {
    Caption {
        title: title.into(),
        subtitle: "N-MNIST sample, 1,000 train / 100 test, T = 8, profile short, 3 seeds".into(),
        origin: Origin::Sample,
    }
}

/// Numbers between 0 and 1 that look random.
fn noise(k: usize) -> f64 {
    (f64::sin(k as f64 * 12.9898 + 4.1) * 43758.5453).rem_euclid(1.0)
}

fn names(n: usize, name: impl Fn(usize) -> String) -> Vec<String> {
    (0..n).map(name).collect()
}

fn rising(name: &str, top: f64, length: usize, seeds: usize) -> Series {
    let value = |seed: usize, k: usize| {
        let scatter = 2.5 * (noise(seed * 1000 + k + top as usize * 7) - 0.5);
        (top - 60.0 * f64::exp(-6.0 * (k + 1) as f64 / length as f64) + scatter).clamp(0.0, 100.0)
    };
    Series {
        name: name.into(),
        seeds: (0..seeds).map(|seed| (0..length).map(|k| value(seed, k)).collect()).collect(),
    }
}

fn rates(name: &str, layers: usize, scale: f64, seeds: usize) -> Series {
    let rate = |seed: usize, layer: usize| {
        scale * (1.0 + noise(layer)) * (0.85 + 0.3 * noise(seed * 77 + layer + 9))
    };
    let seeds =
        (0..seeds).map(|seed| (0..layers).map(|layer| rate(seed, layer)).collect()).collect();
    Series { name: name.into(), seeds }
}

fn trace(layers: usize, shown: usize, steps: usize) -> Trace {
    let layer = |l: usize| {
        let u: Vec<f64> =
            (0..steps).map(|t| 1.3 * noise(t * 31 + l * 7) - 0.2 + 0.1 * (t % 5) as f64).collect();
        let fired: Vec<usize> = (0..steps).filter(|&t| u[t] >= 1.0).collect();
        let spikes = (0..shown)
            .map(|n| (0..steps).filter(|&t| noise(l * 9973 + n * 131 + t) < 0.18).collect());
        let edges: Vec<f64> = (0..=50).map(|k| -1.0 + 0.06 * f64::from(k)).collect();
        let count = |k: usize| {
            (40_000.0 * f64::exp(-((edges[k] - 0.1) / 0.4).powi(2))) as u64 + 40 * (l as u64 + 1)
        };
        LayerTrace {
            name: if l + 1 == layers {
                "10Voting".into()
            } else {
                format!("{}C3-{}", 64 << (l % 3), l + 1)
            },
            neurons: 1024 * (l as u64 + 1),
            shown: (0..shown as u64).collect(),
            spikes: spikes.collect(),
            membrane: Membrane { neuron: 17, threshold: 1.0, u, spikes: fired },
            histogram: Histogram { counts: (0..50).map(count).collect(), edges },
        }
    };
    Trace { sample: 12, label: 3, predicted: 5, layers: (0..layers).map(layer).collect() }
}

fn digits() -> Vec<String> {
    names(10, |k| k.to_string())
}

fn matrix(n: usize, each: u64) -> Vec<Vec<u64>> {
    let cell = |row: usize, column: usize| match noise(row * n + column) {
        _ if row == column => each,
        x if x < 0.12 => (each as f64 * x * 1.5) as u64 + 1,
        _ => 0,
    };
    (0..n).map(|row| (0..n).map(|column| cell(row, column)).collect()).collect()
}

fn gestures() -> Vec<String> {
    let words = "hand clapping,right hand wave,left hand wave,right arm clockwise,right arm counter clockwise,left arm \
                 clockwise,left arm counter clockwise,arm roll,air drums,air guitar,other gestures";
    words.split(',').map(str::to_owned).collect()
}

fn point(name: &str, accuracy: f64, energy: f64, seeds: usize) -> Point {
    Point {
        name: name.into(),
        accuracy_percent: (0..seeds)
            .map(|k| accuracy + noise(k + accuracy as usize) - 0.5)
            .collect(),
        energy_uj: (0..seeds).map(|k| energy * (0.9 + 0.2 * noise(k + 50))).collect(),
    }
}

#[test]
fn four_simulation_lengths_of_two_methods() {
    let (mut series, mut styles) = (Vec::new(), Vec::new());
    for (method, dash, lost) in [("ours", Dash::Solid, 0.0), ("baseline", Dash::Dashed, 5.0)] {
        for (colour, steps) in [32, 16, 8, 4].into_iter().enumerate() {
            let top = 97.0 - lost - (1.0 + lost) * colour as f64;
            series.push(rising(&format!("{method}, T = {steps}"), top, 100, 3));
            styles.push(Style { colour, dash });
        }
    }
    let axes = Axes { x: "Epoch", y: "Test accuracy (%)", styles: &styles, each_seed: false };
    let svg =
        curves(&series, &caption("Simulation lengths on DVS-Gesture"), Band::Deviation, &axes)
            .unwrap();
    check_texts("lengths", &svg);
    for Series { name, .. } in &series {
        assert!(texts(&svg).contains(&name.as_str()), "{name}");
    }
    assert_eq!(svg.matches("<polygon").count(), 8);
    let solid = svg.matches("<polyline").count();
    assert!(solid > 4 * 20, "dashes are lines of their own: {solid}");
}

#[test]
fn twenty_one_series_differ_and_more_are_refused() {
    let series: Vec<Series> =
        (0..21).map(|k| rising(&format!("method {k}"), 60.0 + 1.7 * k as f64, 8, 1)).collect();
    let axes = Axes { x: "Step", y: "Accuracy (%)", styles: &[], each_seed: true };
    check_texts("twenty-one", &curves(&series, &caption("Many"), Band::MinMax, &axes).unwrap());
    let styles: std::collections::BTreeSet<_> = (0..Style::COUNT)
        .map(|k| (Style::nth(k).colour, format!("{:?}", Style::nth(k).dash)))
        .collect();
    assert_eq!(styles.len(), 21);
    let more = [series.clone(), series[..1].to_vec()].concat();
    assert!(
        curves(&more, &caption(""), Band::MinMax, &axes)
            .unwrap_err()
            .to_string()
            .contains("found 22")
    );
    let odd = Axes { styles: &[Style { colour: 7, dash: Dash::Solid }], ..axes };
    assert!(
        curves(&series, &caption(""), Band::MinMax, &odd)
            .unwrap_err()
            .to_string()
            .contains("found colour 7")
    );
}

#[test]
fn accuracy_over_the_steps_used() {
    let series = [
        rising("BPSA + BPTA", 97.0, 32, 5),
        rising("BPSA", 94.0, 32, 5),
        rising("baseline", 90.0, 16, 5),
    ];
    let svg =
        anytime(&series, &caption("Accuracy when only the first steps count"), Band::Deviation)
            .unwrap();
    check_texts("anytime", &svg);
    assert!(svg.contains("Time steps used"));
    let one = [rising("BPSA", 94.0, 1, 3)];
    check_texts("anytime-one", &anytime(&one, &caption("One"), Band::MinMax).unwrap());
    let bad = [Series { name: "BPSA".into(), seeds: vec![vec![1.0, f64::NAN]] }];
    let error = anytime(&bad, &caption(""), Band::MinMax).unwrap_err().to_string();
    assert!(error.contains("NaN in \"BPSA\", run 1, step 2"), "{error}");
}

#[test]
fn firing_rates_of_few_and_of_many_layers() {
    let layers = names(3, |k| format!("128C3-{}", k + 1));
    let methods = [rates("ours", 3, 3.0, 5), rates("baseline", 3, 9.0, 5)];
    let svg = layer_rates(&layers, &methods, &caption("Firing rate of each convolutional layer"))
        .unwrap();
    check_texts("rates", &svg);
    for name in layers.iter().map(String::as_str).chain(["ours", "baseline", "Firing rate (%)"]) {
        assert!(texts(&svg).contains(&name), "{name}");
    }
    assert_eq!(svg.matches("<circle").count(), 2 * 3 * 2 * 5, "a dot and its rim for each seed");
    for (n, m) in [(1, 1), (7, 3), (12, 3), (40, 2), (40, 7), (100, 3)] {
        let layers = names(n, |k| format!("stage{}.{}C3-{}", k / 4 + 1, 64 << (k % 3), k + 1));
        let methods: Vec<Series> =
            (0..m).map(|k| rates(&format!("method {}", k + 1), n, 2.0 + k as f64, 3)).collect();
        let svg = layer_rates(&layers, &methods, &caption("Firing rates")).unwrap();
        check_texts(&format!("rates-{n}-{m}"), &svg);
        if n <= 40 {
            assert!(layers.iter().all(|name| texts(&svg).contains(&name.as_str())), "{n}");
        }
    }
}

#[test]
fn firing_rates_at_the_edges() {
    let layers =
        names(4, |k| format!("{} a very long name of a layer <&\u{0}> 鹿 {}", k, "x".repeat(300)));
    let silent = [Series { name: "silent".into(), seeds: vec![vec![0.0; 4]; 2] }];
    let synthetic = Caption { origin: Origin::Synthetic, ..caption("Edges") };
    let svg = layer_rates(&layers, &silent, &synthetic).unwrap();
    check_texts("rates-silent", &svg);
    assert!(texts(&svg)[0].starts_with("SYNTHETIC DATA"));
    let full = [Series { name: "full".into(), seeds: vec![vec![100.0; 4], vec![0.0; 4]] }];
    check_texts("rates-full", &layer_rates(&layers, &full, &synthetic).unwrap());
    for (layers, methods, words) in [
        (&layers[..0], &silent[..], "1 to 100 layers, found 0"),
        (&layers[..], &silent[..0], "1 to 7 series, found 0"),
        (&layers[..3], &silent[..], "a value for each of 3 layers, found 4"),
    ] {
        let error = layer_rates(layers, methods, &caption("")).unwrap_err();
        assert!(
            matches!(error, Error::Figure { .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
    let bad = [Series { name: "bad".into(), seeds: vec![vec![1.0, f64::INFINITY, 0.0, 0.0]] }];
    let error = layer_rates(&layers, &bad, &caption("")).unwrap_err().to_string();
    assert!(error.contains("run 1, layer 2"), "{error}");
}

#[test]
fn one_sample_through_all_layers() {
    for (layers, shown, steps) in
        [(1, 1, 1), (6, 32, 16), (6, 64, 100), (40, 16, 8), (100, 4, 20), (3, 0, 4)]
    {
        let trace = trace(layers, shown, steps);
        let file = format!("{layers}-{shown}-{steps}");
        let svg = raster(&trace, &digits(), &caption("One sample's spikes")).unwrap();
        check_texts(&format!("raster-{file}"), &svg);
        let drawn =
            membranes(&trace, &[], &caption("Membranes of the most active neurons")).unwrap();
        check_texts(&format!("membranes-{file}"), &drawn);
        let counted = histograms(&trace, &caption("Membranes before reset")).unwrap();
        check_texts(&format!("histograms-{file}"), &counted);
        for LayerTrace { name, .. } in &trace.layers {
            for svg in [&svg, &drawn, &counted] {
                assert!(texts(svg).contains(&name.as_str()), "{file}: {name}");
            }
        }
        assert!(svg.contains("test sample 12: class 3, the network says 5"), "{file}");
    }
}

#[test]
fn odd_traces_are_drawn_or_refused() {
    let good = trace(4, 8, 12);
    let with = |change: fn(&mut LayerTrace)| {
        let mut odd = good.clone();
        change(&mut odd.layers[2]);
        odd
    };
    let long = with(|layer| layer.name = "a name\u{1b} that is <far> too long & more ".repeat(20));
    let flat = with(|layer| layer.membrane.u.fill(1e30));
    let silent = with(|layer| layer.histogram.counts.fill(0));
    let many = with(|layer| layer.neurons = u64::MAX);
    for (file, odd) in [("long", long), ("flat", flat), ("silent", silent), ("many", many)] {
        check_texts(&format!("raster-{file}"), &raster(&odd, &[], &caption("Odd")).unwrap());
        check_texts(&format!("membranes-{file}"), &membranes(&odd, &[], &caption("Odd")).unwrap());
        check_texts(&format!("histograms-{file}"), &histograms(&odd, &caption("Odd")).unwrap());
    }
    let empty = Trace { layers: vec![], ..good.clone() };
    let none = with(|layer| layer.membrane.u.clear());
    let late = with(|layer| layer.spikes[3].push(12));
    let ragged = with(|layer| layer.spikes.truncate(2));
    for (odd, words) in [
        (&empty, "1 to 100 layers, found 0"),
        (&none, "12 and 0 in \"256C3-3\""),
        (&late, "found one at 12 in \"256C3-3\""),
        (&ragged, "spikes of 8 neurons in \"256C3-3\", found 2"),
    ] {
        let error = raster(odd, &[], &caption("")).unwrap_err();
        assert!(
            matches!(error, Error::Figure { .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
    let nan = with(|layer| layer.membrane.u[3] = f64::NAN);
    let late = with(|layer| layer.membrane.spikes.push(usize::MAX));
    for (odd, words) in [
        (&empty, "found 0"),
        (&nan, "found NaN in \"256C3-3\""),
        (&late, "spikes at steps 0 to 11"),
    ] {
        assert!(membranes(odd, &[], &caption("")).unwrap_err().to_string().contains(words));
    }
    let falling = with(|layer| layer.histogram.edges.reverse());
    let short = with(|layer| layer.histogram.edges.truncate(3));
    let endless = with(|layer| layer.histogram.edges[50] = f64::INFINITY);
    let unsure = with(|layer| layer.membrane.threshold = f64::NAN);
    for (odd, words) in [
        (&empty, "found 0"),
        (&falling, "finite edges that rise"),
        (&short, "3 edges and 50 counts"),
        (&endless, "finite edges"),
        (&unsure, "a finite threshold, found NaN"),
    ] {
        assert!(histograms(odd, &caption("")).unwrap_err().to_string().contains(words), "{words}");
    }
}

#[test]
fn accuracy_against_energy() {
    let points = [
        point("BPSA + BPTA, T = 8", 96.9, 12.0, 5),
        point("BPSA + BPTA, T = 16", 97.6, 24.0, 5),
        point("BPSA, T = 8", 95.8, 14.0, 5),
        point("baseline, T = 8", 94.0, 31.0, 5),
        point("baseline, T = 16", 95.1, 64.0, 5),
        point("baseline, T = 32", 96.2, 130.0, 5),
        point("dense network", 97.9, 820.0, 1),
    ];
    let svg = front(&points, &caption("Accuracy against energy")).unwrap();
    check_texts("front", &svg);
    for Point { name, .. } in &points {
        assert!(texts(&svg).contains(&name.as_str()), "{name}");
    }
    assert_eq!(svg.matches("<circle").count(), 2 * 7 + 2, "a point and its rim, and two keys");
    check_texts("front-one", &front(&points[..1], &caption("One")).unwrap());
    let twins =
        [point("one", 90.0, 1.0, 1), point("its twin", 90.0, 1.0, 1), point("near", 90.1, 1.02, 1)];
    check_texts("front-twins", &front(&twins, &caption("Equal values")).unwrap());
    let wide = [point(&"long name ".repeat(30), 1.0, 1e-11, 2), point("<&\u{0}鹿>", 99.0, 1e11, 2)];
    check_texts("front-wide", &front(&wide, &caption("Wide")).unwrap());
    let spread = Point {
        name: "spread".into(),
        accuracy_percent: vec![0.0, 100.0],
        energy_uj: vec![0.001, 900.0, 1.0],
    };
    check_texts("front-spread", &front(&[spread], &caption("Spread")).unwrap());
    let many: Vec<Point> = (0..40)
        .map(|k| point(&format!("m{k}"), 50.0 + 40.0 * noise(k), 1.0 + 99.0 * noise(k + 500), 3))
        .collect();
    svg::check("front-many", &front(&many, &caption("Many")).unwrap());
}

#[test]
fn points_without_a_place_are_refused() {
    let good = point("a", 90.0, 1.0, 2);
    for (bad, words) in [
        (vec![], "1 to 40 points, found 0"),
        (vec![Point { energy_uj: vec![0.0], ..good.clone() }], "found energy 0 in \"a\""),
        (vec![Point { energy_uj: vec![f64::NAN], ..good.clone() }], "found energy NaN"),
        (vec![Point { energy_uj: vec![], ..good.clone() }], "at least one energy"),
        (vec![Point { accuracy_percent: vec![], ..good.clone() }], "at least one accuracy"),
        (vec![Point { accuracy_percent: vec![-1.0], ..good.clone() }], "found accuracy -1"),
    ] {
        let error = front(&bad, &caption("")).unwrap_err();
        assert!(
            matches!(error, Error::Figure { .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
}

#[test]
fn confusion_of_few_and_of_many_classes() {
    let draw = |file: &str, classes: &[String], counts: &[Vec<u64>]| {
        let svg = confusion(classes, counts, &caption("Confusion")).unwrap();
        check_texts(file, &svg);
        svg
    };
    let svg = draw("confusion-10", &digits(), &matrix(10, 980));
    assert!(svg.contains("980") && svg.contains("Predicted class") && svg.contains("True class"));
    let svg = draw("confusion-11", &gestures(), &matrix(11, 24));
    assert!(
        gestures().iter().all(|name| texts(&svg).iter().filter(|text| *text == name).count() == 2)
    );
    let svg = draw("confusion-35", &names(35, |k| format!("word{k}")), &matrix(35, 400));
    assert!(texts(&svg).contains(&"word34"));
    let svg = draw("confusion-100", &names(100, |k| format!("class {k}")), &matrix(100, 100));
    assert!(
        !texts(&svg).contains(&"100") && texts(&svg).contains(&"class 95"),
        "no counts, every fifth name"
    );
    draw("confusion-200", &names(200, |k| format!("class {k}")), &matrix(200, 50));
    draw("confusion-1", &names(1, |_| "only".into()), &[vec![7]]);
    draw("confusion-2", &names(2, |k| ["no", "yes"][k].into()), &[vec![u64::MAX, 0], vec![0, 0]]);
    draw("confusion-empty", &digits(), &vec![vec![0; 10]; 10]);
    draw(
        "confusion-long",
        &names(3, |_| "a <long> & winding\u{0} name of a class ".repeat(9)),
        &matrix(3, 5),
    );
}

#[test]
fn what_is_no_matrix_is_refused() {
    for (n, counts, words) in [
        (0, vec![], "1 to 500 classes, found 0"),
        (501, vec![], "found 501"),
        (2, vec![vec![1, 2]], "found 1 rows"),
        (2, vec![vec![1, 2], vec![1]], "found a row of 1"),
    ] {
        let error = confusion(&names(n, |k| k.to_string()), &counts, &caption("")).unwrap_err();
        assert!(
            matches!(error, Error::Figure { .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
}

#[test]
fn a_figure_becomes_pixels_of_its_size() {
    let svg = confusion(&digits(), &matrix(10, 980), &caption("Confusion")).unwrap();
    for dpi in [72.0, 300.0] {
        let bytes = png(&svg, dpi).unwrap();
        let reader = ::png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        assert_eq!(f64::from(reader.info().width), 5.0 * dpi, "5 in");
        let per_metre = f64::from(reader.info().pixel_dims.unwrap().xppu);
        assert!((per_metre * 0.0254 - dpi).abs() < 0.02, "{per_metre}");
        assert_eq!(bytes, png(&svg, dpi).unwrap());
    }
    for (dpi, words) in [
        (0.0, "found 0"),
        (f64::NAN, "found NaN"),
        (f64::INFINITY, "found inf"),
        (-300.0, "found -300"),
    ] {
        assert!(png(&svg, dpi).unwrap_err().to_string().contains(words));
    }
    let vast = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100000\" height=\"100000\"/>";
    assert!(png(vast, 300.0).unwrap_err().to_string().contains("100 million pixels"));
    for text in [
        "",
        "<svg",
        "no SVG",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"1\"/>",
    ] {
        assert!(matches!(png(text, 300.0), Err(Error::Draw { .. })), "{text}");
    }
}

#[test]
fn the_same_figure_is_the_same_text() {
    let trace = trace(4, 8, 12);
    assert_eq!(
        raster(&trace, &[], &caption("")).unwrap(),
        raster(&trace, &[], &caption("")).unwrap()
    );
    let points = [point("a", 90.0, 1.0, 2), point("b", 91.0, 2.0, 2)];
    assert_eq!(front(&points, &caption("")).unwrap(), front(&points, &caption("")).unwrap());
}
