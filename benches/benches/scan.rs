//! The fused scan, small enough for the caches: forward, and forward with backward, over the number
//! of steps and over the surrogates. `cargo bench -p spikegrad-benches --bench scan`, about
//! half a minute.
#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros; a benchmark that fails should stop

use benches::{Currents, Form};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neuron::{Config, Neuron};
use std::hint::black_box;
use std::time::Duration;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NEURONS: usize = 1 << 14;

fn forward_and_backward(neuron: &dyn Neuron, currents: &Currents) {
    black_box(
        Form::Fused.gradients(neuron, std::slice::from_ref(&currents.x), &currents.g).unwrap(),
    );
}

fn over_steps(c: &mut Criterion) {
    let neuron = Config::bpsa_bpta().build().unwrap();
    for (name, backward) in [("forward", false), ("forward-backward", true)] {
        let mut group = c.benchmark_group(name);
        for steps in [4, 16, 64] {
            let currents = Currents::new(steps, NEURONS, 1).unwrap();
            let x = currents.x.as_detached_tensor();
            group.throughput(Throughput::Elements((steps * NEURONS) as u64));
            group.bench_function(BenchmarkId::from_parameter(steps), |b| match backward {
                false => b.iter(|| black_box(neuron.scan(&x).unwrap())),
                true => b.iter(|| forward_and_backward(neuron.as_ref(), &currents)),
            });
        }
    }
}

fn over_surrogates(c: &mut Criterion) {
    let currents = Currents::new(16, NEURONS, 1).unwrap();
    let mut group = c.benchmark_group("forward-backward-16");
    group.throughput(Throughput::Elements(16 * NEURONS as u64));
    for surrogate in surrogate::Kind::all() {
        let neuron = Config { surrogate, ..Config::bpsa_bpta() }.build().unwrap();
        let name = serde_json::to_value(surrogate)
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone();
        group.bench_function(name, |b| b.iter(|| forward_and_backward(neuron.as_ref(), &currents)));
    }
}

criterion_group! {
    name = scan;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = over_steps, over_surrogates
}
criterion_main!(scan);
