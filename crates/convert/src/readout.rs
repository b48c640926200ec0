//! Decisions of one sample from what the head gave at each step.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What the last product does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Head {
    /// It has neurons, whose spikes are counted; a sample without any has no class.
    Spikes,
    /// Its currents are added up.
    Accumulated,
    /// Those of so many steps until now.
    Window(usize),
}

impl Head {
    /// The sums of a new sample.
    pub fn readout(self, classes: usize) -> Readout {
        Readout::new(self, classes)
    }
}

/// What the head gave a sample until now.
#[derive(Clone, Debug)]
pub struct Readout {
    head: Head,
    sums: Vec<f64>,
    /// The steps of a window, oldest first.
    kept: VecDeque<Vec<f32>>,
}

impl Readout {
    fn new(head: Head, classes: usize) -> Readout {
        Readout { head, sums: vec![0.0; classes], kept: VecDeque::new() }
    }

    /// Adds the head's spikes, or currents, of one step.
    pub fn add(&mut self, values: &[f32]) {
        if let Head::Window(steps) = self.head {
            if self.kept.len() >= steps.max(1) {
                self.kept.pop_front();
            }
            self.kept.push_back(values.to_vec());
            // summed anew, so that what leaves the window leaves nothing behind
            self.sums.fill(0.0);
            for step in &self.kept {
                self.sums.iter_mut().zip(step).for_each(|(sum, v)| *sum += f64::from(*v));
            }
        } else {
            self.sums.iter_mut().zip(values).for_each(|(sum, v)| *sum += f64::from(*v));
        }
    }

    /// The sums.
    pub fn sums(&self) -> &[f64] {
        &self.sums
    }

    /// The class of the largest sum, of equals the first; `None` where the head has neurons and
    /// none fired.
    pub fn class(&self) -> Option<usize> {
        let silent = self.head == Head::Spikes && self.sums.iter().all(|sum| *sum == 0.0);
        let mut best = 0;
        for (i, sum) in self.sums.iter().enumerate() {
            if *sum > self.sums[best] {
                best = i;
            }
        }
        (!silent).then_some(best)
    }

    /// Begins another sample.
    pub fn clear(&mut self) {
        self.sums.fill(0.0);
        self.kept.clear();
    }
}
