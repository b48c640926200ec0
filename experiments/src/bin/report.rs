//! `cargo report`: every table, figure and the page again from receipts.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::report::main()
}
