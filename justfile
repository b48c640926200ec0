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
