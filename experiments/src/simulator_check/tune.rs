//! A search for the constants of camera and saccades, one after the other.

use super::measure::Comparison;
use super::{Model, Pairs};
use anyhow::Result;

/// Sets one constant of a model.
type Change = Box<dyn Fn(&mut Model, f32)>;

/// One constant: its name, its step at present, and what moves it.
struct Axis {
    name: String,
    step: f32,
    change: Change,
}

impl Axis {
    fn new(name: impl Into<String>, step: f32, change: impl Fn(&mut Model, f32) + 'static) -> Self {
        Self { name: name.into(), step, change: Box::new(change) }
    }
}

/// What is searched: all that is not measured or chosen.
fn axes(knots: usize) -> Vec<Axis> {
    let mut axes = vec![
        Axis::new("thresholds", 0.03, |m, by| {
            m.camera.threshold_on += by;
            m.camera.threshold_off += by;
        }),
        Axis::new("ON threshold", 0.01, |m, by| m.camera.threshold_on += by),
        Axis::new("refractory µs", 200.0, |m, by| m.camera.refractory_us += by as i64),
        Axis::new("contrast", 0.02, |m, by| {
            m.saccades.contrast = (m.saccades.contrast + by).min(0.99)
        }),
        Axis::new("blur", 0.2, |m, by| m.saccades.blur_px += by),
        Axis::new("scale", 0.02, |m, by| m.saccades.scale += by),
    ];
    for knot in 0..knots {
        for (axis, name) in ["x", "y"].into_iter().enumerate() {
            axes.push(Axis::new(format!("knot {knot} {name}"), 0.15, move |m, by| {
                m.saccades.path[knot][axis] += by
            }));
        }
    }
    axes
}

/// Coordinate search from `start`: `rounds` times through all constants, each moved a step up, else
/// down, if that makes the [objective](Comparison::objective) over `pairs` smaller; a step that
/// helped grows by half, one that did not is halved. `say` hears of each improvement.
///
/// # Errors
/// None that images can cause.
pub fn search(
    start: Model,
    rounds: usize,
    pairs: &Pairs,
    mut say: impl FnMut(String),
) -> Result<Model> {
    let objective = |model: &Model| -> Result<f64> {
        Ok(Comparison::of(&pairs.real, &model.record_all(&pairs.images, 0)?).objective())
    };
    let mut axes = axes(start.saccades.path.len());
    let mut least = objective(&start)?;
    let mut best = start;
    say(format!("start: {least:.5}"));
    for round in 1..=rounds {
        for axis in &mut axes {
            let mut better = false;
            for by in [axis.step, -axis.step] {
                let mut model = best.clone();
                (axis.change)(&mut model, by);
                let found = objective(&model)?;
                if found < least {
                    (best, least, better) = (model, found, true);
                    say(format!("round {round}: {} by {by:+.4}: {least:.5}", axis.name));
                    break;
                }
            }
            axis.step *= if better { 1.5 } else { 0.5 };
        }
    }
    Ok(best)
}
