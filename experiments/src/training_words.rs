//! Fields of a setup that are written in short words: `optimiser=sgd:0.9`, `schedule=step:30:0.1`.

use serde::Serialize;
use serde_json::{Value, json};
use training::{Clip, Head, Initialisation, Objective, OptimiserKind, Schedule, Words};

/// Short names, their places in a run, and what is written for them.
pub const NAMES: [(&str, &str, &str); 7] = [
    ("objective", "setup.objective", Objective::TAKES),
    ("head", "setup.head", Head::TAKES),
    ("optimiser", "setup.optimiser", OptimiserKind::TAKES),
    ("schedule", "setup.schedule", Schedule::TAKES),
    ("clip", "setup.clip", <Option<Clip> as Words>::TAKES),
    ("clamp", "setup.clamp", "a number above 0"),
    ("initialisation", "setup.initialisation", Initialisation::TAKES),
];

/// The place that a short name stands for.
pub fn place(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(short, ..)| *short == name).map(|(_, place, _)| *place)
}

/// The value of short words at a place of a run: nothing where the place has none.
///
/// # Errors
/// Words that are none of the place's; says which it takes.
pub fn value(place: &str, text: &str) -> Option<Result<Value, &'static str>> {
    // written as JSON it is a place like any other
    if text.starts_with(['{', '"']) || text == "null" {
        return None;
    }
    Some(match place {
        "setup.objective" => read::<Objective>(text),
        "setup.head" => read::<Head>(text),
        "setup.optimiser" => read::<OptimiserKind>(text),
        "setup.schedule" => read::<Schedule>(text),
        "setup.clip" => read::<Option<Clip>>(text),
        "setup.initialisation" => read::<Initialisation>(text),
        _ => return None,
    })
}

fn read<W: Words + Serialize>(text: &str) -> Result<Value, &'static str> {
    W::parse(text).and_then(|value| serde_json::to_value(value).ok()).ok_or(W::TAKES)
}

/// Fields of a setup that a receipt leaves out at these values.
pub fn usual() -> [(&'static str, Value); 8] {
    [
        ("warm_up", json!("none")),
        ("objective", json!("mse")),
        ("head", json!("votes")),
        ("optimiser", json!("adamw")),
        ("schedule", json!("sgdr")),
        ("clip", json!(null)),
        ("clamp", json!(null)),
        ("initialisation", json!("pytorch")),
    ]
}
