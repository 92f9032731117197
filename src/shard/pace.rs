//! How fast connections may come: `max.connection.creation.rate`.
//!
//! Kafka measures the rate over ten seconds and lets whoever is beyond it wait for at most one. So
//! here: a connection is owed one over the rate of time, and up to ten seconds of it may be owed.

use crate::base::{Span, Ticks};

/// What may be owed: a crowd of ten seconds' connections may come at once (Kafka's defaults of
/// `quota.window.num` and `quota.window.size.seconds`).
const OWED_MAX: Span = Span::seconds(10);

/// The rate, and how far connections have run ahead of it.
#[derive(Debug)]
pub struct Pace {
    per_second: u64,
    /// When all that have come are paid for.
    paid_at: Ticks,
}

impl Pace {
    /// A rate of none is refused where it would be set, as by Kafka.
    pub fn new(per_second: u64) -> Self {
        assert!(per_second > 0, "nobody could ever come");
        Self {
            per_second,
            paid_at: Ticks::default(),
        }
    }

    /// Holds for whoever comes from now on; what is owed stays.
    pub fn follow(&mut self, per_second: u64) {
        assert!(per_second > 0, "nobody could ever come");
        self.per_second = per_second;
    }

    /// When one that came now would be paid for; or when one more may come.
    pub fn ask(&self, now: Ticks) -> Result<Ticks, Ticks> {
        let one = Span(Span::seconds(1).0 / self.per_second);
        let paid_at = self.paid_at.max(now) + one;
        match paid_at.since(now) > OWED_MAX {
            true => Err(Ticks(paid_at.0 - OWED_MAX.0)),
            false => Ok(paid_at),
        }
    }

    /// Counts a connection in, or says when one more may come.
    pub fn enter(&mut self, now: Ticks) -> Result<(), Ticks> {
        self.paid_at = self.ask(now)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = Span::seconds(1).0;

    /// How many of a crowd that comes at `from` are let in by `until`.
    fn let_in(pace: &mut Pace, from: u64, until: u64) -> usize {
        let mut now = Ticks(from);
        let mut count = 0;
        while now.0 < until {
            match pace.enter(now) {
                Ok(()) => count += 1,
                Err(at) => {
                    assert!(at > now, "it would be asked for ever: {at:?} at {now:?}");
                    assert!(at.since(now) <= Span::seconds(1), "{at:?} at {now:?}");
                    now = at;
                }
            }
        }
        count
    }

    #[test]
    fn a_crowd_of_ten_seconds_comes_at_once_and_the_rest_at_the_rate() {
        let mut pace = Pace::new(20);

        assert_eq!(let_in(&mut pace, 0, 1), 200);
        assert_eq!(let_in(&mut pace, 1, 5 * SECOND + 1), 100);
        // After ten quiet seconds nothing is owed, and no more than that was saved.
        assert_eq!(let_in(&mut pace, 60 * SECOND, 60 * SECOND + 1), 200);
    }

    #[test]
    fn the_least_rate_is_one_a_second_and_kafkas_default_is_no_bound() {
        assert_eq!(let_in(&mut Pace::new(1), 0, 5 * SECOND + 1), 15);
        let mut pace = Pace::new(i32::MAX as u64);
        let all = (0..1_000_000).all(|_| pace.enter(Ticks(7)).is_ok());
        assert!(all);
    }
}
