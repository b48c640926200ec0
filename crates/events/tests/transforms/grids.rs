//! Voxel grid and time surface against their formulas, value by value.

use events::{Sensor, time_surface, voxel_grid};
use proptest::prelude::*;

use crate::{Event, list, recordings};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_voxel_grid_is_its_formula_and_every_event_weighs_one(events in recordings(), bins in 1_usize..7) {
        let grid = voxel_grid(&events, bins).unwrap();
        let Sensor { width, height } = events.sensor();
        let (first, last) = (events.t_us().first().copied().unwrap_or(0), events.t_us().last().copied().unwrap_or(0));
        let position = |t: i64| if last > first { (bins - 1) as f64 * (t - first) as f64 / (last - first) as f64 } else { 0.0 };
        let mut values = grid.values().iter();
        for bin in 0..bins {
            for y in 0..height {
                for x in 0..width {
                    for polarity in [false, true] {
                        let here = |&&(_, ex, ey, on): &&Event| (ex, ey, on) == (x, y, polarity);
                        let weight = |event: &Event| (1.0 - (bin as f64 - position(event.0)).abs()).max(0.0);
                        let expected: f64 = list(&events).iter().filter(here).map(weight).sum();
                        prop_assert!((f64::from(*values.next().unwrap()) - expected).abs() < 1e-5);
                    }
                }
            }
        }
        prop_assert!(values.next().is_none());
        let sum: f64 = grid.values().iter().map(|&value| f64::from(value)).sum();
        prop_assert!((sum - events.len() as f64).abs() < 1e-4);
        let signed: f64 = grid.values().chunks(2).map(|off_on| f64::from(off_on[1]) - f64::from(off_on[0])).sum();
        let polarities: i32 = events.on().iter().map(|&on| if on { 1 } else { -1 }).sum();
        prop_assert!((signed - f64::from(polarities)).abs() < 1e-4);
    }

    #[test]
    fn a_time_surface_is_its_formula_at_every_pixel(
        events in recordings(), mut at_us in proptest::collection::vec(-200_i64..200, 1..5), tau_us in 1.0_f64..100.0,
    ) {
        at_us.sort_unstable();
        let surfaces = time_surface(&events, &at_us, tau_us).unwrap();
        let Sensor { width, height } = events.sensor();
        let mut values = surfaces.values().iter();
        for at in at_us {
            for y in 0..height {
                for x in 0..width {
                    for polarity in [false, true] {
                        let here = |&&(t, ex, ey, on): &&Event| (ex, ey, on) == (x, y, polarity) && t <= at;
                        let latest = list(&events).iter().filter(here).map(|event| event.0).max();
                        let expected = latest.map_or(0.0, |t| (-((at - t) as f64) / tau_us).exp());
                        prop_assert!((f64::from(*values.next().unwrap()) - expected).abs() < 1e-6);
                    }
                }
            }
        }
        prop_assert!(values.next().is_none());
    }
}
