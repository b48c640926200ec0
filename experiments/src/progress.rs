//! What a person sees while it runs: a bar on a terminal, plain lines elsewhere. All on stderr.

use crate::board::Board;
use crate::checkpoint_writer::CheckpointWriter;
use crate::stop;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use models::LayerTrace;
use std::io::IsTerminal;
use std::time::Instant;
use training::{Epoch, Progress, Refusal, Setback, State};

/// A bar that counts to `n`; silent where stderr is no terminal.
pub fn counter(what: &str, n: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(n), ProgressDrawTarget::stderr());
    bar.set_style(style("{msg} {wide_bar} {pos}/{len} {eta}"));
    bar.set_message(terminal::line(what));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Follows one run, keeps its state, and writes its curves for TensorBoard.
pub struct RunProgress<'a> {
    title: String,
    epochs: usize,
    batch: usize,
    bar: ProgressBar,
    terminal: bool,
    latest: String,
    /// When this program began with the run, and how many steps ago.
    since: Instant,
    steps: u64,
    /// What the layers did in the latest epoch's last step, if that was event-driven.
    pub layers: Vec<LayerTrace>,
    /// Saves the state, if it is to be saved.
    pub checkpoints: Option<CheckpointWriter>,
    /// Writes for TensorBoard, if that was asked for.
    pub board: Option<Board<'a>>,
}

impl RunProgress<'_> {
    /// `title` is shown in front of every line; `batch` is the size of a step.
    pub fn new(title: String, epochs: usize, batch: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(epochs as u64), ProgressDrawTarget::stderr());
        bar.set_style(style("{prefix} {wide_bar} {percent}% {msg} eta {eta}"));
        bar.set_prefix(terminal::line(&title));
        Self {
            title,
            epochs,
            batch,
            bar,
            terminal: std::io::stderr().is_terminal(),
            latest: String::new(),
            since: Instant::now(),
            steps: 0,
            layers: Vec::new(),
            checkpoints: None,
            board: None,
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| terminal::say!("{} {line}", self.title));
    }
}

impl Progress for RunProgress<'_> {
    fn step(&mut self, epoch: usize, step: usize, steps: usize, loss: f64, accuracy_percent: f64) {
        let done = (epoch * steps + step + 1) as u64;
        if self.steps == 0 {
            // a resumed run does not take the steps before it for its own speed
            self.since = Instant::now();
            self.bar.reset_eta();
        }
        self.steps += 1;
        self.bar.set_length((self.epochs * steps) as u64);
        self.bar.set_position(done);
        let speed = (self.steps - 1) as f64 * self.batch as f64
            / self.since.elapsed().as_secs_f64().max(1e-9);
        let now = format!(
            "epoch {}/{} loss {loss:.4} train {accuracy_percent:.1} %",
            epoch + 1,
            self.epochs
        );
        self.bar.set_message(format!("{now}{} {speed:.0} samples/s", self.latest));
    }

    fn layers(&mut self, layers: &[LayerTrace]) {
        self.layers = layers.to_vec();
    }

    fn epoch(&mut self, index: usize, epoch: &Epoch) {
        let rates = epoch.test.firing_rates.iter().map(|(_, r)| r).sum::<f64>();
        let rate = 100.0 * rates / epoch.test.firing_rates.len().max(1) as f64;
        self.latest = format!(" test {:.1} %", epoch.test.accuracy_percent());
        if !epoch.test.firing_rates.is_empty() {
            self.latest += &format!(" rate {rate:.1} %");
        }
        if let Some(held_out) = &epoch.held_out {
            self.latest += &format!(" held out {:.1} %", held_out.accuracy_percent());
        }
        if !epoch.test.silent_voters.is_empty() {
            let silent: usize = epoch.test.silent_voters.iter().sum();
            self.latest += &format!(" silent voters {silent}");
        }
        if !self.terminal {
            terminal::say!(
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
        if let Some(said) = self.board.as_mut().and_then(|board| board.epoch(index, epoch).err()) {
            // the curves are in the receipt too: a run of hours does not end for them
            self.board = None;
            self.say(&format!("writes no more for TensorBoard: {said}"));
        }
        if index + 1 == self.epochs {
            self.bar.finish_and_clear();
        }
    }

    fn silent(&mut self, layer: &str, epoch: usize, step: usize) {
        self.say(&format!(
            "epoch {epoch}, step {step}: the layer {layer} has not fired for as long as an epoch"
        ));
    }

    fn setback(&mut self, setback: &Setback) {
        self.say(&format!(
            "goes back to the beginning of epoch {} with half the learning rate: {}",
            setback.epoch, setback.what
        ));
    }

    fn keep(&mut self, state: &State) -> Result<(), Refusal> {
        match &mut self.checkpoints {
            Some(checkpoints) => {
                checkpoints.keep(state, state.training.epoch == self.epochs || stop::asked())
            }
            None => Ok(()),
        }
    }

    fn interrupted(&self) -> bool {
        stop::asked()
    }
}
