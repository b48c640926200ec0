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

# the fused scan beside its plain definition and the machine's copy bandwidth, then the micro-benchmarks
bench:
    cargo scan
    cargo bench -p benches

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
