//! The neurons, one file each: their equations, and the constants by which a run names them. Below
//! stands the list of all that a run can name.

mod firing;
mod integrate_and_fire;

pub use firing::Firing;
pub use integrate_and_fire::IntegrateAndFire;

use crate::bad_parameter::range;
use crate::{BadParameter, Lif, Neuron};
use candle_core::Result;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::sync::Arc;
use surrogate::Surrogate;

/// The constants of a kind of neuron that a run can name, and the neurons that they make.
pub trait Constants: Copy + Debug + Default + PartialEq + Serialize {
    /// Whether a spike resets the membrane, as `reset` and `reset_gradient` of a
    /// [`Config`](crate::Config) say. A kind without a reset has neither field.
    const RESETS: bool = true;

    /// Proves that every constant lies in its range.
    ///
    /// # Errors
    /// The first that does not.
    fn check(&self) -> std::result::Result<(), BadParameter>;

    /// The neurons, with what all kinds share; their constants are in range.
    ///
    /// # Errors
    /// If their parameters cannot be made.
    fn neuron<S: Surrogate>(&self, firing: Firing<S>) -> Result<Arc<dyn Neuron>>;
}

/// A line of the list is a kind's file and its cell; its constants are the file's `Constants`.
macro_rules! kinds {
    ($($file:ident: $Cell:ident,)*) => {
        $(
            #[doc = concat!("[`", stringify!($Cell), "`] and its constants.")]
            pub mod $file;
            pub use $file::$Cell;
        )*

        /// The dynamics between two spikes.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Kind {
            /// Leaky integrate-and-fire: the membrane keeps the part `decay` (λ) of itself each
            /// step.
            Lif {
                /// λ in (0, 1].
                decay: f64,
            },
            /// Integrate-and-fire: no leak, λ = 1.
            If,
            $(
                #[doc = concat!("See [`", stringify!($Cell), "`].")]
                $Cell($file::Constants),
            )*
        }

        impl Kind {
            /// Every kind that has a file of constants, with those that the file documents.
            pub fn of_files() -> Vec<Kind> {
                vec![$(Kind::$Cell($file::Constants::default())),*]
            }

            /// Whether a spike resets the membrane.
            pub fn resets(&self) -> bool {
                match self {
                    Kind::Lif { .. } | Kind::If => true,
                    $(Kind::$Cell(_) => <$file::Constants as Constants>::RESETS,)*
                }
            }

            pub(crate) fn check(&self) -> std::result::Result<(), BadParameter> {
                match self {
                    Kind::Lif { decay } => decays("decay", *decay),
                    Kind::If => Ok(()),
                    $(Kind::$Cell(constants) => constants.check(),)*
                }
            }

            pub(crate) fn neuron<S: Surrogate>(
                &self,
                firing: Firing<S>,
            ) -> Result<Arc<dyn Neuron>> {
                match self {
                    Kind::Lif { decay } => Ok(Arc::new(firing.lif(*decay))),
                    Kind::If => Ok(Arc::new(firing.lif(1.0))),
                    $(Kind::$Cell(constants) => constants.neuron(firing),)*
                }
            }
        }
    };
}

kinds! {
    adaptive: Adaptive,
    plif: Plif,
    refractory: Refractory,
    sbpsnn: Sbpsnn,
    synaptic: Synaptic,
}

impl<S: Surrogate> Firing<S> {
    /// The leaky integrate-and-fire neuron that fires and resets so.
    pub(crate) fn lif(self, decay: f64) -> Lif<S> {
        let Firing { threshold, fires, reset, reset_gradient, surrogate } = self;
        Lif { threshold, decay, fires, reset, reset_gradient, surrogate }
    }
}

/// What a leak keeps: more than nothing, as scans in f32 see it, and no more than all.
fn decays(name: &'static str, found: f64) -> std::result::Result<(), BadParameter> {
    range(name, found, found > 0.0 && found <= 1.0, "above 0 and at most 1")?;
    // scans run in f32
    range(name, found, found as f32 > 0.0, "not so small that f32 takes it for 0")
}

/// What a trace keeps, which would grow without end if it kept all.
fn fades(name: &'static str, found: f64) -> std::result::Result<(), BadParameter> {
    range(name, found, (0.0..1.0).contains(&found), "from 0 to below 1")?;
    range(name, found, (found as f32) < 1.0, "not so near to 1 that f32 takes it for 1")
}
