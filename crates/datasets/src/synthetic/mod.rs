//! Stand-ins for the data sets: a scene of a drawn digit, a drawn shape or a pair of arms in motion stands before the simulated
//! [`Camera`]; index → label and random numbers → scene → looks of the camera's pixels → events.
//!
//! They have the size, the classes and roughly the event rate of the real recordings, so that every program runs without data, and
//! they are learnable; an accuracy on them says nothing about the data set. Each recording is a function of seed, split and index alone.

mod digits;
mod exact;
mod gestures;
mod glyphs;
pub mod idx;
mod shapes;

use events::{Events, camera::Camera};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::{Error, Name, Origin, Recording, Recordings, Source, files, recordings::Sources};

/// Raised whenever the same arguments give other events; part of the manifest.
const VERSION: u32 = 3;

/// The camera before gestures and shapes, all chosen: thresholds below v2e's default of 0.2 for the event counts of real gesture
/// recordings, v2e's mismatch, and a quieter camera than the default, whose noise would fill a sensor of this size.
const DVS: Camera = Camera {
    threshold_on: 0.15,
    threshold_off: 0.15,
    mismatch: 0.15,
    refractory_us: 500,
    noise_on_hz: 0.1,
    noise_off_hz: 0.01,
};

/// `train` and `test` stand-ins for recordings of `name`; labels run through the classes in turn. Events are made when asked for.
pub fn recordings(name: Name, train: usize, test: usize, seed: u64) -> Recordings {
    let classes = name.info().classes.len() as u32;
    let half = |count: usize, test: bool| {
        let recording =
            |index: u32| Recording { name, label: index % classes, source: Source::Synthetic { seed, test, index } };
        (0..count as u32).map(recording).collect()
    };
    let arguments = format!("synthetic v{VERSION} {name} train {train} test {test} seed {seed}");
    Recordings {
        name,
        origin: Origin::Synthetic,
        train: half(train, false),
        validation: Vec::new(),
        test: half(test, true),
        manifest_sha256: files::hex(&Sha256::digest(&arguments)),
        split: arguments,
        sources: Sources::default(),
    }
}

pub(crate) fn events(name: Name, label: u32, seed: u64, test: bool, index: u32) -> Result<Events, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // one stream of random numbers for each recording: none depends on how many others were made
    rng.set_stream((name as u64) << 33 | u64::from(test) << 32 | u64::from(index));
    let content = name.info().content;
    let other = Error::Content { name, wanted: "events", holds: content.noun() };
    let Some(sensor) = content.sensor() else { return Err(other) };
    let camera = if name == Name::NMnist { Camera::default() } else { DVS };
    // the seed of the set, not of the recording: one camera records them all
    let mut pixels = camera.pixels(sensor, seed);
    match name {
        Name::NMnist => digits::show(label, &mut rng, &mut pixels),
        Name::Cifar10Dvs => shapes::show(label, &mut rng, &mut pixels),
        Name::DvsGesture => gestures::show(label, &mut rng, &mut pixels),
        Name::SpeechCommands | Name::Mnist | Name::Cifar10 | Name::Cifar100 => return Err(other),
    }
    pixels.finish(&mut rng).map_err(|source| Error::Synthetic { index, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_recording_is_a_function_of_seed_split_and_index() {
        for name in Name::EVENTS {
            let short = recordings(name, 12, 2, 7);
            let long = recordings(name, 20, 5, 7);
            let events = |recording: &Recording| recording.events().unwrap();
            assert_eq!(events(&short.train[11]), events(&long.train[11]));
            assert_ne!(events(&short.train[1]), events(&short.test[1]));
            assert_ne!(events(&short.train[1]), events(&recordings(name, 12, 2, 8).train[1]));
            assert_ne!(short.manifest_sha256, long.manifest_sha256);
        }
    }

    #[test]
    fn event_counts_and_durations_are_of_the_real_order() {
        // real N-MNIST: mean 4,108 events in 291 to 314 ms; real gestures: 63,471 to 181,179 events in 1.45 s
        for (name, mean, duration_us) in [
            (Name::NMnist, 3_000..5_000, 280_000..310_001),
            (Name::DvsGesture, 40_000..150_000, 1_100_000..1_200_001),
            (Name::Cifar10Dvs, 20_000..200_000, 1_100_000..1_200_001),
        ] {
            let set = recordings(name, 22, 0, 1);
            let all: Vec<Events> = set.train.iter().map(|recording| recording.events().unwrap()).collect();
            let found = all.iter().map(Events::len).sum::<usize>() / all.len();
            println!("{name}: {found} events");
            assert!(mean.contains(&found), "{name}: {found} events");
            for events in &all {
                let t_us = events.t_us();
                assert!(duration_us.contains(&(t_us[t_us.len() - 1] - t_us[0])), "{name}");
                let on = events.on().iter().filter(|&&on| on).count();
                assert!((events.len() / 3..events.len() * 2 / 3).contains(&on), "{name}: {on} ON of {}", events.len());
            }
        }
    }

    /// Events per pixel, of length 1.
    fn image(recording: &Recording) -> Vec<f64> {
        let events = recording.events().unwrap();
        let width = usize::from(events.sensor().width);
        let mut image = vec![0.0; width * usize::from(events.sensor().height)];
        for (&x, &y) in events.x().iter().zip(events.y()) {
            image[usize::from(y) * width + usize::from(x)] += 1.0;
        }
        let length = image.iter().map(|v| v * v).sum::<f64>().sqrt();
        image.iter().map(|v| v / length).collect()
    }

    #[test]
    fn digits_can_be_told_apart() {
        let set = recordings(Name::NMnist, 300, 100, 3);
        let mut means = vec![vec![0.0; 34 * 34]; 10];
        for recording in &set.train {
            for (mean, value) in means[recording.label as usize].iter_mut().zip(image(recording)) {
                *mean += value;
            }
        }
        let right = set.test.iter().filter(|recording| {
            let image = image(recording);
            let likeness = |mean: &[f64]| mean.iter().zip(&image).map(|(a, b)| a * b).sum::<f64>();
            let best = (0..10).max_by(|&a, &b| likeness(&means[a]).total_cmp(&likeness(&means[b])));
            best == Some(recording.label as usize)
        });
        let right = right.count();
        println!("nearest mean image: {right} of 100");
        assert!(right >= 70, "{right} of 100 by the nearest mean image");
    }

    #[test]
    fn arms_turn_the_way_their_class_says() {
        let set = recordings(Name::DvsGesture, 44, 0, 5);
        for recording in &set.train {
            let clockwise = match recording.label {
                3 | 5 => true,
                4 | 6 => false,
                _ => continue,
            };
            let events = recording.events().unwrap();
            // centre of the events of each 20 ms; y is downwards, so a positive cross product is a clockwise turn
            let mut sums = vec![[0.0; 3]; 60];
            for ((&t, &x), &y) in events.t_us().iter().zip(events.x()).zip(events.y()) {
                let sum = &mut sums[(t / 20_000).min(59) as usize];
                *sum = [sum[0] + f64::from(x), sum[1] + f64::from(y), sum[2] + 1.0];
            }
            let centres: Vec<[f64; 2]> = sums.iter().map(|[x, y, n]| [x / n, y / n]).collect();
            let middle = [0, 1].map(|axis| centres.iter().map(|c| c[axis]).sum::<f64>() / 60.0);
            let cross = |pair: &[[f64; 2]]| {
                let [a, b] = [pair[0], pair[1]].map(|c| [c[0] - middle[0], c[1] - middle[1]]);
                a[0] * b[1] - a[1] * b[0]
            };
            let turn: f64 = centres.windows(2).map(cross).sum();
            assert_eq!(turn > 0.0, clockwise, "label {}, turn {turn}", recording.label);
        }
    }
}
