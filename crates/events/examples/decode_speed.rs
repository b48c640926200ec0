//! Times the decoders on files, in turn with a driver that times other readers on the same files:
//! benches/peers/decode.py.
//!
//! ```text
//! cargo run --release -p spikegrad-events --example decode_speed -- FORMAT LIST
//! ```
//!
//! LIST is a text file with one path a line. The program prints the number of events and the sums
//! of t, x, y and ON, to compare results by. Then it answers each line on standard input, the name
//! of a work, with the seconds that this work took over all the files, each result dropped inside
//! the time:
//!
//! - `columns`: read each file and decode it, as the other readers do
//! - `events`: the same, and check the result against the sensor and for order
//! - `read`: read alone
//! - `decode`: decode alone, from bytes in memory
//! - `copy_input`, `copy_output`: clone those bytes, or the decoded columns: the plain memory copy

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

use events::formats::{self, Format};
use events::{Columns, Events, Sensor};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc; // the programs' allocator

/// Of the gesture recordings; the smaller one of N-MNIST lies within.
const SENSOR: Sensor = Sensor { width: 128, height: 128 };

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Files {
    format: Format,
    paths: Vec<String>,
    bytes: Vec<Vec<u8>>,
    columns: Vec<Columns>,
}

impl Files {
    fn load(format: &str, list: &str) -> Outcome<Self> {
        let format: Format = format.parse()?;
        let decode = |bytes: &[u8]| formats::decode(format, bytes);
        let list = fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
        let paths: Vec<String> = list.lines().map(str::to_owned).collect();
        let bytes: Vec<Vec<u8>> = paths.iter().map(fs::read).collect::<Result<_, _>>()?;
        let columns = bytes.iter().map(|bytes| decode(bytes)).collect::<Result<_, _>>()?;
        Ok(Self { format, paths, bytes, columns })
    }

    fn sums(&self) -> [i64; 5] {
        let mut sums = [0; 5];
        for Columns { t_us, x, y, on } in &self.columns {
            sums[0] += t_us.len() as i64;
            sums[1] += t_us.iter().sum::<i64>();
            sums[2] += x.iter().map(|&x| i64::from(x)).sum::<i64>();
            sums[3] += y.iter().map(|&y| i64::from(y)).sum::<i64>();
            sums[4] += on.iter().map(|&on| i64::from(on)).sum::<i64>();
        }
        sums
    }

    fn read(&self, path: &String) -> Outcome<Columns> {
        Ok(formats::decode(self.format, &fs::read(path)?)?)
    }

    fn time(&self, work: &str) -> Outcome<f64> {
        match work {
            "columns" => seconds(&self.paths, |path| self.read(path)),
            "events" => seconds(&self.paths, |path| Ok(Events::sorted(SENSOR, self.read(path)?)?)),
            "read" => seconds(&self.paths, |path| Ok(fs::read(path)?)),
            "decode" => seconds(&self.bytes, |bytes| Ok(formats::decode(self.format, bytes)?)),
            "copy_input" => seconds(&self.bytes, |bytes| Ok(bytes.clone())),
            "copy_output" => seconds(&self.columns, |columns| Ok(columns.clone())),
            _ => Err(format!(
                "expected columns, events, read, decode, copy_input or copy_output, found {work:?}"
            )
            .into()),
        }
    }
}

fn seconds<I, O>(inputs: &[I], work: impl Fn(&I) -> Outcome<O>) -> Outcome<f64> {
    let start = Instant::now();
    for input in inputs {
        black_box(work(input)?);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn run() -> Outcome<()> {
    let [format, list] = &std::env::args().skip(1).collect::<Vec<_>>()[..] else {
        return Err("expected the arguments FORMAT LIST".into());
    };
    let files = Files::load(format, list)?;
    terminal::out!("{:?}", files.sums())?;
    for work in std::io::stdin().lines() {
        terminal::out!("{:e}", files.time(work?.trim())?)?;
    }
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        terminal::say!("error: {error}");
        std::process::exit(1);
    }
}
