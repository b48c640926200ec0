//! A run's curves for TensorBoard, while it goes on.

use anyhow::Result;
use report::{EventFile, Histogram, Trace};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use training::Epoch;

/// Writes after every epoch.
pub struct Board<'a> {
    file: EventFile,
    probe: Probe<'a>,
}

/// Looks at one sample with the weights as they are now.
type Probe<'a> = Box<dyn FnMut() -> Result<Option<Trace>> + 'a>;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl<'a> Board<'a> {
    /// A new file in `dir`, for the epochs after the first `done`: a reader drops what files of an
    /// earlier start hold of those. `probe` looks at one sample with the weights as they are.
    ///
    /// # Errors
    /// A folder that cannot be made or written.
    pub fn new(dir: &Path, done: usize, probe: Probe<'a>) -> Result<Self> {
        Ok(Self { file: EventFile::restart(dir, now(), done as u64 + 1)?, probe })
    }

    /// The scalars of an epoch (from 0), and for each layer the histogram of one sample's membranes
    /// and of its neurons' rates.
    ///
    /// # Errors
    /// A file that cannot be written, or a failing device.
    pub fn epoch(&mut self, index: usize, epoch: &Epoch) -> Result<()> {
        let (step, time) = (index as u64 + 1, now());
        let rates = &epoch.test.firing_rates;
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len().max(1) as f64;
        let scalars = [
            ("train/loss", epoch.train_loss),
            ("train/accuracy_percent", epoch.train_accuracy_percent),
            ("test/loss", epoch.test.loss),
            ("test/accuracy_percent", epoch.test.accuracy_percent()),
            ("firing_rate/mean", mean),
            ("learning_rate", epoch.learning_rate),
            ("seconds_per_epoch", epoch.seconds),
        ];
        // an analogue network has no firing rate
        for (tag, value) in
            scalars.into_iter().filter(|(tag, _)| !rates.is_empty() || *tag != "firing_rate/mean")
        {
            self.file.scalar(tag, step, time, value)?;
        }
        for (layer, rate) in rates {
            self.file.scalar(&format!("firing_rate/{layer}"), step, time, *rate)?;
        }
        // in an analogue epoch there are no neurons to look at
        let trace = if rates.is_empty() { None } else { (self.probe)()? };
        for layer in trace.map(|trace| trace.layers).unwrap_or_default() {
            self.file.histogram(
                &format!("membrane/{}", layer.name),
                step,
                time,
                &layer.histogram,
            )?;
            let steps = layer.membrane.u.len();
            // one bin for each number of spikes that a neuron can have
            let edges = (0..=steps + 1).map(|n| (n as f64 - 0.5) / steps.max(1) as f64).collect();
            let mut counts = vec![0; steps + 1];
            layer.spikes.iter().for_each(|spikes| counts[spikes.len().min(steps)] += 1);
            self.file.histogram(
                &format!("neuron_rate/{}", layer.name),
                step,
                time,
                &Histogram { edges, counts },
            )?;
        }
        self.file.flush()?;
        Ok(())
    }
}
