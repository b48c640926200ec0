use crate::BadField;
use crate::initialisation::Stream;
use crate::range::check;
use crate::stream;

/// How a sample's values become the input of every step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputEncoding {
    /// Direct encoding: a sample of one frame is shown at each of this many steps. `None`: a sample
    /// has its own steps.
    pub still: Option<usize>,
    /// For each channel the mean and the standard deviation by which it becomes
    /// `(v − mean) / deviation`; empty: values stay as they are. Comes after augmentation, so what
    /// a crop pads with is a black pixel, not a grey one.
    pub standard: Vec<(f32, f32)>,
    /// Spikes drawn anew at every step in place of the values, after all else.
    pub bernoulli: Option<Bernoulli>,
}

/// Signed Bernoulli encoding, often called Poisson encoding: at each step a value x becomes
/// sign(x) with probability min(1, |x|/scale), else 0.
///
/// A draw is a function of (seed, epoch, sample, step). An evaluation has neither seed nor epoch:
/// the spikes of a test sample are the same in every run and epoch, so that accuracy is one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bernoulli {
    /// The size of a value that always fires. 2 in BNTT's code.
    pub scale: f64,
}

impl InputEncoding {
    /// Samples as they were recorded.
    pub const RECORDED: Self = Self { still: None, standard: Vec::new(), bernoulli: None };

    /// Direct encoding: a still sample is shown at each of `steps` steps, each channel by its mean
    /// and standard deviation, as `datasets::Info::standard` has them.
    pub fn direct(steps: usize, standard: &[(f32, f32)]) -> Self {
        Self { still: Some(steps), standard: standard.to_vec(), bernoulli: None }
    }

    /// Whether every step of a sample is the same, so that one stands for all.
    pub fn repeats(&self) -> bool {
        self.still.is_some() && self.bernoulli.is_none()
    }

    /// What a network without neurons is shown: of steps that are all the same only one.
    pub fn once(&self) -> Self {
        match self.repeats() {
            true => Self { still: Some(1), ..self.clone() },
            false => self.clone(),
        }
    }
}

impl Bernoulli {
    /// Proves that the scale lies in its range.
    ///
    /// # Errors
    /// If not.
    pub fn check(&self) -> Result<(), BadField> {
        check("bernoulli.scale", self.scale)
    }

    /// The spike of a value x for a random number r, uniform in [0, 1).
    pub fn spike(&self, x: f32, r: f64) -> f32 {
        if x != 0.0 && r * self.scale <= f64::from(x.abs()) { x.signum() } else { 0.0 }
    }

    /// The spikes of the values of sample `index` at step `step`; `epoch` is that of a training
    /// pass, with its run's seed.
    pub fn spikes(
        &self,
        values: &[f32],
        epoch: Option<(u64, usize)>,
        index: usize,
        step: usize,
    ) -> Vec<f32> {
        let mut rng = Stream(match epoch {
            Some((seed, epoch)) => {
                let purpose = format!("spikes of sample {index} in epoch {epoch} at step {step}");
                stream(seed, &purpose)
            }
            None => stream(0, &format!("spikes of sample {index} in evaluation at step {step}")),
        });
        values.iter().map(|&x| self.spike(x, rng.unit())).collect()
    }
}
