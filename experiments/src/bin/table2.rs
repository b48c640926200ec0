//! `cargo table2`: accuracy on N-MNIST, DVS-Gesture, DVS-CIFAR10.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("table2")
}
