//! `cargo warm-up`: ablation of the warm-up.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("warm-up")
}
