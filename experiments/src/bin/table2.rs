//! `cargo table2`: trains what Table 2 asks for and can be trained here, and prints it beside the paper's.

use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use clap::Parser;
use datasets::{Name, Recordings};
use experiments::data::Chosen;
use experiments::layout::{self, Wanted};
use experiments::receipt::{self, Clock, Label};
use experiments::table2::{self, Overrides};
use experiments::{Profile, data, machine, progress};
use models::{Spec, Variant};
use neuron::Method;
use report::{Record, RunIdentity, write_text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use training::SeededVars;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Table 2 of the paper (accuracy on N-MNIST, DVS-Gesture, DVS-CIFAR10) beside our numbers.
///
/// Uses the data sets it finds, whole or in part, and a generator's recordings where it finds none; the
/// table says which. A run that is already in results/runs/table2/, made by this very program from the same
/// recordings, is not run again, so an interrupted table goes on where it stopped.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Folder that holds the data sets [default: SPIKEGRAD_DATA, else data/]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only these data sets: n-mnist, dvs-gesture, dvs-cifar10
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = column)]
    only: Vec<Name>,
    /// Methods to train: baseline, bpsa, bpsa+bpta
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "bpsa+bpta")]
    methods: Vec<Method>,
    /// Number of seeds for each cell, from 0
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// How much of the real thing
    #[arg(long, value_enum, default_value_t = Profile::Short)]
    profile: Profile,
    /// Epochs, instead of the profile's
    #[arg(long, value_parser = positive)]
    epochs: Option<usize>,
    /// Time steps T, instead of the profile's
    #[arg(long, value_parser = positive)]
    steps: Option<usize>,
    /// Divide channels and hidden units by this, instead of by the profile's number
    #[arg(long, value_parser = positive)]
    narrow: Option<usize>,
    /// Learning rate before the schedule, instead of the profile's
    #[arg(long, value_parser = positive_real)]
    learning_rate: Option<f64>,
    /// Layer lists as in the paper's text, instead of as in its code
    #[arg(long)]
    paper_layers: bool,
    /// Another network in the paper's notation, such as 16C3-MP2-32C3-AP4-10Voting, taken as it is written
    #[arg(long, value_name = "SPEC", conflicts_with = "paper_layers")]
    network: Option<Spec>,
    /// Threads [default: all cores]
    #[arg(long, value_parser = positive)]
    threads: Option<usize>,
    /// Folder for tables, figures and receipts
    #[arg(long, value_name = "DIR", default_value = "results")]
    results: PathBuf,
    /// Run even what has its receipt
    #[arg(long)]
    force: bool,
    /// Count receipts that another build of this program made as done, and put them into the same cell
    #[arg(long, conflicts_with = "force")]
    any_build: bool,
}

fn column(text: &str) -> Result<Name, String> {
    let known = table2::DATA.map(Name::id).join(", ");
    let name = text.parse().ok().filter(|name| table2::DATA.contains(name));
    name.ok_or_else(|| format!("expected a data set of Table 2 ({known})"))
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a whole number above 0".into()),
    }
}

fn positive_real(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x > 0.0 => Ok(x),
        _ => Err("expected a number above 0".into()),
    }
}

fn main() -> ExitCode {
    // clap ends the program with status 2 itself where a flag is wrong
    match work(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(flags: &Flags) -> Result<()> {
    let receipts = flags.results.join("runs").join("table2");
    prepare_folder(&receipts)?;
    prepare_folder(&flags.results)?;
    Record::read_all(&receipts)?; // a broken one would cost the table after hours of training
    if let Some(threads) = flags.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let overrides = Overrides {
        epochs: flags.epochs,
        steps: flags.steps,
        narrow: flags.narrow,
        learning_rate: flags.learning_rate,
        variant: flags.paper_layers.then_some(Variant::Paper),
        network: flags.network.clone(),
    };
    let cells = cells(flags, &overrides)?;
    let mut diverged = Vec::new();
    for (chosen, _) in &cells {
        eprintln!("{}", chosen.says);
        diverged.extend(train_cells(flags, &chosen.recordings, &overrides, &receipts)?);
    }
    let profile = table2::profile_name(flags.profile, &overrides);
    publish(flags, &receipts, &profile, cells)?;
    match diverged.is_empty() {
        true => Ok(()),
        false => bail!("{}; these runs have no receipt, all others do", diverged.join("; ")),
    }
}

/// The recordings of each data set asked for and what its cell holds, proven to be buildable before any of
/// them is trained.
fn cells(flags: &Flags, overrides: &Overrides) -> Result<Vec<(Chosen, Wanted)>> {
    let root = data::root(flags.data.clone())?;
    let mut cells = Vec::new();
    for name in table2::DATA {
        let named = flags.only.contains(&name);
        if !flags.only.is_empty() && !named {
            continue;
        }
        for &method in &flags.methods {
            let run = table2::run(name, method, flags.profile, overrides)?;
            run.network(&SeededVars::new(0), &Device::Cpu)?;
        }
        let stand_in = table2::stand_in(name, flags.profile);
        let Some(chosen) = data::choose(name, root.as_deref(), named, stand_in)? else { continue };
        let (profile, overrides) = (flags.profile, overrides.clone());
        let wanted = Wanted {
            data: name,
            manifest_sha256: chosen.recordings.manifest_sha256.clone(),
            run: Box::new(move |method| Ok(serde_json::to_value(table2::run(name, method, profile, &overrides)?)?)),
        };
        cells.push((chosen, wanted));
    }
    Ok(cells)
}

/// Makes the folder and proves that it can be written, before hours are spent on what goes there.
fn prepare_folder(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|cause| {
        anyhow!("cannot make the results folder {}: {cause}; choose another with --results DIR", dir.display())
    })?;
    let probe = dir.join(format!(".writable-{}", std::process::id()));
    write_text(&probe, "")?;
    std::fs::remove_file(&probe).with_context(|| format!("cannot remove {}", probe.display()))
}

/// Trains one data set with every method and seed asked for, leaving a receipt of each. A run that diverges
/// does not stop the others; what it said is returned.
fn train_cells(flags: &Flags, recordings: &Recordings, overrides: &Overrides, receipts: &Path) -> Result<Vec<String>> {
    let program = machine::program_sha256()?;
    let identity = receipt::identity(recordings);
    let profile = table2::profile_name(flags.profile, overrides);
    let (mut sets, mut diverged) = (None, Vec::new());
    for &method in &flags.methods {
        let run = table2::run(recordings.name, method, flags.profile, overrides)?;
        let value = serde_json::to_value(&run)?;
        let label = label(recordings.name, method, &profile, identity.origin);
        for seed in 0..flags.seeds {
            let manifest_sha256 = identity.manifest_sha256.as_str();
            let this = RunIdentity { run: &value, manifest_sha256, program_sha256: &program, seed };
            if !flags.force && receipt::existing(receipts, &label.row, this, flags.any_build)?.is_some() {
                eprintln!("{} seed {seed}: receipt found, not run again (--force runs it)", label.title);
                continue;
            }
            let sets = match &sets {
                Some(sets) => sets,
                None => sets.insert(data::load(recordings, run.framing)?),
            };
            let mut watch = progress::Watch::new(format!("{} seed {seed}", label.title), run.setup.epochs);
            let clock = Clock::start();
            let history = match run.train(sets, seed, &Device::Cpu, &mut watch) {
                Ok(history) => history,
                Err(error @ training::Error::Diverged { .. }) => {
                    let said = format!("{} seed {seed}: {error}", label.title);
                    eprintln!("{said}");
                    diverged.push(said);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            receipt::record(&label, &run, identity.clone(), seed, &history, &clock, &program)?.write(receipts)?;
        }
    }
    Ok(diverged)
}

fn label(data: Name, method: Method, profile: &str, origin: report::Origin) -> Label {
    let origin = match origin {
        report::Origin::Complete => "",
        report::Origin::Sample => "-sample",
        report::Origin::Synthetic => "-synthetic",
    };
    Label {
        experiment: "table2",
        row: format!("{}-{}-{profile}{origin}", data.id(), method.id()),
        title: format!("{} {}", data.title(), method.id()),
        profile: profile.to_owned(),
    }
}

/// Lays out what the receipts say, on standard output and in the results folder.
fn publish(flags: &Flags, receipts: &Path, profile: &str, cells: Vec<(Chosen, Wanted)>) -> Result<()> {
    let synthetic = |c: &Chosen| c.recordings.origin == datasets::Origin::Synthetic;
    let stand_ins: Vec<String> = cells.iter().filter(|(c, _)| synthetic(c)).map(|(c, _)| c.says.clone()).collect();
    let wanted: Vec<Wanted> = cells.into_iter().map(|(_, wanted)| wanted).collect();
    let records = Record::read_all(receipts)?;
    let groups = layout::groups(&records, profile, &wanted, flags.any_build)?;
    let (table, runs) = (layout::table(&groups, profile, &stand_ins)?, layout::runs(&groups)?);
    // a reader that went away (`| head`) is no reason to lose the files below
    let _ = write!(std::io::stdout(), "{}\n{}", table.to_terminal(), runs.to_terminal());
    let results = &flags.results;
    write_text(&results.join("table2.md"), &format!("{}\n{}", table.to_markdown(), runs.to_markdown()))?;
    write_text(&results.join("table2.csv"), &table.to_csv()?)?;
    let json = |t: &report::Table| serde_json::from_str::<serde_json::Value>(&t.to_json());
    let both = serde_json::json!({ "table2": json(&table)?, "runs": json(&runs)? });
    write_text(&results.join("table2.json"), &format!("{both:#}\n"))?;
    for name in table2::DATA {
        let path = results.join(format!("table2-{}.svg", name.id()));
        match layout::figure(&groups, name, profile)? {
            Some(svg) => write_text(&path, &svg)?,
            // curves of an earlier table must not stand beside this one
            None if path.exists() => {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
            None => (),
        }
    }
    eprintln!("written to {}: table2.md, .csv, .json, curves (.svg), receipts (runs/table2/)", results.display());
    Ok(())
}
