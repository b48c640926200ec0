//! The neurons, one file each: their equations, and nothing else.

mod adaptive;
mod firing;
mod integrate_and_fire;
mod plif;
mod refractory;
mod sbpsnn;
mod synaptic;

pub use adaptive::Adaptive;
pub use firing::Firing;
pub use integrate_and_fire::IntegrateAndFire;
pub use plif::Plif;
pub use refractory::Refractory;
pub use sbpsnn::Sbpsnn;
pub use synaptic::Synaptic;
