//! Clocks of few bits that start again at zero: 23 bits of µs are 8.4 s, 32 bits 71.6 min.

/// Follows the times of a file in their order and puts back the turns that its few bits lost.
///
/// A step back is a turn if then less than half the clock's range, and less than a minute, has
/// passed. After a turn, a step forward that undoes one is an event from before it that comes late.
/// Any other step is what it looks like: small disorder stays disorder, a pause stays a pause, and
/// a clock of 71.6 min that is set back is not taken for one that turned in a pause of many
/// minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    range_us: i64,
    /// The least step back that is a turn.
    turn_us: i64,
    last_us: i64,
    turned_us: i64,
}

/// The longest time without events in which a turn is still told from a clock that was set back.
const PAUSE_US: i64 = 60_000_000;

impl Turns {
    pub fn new(bits: u32) -> Self {
        let range_us: i64 = 1 << bits;
        let turn_us = range_us - PAUSE_US.min(range_us / 2);
        Self { range_us, turn_us, last_us: 0, turned_us: 0 }
    }

    /// The time of the next event, whose bits are `t_us`.
    pub fn date(&mut self, t_us: i64) -> i64 {
        let step_us = t_us - self.last_us;
        self.last_us = t_us;
        if step_us < -self.turn_us {
            self.turned_us += self.range_us;
        } else if step_us > self.turn_us && self.turned_us > 0 {
            self.turned_us -= self.range_us;
        }
        t_us + self.turned_us
    }

    /// As [`Turns::date`], for many at once.
    pub fn date_all(&mut self, t_us: &mut [i64]) {
        // most pieces of a file hold no turn, which a loop without exits finds out soonest
        let mut before = self.last_us;
        let mut steps = false;
        for &t_us in &*t_us {
            steps |= (t_us - before).abs() > self.turn_us;
            before = t_us;
        }
        if !steps && self.turned_us == 0 {
            self.last_us = before;
            return;
        }
        t_us.iter_mut().for_each(|t_us| *t_us = self.date(*t_us));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(bits: u32, times: &[i64]) -> Vec<i64> {
        let mut one = Turns::new(bits);
        let mut all = times.to_vec();
        Turns::new(bits).date_all(&mut all);
        assert_eq!(times.iter().map(|&t_us| one.date(t_us)).collect::<Vec<_>>(), all);
        all
    }

    #[test]
    fn a_turn_goes_on_and_a_late_event_stays_before_it() {
        let times = dated(8, &[200, 250, 3, 254, 5, 100, 200, 1]);
        assert_eq!(times, [200, 250, 259, 254, 261, 356, 456, 513]);
    }

    #[test]
    fn disorder_and_pauses_are_no_turns() {
        assert_eq!(dated(8, &[250, 122, 250, 130]), [250, 122, 250, 130]);
        assert_eq!(dated(8, &[0, 255, 128, 255]), [0, 255, 128, 255]);
        assert_eq!(dated(8, &[129, 0]), [129, 256], "more than half is a turn");
    }

    #[test]
    fn a_clock_of_32_bits_that_is_set_back_did_not_turn() {
        let (end, minute) = (1 << 32, 60_000_000);
        for late in [0, 5, 2_890_000_000, end - minute - 1] {
            assert_eq!(dated(32, &[late, 0, 1]), [late, 0, 1]);
        }
        for late in [end - minute + 2, end - 1] {
            assert_eq!(dated(32, &[late, 0, late, 1]), [late, end, late, end + 1]);
        }
    }

    #[test]
    fn pieces_are_dated_as_the_whole() {
        let times: Vec<i64> = (0..100).map(|i| i * 37 % 256).collect();
        let mut turns = Turns::new(8);
        let mut pieces = times.clone();
        pieces.chunks_mut(7).for_each(|piece| turns.date_all(piece));
        assert_eq!(pieces, dated(8, &times));
    }
}
