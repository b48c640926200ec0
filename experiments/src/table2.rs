//! Table 2 of the paper: classification accuracy on N-MNIST, DVS-Gesture and DVS-CIFAR10.
//!
//! Paper: "Backpropagation with biologically plausible spatiotemporal adjustment", Patterns 2022, Table 2.
//! Command: `just table2`, or `cargo table2 --profile paper --data DIR` for the paper's setting.
//! Expected with the paper's setting and the complete data: 99.71, 98.96 and 78.95 % (BPSA + BPTA). That
//! setting has not been run to its end by us; what has been run is in `results/runs/table2/`.

use datasets::Name;
use neuron::Method;

/// A row as published: system, kind of training, accuracy in percent on the three data sets.
pub struct Published {
    /// The system's name in the paper, with its reference number.
    pub system: &'static str,
    /// Percent on N-MNIST, DVS-Gesture, DVS-CIFAR10; `None` where the paper has a dash.
    pub accuracy: [Option<f64>; 3],
    /// Our method that stands beside it, if we have it.
    pub ours: Option<Method>,
}

const fn row(system: &'static str, accuracy: [Option<f64>; 3]) -> Published {
    Published { system, accuracy, ours: None }
}

/// Columns of the table, in its order.
pub const DATA: [Name; 3] = [Name::NMnist, Name::DvsGesture, Name::Cifar10Dvs];

/// The table as printed in the paper. "STBP" is the baseline of the paper's ablation, so our baseline
/// stands beside it.
pub const PUBLISHED: [Published; 14] = [
    row("HM2-BP [33]", [Some(98.88), None, None]),
    row("SLAYER [53]", [Some(99.2), Some(93.64), None]),
    row("TSSL-BP 30 [34]", [Some(99.28), None, None]),
    row("IIRSNN [54]", [Some(99.28), None, None]),
    row("TSSL-BP 100 [34]", [Some(99.4), None, None]),
    Published { ours: Some(Method::Baseline), ..row("STBP [31]", [Some(99.44), None, None]) },
    row("LISNN [47]", [Some(99.45), None, None]),
    row("STBP NeuNorm [32]", [Some(99.53), None, Some(60.5)]),
    row("BNTT [48]", [None, None, Some(63.2)]),
    row("SALT [55]", [None, None, Some(67.1)]),
    row("STBP-tdBN [56]", [None, Some(96.87), Some(67.8)]),
    row("LMCSNN [57]", [Some(99.61), Some(97.57), Some(74.8)]),
    row("BackEISNN [49]", [Some(99.57), None, None]),
    Published {
        ours: Some(Method::BpsaBpta),
        ..row("Our method (BPSA + BPTA)", [Some(99.71), Some(98.96), Some(78.95)])
    },
];
