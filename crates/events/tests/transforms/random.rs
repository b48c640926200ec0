//! The transforms with random numbers: what their draws depend on, and how they are distributed.

use events::Sensor;
use events::augment::{EventTransform, Key, apply_all};
use proptest::prelude::*;

use crate::{Event, KEY, grid_of_events, list, make, recordings};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn dropping_leaves_a_subsequence_with_a_hole_of_the_right_shape(events in recordings(), share in 0.0_f64..1.0, seed in any::<u64>()) {
        let key = Key { seed, ..KEY };
        let all = list(&events);
        for transform in [
            EventTransform::DropEvents { probability: share },
            EventTransform::DropTime { share },
            EventTransform::DropArea { share },
        ] {
            let kept = list(&transform.apply(&events, key).unwrap());
            let mut rest = all.iter();
            prop_assert!(kept.iter().all(|event| rest.any(|other| other == event)), "{:?}", transform);
            // time windows and rectangles take all or nothing of a moment or a pixel
            let group: fn(&Event) -> (i64, u16, u16) = match transform {
                EventTransform::DropTime { .. } => |event| (event.0, 0, 0),
                EventTransform::DropArea { .. } => |event| (0, event.1, event.2),
                _ => continue,
            };
            let count = |events: &[Event], of| events.iter().filter(|event| group(event) == of).count();
            for event in &kept {
                prop_assert_eq!(count(&kept, group(event)), count(&all, group(event)));
            }
        }
    }

    #[test]
    fn noise_is_added_and_nothing_else(events in recordings(), count in 0_u32..50) {
        let noisy = EventTransform::UniformNoise { count }.apply(&events, KEY).unwrap();
        let mut rest = list(&noisy).into_iter();
        prop_assert!(list(&events).iter().all(|event| rest.any(|other| other == *event)), "an event was lost or moved");
        if let (Some(&first), Some(&last)) = (events.t_us().first(), events.t_us().last()) {
            prop_assert_eq!(noisy.len(), events.len() + count as usize);
            prop_assert_eq!((noisy.t_us()[0], noisy.t_us()[noisy.len() - 1]), (first, last));
        } else {
            prop_assert!(noisy.is_empty());
        }
    }
}

#[test]
fn another_seed_epoch_index_or_place_is_another_draw() {
    let events = grid_of_events(2000);
    let drop = EventTransform::DropEvents { probability: 0.5 };
    let mut results = vec![drop.apply(&events, KEY).unwrap()];
    for key in [
        Key { seed: 8, ..KEY },
        Key { epoch: 4, ..KEY },
        Key { index: 12, ..KEY },
        Key { seed: 3, epoch: 7, index: 11 },
    ] {
        results.push(drop.apply(&events, key).unwrap());
    }
    // the second place: after a transform that draws nothing and changes nothing
    results
        .push(apply_all(&[EventTransform::Refractory { dt_us: 0 }, drop], &events, KEY).unwrap());
    for (i, result) in results.iter().enumerate() {
        assert!(
            results[..i].iter().all(|other| other != result),
            "draw {i} repeats an earlier one"
        );
    }
}

#[test]
fn a_key_means_the_same_events_for_ever() {
    let events = grid_of_events(20);
    let kept = EventTransform::DropEvents { probability: 0.5 }.apply(&events, KEY).unwrap();
    let moments: Vec<i64> = kept.t_us().iter().map(|t| t / 10).collect();
    // from a ChaCha8 written apart from this crate, with the key's numbers as its 256 bits: an
    // event stays where the first 53 bits of its draw are ½ or more. A change here changes every
    // seeded result.
    assert_eq!(moments, [1, 2, 4, 5, 11, 15, 17, 18]);
}

/// Within five standard deviations of a binomial count; the keys are fixed, so it passes always or
/// never.
fn assert_binomial(count: usize, of: usize, probability: f64) {
    let (mean, deviation) =
        (of as f64 * probability, (of as f64 * probability * (1.0 - probability)).sqrt());
    assert!(
        (count as f64 - mean).abs() < 5.0 * deviation,
        "{count} of {of}, expected {mean:.0} ± {deviation:.0}"
    );
}

#[test]
fn events_drop_at_their_probability() {
    let events = grid_of_events(20_000);
    for (epoch, probability) in (0..).zip([0.01, 0.25, 0.5, 0.9]) {
        let kept = EventTransform::DropEvents { probability }
            .apply(&events, Key { epoch, ..KEY })
            .unwrap();
        assert_binomial(events.len() - kept.len(), events.len(), probability);
    }
}

#[test]
fn whole_recordings_flip_at_their_probability() {
    use EventTransform::*;
    let events = make(3, 1, [(0, 0, 0, true), (5, 1, 0, true)]);
    for transform in [
        FlipHorizontal { probability: 0.3 },
        FlipPolarity { probability: 0.3 },
        ReverseTime { probability: 0.3, flip_polarity: false },
    ] {
        let changed = (0..2000)
            .filter(|&index| transform.apply(&events, Key { index, ..KEY }).unwrap() != events)
            .count();
        assert_binomial(changed, 2000, 0.3);
    }
}

#[test]
fn a_time_window_of_the_share_is_dropped_at_every_place() {
    // one event a microsecond, so the window's length is the number of events lost
    let events = make(1, 1, (0..100).map(|t| (t, 0, 0, true)));
    let mut starts = [0; 81];
    for index in 0..8100 {
        let kept =
            EventTransform::DropTime { share: 0.2 }.apply(&events, Key { index, ..KEY }).unwrap();
        let start = (0..100).find(|t| !kept.t_us().contains(t)).unwrap();
        let expected: Vec<i64> = (0..100).filter(|t| !(start..start + 20).contains(t)).collect();
        assert_eq!(kept.t_us(), expected);
        starts[start as usize] += 1;
    }
    for count in starts {
        assert_binomial(count, 8100, 1.0 / 81.0);
    }
}

#[test]
fn a_rectangle_of_the_share_is_dropped_at_every_place() {
    // one event a pixel of 20 x 10; a quarter of the area is 10 x 5
    let events = make(20, 10, (0..200).map(|i| (i, (i % 20) as u16, (i / 20) as u16, true)));
    let mut corners = [0; 66];
    for index in 0..6600 {
        let kept = list(
            &EventTransform::DropArea { share: 0.25 }.apply(&events, Key { index, ..KEY }).unwrap(),
        );
        let dropped: Vec<Event> =
            list(&events).into_iter().filter(|event| !kept.contains(event)).collect();
        assert_eq!(dropped.len(), 50);
        let (_, left, top, _) = dropped[0];
        assert!(
            dropped
                .iter()
                .all(|&(_, x, y, _)| (left..left + 10).contains(&x) && (top..top + 5).contains(&y))
        );
        corners[usize::from(top) * 11 + usize::from(left)] += 1;
    }
    for count in corners {
        assert_binomial(count, 6600, 1.0 / 66.0);
    }
}

#[test]
fn a_random_window_lies_at_every_place_within_the_padding() {
    let events = make(3, 1, [(0, 1, 0, true)]);
    // a window of 2 on 3 + 2·1 pixels has four places in x; one of 1 on 1 + 2·1 has three in y
    let mut places = [0; 3];
    for index in 0..6000 {
        let window = EventTransform::RandomCrop { padding: 1, width: 2, height: 1 };
        let cropped = window.apply(&events, Key { index, ..KEY }).unwrap();
        assert_eq!(cropped.sensor(), Sensor { width: 2, height: 1 });
        places[cropped.x().first().map_or(2, |&x| usize::from(x))] += 1;
    }
    // the event is seen from two of the twelve places, in the window's first column from one and in
    // its second from the other
    for count in &places[..2] {
        assert_binomial(*count, 6000, 1.0 / 12.0);
    }
}

/// Mean and standard deviation.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (
        mean,
        (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
            .sqrt(),
    )
}

#[test]
fn jitter_has_the_deviation_asked_for() {
    // far from the edges and far apart in time, so that nothing is lost and nothing changes places
    let events = make(201, 201, (0..10_000).map(|i| (i * 1_000_000, 100, 100, true)));
    let moved = EventTransform::JitterSpace { std_px: 3.0 }.apply(&events, KEY).unwrap();
    assert_eq!((moved.len(), moved.t_us()), (events.len(), events.t_us()));
    for axis in [moved.x(), moved.y()] {
        let (mean, deviation) =
            moments(&axis.iter().map(|&at| f64::from(at) - 100.0).collect::<Vec<_>>());
        // rounding adds 1/12 to the variance; five standard errors: 5·σ/√n and 5·σ/√(2n)
        let expected = (9.0_f64 + 1.0 / 12.0).sqrt();
        assert!(mean.abs() < 0.15 && (deviation - expected).abs() < 0.11, "{mean} {deviation}");
    }
    let late = EventTransform::JitterTime { std_us: 500.0 }.apply(&events, KEY).unwrap();
    assert_eq!((late.x(), late.y()), (events.x(), events.y()));
    let shifts: Vec<f64> = late
        .t_us()
        .iter()
        .zip(events.t_us())
        .map(|(after, before)| (after - before) as f64)
        .collect();
    let (mean, deviation) = moments(&shifts);
    assert!(mean.abs() < 25.0 && (deviation - 500.0).abs() < 17.7, "{mean} {deviation}");
    let within = shifts.iter().filter(|shift| shift.abs() < 500.0).count();
    assert_binomial(within, shifts.len(), 0.6827);
}

#[test]
fn what_jitter_moves_off_the_sensor_is_dropped() {
    let events = make(1, 1, (0..1000).map(|t| (t, 0, 0, true)));
    let kept = EventTransform::JitterSpace { std_px: 1.0 }.apply(&events, KEY).unwrap();
    // both shifts round to 0: (2Φ(½) − 1)²
    assert_binomial(kept.len(), 1000, 0.3829 * 0.3829);
}

#[test]
fn noise_is_uniform_over_columns_rows_times_and_polarities() {
    let events = make(4, 3, [(0, 0, 0, true), (9, 0, 0, true)]);
    let mut noise =
        list(&EventTransform::UniformNoise { count: 12_000 }.apply(&events, KEY).unwrap());
    noise.retain(|event| *event != (0, 0, 0, true) && *event != (9, 0, 0, true));
    for (t, x, y, on) in (0..10).flat_map(|t| [(t, 1, 2, false), (t, 3, 0, true)]) {
        assert_binomial(
            noise.iter().filter(|event| **event == (t, x, y, on)).count(),
            12_000,
            1.0 / 240.0,
        );
    }
}
