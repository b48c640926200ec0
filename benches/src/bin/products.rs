//! The three products of a training step alone, by each way that takes them, over density.
//!
//! `cargo run --release -p spikegrad-benches --bin products -- --json results/bench/products.json`

use anyhow::Result;
use benches::{Machine, Samples, again_with, threads_are};
use clap::Parser;
use layers::{Crossovers, Dense, Product, Sizes, Sparse};
use serde::Serialize;
use serde_json::json;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

/// The allocator of the project's programs.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    /// Threads [default: one a core]
    #[arg(long, value_parser = benches::flags::at_least_one)]
    threads: Option<usize>,
    /// Rounds that are timed; one more goes before them
    #[arg(long, default_value_t = 5, value_parser = benches::flags::at_least_one)]
    repeats: usize,
    /// Only layers whose name holds this
    #[arg(long, default_value = "")]
    only: String,
    /// Only ways whose name holds this: event, f32, tiles, bf16
    #[arg(long, default_value = "")]
    way: String,
    /// Write everything measured
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A layer of the small network at T = 16 and B = 8.
struct Layer {
    name: &'static str,
    product: Product,
    shape: [usize; 4],
    weights: usize,
    outputs: usize,
}

fn layers() -> Vec<Layer> {
    let conv = |ci, co| {
        let sizes =
            Sizes { n: 128, h: 14, w: 14, ci, k: 3, stride: 1, padding: 1, oh: 14, ow: 14, co };
        (Product::Convolution(sizes), [128, 14, 14, ci], 9 * ci * co, co)
    };
    let linear = |inputs, outputs| {
        let product = Product::Linear { n: 128, inputs, outputs };
        (product, [128, 1, 1, inputs], inputs * outputs, outputs)
    };
    [
        ("128C3 of 128 at 14 x 14", conv(128, 128)),
        ("256C3 of 128 at 14 x 14", conv(128, 256)),
        ("2048 of 12544", linear(12544, 2048)),
    ]
    .map(|(name, (product, shape, weights, outputs))| Layer {
        name,
        product,
        shape,
        weights,
        outputs,
    })
    .into()
}

/// Milliseconds of y, ∂L/∂w and ∂L/∂x.
#[derive(Serialize)]
struct Row {
    layer: &'static str,
    way: &'static str,
    density: f64,
    forward_ms: f64,
    weight_ms: f64,
    input_ms: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores);
    if !threads_are(threads) {
        return again_with(threads);
    }
    let machine = Machine::ask();
    let mut rows = Vec::new();
    for layer in layers().iter().filter(|layer| layer.name.contains(&arguments.only)) {
        rows.extend(measured(layer, &arguments.way, arguments.repeats));
    }
    for row in &rows {
        let Row { layer, way, density, forward_ms, weight_ms, input_ms } = row;
        terminal::out!(
            "{layer:26} {way:6} {:5.1}%  y {forward_ms:7.2}  dw {weight_ms:7.2}  dx {input_ms:7.2} ms",
            100.0 * density
        )?;
    }
    if let Some(file) = arguments.json {
        let all = json!({ "benchmark": "products", "machine": machine, "rows": rows });
        std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    Ok(())
}

/// All ways in turn.
fn measured(layer: &Layer, only: &str, repeats: usize) -> Vec<Row> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let weight: Vec<f32> = (0..layer.weights).map(|_| next() - 0.5).collect();
    let g: Vec<f32> = (0..layer.product.outputs()).map(|_| next() - 0.5).collect();
    let bias = vec![0.0; layer.outputs];
    let lists = [0.02, 0.1, 0.34].map(|density| {
        let one = |_| f32::from(u8::from(f64::from(next()) < density));
        let x: Vec<f32> = (0..layer.shape.iter().product()).map(one).collect();
        Sparse::of_dense(&x, layer.shape, layer.product.consumer())
    });
    let dense = |dense: Dense| Crossovers { dense, ..Crossovers::ALWAYS };
    let mut ways: Vec<(&'static str, Crossovers, &Sparse)> =
        lists.iter().map(|x| ("event", Crossovers::NEVER, x)).collect();
    let units = [("f32", Dense::F32), ("tiles", Dense::Tiles), ("bf16", Dense::Bf16)];
    let here = units.into_iter().filter(|(_, way)| way.is_here());
    ways.extend(here.map(|(name, way)| (name, dense(way), &lists[1])));
    ways.retain(|(name, ..)| name.contains(only));
    let mut times = vec![[const { Vec::new() }; 3]; ways.len()];
    for round in 0..=repeats {
        for ((_, how, x), times) in ways.iter().zip(&mut times) {
            let product = layer.product;
            let runs: [&dyn Fn(); 3] = [
                &|| drop(black_box(product.forward(x, &weight, &bias, how))),
                &|| drop(black_box(product.weight_gradient(x, &g, how))),
                &|| drop(black_box(product.input_gradient(x, &weight, &g, how))),
            ];
            for (run, times) in runs.iter().zip(times) {
                let start = Instant::now();
                run();
                if round > 0 {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
    }
    let rows = ways.into_iter().zip(times).map(|((way, _, x), times)| {
        let [forward_ms, weight_ms, input_ms] = times.map(|times| Samples(times).median());
        Row { layer: layer.name, way, density: x.density(), forward_ms, weight_ms, input_ms }
    });
    rows.collect()
}
