//! Writes a TensorBoard run as three programs would: one that was killed some epochs after its last
//! checkpoint, one that went on from there and was killed too, with a clock behind, and one that
//! went on to the end; and beside it what a reader must find: `cargo run -p spikegrad-report
//! --example events -- DIR`, then `tensorboard --logdir DIR`.

use std::path::Path;

use report::{EventFile, Histogram, write_text};
use serde_json::{Value, json};

const EPOCHS: u64 = 12;
/// What each program writes: from the epoch it goes on with to the one it was killed after.
const PROGRAMS: [(f64, u64, u64); 3] =
    [(1.7e9, 0, 7), (1.7e9 - 3600.0, 5, 9), (1.7e9 + 3600.0, 8, EPOCHS)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: events DIR")?;
    let run = Path::new(&dir).join("run");
    let (mut losses, mut rates, mut membranes) = (Vec::new(), Vec::new(), Vec::new());
    for (k, (start, first, end)) in PROGRAMS.into_iter().enumerate() {
        let mut events = EventFile::restart(&run, start, first)?;
        // what a later program writes again, readers drop
        let next = PROGRAMS.get(k + 1).map_or(EPOCHS, |program| program.1);
        for epoch in first..end {
            let now = start + 60.0 * epoch as f64;
            let (loss, rate) = (
                // the lost epochs have other values, as of another build
                1.0 / (epoch as f64 + 1.0) + if epoch < next { 0.0 } else { 5.0 },
                if epoch == 3 { f64::NAN } else { 0.1 * epoch as f64 },
            );
            events.scalar("loss/train", epoch, now, loss)?;
            events.scalar("firing rate/16C3-1", epoch, now, rate)?;
            let membrane = membrane(epoch);
            events.histogram("u/16C3-1", epoch, now, &membrane)?;
            if epoch >= next {
                continue;
            }
            losses.push(json!([epoch, loss]));
            rates.push(if rate.is_nan() { json!([epoch, "NaN"]) } else { json!([epoch, rate]) });
            membranes
                .push(json!({ "step": epoch, "edges": membrane.edges, "counts": membrane.counts }));
        }
        events.flush()?;
    }
    let expected: Value = json!({ "run": {
        "scalars": { "loss/train": losses, "firing rate/16C3-1": rates },
        "histograms": { "u/16C3-1": membranes },
    } });
    write_text(&Path::new(&dir).join("expected.json"), &format!("{expected:#}\n"))?;
    Ok(())
}

/// Twenty bins from −1 to 1, with a peak that moves to the right.
fn membrane(epoch: u64) -> Histogram {
    let edges = (0..=20).map(|k| f64::from(k) / 10.0 - 1.0).collect();
    let counts = (0..20u64).map(|bin| 1000 / (1 + bin.abs_diff(5 + epoch).pow(2))).collect();
    Histogram { edges, counts }
}
