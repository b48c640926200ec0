//! `cargo table1`: accuracy on MNIST, CIFAR10, CIFAR100.

#[global_allocator]
static GLOBAL: experiments::program::Allocator = experiments::program::Allocator;

fn main() -> std::process::ExitCode {
    experiments::program::table("table1")
}
