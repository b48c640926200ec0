//! `spikegrad COMMAND`: every table and figure, training, data and checks as one program.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::main()
}
