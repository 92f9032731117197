//! Messages to where they are answered.

use crate::base::ShardId;

use super::machine::Shard;
use super::message::Message;

impl Shard {
    /// Puts a message on its way; one to ourselves is delivered before the event ends.
    pub(super) fn tell(&mut self, shard: ShardId, message: Message) {
        self.outbox.push((shard, message));
    }

    /// Delivers what is for ourselves, and what that leads to, and keeps the rest for the end of
    /// the turn.
    pub(super) fn deliver_own(&mut self) {
        while !self.outbox.is_empty() {
            for (shard, message) in std::mem::take(&mut self.outbox) {
                if shard == self.id {
                    self.deliver(shard, message);
                } else {
                    self.to_others.push((shard, message));
                }
            }
        }
    }

    /// One message, from whichever shard.
    pub(super) fn deliver(&mut self, from: ShardId, message: Message) {
        let (now, out) = (self.now, &mut self.outbox);
        match message {
            Message::Join => self.join_asked(from),
            Message::State { metadata } => self.state_came(*metadata),
            Message::Joined => self.joined(from),
            Message::Listen => self.may_listen(),

            Message::Propose { token, commands } => self.propose_asked(from, token, commands),
            Message::Proposed { token, outcomes } => self.proposed(token, outcomes),
            Message::Changes { changes } => self.changes_came(changes),
            Message::Applied { version } => self.applied(from, version),
            Message::Failed => self.other_journal_failed(from),
            Message::Drained => self.shard_drained(from),

            Message::Listeners(all) => self.take_listeners(all),
            Message::Door(knock) => self.knocked(from, knock),
            Message::Introduced(client) => {
                self.introduced.learn(*client);
            }
            Message::Guest(guest) => self.guest_came(*guest),

            Message::Produce {
                token,
                parts,
                durable,
            } => self.owner.produce(from, token, parts, durable, now, out),
            Message::Produced { token, parts } => self.produced(token, parts),

            Message::Fetch { token, ask } => self.owner.fetch(from, token, ask, out),
            Message::Fetched {
                token,
                parts,
                waits,
            } => self.fetched(from, token, parts, waits),
            Message::Woken { token } => self.fetch_woken(from, token),
            Message::Unwatch { token } => self.owner.unwatch(from, token),
            Message::Changed { session, streams } => self.session_changed(from, session, streams),
            Message::EndWatch { session, stream } => self.owner.end_watch(from, session, stream),

            Message::Inquire { token, parts } => self.owner.inquire(from, token, parts, now, out),
            Message::Inquired { token, parts } => self.inquired(token, parts),

            Message::Group {
                token,
                place,
                partition,
                ask,
            } => self.group_asked(from, token, place, partition, *ask),
            Message::Grouped {
                token,
                place,
                answer,
            } => self.grouped(token, place, *answer),
        }
    }
}
