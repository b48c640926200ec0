//! `cargo data`: what data are here, how they come, what is in them.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::data::main()
}
