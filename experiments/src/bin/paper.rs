//! `cargo table2`, `cargo fig1`, `cargo report` and so on: one program, so that a run made for one
//! table serves the others.

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    experiments::paper::main()
}
