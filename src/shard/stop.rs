//! An orderly end: nothing new, what is owed, then flushed and sealed.

use crate::base::limits::STOP_WAIT;
use crate::runtime::Actions;

use super::machine::{Listen, Shard};
use super::message::Message;
use super::steer::SteeringCounts;
use super::timers::Timer;

/// The exit code when storage has failed (EX_IOERR of sysexits).
pub const EXIT_STORAGE: u8 = 74;

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// Nothing new is read; replies that are owed are awaited.
    Draining,
    /// Connections are closed; the journal writes, flushes and seals.
    Sealing,
}

impl Shard {
    /// The process was asked to end.
    pub(super) fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(Stopping::Draining);
        let SteeringCounts {
            own,
            over_mesh,
            arrived,
        } = self.steering;
        tracing::debug!(own, over_mesh, arrived, "requests served by their owners");
        self.timers
            .set(self.now.ticks + STOP_WAIT, Timer::StopDeadline);
        for id in self.connections.ids() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.doomed = true;
            }
        }
        self.end_waiting_fetches();
        self.end_waiting_groups();
        self.connections.touch_all();
    }

    /// What is owed by now will not be paid.
    pub(super) fn stop_deadline(&mut self) {
        if self.stopping == Some(Stopping::Draining) {
            tracing::warn!("stopping with replies still owed");
            self.stopping = Some(Stopping::Sealing);
            self.seal();
        }
    }

    /// Once a turn: the next step, if the time has come.
    pub(super) fn continue_stop(&mut self, actions: &mut Actions<Message>) {
        let Some(stopping) = self.stopping else {
            return;
        };
        if self.listen != Listen::Over {
            self.listen = Listen::Over;
            actions.stop_listening = true;
        }
        match stopping {
            Stopping::Draining => {
                if !self.owes_nothing() {
                    return;
                }
                if !self.drained.contains(&self.id) {
                    self.say_drained();
                }
                // Other shards may need this one to answer their clients.
                if self.drained.len() == self.config.shards.len() {
                    self.stopping = Some(Stopping::Sealing);
                    self.seal();
                }
            }
            Stopping::Sealing => {}
        }
    }

    /// Once a turn, after the journal had its: says that the shard has wound up.
    pub(super) fn finish_stop(&mut self) {
        if self.stopping != Some(Stopping::Sealing) || self.ended.is_some() {
            return;
        }
        if self.owner.has_failed() {
            self.ended = Some(EXIT_STORAGE);
        } else if self.owner.journal.at_rest() {
            self.ended = Some(0);
        }
    }

    fn say_drained(&mut self) {
        self.drained.insert(self.id);
        for shard in self.config.shards.clone() {
            if shard != self.id {
                self.to_others.push((shard, Message::Drained));
            }
        }
    }

    /// Another shard's clients are owed nothing any more, or it has failed.
    pub(super) fn shard_drained(&mut self, shard: crate::base::ShardId) {
        self.drained.insert(shard);
    }

    fn owes_nothing(&self) -> bool {
        let decided = self.decider.as_ref().is_none_or(|own| own.owes_nothing());
        self.connections.all_at_rest() && self.owner.owes_nothing() && decided
    }

    fn seal(&mut self) {
        for id in self.connections.ids() {
            self.connections.close(id);
        }
        self.owner.journal.close();
    }
}
