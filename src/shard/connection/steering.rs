//! Which shard a connection should live on, by what its requests ask for.
//!
//! A client opens a connection for each broker id, and the kernel deals it to any core. The first
//! request that belongs to one shard tells which shard it was opened for. Afterwards it moves only
//! if nearly all of its requests belong to one other shard, and seldom: a move costs both cores
//! more than one message over the mesh.

use std::collections::VecDeque;

use crate::base::limits::{STEERING_REQUESTS, STEERING_WAIT};
use crate::base::{ShardId, Ticks};

/// One connection's routed requests of late.
#[derive(Debug, Default)]
pub struct Steering {
    /// Whom each of the last requests belonged to; a request of several shards belongs to the
    /// one that serves it. Empty until the first came.
    recent: VecDeque<ShardId>,
    /// When it last moved here, if it did.
    moved: Option<Ticks>,
}

impl Steering {
    /// Nothing has told yet whom it was opened for.
    pub fn is_new(&self) -> bool {
        self.recent.is_empty() && self.moved.is_none()
    }

    /// A request came to `own` that belongs to `owner` (None: to several shards). Returns where
    /// the connection should move.
    pub fn note(&mut self, owner: Option<ShardId>, own: ShardId, now: Ticks) -> Option<ShardId> {
        let is_first = self.is_new();
        let owner = owner.unwrap_or(own);
        if is_first && owner != own {
            return Some(owner);
        }
        if self.recent.len() == STEERING_REQUESTS {
            self.recent.pop_front();
        }
        self.recent.push_back(owner);
        let waits = self.moved.is_some_and(|moved| now < moved + STEERING_WAIT);
        if owner == own || waits || self.recent.len() < STEERING_REQUESTS {
            return None;
        }
        let theirs = self.recent.iter().filter(|shard| **shard == owner).count();
        // Over 90 %.
        (theirs * 10 > STEERING_REQUESTS * 9).then_some(owner)
    }

    /// It has moved, and begins anew.
    pub fn moved(&mut self, now: Ticks) {
        self.recent = VecDeque::new();
        self.moved = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Span;

    const HERE: ShardId = ShardId(0);
    const THERE: ShardId = ShardId(3);

    #[test]
    fn the_first_request_tells_whom_the_connection_was_opened_for() {
        let mut steering = Steering::default();

        assert_eq!(steering.note(Some(THERE), HERE, Ticks(0)), Some(THERE));
    }

    #[test]
    fn who_began_here_or_with_several_shards_stays_for_a_while() {
        for first in [Some(HERE), None] {
            let mut steering = Steering::default();

            assert_eq!(steering.note(first, HERE, Ticks(0)), None);
            assert_eq!(steering.note(Some(THERE), HERE, Ticks(0)), None);
        }
    }

    #[test]
    fn nearly_all_requests_of_another_shard_move_it_again_but_not_soon() {
        let mut steering = Steering::default();
        steering.moved(Ticks(5));
        let later = Ticks(5) + STEERING_WAIT;

        for _ in 0..2 * STEERING_REQUESTS {
            let soon = Ticks(later.0 - 1);
            assert_eq!(steering.note(Some(THERE), HERE, soon), None);
        }
        assert_eq!(steering.note(Some(THERE), HERE, later), Some(THERE));
    }

    #[test]
    fn a_mixed_connection_stays() {
        let mut steering = Steering::default();
        let later = Ticks(0) + Span::seconds(60);

        for count in 0..1_000 {
            // One in eight is ours.
            let owner = if count % 8 == 0 { HERE } else { THERE };
            assert_eq!(steering.note(Some(owner), HERE, later), None);
        }
    }
}
