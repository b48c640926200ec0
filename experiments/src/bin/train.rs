//! `cargo train`: one data set through the whole line, from files to a receipt.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::train::main()
}
