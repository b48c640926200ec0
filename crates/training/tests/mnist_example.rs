//! The example of a network of one's own learns, here on drawn digits, so that it holds without
//! files.
#![allow(clippy::unwrap_used)]

#[path = "../../../examples/train_mnist.rs"]
#[allow(dead_code)]
mod train_mnist;

use datasets::{Name, synthetic};
use training::Setup;

#[test]
fn it_learns() {
    let recordings = synthetic::recordings(Name::Mnist, 64, 32, 0);
    let setup = Setup { epochs: 4, batch: 16, ramp_epochs: 0, learning_rate: 5e-3, ..Setup::PAPER };
    let accuracy = train_mnist::train_on(&recordings, &setup, 0).unwrap();
    assert!(accuracy > 50.0, "{accuracy} %, 10 % is chance");
}
