//! What a shard does every few seconds: retention, and the clock that retention goes by.

use crate::base::limits::TICK_WAIT;
use crate::cluster::Command;

use super::calls::Call;
use super::machine::Shard;
use super::timers::Timer;

/// A full round over all partitions takes about this many ticks (five minutes, as in Kafka).
const ROUND_TICKS: usize = 60;
/// At least this many partitions are looked at in one tick, so that few are looked at often.
const LEAST_PER_TICK: usize = 64;
/// The retention clock is noted once in this many ticks (a minute).
const NOTE_TICKS: u64 = 12;

impl Shard {
    pub(super) fn set_tick(&mut self) {
        self.timers.set(self.now.ticks + TICK_WAIT, Timer::Tick);
    }

    pub(super) fn tick(&mut self) {
        if self.stopping.is_some() || self.owner.has_failed() {
            return;
        }
        self.set_tick();
        let Some(clock) = &self.retention else {
            return;
        };
        let time = clock.read(self.now);
        if time.is_jump() {
            tracing::warn!(
                ahead_ms = time.held_back_ms,
                "the clock jumped forward; retention waits for `thalweg doctor --accept-clock`"
            );
        }
        let owner = &mut self.owner;
        let count = (owner.partitions.count() / ROUND_TICKS).max(LEAST_PER_TICK);
        if let Err(error) = owner.partitions.retain(&mut owner.journal, time, count) {
            tracing::warn!(?error, "retention goes on at the next tick");
        }
        self.owner.journal.survey();
        self.tick_groups(time.at);
        self.ticks += 1;
        if self.decider.is_some() && self.ticks.is_multiple_of(NOTE_TICKS) {
            let at = time.at;
            self.propose(vec![Command::NoteRetentionClock { at }], Call::Note);
        }
    }
}
