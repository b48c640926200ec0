//! Every change of a recording, the voxel grid and the time surface against a plain slow definition
//! or a property that defines it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod grids;
mod plain;
mod random;

use events::augment::{
    EventTransform, Key, apply_all, crop, flip_horizontal, flip_polarity, reverse_time,
};
use events::{Columns, Error, Events, Sensor, time_surface, voxel_grid};
use proptest::prelude::*;

const KEY: Key = Key { seed: 7, epoch: 3, index: 11 };

type Event = (i64, u16, u16, bool);

fn list(events: &Events) -> Vec<Event> {
    (0..events.len())
        .map(|i| (events.t_us()[i], events.x()[i], events.y()[i], events.on()[i]))
        .collect()
}

fn make(width: u16, height: u16, list: impl IntoIterator<Item = Event>) -> Events {
    let mut columns = Columns::default();
    for (t_us, x, y, on) in list {
        columns.push(t_us, x, y, on);
    }
    Events::sorted(Sensor { width, height }, columns).unwrap()
}

/// Recordings on small sensors, so that pixels repeat, are neighbours, and share their times.
fn recordings() -> impl Strategy<Value = Events> {
    (1_u16..10, 1_u16..8).prop_flat_map(|(width, height)| {
        let event = (-150_i64..150, 0..width, 0..height, any::<bool>());
        proptest::collection::vec(event, 0..60).prop_map(move |list| make(width, height, list))
    })
}

/// `count` events at different times, evenly over the pixels of a 50 x 40 sensor.
fn grid_of_events(count: u32) -> Events {
    make(
        50,
        40,
        (0..count).map(|i| (i64::from(i) * 10, (i % 50) as u16, (i / 50 % 40) as u16, i % 3 == 0)),
    )
}

fn every_transform() -> Vec<EventTransform> {
    use EventTransform::*;
    vec![
        Crop { x: -1, y: 1, width: 4, height: 3 },
        RandomCrop { padding: 2, width: 3, height: 2 },
        FlipHorizontal { probability: 0.5 },
        FlipPolarity { probability: 0.5 },
        ReverseTime { probability: 0.5, flip_polarity: true },
        DropEvents { probability: 0.3 },
        DropTime { share: 0.4 },
        DropArea { share: 0.4 },
        JitterSpace { std_px: 1.5 },
        JitterTime { std_us: 40.0 },
        Refractory { dt_us: 20 },
        Denoise { dt_us: 50 },
        UniformNoise { count: 9 },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_result_is_sorted_on_its_sensor_and_a_function_of_the_key(events in recordings(), seed in any::<u64>()) {
        let before = events.clone();
        let key = Key { seed, ..KEY };
        for transform in every_transform() {
            let result = transform.apply(&events, key).unwrap();
            prop_assert!(Events::new(result.sensor(), result.columns().clone()).is_ok(), "{:?}", transform);
            prop_assert_eq!(&transform.apply(&events, key).unwrap(), &result);
            prop_assert_eq!(&apply_all(&[transform], &events, key).unwrap(), &result);
        }
        prop_assert_eq!(before, events);
    }

    #[test]
    fn nothing_asked_is_nothing_changed(events in recordings()) {
        use EventTransform::*;
        let Sensor { width, height } = events.sensor();
        for transform in [
            Crop { x: 0, y: 0, width, height },
            RandomCrop { padding: 0, width, height },
            FlipHorizontal { probability: 0.0 },
            FlipPolarity { probability: 0.0 },
            ReverseTime { probability: 0.0, flip_polarity: true },
            DropEvents { probability: 0.0 },
            DropTime { share: 0.0 },
            DropArea { share: 0.0 },
            JitterSpace { std_px: 0.0 },
            JitterTime { std_us: 0.0 },
            Refractory { dt_us: 0 },
            UniformNoise { count: 0 },
        ] {
            prop_assert_eq!(&transform.apply(&events, KEY).unwrap(), &events, "{:?}", transform);
        }
        prop_assert_eq!(&apply_all(&[], &events, KEY).unwrap(), &events);
    }

    #[test]
    fn everything_asked_takes_every_event(events in recordings()) {
        use EventTransform::*;
        for transform in [DropEvents { probability: 1.0 }, DropTime { share: 1.0 }, DropArea { share: 1.0 }] {
            prop_assert!(transform.apply(&events, KEY).unwrap().is_empty(), "{:?}", transform);
        }
        let certain = [
            (FlipHorizontal { probability: 1.0 }, flip_horizontal(&events)),
            (FlipPolarity { probability: 1.0 }, flip_polarity(&events)),
            (ReverseTime { probability: 1.0, flip_polarity: false }, reverse_time(&events)),
            (ReverseTime { probability: 1.0, flip_polarity: true }, flip_polarity(&reverse_time(&events))),
        ];
        for (transform, expected) in certain {
            prop_assert_eq!(transform.apply(&events, KEY).unwrap(), expected);
        }
    }
}

#[test]
fn a_list_is_its_transforms_in_order() {
    let events = grid_of_events(500);
    let crop_then_flip = [
        EventTransform::Crop { x: 0, y: 0, width: 20, height: 40 },
        EventTransform::FlipHorizontal { probability: 1.0 },
    ];
    let expected = flip_horizontal(&crop(&events, 0, 0, 20, 40));
    assert_eq!(apply_all(&crop_then_flip, &events, KEY).unwrap(), expected);
}

#[test]
fn a_wrong_parameter_is_refused_in_one_sentence() {
    use EventTransform::*;
    let events = make(5, 4, [(0, 0, 0, true)]);
    for (transform, sentence) in [
        (
            DropEvents { probability: 1.5 },
            "drop_events: expected probability between 0 and 1, found 1.5; change the parameter",
        ),
        (
            DropTime { share: f64::NAN },
            "drop_time: expected share between 0 and 1, found NaN; change the parameter",
        ),
        (
            DropArea { share: -0.1 },
            "drop_area: expected share between 0 and 1, found -0.1; change the parameter",
        ),
        (
            JitterTime { std_us: f64::INFINITY },
            "jitter_time: expected std_us finite and at least 0, found inf; change the parameter",
        ),
        (
            Crop { x: 0, y: 0, width: 0, height: 5 },
            "crop: expected a window of at least 1x1 pixel, found 0x5; give it a width and a height",
        ),
        (
            RandomCrop { padding: 1, width: 8, height: 4 },
            "random_crop: expected a window that fits the 5x4 sensor padded by 1, found 8x4; take a smaller window or more padding",
        ),
    ] {
        assert_eq!(transform.apply(&events, KEY).unwrap_err().to_string(), sentence);
    }
    assert!(matches!(voxel_grid(&events, 0), Err(Error::NoFrames)));
    assert!(matches!(time_surface(&events, &[], 1.0), Err(Error::NoFrames)));
    let zero = time_surface(&events, &[1], 0.0).unwrap_err().to_string();
    assert_eq!(
        zero,
        "time surface: expected tau_us finite and above 0, found 0; give the decay in microseconds"
    );
    let backwards = time_surface(&events, &[1, 5, 4], 1.0).unwrap_err().to_string();
    assert_eq!(
        backwards,
        "time surface: expected times that never decrease, found 4 µs after 5 µs; sort them"
    );
}

#[test]
fn extreme_times_sizes_and_parameters_neither_panic_nor_overflow() {
    let sensor = Sensor { width: u16::MAX, height: 1 };
    let columns = Columns {
        t_us: vec![i64::MIN, 0, i64::MAX],
        x: vec![0, 7, u16::MAX - 1],
        y: vec![0; 3],
        on: vec![true, false, true],
    };
    let events = Events::new(sensor, columns).unwrap();
    assert_eq!(reverse_time(&events).t_us(), [i64::MIN, -1, i64::MAX]);
    use EventTransform::*;
    for transform in [
        Crop { x: i32::MIN, y: i32::MAX, width: u16::MAX, height: 1 },
        RandomCrop { padding: u16::MAX, width: u16::MAX, height: u16::MAX },
        DropTime { share: 0.5 },
        DropTime { share: 1.0 },
        JitterSpace { std_px: f64::MAX },
        JitterTime { std_us: f64::MAX },
        Refractory { dt_us: u32::MAX },
        Denoise { dt_us: u32::MAX },
        UniformNoise { count: 100 },
    ] {
        transform.apply(&events, KEY).unwrap();
    }
    let grid = voxel_grid(&events, 3).unwrap();
    assert_eq!(grid.values().iter().sum::<f32>(), 3.0);
    assert_eq!(
        time_surface(&events, &[i64::MIN, i64::MAX], 1.0).unwrap().values().iter().sum::<f32>(),
        2.0
    );
    assert!(matches!(voxel_grid(&events, usize::MAX), Err(Error::TooLarge(_))));
    let nowhere = Events::new(Sensor { width: 0, height: 0 }, Columns::default()).unwrap();
    for transform in every_transform() {
        assert!(transform.apply(&nowhere, KEY).unwrap().is_empty());
    }
    assert!(voxel_grid(&nowhere, 2).unwrap().values().is_empty());
    assert!(time_surface(&nowhere, &[0, 1], 1.0).unwrap().values().is_empty());
}

#[test]
fn transforms_are_plain_data() {
    for transform in every_transform() {
        let text = serde_json::to_string(&transform).unwrap();
        assert_eq!(serde_json::from_str::<EventTransform>(&text).unwrap(), transform, "{text}");
    }
    let text = r#"{"reverse_time":{"probability":0.5,"flip_polarity":true}}"#;
    let reverse = EventTransform::ReverseTime { probability: 0.5, flip_polarity: true };
    assert_eq!(serde_json::from_str::<EventTransform>(text).unwrap(), reverse);
    let misspelt =
        serde_json::from_str::<EventTransform>(r#"{"drop_events":{"probability":0.1,"seed":3}}"#);
    assert!(misspelt.unwrap_err().to_string().contains("unknown field `seed`"));
}
