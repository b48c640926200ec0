//! `cargo convert`: an analogue network as a spiking one.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::convert::main()
}
