//! What a converted network did, as numbers, in words, and as a curve.

use super::run_images::Ran;
use super::{Request, Rule, Source};
use anyhow::Result;
use report::figures::{self, Axes, Band, Caption, Series};
use report::{Origin, write_text};
use serde_json::{Value, json};
use std::path::Path;

/// The outcome of one rule.
pub struct Outcome {
    rule: Rule,
    /// Accuracy of the analogue network, and after each step.
    analogue: f64,
    percent: Vec<f64>,
    numbers: Value,
}

/// Points below the analogue network for which the first step is told.
const WITHIN: [f64; 2] = [0.1, 1.0];

impl Outcome {
    pub fn new(
        rule: Rule,
        request: &Request,
        source: &Source,
        data: &str,
        analogue: f64,
        network: Value,
        ran: Ran,
    ) -> Outcome {
        let percent = ran.percent();
        let images = ran.images.max(1) as f64;
        let first: Vec<Option<usize>> = WITHIN
            .iter()
            .map(|points| percent.iter().position(|p| *p >= analogue - points).map(|t| t + 1))
            .collect();
        let numbers = json!({
            "weights": request.weights.file_name().map(|name| name.to_string_lossy()),
            "weights_sha256": source.sha256,
            "recordings": data,
            "network": network,
            "images": ran.images,
            "steps": request.steps,
            "analogue_percent": analogue,
            "percent": percent.last(),
            "first_step_within_0.1_points": first[0],
            "first_step_within_1_point": first[1],
            "spikes_an_image": ran.counts.spikes as f64 / images,
            "accumulates_an_image": ran.counts.accumulates as f64 / images,
            "multiply_accumulates_an_image": ran.counts.multiply_accumulates as f64 / images,
            "seconds_an_image_of_one_core": ran.seconds / images,
            "percent_after_each_step": percent,
        });
        Outcome { rule, analogue, percent, numbers }
    }

    /// In one line.
    pub fn said(&self) -> String {
        let number = |name: &str| self.numbers[name].as_f64().unwrap_or_default();
        let step = |name: &str| match self.numbers[name].as_u64() {
            Some(step) => step.to_string(),
            None => "none".to_owned(),
        };
        format!(
            "{}: {:.2} % after {} steps (analogue {:.2} %), within 0.1 points first at T = {}, \
             within 1 at T = {}; an image {:.0} spikes, {:.3e} additions, {:.3} s of a core\n",
            self.rule.title(),
            number("percent"),
            self.percent.len(),
            self.analogue,
            step("first_step_within_0.1_points"),
            step("first_step_within_1_point"),
            number("spikes_an_image"),
            number("accumulates_an_image"),
            number("seconds_an_image_of_one_core"),
        )
    }

    /// Writes the numbers.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.numbers)? + "\n";
        Ok(write_text(&folder.join(format!("{name}.json")), &text)?)
    }
}

/// One figure of all rules beside the analogue network.
///
/// # Errors
/// If it cannot be drawn or written.
pub fn draw(outcomes: &[Outcome], folder: &Path, name: &str, origin: Origin) -> Result<()> {
    let Some(first) = outcomes.first() else { return Ok(()) };
    let mut series: Vec<Series> = outcomes
        .iter()
        .map(|one| Series { name: one.rule.title().into(), seeds: vec![one.percent.clone()] })
        .collect();
    let flat = vec![first.analogue; first.percent.len()];
    series.push(Series { name: "analogue".into(), seeds: vec![flat] });
    let images = first.numbers["images"].as_u64().unwrap_or_default();
    let caption = Caption {
        title: "Converted networks over time".into(),
        subtitle: format!("{name}, {images} test images"),
        origin,
    };
    let axes = Axes { x: "Time steps used", y: "Test accuracy (%)", styles: &[], each_seed: false };
    let svg = figures::curves(&series, &caption, Band::MinMax, &axes)?;
    Ok(write_text(&folder.join(format!("{name}.svg")), &svg)?)
}
