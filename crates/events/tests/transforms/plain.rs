//! The transforms without random numbers: flips, reversal, crop, refractory period, denoise.

use events::augment::{crop, denoise, flip_horizontal, flip_polarity, refractory, reverse_time};
use events::{Events, Framing, Sensor, transforms};
use proptest::prelude::*;

use crate::{Event, list, recordings};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flips_move_each_event_and_are_their_own_inverse(events in recordings()) {
        let last = events.sensor().width - 1;
        let mirrored: Vec<Event> = list(&events).into_iter().map(|(t, x, y, on)| (t, last - x, y, on)).collect();
        prop_assert_eq!(list(&flip_horizontal(&events)), mirrored);
        let inverted: Vec<Event> = list(&events).into_iter().map(|(t, x, y, on)| (t, x, y, !on)).collect();
        prop_assert_eq!(list(&flip_polarity(&events)), inverted);
        for flip in [flip_horizontal, flip_polarity, reverse_time] {
            prop_assert_eq!(&flip(&flip(&events)), &events);
        }
    }

    #[test]
    fn reversed_time_has_the_intervals_backwards_and_the_same_span(events in recordings()) {
        let reversed = reverse_time(&events);
        let intervals = |events: &Events| events.t_us().windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        let backwards: Vec<i64> = intervals(&events).into_iter().rev().collect();
        prop_assert_eq!(intervals(&reversed), backwards);
        prop_assert_eq!(reversed.t_us().first(), events.t_us().first());
        let pixels = |list: Vec<Event>| list.into_iter().map(|(_, x, y, on)| (x, y, on)).collect::<Vec<_>>();
        let mut backwards = pixels(list(&events));
        backwards.reverse();
        prop_assert_eq!(pixels(list(&reversed)), backwards);
    }

    #[test]
    fn a_crop_of_events_is_the_crop_of_their_frames(events in recordings(), row in 0_usize..7, column in 0_usize..7) {
        // one frame: the number of frames' borders would move with the events that are lost
        let framing = Framing::Number { frames: 1 };
        let Sensor { width, height } = events.sensor();
        let moved = crop(&events, column as i32 - 3, row as i32 - 3, width, height);
        let expected = transforms::crop(&framing.frames(&events).unwrap(), 3, row, column);
        prop_assert_eq!(framing.frames(&moved).unwrap(), expected);
    }

    #[test]
    fn a_crop_keeps_the_window_and_makes_it_the_sensor(
        events in recordings(), x in -9_i32..9, y in -9_i32..9, width in 1_u16..12, height in 1_u16..12,
    ) {
        let shifted = list(&events).into_iter().map(|(t, at_x, at_y, on)| (t, i32::from(at_x) - x, i32::from(at_y) - y, on));
        let inside = shifted.filter(|&(_, x, y, _)| (0..width.into()).contains(&x) && (0..height.into()).contains(&y));
        let expected: Vec<Event> = inside.map(|(t, x, y, on)| (t, x as u16, y as u16, on)).collect();
        let cropped = crop(&events, x, y, width, height);
        prop_assert_eq!(cropped.sensor(), Sensor { width, height });
        prop_assert_eq!(list(&cropped), expected);
    }

    #[test]
    fn a_pixel_rests_for_its_refractory_period(events in recordings(), dt_us in 0_u32..120) {
        let rested = list(&refractory(&events, dt_us).unwrap());
        for (i, &(t, x, y, _)) in rested.iter().enumerate() {
            for &(later, ..) in rested[i + 1..].iter().filter(|later| (later.1, later.2) == (x, y)) {
                prop_assert!(later - t >= i64::from(dt_us));
            }
        }
        // and an event goes only if one that stayed at its pixel, before it, is too near
        let mut kept: Vec<Event> = Vec::new();
        for event in list(&events) {
            let near = |kept: &&Event| (kept.1, kept.2) == (event.1, event.2) && event.0 - kept.0 < i64::from(dt_us);
            if !kept.iter().any(|kept| near(&kept)) {
                kept.push(event);
            }
        }
        prop_assert_eq!(rested, kept);
    }

    #[test]
    fn denoise_keeps_what_a_neighbour_supports(events in recordings(), dt_us in 0_u32..120) {
        let all = list(&events);
        let supported = |i: usize| {
            let (t, x, y, _) = all[i];
            all[..i].iter().any(|&(before, nx, ny, _)| {
                x.abs_diff(nx).max(y.abs_diff(ny)) == 1 && t - before <= i64::from(dt_us)
            })
        };
        let expected: Vec<Event> = (0..all.len()).filter(|&i| supported(i)).map(|i| all[i]).collect();
        prop_assert_eq!(list(&denoise(&events, dt_us).unwrap()), expected);
    }
}
