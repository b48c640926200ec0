//! Silent neurons and voters over epochs, as pictures.

use crate::experiment::Picture;
use crate::layout::{caption, shortened};
use crate::receipt::{NEURONS, SILENT, SILENT_VOTERS, VOTERS};
use crate::run_request::RunRequest;
use crate::selection::{Group, Receipts};
use anyhow::Result;
use datasets::Name;
use report::Record;
use report::figures::{Axes, Band, Series, Style, curves};

/// What is silent.
#[derive(Clone, Copy)]
enum What {
    Voters,
    Neurons,
}

impl What {
    /// The title of a picture and a part of its file's name.
    fn words(self) -> [&'static str; 2] {
        match self {
            What::Voters => ["Silent voters", "silent-voters"],
            What::Neurons => ["Silent neurons", "silent-neurons"],
        }
    }

    /// Percent after each epoch; `None` where the receipt does not tell. An analogue epoch, which
    /// has no neurons that could be silent, has 0.
    fn percent(self, record: &Record) -> Option<Vec<f64>> {
        let of = |name: &str| match self {
            What::Voters => name.starts_with(SILENT_VOTERS),
            What::Neurons => name.starts_with(SILENT),
        };
        let all: Vec<&report::Curve> = record.curves.iter().filter(|c| of(&c.name)).collect();
        let of_metrics = |of: &str| -> f64 {
            let metrics = record.metrics.iter().filter(|metric| metric.name.starts_with(of));
            metrics.map(|metric| metric.value).sum()
        };
        let most = match self {
            What::Voters => of_metrics(VOTERS) * all.len() as f64,
            What::Neurons => of_metrics(NEURONS),
        };
        let epochs = all.first()?.values.len();
        let sum = |epoch: usize| -> f64 {
            let values = all.iter().filter_map(|curve| curve.values.get(epoch));
            values.filter(|silent| silent.is_finite()).sum()
        };
        (most > 0.0).then(|| (0..epochs).map(|epoch| 100.0 * sum(epoch) / most).collect())
    }
}

/// The pictures of one data set's runs, where receipts have what is drawn.
///
/// # Errors
/// As [`Receipts::group`], and if they cannot be drawn.
pub fn pictures(
    id: &str,
    data: Name,
    requests: &[RunRequest],
    receipts: &Receipts<'_>,
) -> Result<Vec<Picture>> {
    let groups = receipts.groups(requests)?;
    let mut pictures = Vec::new();
    for what in [What::Voters, What::Neurons] {
        let [title, file] = what.words();
        let (mut lines, mut drawn): (Vec<Series>, Vec<&Group<'_>>) = Default::default();
        for (request, group) in &groups {
            let seeds: Vec<Vec<f64>> =
                group.records().iter().filter_map(|record| what.percent(record)).collect();
            if !seeds.is_empty() {
                lines.push(Series { name: shortened(&request.title(), data), seeds });
                drawn.push(group);
            }
        }
        let Some(caption) = caption(title, &drawn, &receipts.profile) else { continue };
        // as many as can be told apart
        lines.truncate(Style::COUNT);
        let y = format!("{title} (%)");
        let axes = Axes { x: "Epoch", y: &y, styles: &[], each_seed: false };
        pictures.push(Picture {
            name: format!("{id}-{file}-{}", data.id()),
            svg: curves(&lines, &caption, Band::MinMax, &axes)?,
            caption: format!(
                "{title} on {}: those that never fired on the whole test set, after each epoch. A feature map counts as one neuron; \
                 an analogue epoch has no neurons and is drawn at 0.",
                data.title()
            ),
        });
    }
    Ok(pictures)
}
