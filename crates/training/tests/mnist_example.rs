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
    let setup = Setup { epochs: 2, batch: 16, ramp_epochs: 0, learning_rate: 5e-3, ..Setup::PAPER };
    let history = train_mnist::train_on(&recordings, &setup, 0).unwrap();
    let losses = [0, 1].map(|epoch| history.epochs[epoch].train_loss);
    assert!(losses[1] < losses[0], "{losses:?}");
}
