//! Settings and flags of which one would hide another: a run's name has all of them, and would
//! lie.

use crate::Run;
use crate::flags::Usage;
use crate::preset::Overrides;
use crate::settings::Setting;
use anyhow::{Result, bail};
use layers::Masks;
use models::{Spec, Stage};
use neuron::Kind;
use sentence::shown;
use training::WarmUp;

/// Refuses settings of which one would hide another, and settings beside a flag that sets the same.
///
/// # Errors
/// [`Usage`]: the first such pair.
pub fn prove_apart(all: &Overrides) -> Result<()> {
    let inside = |place: &str, of: &str| {
        place == of || place.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
    };
    for (i, one) in all.settings.iter().enumerate() {
        let place = one.place();
        let twice = all.settings[..i]
            .iter()
            .find(|other| inside(place, other.place()) || inside(other.place(), place));
        if let Some(other) = twice {
            let (a, b) = (other.text(), one.text());
            bail!(Usage(format!(
                "--set {a} and --set {b} both set {place}; leave one of the two out"
            )));
        }
        let flags = [
            ("--learning-rate", all.learning_rate.is_some(), "setup.learning_rate"),
            ("--steps", all.steps.is_some(), "framing"),
            ("--chunks", all.chunks, "framing"),
            ("--network", all.network.is_some(), "network"),
            ("--narrow", all.narrow.is_some(), "network"),
            ("--paper-layers", all.variant.is_some(), "network"),
        ];
        for (flag, given, sets) in flags {
            if given && (inside(place, sets) || inside(sets, place)) {
                let one = one.text();
                bail!(Usage(format!(
                    "{flag} and --set {one} both set {sets}; leave one of the two out"
                )));
            }
        }
    }
    let no_reset = all.settings.iter().find(|one| one.has_no_reset());
    let reset = all.settings.iter().find(|one| {
        ["neuron.reset", "neuron.reset_gradient"].iter().any(|of| inside(one.place(), of))
    });
    if let (Some(kind), Some(reset)) = (no_reset, reset) {
        let (a, b) = (kind.text(), reset.text());
        bail!(Usage(format!(
            "--set {a} and --set {b} contradict each other, since this kind of neuron has no reset; \
             leave one of the two out"
        )));
    }
    Ok(())
}

/// Refuses a run whose fields contradict each other in what is trained, though each is in its
/// range; a receipt of before may have such a run.
///
/// # Errors
/// [`Usage`]: a network without neurons and without ReLU, which would be linear; masks of each step
/// and a network without dropout; SBPSNN's factor in a layer to which spikes return, which goes
/// step by step, so that it has none.
pub fn prove_trains(run: &Run) -> Result<()> {
    if let (WarmUp::Ann { .. }, false) = (run.setup.warm_up, run.rectify) {
        bail!(Usage(format!(
            "a warm-up without neurons and no ReLU contradict each other, since the network of {} would be linear until its \
             neurons come; leave rectify=false out, or take --set warm-up=none or sigmoid:RATE",
            run.system
        )));
    }
    let drops = |stage: &Stage| {
        matches!(stage, Stage::Dropout | Stage::FullyConnected { dropout: true, .. })
    };
    if let (Masks::Step, Ok(spec)) = (run.dropout, run.network.parse::<Spec>())
        && !spec.stages().iter().any(drops)
    {
        bail!(Usage(format!(
            "dropout=step and the network {} contradict each other, since it has no dropout (a stage DP, or 512FC(DP)); leave \
             dropout=step out, or take a --network that has one",
            shown(&run.network)
        )));
    }
    let factor = |layer: &str| {
        let kind = run.neuron_of(layer).map(|config| config.kind);
        matches!(kind, Ok(Kind::Sbpsnn(constants)) if constants.factor)
    };
    let returns = |stage: &str| stage.contains("(L") || stage.contains("(BE");
    let lateral = run.network.split('-').find(|stage| returns(stage));
    let (Some(lateral), Ok(network)) = (lateral, run.outline_of(&run.neuron)) else {
        return Ok(());
    };
    let layers = network.neurons().into_iter().map(|(layer, _)| layer);
    if layers.into_iter().any(|layer| returns(layer) && factor(layer)) {
        bail!(Usage(format!(
            "the factor of a neuron's whole spike train and the connections that return in {} contradict each other, since such a layer \
             goes step by step; take a kind of neuron without factor, such as --set neuron.kind=sbpsnn, or leave (L…) and (BE…) out",
            shown(lateral)
        )));
    }
    Ok(())
}

/// Refuses a setting that none of a command's runs has a field for: its name would say what is in
/// none of them.
///
/// # Errors
/// [`Usage`]: the first such setting.
pub fn prove_used(settings: &[Setting], runs: &[&Run]) -> Result<()> {
    for setting in settings {
        if !runs.is_empty() && runs.iter().all(|run| setting.passes_by(run)) {
            let text = setting.text();
            bail!(Usage(format!(
                "--set {text}: expected a run of the system bpsa+bpta, which alone has it, found none; leave it out, or add \
                 bpsa+bpta to --systems"
            )));
        }
    }
    Ok(())
}
