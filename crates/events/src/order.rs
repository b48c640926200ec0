//! Whether the times of a recording go on through its file.

use crate::Columns;

/// Steps back of less are disorder, whatever is before them, µs.
const LEAST_US: i64 = 1_000;

/// Events in a row that make a part of a file: fewer are late or early ones.
const PART: usize = 4;

/// How the times of a file follow each other, in the order of the file; seen a piece at a time.
///
/// A clock that was set back, or a second recording in the file, shows as a *restart*: a step back
/// over at least half of the time since the last one, and 1 ms, behind 4 events or more, from which
/// the file does not come back within 4 events. A smaller step, and a few events that come late,
/// are disorder, as cameras make it. A clock that turned over is no step back: decoders undo that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Events seen.
    pub events: usize,
    /// Events that are earlier than the one just before them.
    pub backwards: usize,
    /// Times that the clock starts again.
    pub restarts: usize,
    /// The event before which it first did.
    pub first_restart: Option<usize>,
    /// Events of the largest part between two restarts that is over.
    longest: usize,
    part: Part,
    before_us: i64,
    step: Option<Step>,
}

/// What is known of the events since the last restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    events: usize,
    lowest_us: i64,
    highest_us: i64,
}

/// A step back that may turn out to be a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    /// The part that would be over.
    over: Part,
    /// A time from here on is of that part.
    back_us: i64,
}

impl Order {
    /// Of a whole recording.
    pub fn of(columns: &Columns) -> Self {
        let mut order = Self::default();
        order.add(&columns.t_us);
        order
    }

    /// Sees the times of the next events.
    pub fn add(&mut self, t_us: &[i64]) {
        for &t_us in t_us {
            self.see(t_us);
        }
    }

    fn see(&mut self, t_us: i64) {
        self.events += 1;
        let back_us = self.before_us.saturating_sub(t_us);
        self.before_us = t_us;
        if self.events == 1 || back_us <= 0 {
            return self.take(t_us);
        }
        self.backwards += 1;
        let span_us = self.part.highest_us.saturating_sub(self.part.lowest_us);
        let long = back_us >= LEAST_US && back_us >= span_us / 2;
        if long && self.part.events >= PART && self.step.is_none() {
            self.step = Some(Step { over: self.part, back_us: t_us.saturating_add(back_us / 2) });
            self.part = Part::default();
        }
        self.take(t_us);
    }

    fn take(&mut self, t_us: i64) {
        if let Some(step) = self.step.take_if(|step| t_us >= step.back_us) {
            // those behind the step were late events
            let Part { events, lowest_us, highest_us } = self.part;
            self.part = Part {
                events: step.over.events + events,
                lowest_us: step.over.lowest_us.min(lowest_us),
                highest_us: step.over.highest_us.max(highest_us),
            };
        }
        let Part { events, lowest_us, highest_us } = &mut self.part;
        (*lowest_us, *highest_us) = match *events {
            0 => (t_us, t_us),
            _ => (t_us.min(*lowest_us), t_us.max(*highest_us)),
        };
        *events += 1;
        if *events == PART
            && let Some(step) = self.step.take()
        {
            self.restarts += 1;
            self.longest = self.longest.max(step.over.events);
            self.first_restart.get_or_insert(self.events - PART);
        }
    }

    /// Events outside the largest part between two restarts.
    pub fn apart(&self) -> usize {
        let open = self.step.map_or(0, |step| step.over.events);
        self.events - self.longest.max(self.part.events + open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(t_us: impl IntoIterator<Item = i64>) -> Order {
        let t_us: Vec<i64> = t_us.into_iter().collect();
        let mut pieces = Order::default();
        t_us.chunks(3).for_each(|piece| pieces.add(piece));
        let whole = Order::of(&Columns { t_us, ..Columns::default() });
        assert_eq!(pieces, whole);
        whole
    }

    fn parts(t_us: impl IntoIterator<Item = i64>) -> (usize, usize, usize) {
        let order = order(t_us);
        (order.backwards, order.restarts, order.apart())
    }

    fn steady(from: i64, events: i64) -> impl Iterator<Item = i64> + Clone {
        (0..events).map(move |i| from + 500 * i)
    }

    #[test]
    fn a_clock_that_is_set_back_starts_again() {
        let twice = steady(7, 40).chain(steady(7, 40));
        assert_eq!(parts(twice.clone()), (1, 1, 40));
        assert_eq!(order(twice).first_restart, Some(40));
        assert_eq!(parts(steady(9_000_000, 40).chain(steady(0, 60))), (1, 1, 40));
        assert_eq!(parts(steady(0, 9).chain(steady(0, 9)).chain(steady(0, 9))), (2, 2, 18));
        // what a camera's buffer still held
        assert_eq!(parts(steady(5_000_000, 5).chain(steady(0, 995))), (1, 1, 5));
        // set back to a later time than the first
        assert_eq!(parts(steady(0, 40).chain(steady(4_000, 40))), (1, 1, 40));
    }

    #[test]
    fn disorder_starts_nothing_again() {
        assert_eq!(parts(steady(0, 40)), (0, 0, 0));
        assert_eq!(parts([]), (0, 0, 0));
        // late events, and packets that changed places
        assert_eq!(parts(steady(0, 40).chain([0, 1, 2]).chain(steady(20_000, 40))), (1, 0, 0));
        assert_eq!(parts(steady(0, 40).chain(steady(10_000, 40))).1, 0);
        assert_eq!(parts(steady(0, 40).chain([3])), (1, 0, 0));
        // the first one early
        assert_eq!(parts([9_000_000].into_iter().chain(steady(0, 40))), (1, 0, 0));
        assert_eq!(parts(steady(0, 40).collect::<Vec<_>>().into_iter().rev()), (39, 0, 0));
        assert_eq!(parts([i64::MAX, i64::MIN].repeat(5)).1, 0);
    }
}
