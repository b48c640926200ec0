//! What a person sees while it runs: a bar on a terminal, plain lines elsewhere. All on stderr.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use models::LayerTrace;
use std::io::IsTerminal;
use training::{Epoch, Progress};

/// A bar that counts to `n`; silent where stderr is no terminal.
pub fn counter(what: &str, n: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(n), ProgressDrawTarget::stderr());
    bar.set_style(style("{msg} {wide_bar} {pos}/{len} {eta}"));
    bar.set_message(what.to_owned());
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Follows one run.
pub struct Watch {
    title: String,
    epochs: usize,
    bar: ProgressBar,
    terminal: bool,
    latest: String,
    /// What the layers did in the latest epoch's last step, if that was event-driven.
    pub layers: Vec<LayerTrace>,
}

impl Watch {
    /// `title` is shown in front of every line.
    pub fn new(title: String, epochs: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(epochs as u64), ProgressDrawTarget::stderr());
        bar.set_style(style("{prefix} {wide_bar} {percent}% {msg} eta {eta}"));
        bar.set_prefix(title.clone());
        Self {
            title,
            epochs,
            bar,
            terminal: std::io::stderr().is_terminal(),
            latest: String::new(),
            layers: Vec::new(),
        }
    }
}

impl Progress for Watch {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64, accuracy_percent: f64) {
        self.bar.set_length((self.epochs * steps) as u64);
        self.bar.set_position((epoch * steps + step + 1) as u64);
        let now = format!("epoch {}/{} loss {loss:.4} train {accuracy_percent:.1} %", epoch + 1, self.epochs);
        self.bar.set_message(format!("{now}{}", self.latest));
    }

    fn layers(&mut self, layers: &[LayerTrace]) {
        self.layers = layers.to_vec();
    }

    fn epoch(&mut self, index: usize, epoch: &Epoch) {
        let rates = epoch.test.firing_rates.iter().map(|(_, r)| r).sum::<f64>();
        let rate = 100.0 * rates / epoch.test.firing_rates.len().max(1) as f64;
        self.latest = format!(" test {:.1} % rate {rate:.1} %", epoch.test.accuracy_percent());
        if !self.terminal {
            eprintln!(
                "{} epoch {}/{} loss {:.4} train {:.1} %{} {:.1} s",
                self.title,
                index + 1,
                self.epochs,
                epoch.train_loss,
                epoch.train_accuracy_percent,
                self.latest,
                epoch.seconds
            );
        }
        if index + 1 == self.epochs {
            self.bar.finish_and_clear();
        }
    }
}
