//! `cargo train NAME…`: one data set through the whole line, from the publisher's files to a
//! receipt.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use datasets::{Name, Split};
use experiments::flags::{RunFlags, positive};
use experiments::runs::Item;
use experiments::{Choice, Run, contradictions, data, layout, plan, publish, receipt, selection};
use neuron::Method;
use report::{DataIdentity, write_text};
use sha2::{Digest, Sha256};
use std::process::ExitCode;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains the paper's network on any of its data sets and lists what the receipts say.
///
/// A run that is already in results/runs/, made by this very program from the same recordings, is
/// not run again, so an interrupted command goes on where it stopped.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Data sets: n-mnist, dvs-gesture, dvs-cifar10, speech-commands, mnist, cifar10, cifar100
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
    /// Train on at most this many recordings, drawn evenly from the classes
    #[arg(long, value_name = "N", value_parser = positive)]
    train: Option<usize>,
    /// Test on at most this many recordings, drawn evenly from the classes
    #[arg(long, value_name = "N", value_parser = positive)]
    test: Option<usize>,
    /// Only these classes, by name
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<String>,
    /// Another split than the usual one: reference, first100, tebn or seeded:N for dvs-cifar10,
    /// published or by-speaker:N for speech-commands
    #[arg(long, value_name = "SPLIT")]
    split: Option<Split>,
    /// Train nothing: say what the network does on the test set with the weights of --weights
    #[arg(long, requires = "weights", conflicts_with = "dry_run")]
    evaluate: bool,
    #[command(flatten)]
    runs: RunFlags,
}

fn main() -> ExitCode {
    experiments::program::run(|flags| work(&flags))
}

fn work(flags: &Flags) -> Result<()> {
    let runs = &flags.runs;
    let one = flags.names.len() == 1;
    ensure!(
        one || flags.split.is_none(),
        "--split belongs to one data set, found {}; name one",
        flags.names.len()
    );
    ensure!(
        one || flags.classes.is_empty(),
        "--classes belong to one data set, found {}; name one",
        flags.names.len()
    );
    let receipts = runs.start("train")?;
    let root = data::root(runs.data.clone())?;
    let mut found = Vec::new();
    for &name in &flags.names {
        let choices =
            runs.methods(&[Method::BpsaBpta]).iter().map(|&method| Choice::new(name, method));
        let runs = choices.map(|choice| {
            Ok((choice, choice.run(flags.runs.profile, &flags.runs.read_overrides()?)?))
        });
        let runs = runs.collect::<Result<Vec<_>>>()?;
        runs.iter().try_for_each(|(_, run)| flags.runs.prove(run))?;
        // no stand-in: whoever names a data set means it
        let chosen = data::choose(name, root.as_deref(), flags.split, true, None)?;
        let mut chosen = chosen.with_context(|| format!("{} is not here", name.title()))?;
        data::only(&mut chosen, &flags.classes)?;
        data::take(&mut chosen, flags.train, flags.test);
        let identity = receipt::identity(&chosen.recordings);
        let part = part(&identity);
        let profile = flags.runs.profile_name()?;
        let item = |(choice, run): (Choice, Run)| Item {
            title: choice.title(),
            row: selection::row(choice, flags.runs.profile, &profile, identity.origin) + &part,
            run,
        };
        let items: Vec<Item> = runs.into_iter().map(item).collect();
        if !flags.evaluate {
            flags.runs.prove_part(&items, &chosen.recordings, &receipts)?;
        }
        found.push((items, chosen));
    }
    let all: Vec<&Run> = found.iter().flat_map(|(items, _)| items).map(|item| &item.run).collect();
    contradictions::prove_used(&runs.overrides().settings, &all)?;
    if !flags.evaluate {
        found.iter().try_for_each(|(items, _)| runs.prove_receipts(items, &receipts))?;
    }
    if runs.dry_run {
        found.iter().for_each(|(_, chosen)| chosen.say());
        let planned =
            found.iter().map(|(items, chosen)| runs.plan(items, &chosen.recordings, &receipts));
        let planned =
            planned.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect::<Vec<_>>();
        return publish::print(&plan::table(&planned)?.to_terminal());
    }
    if flags.evaluate {
        for (items, chosen) in &found {
            chosen.say();
            for item in items {
                let said = runs.evaluate(&item.run, &chosen.recordings)?;
                let accuracy = said.accuracy_percent();
                terminal::out!(
                    "{}: {} of {} right, {accuracy:.2} %, loss {:.4}",
                    item.title,
                    said.correct,
                    said.samples,
                    said.loss
                )?;
                for (layer, rate) in &said.firing_rates {
                    terminal::out!("  {layer}: {:.2} % fire", 100.0 * rate)?;
                }
            }
        }
        return Ok(());
    }
    let mut diverged = Vec::new();
    for (items, chosen) in &found {
        chosen.say();
        diverged.extend(runs.train("train", items, &chosen.recordings, &receipts)?);
    }
    let receipt::Found { records, faults } = receipt::of_folder(&receipts);
    let groups = selection::all_groups(&records);
    let table = layout::runs("Receipts of single runs", groups.iter())?;
    write_text(&runs.results.join("train.md"), &table.to_markdown())?;
    publish::print(&table.to_terminal())?;
    match diverged.is_empty() {
        true => receipt::refuse(&faults),
        false => bail!("{}; these runs have no receipt, all others do", diverged.join("; ")),
    }
}

/// Two parts or two splits of a data set are two rows.
fn part(identity: &DataIdentity) -> String {
    let digest = Sha256::digest(format!("{}\n{}", identity.manifest_sha256, identity.split));
    format!("-{}+{}-{}", identity.train, identity.test, sentence::hex(&digest[..4]))
}
