/// Learning rate of a whole epoch (from 0): a 1/k ramp over `warmup` epochs, base/(warmup − epoch),
/// then one cosine, base · (1 + cos(π(epoch − warmup)/(epochs − warmup)))/2.
///
/// This is what the paper's code does ("the same strategy as SGDR" in the text): no restart, and
/// the minimum that its script reads is never used, so the last epoch of 300 runs at 2.8·10⁻⁸.
pub fn learning_rate(epoch: usize, epochs: usize, warmup: usize, base: f64) -> f64 {
    if epoch < warmup {
        return base / (warmup - epoch) as f64;
    }
    let span = epochs.saturating_sub(warmup).max(1);
    let part = (epoch - warmup) as f64 / span as f64;
    base * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
}
