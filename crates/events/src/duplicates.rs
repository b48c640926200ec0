//! Events that occur twice, counted in bounded memory.

use crate::Columns;

/// Keys that are held at most, 16 bytes each: 64 MiB.
const MOST: usize = 4 << 20;

/// Counts the events that are equal to an earlier one.
///
/// It holds the latest events in order of time, and forgets the earlier half when it is full. That
/// is exact as long as no event comes later than all that; where one does, the count is unknown.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    keys: Vec<u128>,
    /// Keys up to here are in order, and each is there once.
    sorted: usize,
    found: usize,
    /// The largest key that was forgotten.
    forgotten: Option<u128>,
    unknown: bool,
    most: usize,
}

impl Duplicates {
    /// Reserves room for `events`, or for as many as are held.
    pub fn new(events: usize) -> Self {
        Self::with_most(events, MOST)
    }

    fn with_most(events: usize, most: usize) -> Self {
        Self { keys: Vec::with_capacity(events.min(most)), most, ..Self::default() }
    }

    pub fn add(&mut self, columns: &Columns) {
        for index in 0..columns.t_us.len() {
            let key = key(columns, index);
            if self.forgotten.is_some_and(|forgotten| key <= forgotten) {
                self.unknown = true;
                continue;
            }
            self.keys.push(key);
            if self.keys.len() >= self.most {
                self.sort();
                self.forget();
            }
        }
    }

    /// How many there were, if that is known.
    pub fn count(mut self) -> Option<usize> {
        self.sort();
        (!self.unknown).then_some(self.found)
    }

    fn sort(&mut self) {
        if self.sorted == self.keys.len() {
            return;
        }
        self.keys.sort_unstable();
        let before = self.keys.len();
        self.keys.dedup();
        self.found += before - self.keys.len();
        self.sorted = self.keys.len();
    }

    fn forget(&mut self) {
        if self.keys.len() < self.most / 2 {
            return;
        }
        let half = self.keys.len() / 2;
        self.forgotten = half.checked_sub(1).map(|last| self.keys[last]);
        self.keys.drain(..half);
        self.sorted = self.keys.len();
    }
}

/// An event as a number: in order of time, equal where the events are equal.
fn key(columns: &Columns, index: usize) -> u128 {
    // flipping the sign bit puts negative times first
    let t_us = columns.t_us[index].cast_unsigned() ^ 1 << 63;
    u128::from(t_us) << 64
        | u128::from(columns.x[index]) << 32
        | u128::from(columns.y[index]) << 16
        | u128::from(columns.on[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events at the given times on one pixel.
    fn count(most: usize, times: &[i64]) -> Option<usize> {
        let mut duplicates = Duplicates::with_most(0, most);
        for times in times.chunks(3) {
            let mut columns = Columns::default();
            times.iter().for_each(|&t_us| columns.push(t_us, 1, 2, true));
            duplicates.add(&columns);
        }
        duplicates.count()
    }

    #[test]
    fn what_is_held_is_counted_in_any_order() {
        assert_eq!(count(100, &[5, 3, 5, 3, 3, -1, -1]), Some(4));
        assert_eq!(count(100, &[]), Some(0));
    }

    #[test]
    fn more_than_is_held_is_counted_while_disorder_is_small() {
        let times: Vec<i64> = (0..200).map(|i| (i / 2) ^ 1).collect();
        assert_eq!(count(8, &times), Some(100));
        assert_eq!(count(8, &[7; 100]), Some(99));
    }

    #[test]
    fn what_comes_after_it_was_forgotten_is_unknown() {
        let times: Vec<i64> = (0..20).chain([0]).collect();
        assert_eq!(count(8, &times), None);
    }
}
