use crate::BadField;
use crate::range::check;
use crate::words::{Words, number, parts};
use rand_chacha::rand_core::RngCore;
use serde::{Deserialize, Serialize};

/// How weights of products begin. A weight is a function of seed and name alone, whatever the law.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Initialisation {
    /// PyTorch's default, weight and bias uniform in ±1/√fan_in (`kaiming_uniform_` with a = √5).
    #[default]
    Pytorch,
    /// He et al. 2015 for ReLU: variance 2/fan. Biases are 0.
    Kaiming {
        /// Law of the numbers.
        law: Law,
        /// Which fan.
        fan: Fan,
    },
    /// Glorot & Bengio 2010: variance gain²·2/(fan_in + fan_out). Biases are 0.
    Xavier {
        /// Law of the numbers.
        law: Law,
        /// Factor of the deviation.
        gain: f64,
    },
}

/// The law of a random number with variance σ².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// In ±√3·σ.
    Uniform,
    /// The normal law.
    Normal,
}

/// Weights of one neuron: of its inputs, or those that one input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fan {
    /// Inputs of a neuron.
    In,
    /// Neurons of an input.
    Out,
}

impl Initialisation {
    /// Whether it is the default, which receipts leave out.
    pub fn is_pytorch(&self) -> bool {
        *self == Self::Pytorch
    }

    /// Proves that its number lies in its range.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), BadField> {
        match *self {
            Self::Xavier { gain, .. } => check("initialisation.xavier.gain", gain),
            _ => Ok(()),
        }
    }

    /// The values of a weight `[k, k, in, out]` or `[in, out]`, or of a bias `[out]`, that PyTorch
    /// would begin uniform in `low` to `high`.
    pub(crate) fn values(&self, dims: &[usize], (low, high): (f64, f64), rng: Stream) -> Vec<f32> {
        let n = dims.iter().product();
        let (law, deviation) = match *self {
            Self::Pytorch => return rng.uniform(n, low, high),
            Self::Kaiming { law, fan } => {
                let (inputs, outputs) = fans(dims);
                let fan = if fan == Fan::In { inputs } else { outputs };
                (law, (2.0 / fan).sqrt())
            }
            Self::Xavier { law, gain } => {
                let (inputs, outputs) = fans(dims);
                (law, gain * (2.0 / (inputs + outputs)).sqrt())
            }
        };
        match law {
            _ if dims.len() < 2 => vec![0.0; n],
            Law::Uniform => {
                let bound = 3f64.sqrt() * deviation;
                rng.uniform(n, -bound, bound)
            }
            Law::Normal => rng.normal(n, deviation),
        }
    }
}

/// Inputs of a neuron and neurons of an input, of a weight `[…window, in, out]`.
fn fans(dims: &[usize]) -> (f64, f64) {
    match dims {
        [window @ .., inputs, outputs] => {
            let window: usize = window.iter().product();
            ((window * inputs).max(1) as f64, (window * outputs).max(1) as f64)
        }
        _ => (1.0, 1.0),
    }
}

/// Random numbers of one variable.
pub(crate) struct Stream(pub rand_chacha::ChaCha8Rng);

impl Stream {
    /// In [0, 1), of 24 bits: every value that an f32 holds evenly.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32() >> 8) / f64::from(1u32 << 24)
    }

    fn uniform(mut self, n: usize, low: f64, high: f64) -> Vec<f32> {
        (0..n).map(|_| (low + (high - low) * self.unit()) as f32).collect()
    }

    /// By Box and Muller, two at a time.
    fn normal(mut self, n: usize, deviation: f64) -> Vec<f32> {
        let mut all = Vec::with_capacity(n + 1);
        while all.len() < n {
            // 1 − u lies in (0, 1], whose logarithm is finite
            let radius = deviation * (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
            all.extend([(radius * cos) as f32, (radius * sin) as f32]);
        }
        all.truncate(n);
        all
    }
}

impl Words for Initialisation {
    const TAKES: &'static str = "pytorch, kaiming-uniform or kaiming-normal (:fan-out), \
                                 xavier-uniform or xavier-normal (:GAIN)";

    fn parse(text: &str) -> Option<Self> {
        let law = |word: &str| match word {
            "uniform" => Some(Law::Uniform),
            "normal" => Some(Law::Normal),
            _ => None,
        };
        let all = parts(text);
        let (name, rest) = all.split_first()?;
        match (name.split_once('-'), rest) {
            (None, []) if *name == "pytorch" => Some(Self::Pytorch),
            (Some(("kaiming", word)), [] | ["fan-in"]) => {
                Some(Self::Kaiming { law: law(word)?, fan: Fan::In })
            }
            (Some(("kaiming", word)), ["fan-out"]) => {
                Some(Self::Kaiming { law: law(word)?, fan: Fan::Out })
            }
            (Some(("xavier", word)), []) => Some(Self::Xavier { law: law(word)?, gain: 1.0 }),
            (Some(("xavier", word)), [gain]) => {
                Some(Self::Xavier { law: law(word)?, gain: number(gain)? })
            }
            _ => None,
        }
    }
}
