//! `cargo conformance`: this workspace held to a folder of golden vectors.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::conformance::main()
}
