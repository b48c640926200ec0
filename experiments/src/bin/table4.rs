//! `cargo table4`: ablation of the two adjustments.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("table4")
}
