//! The one door to a [`Run`]: every field is in its range, wherever the run comes from, or one
//! sentence says which is not, what it takes and what it has.

use crate::systems::System;
use crate::{Encoding, Run};
use datasets::Content;
use events::Framing;
use sentence::shown;
use serde_json::Value;
use training::{BadField, Bernoulli, Range};

/// Steps T of a run; as many as a recording can have frames.
pub const STEPS: Range = Range::whole(1, Framing::MOST_FRAMES as u32);

/// What fields take that are no numbers of the setup, by their place in a run. What stands inside
/// of one of them and not here takes what that one takes.
const WORDS: [(&str, &str); 54] = [
    ("data", "one of n-mnist, dvs-gesture, dvs-cifar10, speech-commands, mnist, cifar10, cifar100"),
    (
        "framing",
        r#"{"number":{"frames":T}}, {"time":{"frames":T,"empty_window":"error" or "zero_frame"}} or {"duration":{"us":N}} for event data, {"direct":{"steps":T}} or {"bernoulli":{"steps":T,"scale":S}} for others, with "raw":true for pixels that are not standardised, or "chunks" for speech-commands, with T from 1 to 65536"#,
    ),
    ("network", "a network in the paper's notation, such as 16C3-MP2-32C3-AP4-10Voting"),
    ("norm", NORM),
    ("batch_norm", NORM),
    ("norm.over", "step or time"),
    ("norm.per_step_weight", "true or false"),
    ("norm.per_step_running", "true or false"),
    ("norm.shift", "true or false"),
    ("norm.scale", "a positive number of at most 1000000"),
    ("norm.branch_scale", "a positive number of at most 1000000"),
    ("norm.eps", "a positive number of at most 1"),
    ("norm.momentum", "a positive number of at most 1"),
    ("norm.linear", "true or false"),
    ("rectify", "true or false"),
    ("bias", "all, linear or none"),
    ("dropout", "pass or step"),
    ("classes", "some of the data set's classes, in its order, each once"),
    ("system", SYSTEMS),
    ("method", SYSTEMS),
    ("setting", "house or published"),
    (
        "neuron",
        "an object of kind, threshold, fires, surrogate and, where the kind has a reset, reset and reset_gradient",
    ),
    (
        "neurons",
        "an object that has by the name of a layer of neurons an object of some of the fields of neuron",
    ),
    ("neuron.threshold", "a positive number of at most 1000000"),
    ("neuron.fires", "at-threshold or above-threshold"),
    ("neuron.reset", "to-zero or subtract"),
    (
        "neuron.reset_gradient",
        r#"differentiated, detached, cut or {"residual":{"alpha":α}}, α from 0 to 1000000"#,
    ),
    (
        "neuron.surrogate",
        r#"{"inverse-membrane":{}}, {"rectangular":{"half_width":h}}, {"triangular":{"half_width":h,"height":κ}}, {"atan":{"alpha":α}}, {"sigmoid":{"alpha":α}}, {"piecewise-exponential":{"alpha":α}}, {"gaussian":{"sigma":σ}} or {"where-fired":{"height":h}}, all of them positive numbers"#,
    ),
    ("initial_weights_sha256", "64 digits and letters of a SHA-256"),
    (
        "setup",
        "an object of epochs, batch, drop_last, learning_rate, ramp_epochs, adamw, reduction, augment, side and perhaps warm_up, objective, head, optimiser, schedule, clip, clamp, initialisation",
    ),
    ("setup.drop_last", "true or false"),
    ("setup.adamw", "an object of beta1, beta2, eps and weight_decay"),
    ("setup.reduction", "mean, sum-over-classes or sum"),
    ("setup.augment", "null or an object of padding, flip and degrees"),
    ("setup.augment.flip", "true or false"),
    ("setup.side", "null or a whole number from 1 to 4096"),
    (
        "setup.warm_up",
        r#"none, {"ann":{"epochs":N}} or {"sigmoid-when-silent":{"rate":r}}, N a whole number up to 1000000 and r from 0 to 1"#,
    ),
    (
        "setup.objective",
        r#"mse, cross-entropy, {"tet":{"lambda":λ,"target":φ}}, {"counts":{"right":n,"wrong":m}} or {"traces":{"tau":τ,"period":n}}"#,
    ),
    ("setup.head", r#"votes, counts, current, {"membrane":{"decay":λ}} or {"charge":{"decay":λ}}"#),
    (
        "setup.optimiser",
        r#"adamw, adam, amsgrad or {"sgd":{"momentum":μ,"nesterov":true or false,"weight_decay":d}}"#,
    ),
    ("setup.optimiser.sgd.nesterov", "true or false"),
    (
        "setup.schedule",
        r#"sgdr, constant, {"step":{"every":N,"factor":f}}, {"multistep":{"at":[N,…],"factor":f}} or {"cosine":{"period":N,"floor":η}}"#,
    ),
    ("setup.schedule.multistep.at", "one to eight epochs, each later than the one before"),
    ("setup.clip", r#"null, {"norm":c} or {"value":c}, c above 0 and at most 1000000"#),
    ("setup.clamp", "null or a number above 0 and at most 1000000"),
    (
        "setup.initialisation",
        r#"pytorch, {"kaiming":{"law":"uniform" or "normal","fan":"in" or "out"}} or {"xavier":{"law":"uniform" or "normal","gain":g}}"#,
    ),
    ("framing.bernoulli.scale", "a number above 0 and at most 1000000"),
    ("framing.bernoulli.raw", "true or false, and true only of images"),
    ("framing.bernoulli.steps", "a whole number from 1 to 65536"),
    ("neuron.kind.lif.decay", "a number above 0 and at most 1"),
    ("neuron.kind.sbpsnn.factor", "true or false"),
    ("neuron.reset_gradient.residual.alpha", "a number from 0 to 1000000"),
    ("own_surrogate", "nothing, since a receipt has only its name"),
    ("", "an object of data, framing, network, norm, system, neuron and setup"),
];

/// What the system of a run takes.
const SYSTEMS: &str = "the id of a system, such as baseline, bpsa or bpsa+bpta";

/// What the norm of a run takes.
const NORM: &str = "none, step, time or an object of over, per_step_weight, per_step_running, \
                    shift, scale, branch_scale, eps, momentum and linear";

/// The kinds of neurons as a run has them.
fn kinds() -> String {
    let kinds = neuron::Kind::of_files().into_iter().filter_map(|kind| {
        let kind = serde_json::to_value(kind).ok()?;
        let (name, constants) = kind.as_object()?.iter().next()?;
        let constants: Vec<String> =
            constants.as_object()?.keys().map(|key| format!("\"{key}\":…")).collect();
        Some(format!(", {{\"{name}\":{{{}}}}}", constants.join(",")))
    });
    let all: String = kinds.collect();
    format!("if, {{\"lif\":{{\"decay\":…}}}}{all}, with numbers")
}

/// The place of a field of the neuron that `place`, of a layer's, has too.
fn of_any_layer(place: &str) -> Option<String> {
    let (_, field) = place.strip_prefix("neurons.")?.rsplit_once('.')?;
    let known = ["kind", "threshold", "fires", "reset", "reset_gradient", "surrogate"];
    known.contains(&field).then(|| format!("neuron.{field}"))
}

/// The nearest place at or above `place` of which it is known what it takes, and that.
fn known(place: &str) -> (&str, String) {
    if let Some(of) = of_any_layer(place) {
        return (place, known(&of).1);
    }
    let mut at = place;
    loop {
        if at == "neuron.kind" {
            return (at, kinds());
        }
        let or_null = ["setup.side", "setup.clamp"].contains(&at);
        let of_setup = at.strip_prefix("setup.").filter(|_| !or_null);
        if let Some(range) = of_setup.and_then(Range::of) {
            return (at, range.to_string());
        }
        if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == at) {
            return (at, (*words).to_owned());
        }
        at = at.rsplit_once('.').map_or("", |(above, _)| above);
    }
}

/// That the value at `place` of `all` is none that the field takes.
pub fn misfit(all: &Value, place: &str) -> BadField {
    let (place, expected) = known(place);
    let found = at(all, place).map_or("nothing".to_owned(), ToString::to_string);
    let field = if place.is_empty() { "a run" } else { place };
    BadField { field: field.to_owned(), expected, found: shown(&found) }
}

/// The value at `place`; a layer's name may have a dot in it.
fn at<'v>(all: &'v Value, place: &str) -> Option<&'v Value> {
    if place.is_empty() {
        return Some(all);
    }
    all.as_object()?.iter().find_map(|(key, inside)| {
        let rest = place.strip_prefix(key.as_str())?;
        match rest.strip_prefix('.') {
            Some(rest) => at(inside, rest),
            None => rest.is_empty().then_some(inside),
        }
    })
}

fn wrong(field: &str, found: impl ToString) -> BadField {
    let (_, expected) = known(field);
    BadField { field: field.to_owned(), expected, found: shown(&found.to_string()) }
}

impl Run {
    /// A run as a receipt has it.
    ///
    /// # Errors
    /// A field that is missing, unknown, of another kind or outside its range; the message names
    /// it, what it takes and what it has.
    pub fn from_value(value: &Value) -> Result<Run, BadField> {
        let run: Run = serde_path_to_error::deserialize(value)
            .map_err(|error| misfit(value, &error.path().to_string().replace(".?", "")))?;
        run.check()?;
        Ok(run)
    }

    /// A receipt's run as receipts have it today, so that equal runs are equal: older ones have
    /// other keys. What is no run stays as it is.
    pub fn canonical(value: &Value) -> Value {
        let mut rest = value.clone();
        // of a surrogate of a user's own a receipt has the name alone
        let own = rest.as_object_mut().and_then(|run| run.shift_remove("own_surrogate"));
        let today = Self::from_value(&rest).ok().and_then(|run| serde_json::to_value(run).ok());
        let Some(mut today) = today else { return value.clone() };
        if let (Some(run), Some(own)) = (today.as_object_mut(), own) {
            run.insert("own_surrogate".to_owned(), own);
        }
        today
    }

    /// Proves that every field is in its range.
    ///
    /// # Errors
    /// The first that is not, with its range and its value.
    pub fn check(&self) -> Result<(), BadField> {
        self.setup.check().map_err(|e| BadField { field: format!("setup.{}", e.field), ..e })?;
        let of_neuron = |place: &str, error: neuron::BadParameter| {
            let (name, expected, found) = error.parts();
            BadField { field: format!("{place}.{}", name.replace(' ', ".")), expected, found }
        };
        self.neuron.build().map_err(|error| of_neuron("neuron", error))?;
        for layer in self.neurons.keys() {
            let built = self.neuron_of(layer).and_then(|config| config.build());
            built.map_err(|error| of_neuron(&format!("neurons.{}", shown(layer)), error))?;
        }
        self.norm.check().map_err(|wrong| BadField {
            field: format!("norm.{}", wrong.field),
            expected: wrong.expected.to_owned(),
            found: wrong.found,
        })?;
        if self.norm.by_step() && self.steps().is_none() {
            return Err(BadField {
                field: "norm".to_owned(),
                expected:
                    "one γ and one pair of running statistics for all steps where the number \
                           of steps is not fixed (framing duration)"
                        .to_owned(),
                found: "some of each step".to_owned(),
            });
        }
        if System::of(&self.system).is_none() {
            return Err(wrong("system", &self.system));
        }
        if self.network.parse::<models::Spec>().is_err() {
            return Err(wrong("network", &self.network));
        }
        self.check_layers()?;
        if let Some(sha256) = &self.initial_weights_sha256
            && (sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(wrong("initial_weights_sha256", sha256));
        }
        if let Some(classes) = &self.classes {
            let known = self.data.info().classes.iter();
            let ordered: Vec<&str> = known
                .copied()
                .filter(|&known| classes.iter().any(|class| class == known))
                .collect();
            if ordered.is_empty() || ordered != *classes {
                return Err(wrong("classes", classes.join(", ")));
            }
        }
        self.check_frames()
    }

    /// That layers which have neurons of their own are there, and what is only for learnable
    /// parameters has some.
    fn check_layers(&self) -> Result<(), BadField> {
        let decay = self.setup.neuron_weight_decay;
        if self.neurons.is_empty() && decay == 0.0 {
            return Ok(());
        }
        // a network that cannot be built is refused where it is built
        let Ok(network) = self.outline_of(&self.neuron) else { return Ok(()) };
        let layers: Vec<&str> = network.neurons().into_iter().map(|(layer, _)| layer).collect();
        let unknown = self.neurons.keys().find(|layer| !layers.contains(&layer.as_str()));
        if let Some(layer) = unknown {
            let layers = layers.join(", ");
            return Err(BadField {
                field: "neurons".into(),
                expected: format!("by names of layers of neurons, of which there are {layers}"),
                found: shown(layer),
            });
        }
        let configs = layers.iter().filter_map(|layer| self.neuron_of(layer).ok());
        let learned = |config: neuron::Config| {
            config.build().is_ok_and(|neuron| !neuron.parameters().is_empty())
        };
        if decay != 0.0 && !configs.into_iter().any(learned) {
            return Err(BadField {
                field: "setup.neuron_weight_decay".into(),
                expected: "0, since no neuron of the run has a learnable parameter".into(),
                found: decay.to_string(),
            });
        }
        Ok(())
    }

    /// The framing, and what is done to frames.
    fn check_frames(&self) -> Result<(), BadField> {
        let info = self.data.info();
        let content = &info.content;
        let fits = match self.encoding {
            Encoding::Events(_) => matches!(content, Content::Events { .. }),
            Encoding::Chunks => matches!(content, Content::Speech { .. }),
            Encoding::Direct { .. } | Encoding::Bernoulli { .. } => {
                !matches!(content, Content::Events { .. })
            }
        };
        if !fits {
            let found = serde_json::to_string(&self.encoding).unwrap_or_default();
            return Err(wrong("framing", format!("{found} of {}", info.id)));
        }
        match self.encoding {
            Encoding::Direct { steps } => STEPS.check("framing.direct.steps", steps)?,
            Encoding::Bernoulli { steps, scale, raw } => {
                if raw && !matches!(content, Content::Images { .. }) {
                    return Err(wrong("framing.bernoulli.raw", raw));
                }
                STEPS.check("framing.bernoulli.steps", steps)?;
                Bernoulli { scale }.check().map_err(|wrong| BadField {
                    field: format!("framing.{}", wrong.field),
                    ..wrong
                })?;
            }
            Encoding::Events(Framing::Number { frames }) => {
                STEPS.check("framing.number.frames", frames)?
            }
            Encoding::Events(Framing::Time { frames, .. }) => {
                STEPS.check("framing.time.frames", frames)?
            }
            Encoding::Events(Framing::Duration { us }) => {
                Range::whole(1, u32::MAX).check("framing.duration.us", us as usize)?
            }
            Encoding::Chunks => (),
        }
        let [height, width, _] = content.frame();
        let most = height.min(width).saturating_sub(1) as u32;
        let padding = self.setup.augment.map_or(0, |augment| augment.padding);
        // more, and a crop may be of zeros alone
        Range::whole(0, most).check("setup.augment.padding", padding)
    }

    /// Steps T of a sample, where the encoding fixes them.
    pub fn steps(&self) -> Option<usize> {
        match self.encoding {
            Encoding::Direct { steps } | Encoding::Bernoulli { steps, .. } => Some(steps),
            Encoding::Chunks => Some(16),
            Encoding::Events(Framing::Number { frames } | Framing::Time { frames, .. }) => {
                Some(frames)
            }
            Encoding::Events(Framing::Duration { .. }) => None,
        }
    }
}
