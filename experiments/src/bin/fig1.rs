//! `cargo fig1`: test curves on DVS-Gesture.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("fig1")
}
