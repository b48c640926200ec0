//! The fused scan beside its plain definition and beside the machine's copy bandwidth.
//!
//! Claim: at T = 16 and 2²⁰ neurons, forward and backward, the fused scan is at least 8 times as
//! fast as the definition.
//! `cargo run --release -p spikegrad-benches --bin scan -- --json results/bench/scan.json`, half a
//! minute.

use anyhow::{Context, Result, ensure};
use benches::{
    Case, Currents, Form, GivenGradient, Machine, Method, Samples, again_with, copy_in_parallel,
    loss, peak_memory_bytes, threads_are, time_in_turn,
};
use candle_core::Tensor;
use clap::Parser;
use neuron::Neuron;
use serde::Serialize;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The allocator of the project's programs, so that fresh memory costs here what it costs there.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Time steps T.
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    steps: usize,
    /// Neurons in each step.
    #[arg(long, default_value_t = 1 << 20, value_parser = at_least_one)]
    neurons: usize,
    /// Threads of everything timed [default: one a core]
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// Rounds that are timed; one more goes before them.
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    repeats: usize,
    /// Where to write everything measured, raw timings included.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only print the peak memory, in bytes, of one forward and backward pass in this form.
    #[arg(long, value_name = "FORM")]
    peak: Option<Form>,
}

const METHODS: [fn() -> Method; 2] = [Method::bpsa_bpta, Method::baseline];

/// Names of the cases that other numbers are computed from.
const FUSED: &str = "fused, forward + backward";
const UNROLLED: &str = "unrolled, forward + backward";
const STEPS: &str = "unrolled on single steps, forward + backward";
const SAVED: &str = "fused, backward of a saved graph";
const CANDLE: &str = "candle's own part of that";
const KERNEL: &str = "fused, backward kernel (difference)";

/// One line of the table.
#[derive(Serialize)]
struct Row {
    method: Option<&'static str>,
    name: &'static str,
    /// What has to be read and written, each input and output once, where that is defined.
    bytes: Option<usize>,
    median_ms: f64,
    samples_ms: Samples,
}

/// How far the fused scan and the definition agree.
#[derive(Serialize)]
struct Agreement {
    method: &'static str,
    firing_rate: f32,
    spikes_that_differ: f32,
    largest_gradient: f32,
    largest_gradient_difference: f32,
}

/// How many times as long the definition takes as the fused scan, forward and backward, median to
/// median.
#[derive(Serialize)]
struct Ratio {
    method: &'static str,
    unrolled_to_fused: f64,
    unrolled_on_single_steps_to_fused: f64,
}

#[derive(Serialize)]
struct PeakMemory {
    fused_bytes: Option<u64>,
    unrolled_bytes: Option<u64>,
    unrolled_on_single_steps_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Output {
    benchmark: &'static str,
    machine: Machine,
    allocator: &'static str,
    steps: usize,
    neurons: usize,
    ratios: Vec<Ratio>,
    agreement: Vec<Agreement>,
    peak_memory: PeakMemory,
    rows: Vec<Row>,
}

fn main() -> std::process::ExitCode {
    // clap ends the program with status 2 itself where a flag is wrong
    terminal::ended(work_of(Arguments::parse()))
}

fn work_of(arguments: Arguments) -> Result<()> {
    let threads =
        arguments.threads.unwrap_or(std::thread::available_parallelism().map_or(1, usize::from));
    if !threads_are(threads) {
        return again_with(threads);
    }
    let (steps, neurons) = (arguments.steps, arguments.neurons);
    if let Some(form) = arguments.peak {
        return print_peak(form, &Currents::new(steps, neurons, 1)?);
    }
    let machine = Machine::ask();
    let peak_memory = peak_memory(steps, neurons)?;
    let currents = Currents::new(steps, neurons, 1)?;
    let agreement =
        METHODS.map(|method| agreement(method(), &currents)).into_iter().collect::<Result<_>>()?;
    let rows = measure(&currents, arguments.repeats)?;
    let ratios = METHODS.map(|method| ratio(method(), &rows)).into();
    let (benchmark, allocator) = ("scan", "mimalloc");
    let output = Output {
        benchmark,
        machine,
        allocator,
        steps,
        neurons,
        ratios,
        agreement,
        peak_memory,
        rows,
    };
    // the file first: a reader that left costs nothing
    arguments.json.map_or(Ok(()), |path| write(&path, &output))?;
    print(&output)
}

fn agreement(method: Method, currents: &Currents) -> Result<Agreement> {
    let neuron = method.neuron.build()?;
    let run =
        |form: Form| form.gradients(neuron.as_ref(), &form.variables(&currents.x)?, &currents.g);
    let ((fused, d), (plain, e)) = (run(Form::Fused)?, run(Form::Unrolled)?);
    let largest = |t: &Tensor| t.abs()?.max_all()?.to_scalar::<f32>();
    let found = Agreement {
        method: method.id,
        firing_rate: fused.mean_all()?.to_scalar()?,
        spikes_that_differ: fused.ne(&plain)?.to_dtype(fused.dtype())?.sum_all()?.to_scalar()?,
        largest_gradient: largest(&e[0])?,
        largest_gradient_difference: largest(&(&d[0] - &e[0])?)?,
    };
    let allowed = 1e-5 * found.largest_gradient;
    ensure!(
        found.spikes_that_differ == 0.0 && found.largest_gradient_difference <= allowed,
        "the fused scan of {} and its definition must have the same spikes and gradients within {allowed:e}, found {} \
         other spikes and gradients {:e} apart: see what `cargo test -p spikegrad-neuron` says before timing anything",
        found.method,
        found.spikes_that_differ,
        found.largest_gradient_difference,
    );
    Ok(found)
}

/// A case, the method it belongs to, and the streams of the size of x that it has to move, where
/// that is defined.
type Planned<'a> = (Option<&'static str>, Option<usize>, Case<'a>);

/// Times everything in turn.
fn measure(currents: &Currents, rounds: usize) -> Result<Vec<Row>> {
    let x: Vec<f32> = currents.x.flatten_all()?.to_vec1()?;
    let mut to = vec![1.0; x.len()]; // a value other than zero, so that every page is really there
    let mut plan = copies(&x, &mut to);
    for method in METHODS {
        plan.extend(of_method(method(), currents)?);
    }
    let (about, mut cases): (Vec<_>, Vec<_>) =
        plan.into_iter().map(|(method, s, case)| ((method, s), case)).unzip();
    let samples = time_in_turn(&mut cases, rounds)?;
    let stream = size_of_val(x.as_slice());
    let rows =
        cases.iter().zip(about).zip(samples).map(|((case, (method, streams)), samples_ms)| Row {
            method,
            name: case.name,
            bytes: streams.map(|s| s * stream),
            median_ms: samples_ms.median(),
            samples_ms,
        });
    let mut rows: Vec<Row> = rows.collect();
    rows.extend(METHODS.map(|method| backward_kernel(method(), &rows, 3 * stream)));
    rows.sort_by_key(|r| METHODS.iter().position(|m| Some(m().id) == r.method)); // stable, and None comes first
    Ok(rows)
}

fn copies<'a>(from: &'a [f32], to: &'a mut [f32]) -> Vec<Planned<'a>> {
    let in_use = Case::new("copy, into memory in use", move || {
        copy_in_parallel(from, black_box(&mut *to));
        Ok(())
    });
    let fresh = Case::new("copy, into memory just allocated", move || {
        let mut to = vec![0.0; from.len()];
        copy_in_parallel(from, &mut to);
        Ok(to)
    });
    vec![(None, Some(2), in_use), (None, Some(2), fresh)]
}

fn of_method(method: Method, currents: &Currents) -> Result<Vec<Planned<'_>>> {
    let neuron: Arc<dyn Neuron> = method.neuron.build()?;
    let (x, g) = (&currents.x, &currents.g);
    let mut plan: Vec<Planned> = Vec::new();
    let mut add = |streams, case| plan.push((Some(method.id), streams, case));
    let (n, values) = (neuron.clone(), x.as_detached_tensor());
    add(Some(2), Case::new("fused, forward", move || n.scan(&values)));
    for (name, form) in [(FUSED, Form::Fused), (UNROLLED, Form::Unrolled), (STEPS, Form::Steps)] {
        let (n, variables) = (neuron.clone(), form.variables(x)?);
        let streams = (form == Form::Fused).then_some(5);
        add(streams, Case::new(name, move || form.gradients(n.as_ref(), &variables, g)));
    }
    let scan = loss(&neuron.scan(x)?, g)?;
    let no_scan =
        loss(&x.apply_op1(GivenGradient { shape: x.shape().clone(), gradient: g.clone() })?, g)?;
    add(None, Case::new(SAVED, move || scan.backward()));
    add(None, Case::new(CANDLE, move || no_scan.backward()));
    Ok(plan)
}

/// The backward kernel alone: what is left of a saved graph's backward pass after the same round's
/// pass over a graph of the same shape that has no scan in it.
fn backward_kernel(method: Method, rows: &[Row], bytes: usize) -> Row {
    let pairs = samples(method, SAVED, rows).iter().zip(samples(method, CANDLE, rows));
    let samples_ms = Samples(pairs.map(|(saved, candle)| saved - candle).collect());
    Row {
        method: Some(method.id),
        name: KERNEL,
        bytes: Some(bytes),
        median_ms: samples_ms.median(),
        samples_ms,
    }
}

fn ratio(method: Method, rows: &[Row]) -> Ratio {
    let median = |name| Samples(samples(method, name, rows).to_vec()).median();
    Ratio {
        method: method.id,
        unrolled_to_fused: median(UNROLLED) / median(FUSED),
        unrolled_on_single_steps_to_fused: median(STEPS) / median(FUSED),
    }
}

fn samples<'a>(method: Method, name: &str, rows: &'a [Row]) -> &'a [f64] {
    let row = rows.iter().find(|r| r.method == Some(method.id) && r.name == name);
    row.map_or(&[], |r| &r.samples_ms.0)
}

/// Each form's peak memory in a process of its own, since in one process they would share what is
/// allocated.
fn peak_memory(steps: usize, neurons: usize) -> Result<PeakMemory> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let threads = rayon::current_num_threads();
    let of = |form: &str| -> Result<Option<u64>> {
        let sizes = [("--steps", steps), ("--neurons", neurons), ("--threads", threads)];
        let sizes = sizes.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]);
        let out = Command::new(&program).args(sizes).args(["--peak", form]).output();
        let out =
            out.with_context(|| format!("cannot run the form '{form}' in a process of its own"))?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().parse().ok())
    };
    let (fused_bytes, unrolled_bytes) = (of("fused")?, of("unrolled")?);
    Ok(PeakMemory { fused_bytes, unrolled_bytes, unrolled_on_single_steps_bytes: of("steps")? })
}

fn print_peak(form: Form, currents: &Currents) -> Result<()> {
    let neuron = Method::bpsa_bpta().neuron.build()?;
    black_box(form.gradients(neuron.as_ref(), &form.variables(&currents.x)?, &currents.g)?);
    terminal::out!(
        "{}",
        peak_memory_bytes().context("this system does not tell a process its peak memory")?
    )?;
    Ok(())
}

fn print(output: &Output) -> Result<()> {
    let machine = &output.machine;
    let known = |s: &Option<String>| s.clone().unwrap_or_else(|| "unknown".to_owned());
    let load = machine.load_at_start.map_or("unknown".to_owned(), |load| load.to_string());
    terminal::out!(
        "{}, {} of {} cores, load {load}",
        known(&machine.cpu),
        machine.threads,
        machine.cores
    )?;
    terminal::out!(
        "{}, commit {}, {}",
        known(&machine.rustc),
        known(&machine.commit),
        known(&machine.started_utc)
    )?;
    terminal::out!("T = {}, {} neurons, f32", output.steps, output.neurons)?;
    terminal::out!("")?;
    print_rows(&output.rows)?;
    for (ratio, agreement) in output.ratios.iter().zip(&output.agreement) {
        terminal::out!(
            "{:10} unrolled / fused = {:.1}, on single steps {:.1}; {:.1} % fire, {} spikes differ, gradients by at \
             most {:.1e} of {:.1}",
            ratio.method,
            ratio.unrolled_to_fused,
            ratio.unrolled_on_single_steps_to_fused,
            100.0 * agreement.firing_rate,
            agreement.spikes_that_differ,
            agreement.largest_gradient_difference,
            agreement.largest_gradient,
        )?;
    }
    let mib = |b: Option<u64>| {
        b.map_or("unknown".to_owned(), |b| format!("{:.1} MiB", b as f64 / f64::from(1 << 20)))
    };
    let PeakMemory { fused_bytes, unrolled_bytes, unrolled_on_single_steps_bytes } =
        output.peak_memory;
    let (fused, unrolled, steps) =
        (mib(fused_bytes), mib(unrolled_bytes), mib(unrolled_on_single_steps_bytes));
    terminal::out!(
        "peak memory, inputs included: fused {fused}, unrolled {unrolled}, on single steps {steps}"
    )?;
    Ok(())
}

fn print_rows(rows: &[Row]) -> Result<()> {
    terminal::out!(
        "{:10} {:46} {:>9} {:>17} {:>7} {:>8}",
        "method",
        "",
        "median ms",
        "min..max",
        "GB/s",
        "of copy"
    )?;
    let speed = |r: &Row| r.bytes.map(|bytes| bytes as f64 / r.median_ms / 1e6);
    let copy = rows.first().and_then(speed).unwrap_or(f64::NAN);
    for row in rows {
        let range = format!("{:.1}..{:.1}", row.samples_ms.min(), row.samples_ms.max());
        let method = row.method.unwrap_or("machine");
        let speed =
            speed(row).map_or(String::new(), |s| format!(" {s:7.2} {:7.0}%", 100.0 * s / copy));
        terminal::out!("{method:10} {:46} {:9.1} {range:>17}{speed}", row.name, row.median_ms)?;
    }
    terminal::out!("")?;
    Ok(())
}

fn write(path: &Path, output: &Output) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(output)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| format!("expected a whole number above 0, found '{text}'"))
}
