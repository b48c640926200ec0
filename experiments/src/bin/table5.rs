//! `cargo table5`: accuracy, firing rate, energy.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("table5")
}
