# Thin: each recipe is what you would type at cargo. `just --list` shows them.
set positional-arguments

# formatting and lints
check:
    cargo fmt --all -- --check crates/neuron/src/cells/[!m]*.rs experiments/src/tables/[!m]*.rs experiments/src/systems/[!m]*.rs
    cargo clippy --workspace --all-targets -- -D warnings

# every test
test:
    cargo test --workspace

# MNIST, CIFAR10, CIFAR100, and ResNet34: trains what can be trained here, and prints it beside the paper's
table1 *ARGS:
    cargo table1 "$@"

# N-MNIST, DVS-Gesture, DVS-CIFAR10
table2 *ARGS:
    cargo table2 "$@"

# Speech Commands
table3 *ARGS:
    cargo table3 "$@"

# baseline, BPSA, BPSA + BPTA
table4 *ARGS:
    cargo table4 "$@"

# accuracy, firing rate, energy
table5 *ARGS:
    cargo table5 "$@"

# DVS-Gesture with T = 32, 16, 8, 4
table6 *ARGS:
    cargo table6 "$@"

# test curves on DVS-Gesture
fig1 *ARGS:
    cargo fig1 "$@"

# firing rate of each convolutional layer on MNIST
fig2 *ARGS:
    cargo fig2 "$@"

# test curves with T = 32, 16, 8, 4
fig3 *ARGS:
    cargo fig3 "$@"

# does the warm-up alone explain the gain?
warm-up *ARGS:
    cargo warm-up "$@"

# every table, figure and results/index.html again from receipts; trains nothing
report *ARGS:
    cargo report "$@"

# what data are here, how they come, what is in them: list, fetch, verify, prepare, inspect, show, simulate
data *ARGS:
    cargo data "$@"

# one data set through the whole line, from the publisher's files to a receipt
train *ARGS:
    cargo train "$@"

# the camera simulator beside real recordings of the same digits: compare, tune, train
simulator *ARGS:
    cargo simulator "$@"

# holds the workspace to a folder of golden vectors
conformance DIR:
    cargo conformance "$1"

# programs for CUDA, built without a card and without CUDA, in target/cuda; `--tests`: and the tests that need a device
cuda-build *ARGS:
    cuda/build "$@"

# what needs a CUDA device, on an emulated one; DIR: golden vectors, if they are not beside the checkout
cuda-test *DIR:
    tests/on_emulated_device "$@"

# `just bench scan`: the fused scan beside its definition and a memory copy; `step`: one training step; `gpu`: everything that needs a card
bench WHAT="scan" *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    what=${1:-scan}; shift || true
    case $what in
        scan) cargo scan "$@"; cargo bench -p spikegrad-benches ;;
        step) cargo step "$@" ;;
        gpu) benches/peers/gpu/all "$@" ;;
        *) echo "just bench scan, step or gpu; found '$what'" >&2; exit 2 ;;
    esac

# one training step beside SpikingJelly, snnTorch, Norse and PyTorch; benches/peers/setup brings them from PyPI first
bench-step *ARGS:
    cargo build --release -p spikegrad-benches --bin step
    benches/peers/.venv/bin/python benches/peers/step.py --json results/bench/step.json "$@"

# decoding beside Tonic, SpikingJelly and expelliarmus; benches/peers/setup brings them from PyPI first
bench-decode *ARGS:
    cargo build --release -p spikegrad-events --example decode_speed
    benches/peers/.venv/bin/python benches/peers/decode.py --json results/bench/decode.json "$@"

# reading samples from the frame cache, beside uncompressed reads and a memory copy
bench-cache:
    cargo run --release -p spikegrad-datasets --example cache_speed -- results/bench/cache.json

# five million inputs for every reader of files; needs a C++ compiler
fuzz *ARGS:
    fuzz/run "$@"
