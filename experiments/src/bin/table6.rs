//! `cargo table6`: accuracy on DVS-Gesture for several simulation lengths.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("table6")
}
