# Thin: each recipe is what you would type at cargo. `just --list` shows them.
set positional-arguments

# formatting and lints
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings

# every test
test:
    cargo test --workspace

# trains what Table 2 asks for and can be trained here, and prints it beside the paper's
table2 *ARGS:
    cargo table2 "$@"

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

# `just bench scan`: the fused scan beside its definition and a memory copy; `just bench step`: one training step
bench WHAT="scan" *ARGS:
    #!/usr/bin/env bash
    set -euo pipefail
    what=${1:-scan}; shift || true
    case $what in
        scan) cargo scan "$@"; cargo bench -p benches ;;
        step) cargo step "$@" ;;
        *) echo "just bench scan, or just bench step; found '$what'" >&2; exit 2 ;;
    esac

# one training step beside SpikingJelly, snnTorch, Norse and PyTorch; benches/peers/setup brings them from PyPI first
bench-step *ARGS:
    cargo build --release -p benches --bin step
    benches/peers/.venv/bin/python benches/peers/step.py --json results/bench/step.json "$@"

# decoding beside Tonic, SpikingJelly and expelliarmus; benches/peers/setup brings them from PyPI first
bench-decode *ARGS:
    cargo build --release -p events --example decode_speed
    benches/peers/.venv/bin/python benches/peers/decode.py --json results/bench/decode.json "$@"

# reading samples from the frame cache, beside uncompressed reads and a memory copy
bench-cache:
    cargo run --release -p datasets --example cache_speed -- results/bench/cache.json

# five million inputs for every decoder; needs cargo-fuzz and a C++ compiler
fuzz *ARGS:
    fuzz/run "$@"
