//! `cargo simulator`: the camera simulator beside real recordings.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::simulator::main()
}
