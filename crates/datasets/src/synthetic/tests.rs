#![allow(clippy::unwrap_used)]
use super::*;
use crate::Content;
use crate::speech::LogMel;
use events::{Events, Shape};

/// Everything that a recording holds, in bytes.
fn bytes(recording: &Recording) -> Vec<u8> {
    match recording.name.info().content {
        Content::Events { .. } => {
            let events = recording.events().unwrap();
            let columns = events.t_us().iter().zip(events.x()).zip(events.y()).zip(events.on());
            columns
                .flat_map(|(((t, x), y), on)| format!("{t} {x} {y} {on}\n").into_bytes())
                .collect()
        }
        Content::Images { .. } => recording.image().unwrap().into_values(),
        Content::Speech { .. } => {
            recording.waveform().unwrap().iter().flat_map(|v| v.to_le_bytes()).collect()
        }
    }
}

#[test]
fn a_recording_is_a_function_of_seed_split_and_index() {
    for name in Name::ALL {
        let short = recordings(name, 12, 2, 7);
        let long = recordings(name, 20, 5, 7);
        assert_eq!(bytes(&short.train[11]), bytes(&long.train[11]));
        assert_ne!(bytes(&short.train[1]), bytes(&short.test[1]));
        assert_ne!(bytes(&short.train[1]), bytes(&recordings(name, 12, 2, 8).train[1]));
        assert_ne!(short.manifest_sha256, long.manifest_sha256);
    }
}

#[test]
fn other_bits_are_another_version() {
    for (name, expected) in [
        (Name::NMnist, "d181daeba9794a38"),
        (Name::DvsGesture, "26e61e277768ea8d"),
        (Name::Cifar10Dvs, "97efd8df49ba456a"),
        (Name::SpeechCommands, "6d1346c9b7db7bc7"),
        (Name::Mnist, "fdcf63fdbcb70a0e"),
        (Name::Cifar10, "8de3fa20622efbdd"),
        (Name::Cifar100, "59963e2c5430e3be"),
    ] {
        let set = recordings(name, 22, 1, 11);
        let three = [&set.train[0], &set.train[21], &set.test[0]].map(bytes).concat();
        let found = files::hex(&Sha256::digest(three));
        assert!(found.starts_with(expected), "{name}: {found}: raise VERSION, then these digests");
    }
}

#[test]
fn a_recording_holds_one_kind_of_thing() {
    for name in Name::ALL {
        let recording = &recordings(name, 1, 0, 0).train[0];
        let content = name.info().content;
        assert_eq!(recording.events().is_ok(), matches!(content, Content::Events { .. }), "{name}");
        assert_eq!(recording.image().is_ok(), matches!(content, Content::Images { .. }), "{name}");
        assert_eq!(
            recording.waveform().is_ok(),
            matches!(content, Content::Speech { .. }),
            "{name}"
        );
    }
    let wrong = recordings(Name::Mnist, 1, 0, 0).train[0].columns().unwrap_err().to_string();
    assert_eq!(wrong, "mnist: expected events, found a data set of images; ask for images");
    let wrong = recordings(Name::NMnist, 1, 0, 0).train[0].waveform().unwrap_err().to_string();
    assert_eq!(wrong, "n-mnist: expected sounds, found a data set of events; ask for events");
}

#[test]
fn images_have_the_size_of_the_real_ones_and_use_their_range() {
    for name in [Name::Mnist, Name::Cifar10, Name::Cifar100] {
        let [height, width, channels] = name.info().content.frame();
        for recording in &recordings(name, 100, 0, 2).train {
            let image = recording.image().unwrap();
            assert_eq!(image.shape(), Shape { steps: 1, height, width, channels });
            let (low, high) = (image.values().iter().min(), image.values().iter().max());
            assert!(low < Some(&60) && high > Some(&180), "{name}: {low:?} to {high:?}");
        }
    }
    // real MNIST: mean 33.3
    let set = recordings(Name::Mnist, 100, 0, 2);
    let sum: usize = set.train.iter().flat_map(bytes).map(usize::from).sum();
    let mean = sum / (100 * 28 * 28);
    assert!((25..50).contains(&mean), "mean {mean}");
}

#[test]
fn sounds_last_a_second_and_are_not_cut_off() {
    for recording in &recordings(Name::SpeechCommands, 70, 0, 2).train {
        let waveform = recording.waveform().unwrap();
        assert_eq!(waveform.len(), 16_000);
        let loudest = waveform.iter().map(|v| v.unsigned_abs()).max().unwrap();
        assert!((1_400..20_000).contains(&loudest), "{loudest}");
        let edges = waveform[..500]
            .iter()
            .chain(&waveform[15_500..])
            .map(|v| v.unsigned_abs())
            .max()
            .unwrap();
        assert!((10..=200).contains(&edges), "{edges}");
    }
}

#[test]
fn event_counts_and_durations_are_of_the_real_order() {
    // real N-MNIST: mean 4,108 events in 291 to 314 ms; real gestures: 63,471 to 181,179 events in
    // 1.45 s
    for (name, mean, duration_us) in [
        (Name::NMnist, 3_000..5_000, 280_000..310_001),
        (Name::DvsGesture, 40_000..150_000, 1_100_000..1_200_001),
        (Name::Cifar10Dvs, 20_000..200_000, 1_100_000..1_200_001),
    ] {
        let set = recordings(name, 22, 0, 1);
        let all: Vec<Events> =
            set.train.iter().map(|recording| recording.events().unwrap()).collect();
        let found = all.iter().map(Events::len).sum::<usize>() / all.len();
        println!("{name}: {found} events");
        assert!(mean.contains(&found), "{name}: {found} events");
        for events in &all {
            let t_us = events.t_us();
            assert!(duration_us.contains(&(t_us[t_us.len() - 1] - t_us[0])), "{name}");
            let on = events.on().iter().filter(|&&on| on).count();
            assert!(
                (events.len() / 3..events.len() * 2 / 3).contains(&on),
                "{name}: {on} ON of {}",
                events.len()
            );
        }
    }
}

/// Events per pixel.
fn counts(recording: &Recording) -> Vec<f64> {
    let events = recording.events().unwrap();
    let width = usize::from(events.sensor().width);
    let mut image = vec![0.0; width * usize::from(events.sensor().height)];
    for (&x, &y) in events.x().iter().zip(events.y()) {
        image[usize::from(y) * width + usize::from(x)] += 1.0;
    }
    image
}

/// The values of an image, less their mean.
fn values(recording: &Recording) -> Vec<f64> {
    centred(recording.image().unwrap().values().iter().map(|&v| v.into()).collect())
}

/// The brightness of an image's pixels, less its mean.
fn brightness(recording: &Recording) -> Vec<f64> {
    let image = recording.image().unwrap();
    let pixels = image.values().chunks_exact(image.shape().channels);
    centred(pixels.map(|pixel| pixel.iter().map(|&v| f64::from(v)).sum()).collect())
}

/// The mean colour of an image, less its brightness.
fn colour(recording: &Recording) -> Vec<f64> {
    let mut sums = vec![0.0; 3];
    bytes(recording).iter().enumerate().for_each(|(i, &v)| sums[i % 3] += f64::from(v));
    centred(sums)
}

fn centred(mut values: Vec<f64>) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|v| *v -= mean);
    values
}

/// How many of the test recordings look most like the mean of their own class, all looks of length
/// 1.
fn nearest_mean(set: &Recordings, look: impl Fn(&Recording) -> Vec<f64>) -> usize {
    let look = |recording: &Recording| {
        let seen = look(recording);
        let length = seen.iter().map(|v| v * v).sum::<f64>().sqrt();
        seen.iter().map(|v| v / length).collect::<Vec<f64>>()
    };
    let classes = set.name.info().classes.len();
    let mut means = vec![vec![0.0; look(&set.train[0]).len()]; classes];
    for recording in &set.train {
        for (mean, value) in means[recording.label as usize].iter_mut().zip(look(recording)) {
            *mean += value;
        }
    }
    let right = set.test.iter().filter(|recording| {
        let seen = look(recording);
        let likeness = |mean: &[f64]| mean.iter().zip(&seen).map(|(a, b)| a * b).sum::<f64>();
        let best =
            (0..classes).max_by(|&a, &b| likeness(&means[a]).total_cmp(&likeness(&means[b])));
        best == Some(recording.label as usize)
    });
    let right = right.count();
    println!("{}: nearest mean: {right} of {}", set.name, set.test.len());
    right
}

#[test]
fn digits_can_be_told_apart() {
    let right = nearest_mean(&recordings(Name::NMnist, 300, 100, 3), counts);
    assert!(right >= 70, "{right} of 100 by the nearest mean image");
    let right = nearest_mean(&recordings(Name::Mnist, 300, 100, 3), values);
    assert!(right >= 70, "{right} of 100 by the nearest mean image");
}

#[test]
fn shapes_can_be_told_apart_but_not_by_their_colour() {
    let set = recordings(Name::Cifar10, 300, 100, 3);
    let right = nearest_mean(&set, brightness);
    assert!(right >= 50, "{right} of 100 by the nearest mean image");
    let right = nearest_mean(&set, colour);
    assert!(right <= 25, "{right} of 100 by the mean colour");
}

#[test]
fn a_hundred_classes_are_shapes_and_hues() {
    let set = recordings(Name::Cifar100, 1000, 200, 3);
    let right = nearest_mean(&set, values);
    assert!(right >= 60, "{right} of 200 by the nearest mean image");
    // either alone leaves ten classes to choose from
    for look in [brightness, colour] {
        let right = nearest_mean(&set, look);
        assert!(right <= 40, "{right} of 200 by shape or by hue alone");
    }
}

#[test]
fn words_can_be_told_apart() {
    let front = LogMel::default();
    let spectrogram = |recording: &Recording| {
        let waveform = recording.waveform().unwrap();
        centred(front.spectrogram(&waveform).unwrap().values().iter().map(|&v| v.into()).collect())
    };
    let right = nearest_mean(&recordings(Name::SpeechCommands, 350, 105, 3), spectrogram);
    assert!(right >= 63, "{right} of 105 by the nearest mean spectrogram");
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
        // centre of the events of each 20 ms; y is downwards, so a positive cross product is a
        // clockwise turn
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
