//! Kinds of [`Number`](surrogate::Number) beside the two floats: what an equation is run with to
//! be differentiated, printed as CUDA C++, or lifted to tensors.

mod dual;
mod lifted;
mod operations;
mod traced;

pub use dual::{Dual, Gradient};
pub use lifted::{Lifted, lifted, lifted_membrane};
pub use operations::operations;
pub use traced::{Line, Traced, TracedMask, traced, traced_values};
