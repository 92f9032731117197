//! Between two turns: readings for who asked, the timer, and sleep if nothing is left to do.

use super::core::{Core, ring_failed};
use super::error::RunError;
use super::ring::Watch;
use crate::base::{Span, Ticks};
use crate::runtime::machine::Machine;
use crate::runtime::system;

impl<M: Machine> Core<M> {
    /// Takes readings that are due; when the next will be.
    pub(super) fn tell_news(&mut self) -> Option<Ticks> {
        if !self.tenants.iter().any(|tenant| tenant.has_news) {
            return None;
        }
        let now = system::ticks();
        let mut next = None;
        for tenant in self.tenants.iter_mut().filter(|tenant| tenant.has_news) {
            let Some(stats) = self.stats.of(tenant.id) else {
                continue;
            };
            let due = stats.due_at();
            if due > now {
                next = Some(next.map_or(due, |other: Ticks| other.min(due)));
                continue;
            }
            let mut readings = Vec::new();
            tenant.machine.readings(&mut readings);
            stats.publish(now, readings);
            tenant.has_news = false;
        }
        next
    }

    pub(super) fn set_timer(&mut self, told_at: Option<Ticks>) {
        let wakes = self.tenants.iter().map(|tenant| tenant.wake_at);
        let others = [self.acceptor.wake_at(), told_at];
        let next = wakes.chain(others).flatten().min();
        self.timer.set(&mut self.ring, next);
        // Sends go out before the core may sleep or gather more.
        self.net.send_ready(&mut self.ring, &mut self.inboxes);
    }

    /// True if there is something to do without waiting.
    pub(super) fn is_busy(&self) -> bool {
        !self.inboxes.is_empty()
            || self.net.is_ready()
            || self.acceptor.is_ready()
            || self.disks.has_ended()
            || self.tenants.iter().all(|tenant| tenant.stopped.is_some())
    }

    /// Waits in our ring until something ends: disk, sockets, the timer, or the doorbell, which
    /// other cores, the helper and the stop ring. `ring` says why not in glommio's.
    pub(super) fn sleep(&mut self) -> Result<(), RunError> {
        self.bell.lie_down();
        if !self.take_envelopes() {
            self.wait()?;
        }
        self.bell.get_up();
        Ok(())
    }

    /// Waits awake at first, where that has paid.
    fn wait(&mut self) -> Result<(), RunError> {
        let began = system::ticks();
        let wait = self.disks.waits_for();
        let awake = self.patience.span(wait, began);
        if awake > Span(0) {
            match self.ring.poll_for(awake).map_err(ring_failed)? {
                Watch::Ended => {}
                Watch::Quiet => self.ring.wait().map_err(ring_failed)?,
                Watch::Crowded(lost) => {
                    self.patience.was_crowded(system::ticks(), lost);
                    return self.ring.wait().map_err(ring_failed);
                }
            }
        } else {
            self.ring.wait().map_err(ring_failed)?;
        }
        self.patience.learn(wait, system::ticks().since(began));
        Ok(())
    }

    /// Waits for what the kernel still holds of our memory.
    pub(super) fn wind_up(mut self) -> Result<u8, RunError> {
        while self.disks.is_under_way() {
            self.ring.wait().map_err(ring_failed)?;
            self.ring.reap(&mut self.completions);
            while let Some(completion) = self.completions.pop_front() {
                self.complete(completion);
            }
        }
        let codes = self.tenants.iter().filter_map(|tenant| tenant.stopped);
        Ok(codes.max().unwrap_or(0))
    }
}
