//! `cargo nir`: trained networks as NIR files, and back.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::nir::main()
}
