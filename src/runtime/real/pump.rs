//! The loop of a core: gather what happened, let each shard decide, do it, rest.
//!
//! Whatever is decided is decided in `Machine::handle`; what happened comes from `gather`, what was
//! decided is done in `perform`, and `rest` says when there is nothing to do. `tests/tidy.rs` keeps
//! this loop short, for a decision that slips in here is one that the simulator does not see.

use super::core::{Core, ring_failed};
use super::error::RunError;
use crate::base::Span;
use crate::runtime::event::{Actions, Event};
use crate::runtime::machine::Machine;
use crate::runtime::system;

/// A turn ends after this many events, or once it has taken this long.
const TURN_EVENTS_MAX: u64 = 256;
const TURN_SPAN_MAX: Span = Span::micros(300);

/// The clock is read once per so many events of a turn.
const EVENTS_PER_LOOK: u64 = 8;

impl<M: Machine> Core<M> {
    /// Drives the shards until each has stopped; the largest code that one of them said.
    pub(super) async fn run(mut self) -> Result<u8, RunError> {
        self.hear_doorbell();
        for local in 0..self.tenants.len() {
            self.inboxes.put(local, Event::Started);
        }
        while self.tenants.iter().any(|tenant| tenant.stopped.is_none()) {
            self.gather();
            self.take_turns()?;
            let told_at = self.tell_news();
            self.set_timer(told_at);
            if self.is_busy() {
                self.ring.submit().map_err(ring_failed)?;
                glommio::yield_if_needed().await;
            } else {
                self.sleep()?;
            }
        }
        self.wind_up()
    }

    fn take_turns(&mut self) -> Result<(), RunError> {
        for local in 0..self.tenants.len() {
            if self.tenants[local].stopped.is_some() {
                self.inboxes.clear(local);
            } else if !self.inboxes.is_empty_for(local) {
                self.take_turn(local)?;
            }
        }
        Ok(())
    }

    /// One turn of one shard: events, decisions, deeds.
    fn take_turn(&mut self, local: usize) -> Result<(), RunError> {
        let now = system::now();
        let mut actions = Actions::default();
        let mut events = 0;
        let tenant = &mut self.tenants[local];
        while let Some(event) = self.inboxes.next(local) {
            tenant.machine.handle(now, event, &mut actions);
            events += 1;
            let look = events % EVENTS_PER_LOOK == 0;
            let late = look && system::ticks().since(now.ticks) > TURN_SPAN_MAX;
            if late || events == TURN_EVENTS_MAX {
                break;
            }
        }
        tenant.machine.end_turn(now, &mut actions);
        self.perform(local, actions)?;
        if let Some(stats) = self.stats.of(self.tenants[local].id) {
            stats.count(events, system::ticks().since(now.ticks));
            self.tenants[local].has_news = self.stats.is_read();
        }
        Ok(())
    }
}
