//! `cargo fig2`: firing rates of layers on MNIST.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("fig2")
}
