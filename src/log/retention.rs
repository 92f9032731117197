//! By which time old records expire.

use crate::base::{Now, WallMs};

/// The clock of retention: wall time that can not be pushed forward. It is the smaller of the wall
/// clock and what was last persisted plus the monotonic time run since, plus ten minutes for each
/// restart, so that a clock that jumps forward deletes nothing (FAULTS 11).
#[derive(Clone, Copy, Debug)]
pub struct RetentionClock {
    anchor: WallMs,
    anchored: Now,
}

/// A reading of the retention clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionTime {
    pub at: WallMs,
    /// How far the wall clock runs ahead, in milliseconds: more than zero means that retention is
    /// held back until the jump is accepted.
    pub held_back_ms: i64,
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl RetentionClock {
    /// The clock after a start. `persisted` is the last reading that was made durable; None on the
    /// first start.
    pub fn started(persisted: Option<WallMs>, now: Now) -> Self {
        todo!()
    }

    pub fn read(&self, now: Now) -> RetentionTime {
        todo!()
    }

    /// Believes the wall clock again (`thalweg doctor --accept-clock`).
    pub fn accept(&mut self, now: Now) {
        todo!()
    }
}
