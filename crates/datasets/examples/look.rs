//! Prints recordings as text, decodes a data set and says how fast:
//! `look <name> <data root | synthetic> [pictures]`.
//!
//! A picture shows all events of a recording per pixel: lighter for more.

use std::{env, error::Error, path::Path, time::Instant};

use datasets::{Found, Name, Recording, Recordings, find, synthetic};
use events::Events;

fn main() {
    if let Err(error) = run() {
        terminal::say!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |i: usize| arguments.get(i).map_or("", String::as_str);
    let name: Name = argument(0).parse()?;
    let set = match argument(1) {
        "synthetic" | "" => synthetic::recordings(name, 1000, 100, 1),
        root => match find(name, Path::new(root))? {
            Found::Recordings(set) => set,
            Found::Unusable { path, why } => {
                terminal::out!("{}: {why}", path.display())?;
                return Ok(());
            }
            Found::Absent => {
                terminal::out!("{root} holds no {name}")?;
                return Ok(());
            }
        },
    };
    let pictures = argument(2).parse().unwrap_or(0);
    for recording in set.train.iter().take(pictures) {
        terminal::out!("{}", name.info().classes[recording.label as usize])?;
        print(&recording.events()?)?;
    }
    summary(&set)
}

fn summary(set: &Recordings) -> Result<(), Box<dyn Error>> {
    terminal::out!(
        "{} {:?}: {} train, {} test; {}; manifest {}",
        set.name,
        set.origin,
        set.train.len(),
        set.test.len(),
        set.split,
        set.manifest_sha256
    )?;
    let start = Instant::now();
    let counts: Vec<usize> = set
        .train
        .iter()
        .chain(&set.test)
        .map(Recording::events)
        .map(|e| e.map(|e| e.len()))
        .collect::<Result<_, datasets::Error>>()?;
    let seconds = start.elapsed().as_secs_f64();
    let total: usize = counts.iter().sum();
    terminal::out!(
        "events: {:?} to {:?}, mean {}; one core: {:.0} recordings/s, {:.1} M events/s",
        counts.iter().min(),
        counts.iter().max(),
        total / counts.len().max(1),
        counts.len() as f64 / seconds,
        total as f64 / seconds * 1e-6
    )?;
    Ok(())
}

fn print(events: &Events) -> Result<(), Box<dyn Error>> {
    let (width, height) = (usize::from(events.sensor().width), usize::from(events.sensor().height));
    let block = width.div_ceil(64);
    let (columns, rows) = (width.div_ceil(block), height.div_ceil(block));
    let mut counts = vec![0_usize; columns * rows];
    for (&x, &y) in events.x().iter().zip(events.y()) {
        counts[usize::from(y) / block * columns + usize::from(x) / block] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(0).max(1);
    for row in counts.chunks(columns) {
        terminal::out!(
            "{}",
            row.iter().map(|count| char::from(b" .:-=+*#%@"[count * 9 / most])).collect::<String>()
        )?;
    }
    Ok(())
}
