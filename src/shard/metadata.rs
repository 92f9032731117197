//! Each shard's copy of the metadata: how it comes, how it changes, what follows for partitions.

use crate::base::ShardId;
use crate::cluster::{Change, ChangeKind, Command, Metadata, Refusal, Topic, TopicChange};
use crate::groups::OFFSETS_TOPIC;
use crate::log::{LogError, RetentionClock};

use super::calls::{Call, Token};
use super::machine::{Listen, Shard};
use super::message::{Message, Outcome};
use super::stop::EXIT_STORAGE;

impl Shard {
    /// Our copy of the metadata, for those who look at a shard from outside: where a partition is.
    /// None until shard 0 has sent it.
    pub fn known_metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }

    /// The first event. Shard 0 registers the node; the others ask shard 0.
    pub(super) fn started(&mut self) {
        let shards = self.config.shards.clone();
        let Some(decider) = &mut self.decider else {
            return self.tell(ShardId::ZERO, Message::Join);
        };
        let mut commands = Vec::new();
        if self
            .metadata
            .as_ref()
            .is_none_or(|own| own.cluster_id().is_empty())
        {
            let cluster_id = self.config.cluster_id.clone();
            commands.push(Command::FirstStart { cluster_id });
        }
        let node = self.config.node;
        commands.push(Command::RegisterNode { node, shards });
        let token = self.calls.next_token();
        self.calls.open(token, Call::Registration);
        let journal = &mut self.owner.journal;
        decider.propose(journal, self.id, token, commands);
    }

    /// The node is registered: the other shards may have the metadata.
    pub(super) fn registered(&mut self, outcomes: &[Outcome]) {
        let harmless =
            |refusal: &&Refusal| matches!(refusal, Refusal::AlreadyStarted | Refusal::Unchanged);
        let mut refusals = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        if let Some(refusal) = refusals.find(|refusal| !harmless(refusal)) {
            tracing::error!(?refusal, "the node cannot be registered");
            self.ended = Some(EXIT_STORAGE);
            return;
        }
        let Some(decider) = &mut self.decider else {
            return;
        };
        for shard in decider.ready() {
            self.join_asked(shard);
        }
        self.have_metadata();
        self.listen_if_all_joined();
    }

    /// To shard 0: a shard asks for the metadata.
    pub(super) fn join_asked(&mut self, shard: ShardId) {
        let (Some(decider), Some(metadata)) = (&mut self.decider, &self.metadata) else {
            return;
        };
        if decider.join(shard, metadata.version()) {
            let metadata = Box::new(metadata.clone());
            self.tell(shard, Message::State { metadata });
        }
    }

    /// From shard 0: the metadata. Opens this shard's partitions.
    pub(super) fn state_came(&mut self, metadata: Metadata) {
        self.metadata = Some(metadata);
        self.take_over_configs();
        if self.open_partitions() {
            self.have_metadata();
            self.tell(ShardId::ZERO, Message::Joined);
        }
    }

    /// To shard 0: a shard's partitions are open.
    pub(super) fn joined(&mut self, shard: ShardId) {
        if let Some(decider) = &mut self.decider {
            decider.joined(shard);
        }
        self.listen_if_all_joined();
    }

    fn listen_if_all_joined(&mut self) {
        let Some(decider) = &self.decider else {
            return;
        };
        if decider.all_joined() && self.listen == Listen::NotYet {
            self.restore_listeners();
        }
    }

    /// Shard 0: all listeners are there.
    pub(super) fn all_listen(&mut self) {
        for shard in self.config.shards.clone() {
            if shard != self.id {
                self.tell(shard, Message::Listen);
            }
        }
        self.may_listen();
    }

    /// Every shard is ready.
    pub(super) fn may_listen(&mut self) {
        if self.listen == Listen::NotYet {
            self.listen = Listen::Asked;
        }
    }

    /// Gives the log its partitions as the metadata has them. False: the shard ends.
    pub(super) fn open_partitions(&mut self) -> bool {
        let Some(metadata) = &self.metadata else {
            return false;
        };
        let configs = &self.topic_configs;
        let mut wanted = metadata.partitions_of(self.id, |topic| configs.of(topic));
        let owner = &mut self.owner;
        match owner.partitions.reconcile(&mut wanted, &mut owner.journal) {
            Ok(()) => {
                self.report_damage();
                true
            }
            Err(error) => {
                tracing::error!(?error, "the partitions of shard {} do not open", self.id);
                self.ended = Some(EXIT_STORAGE);
                false
            }
        }
    }

    fn have_metadata(&mut self) {
        let persisted = self.metadata.as_ref().and_then(Metadata::retention_clock);
        self.retention = Some(RetentionClock::started(
            persisted,
            self.config.clock_accepted,
            self.now,
        ));
        if self.decider.is_some() && persisted.is_none() {
            // Noted before anything can be produced: if the clock jumps before the first regular
            // note, the next start must not take the jump for the truth.
            let at = self.now.wall;
            self.propose(vec![Command::NoteRetentionClock { at }], Call::Note);
        }
        self.open_known_group_partitions();
        self.set_tick();
    }

    /// Puts commands to shard 0; the answer comes back to the call.
    pub(super) fn propose(&mut self, commands: Vec<Command>, call: Call) {
        let token = self.calls.next_token();
        self.calls.open(token, call);
        self.tell(ShardId::ZERO, Message::Propose { token, commands });
    }

    /// To shard 0.
    pub(super) fn propose_asked(&mut self, from: ShardId, token: Token, commands: Vec<Command>) {
        let Some(commands) = self.without_listeners(from, token, commands) else {
            return;
        };
        if let Some(decider) = &mut self.decider {
            decider.propose(&mut self.owner.journal, from, token, commands);
        }
    }

    /// Shard 0, once a turn: applies what is durable, and spreads it.
    pub(super) fn settle_metadata(&mut self) {
        let Some(decider) = &mut self.decider else {
            return;
        };
        let changes = decider.settle(&mut self.owner.journal);
        self.apply(&changes);
        let version = self.metadata.as_ref().map_or(0, Metadata::version);
        if let Some(decider) = &mut self.decider {
            decider.spread(version, changes, &mut self.outbox);
        }
    }

    /// From shard 0: applies, and says so.
    pub(super) fn changes_came(&mut self, changes: Vec<Change>) {
        self.apply(&changes);
        let version = self.metadata.as_ref().map_or(0, Metadata::version);
        self.tell(ShardId::ZERO, Message::Applied { version });
    }

    /// To shard 0.
    pub(super) fn applied(&mut self, shard: ShardId, version: u64) {
        if let Some(decider) = &mut self.decider {
            decider.applied(shard, version, &mut self.outbox);
        }
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(metadata) = &mut self.metadata {
                metadata.apply_change(change);
            }
            match &change.kind {
                ChangeKind::Topic { topic, what } => self.topic_changed(topic, *what),
                ChangeKind::BrokerConfig { .. } => {
                    self.listeners_changed();
                    self.broker_configured();
                }
                ChangeKind::ClusterNamed { .. }
                | ChangeKind::NodeRegistered { .. }
                | ChangeKind::ProducerIds { .. }
                | ChangeKind::RetentionClock { .. } => {}
            }
        }
    }

    fn topic_changed(&mut self, topic: &Topic, what: TopicChange) {
        let first = match what {
            TopicChange::Grown { from } => from,
            TopicChange::Created | TopicChange::Configured | TopicChange::Deleted => 0,
        };
        let config = self.topic_configs.of(topic);
        for place in topic.partitions_from(first) {
            if place.shard != self.id {
                continue;
            }
            let (stream, epoch) = (place.stream, place.leader_epoch);
            let owner = &mut self.owner;
            let (partitions, journal) = (&mut owner.partitions, &mut owner.journal);
            match what {
                TopicChange::Created | TopicChange::Grown { .. } => {
                    partitions.create(stream, epoch, config.clone());
                }
                TopicChange::Configured => {
                    partitions.configure(stream, epoch, config.clone());
                }
                // What the journal is too busy for is given up later; a start finishes what a
                // crash interrupted.
                TopicChange::Deleted => match partitions.delete(journal, stream) {
                    Ok(()) | Err(LogError::UnknownPartition) => {}
                    Err(error) => tracing::error!(?error, ?stream, "a stream is not given up"),
                },
            }
        }
        self.tell_groups(topic, what, first);
    }

    /// What groups must know of a topic's change.
    fn tell_groups(&mut self, topic: &Topic, what: TopicChange, first: u32) {
        match what {
            TopicChange::Created | TopicChange::Grown { .. } => {
                if *topic.name == *OFFSETS_TOPIC {
                    self.open_group_partitions(topic, first);
                }
            }
            TopicChange::Deleted => self.forget_offsets_of(&topic.name),
            TopicChange::Configured => {}
        }
    }

    /// From shard 0: what became of our proposal.
    pub(super) fn proposed(&mut self, token: Token, outcomes: Vec<Outcome>) {
        match self.calls.close(token) {
            Some(Call::Registration) => self.registered(&outcomes),
            Some(Call::Metadata(call)) => self.topics_auto_created(*call, &outcomes),
            Some(Call::CreateTopics(call)) => self.topics_created(*call, &outcomes),
            Some(Call::DeleteTopics(call)) => self.topics_deleted(*call, &outcomes),
            Some(Call::FindCoordinator(call)) => self.offsets_topic_created(*call, &outcomes),
            Some(Call::CreatePartitions(call)) => self.partitions_created(*call, &outcomes),
            Some(Call::AlterConfigs(call)) => self.configs_altered(*call, &outcomes),
            Some(Call::Block) => self.block_came(&outcomes),
            Some(Call::Listeners) => self.listeners_decided(outcomes),
            Some(Call::Note) | None => {}
            Some(
                call @ (Call::Produce(_)
                | Call::Fetch(_)
                | Call::Inquiry(_)
                | Call::Group(_)
                | Call::GroupWrite(_)
                | Call::GroupLoad(_)),
            ) => {
                unreachable!("{call:?} proposes nothing")
            }
        }
        self.after_brief_call();
    }

    /// Our journal has failed: nobody produces here any more; clients are told so.
    pub(super) fn own_journal_failed(&mut self) {
        let error = self.owner.journal.failure();
        tracing::error!(?error, "the journal of shard {} has failed", self.id);
        self.failed.insert(self.id);
        for shard in self.config.shards.clone() {
            if shard != self.id {
                self.tell(shard, Message::Failed);
            }
        }
        if let Some(decider) = &mut self.decider {
            let version = self.metadata.as_ref().map_or(0, Metadata::version);
            decider.abandon(version, &mut self.outbox);
        }
        // Without metadata nothing can be decided; without any journal nothing can be kept.
        self.stop_if_useless();
    }

    fn stop_if_useless(&mut self) {
        let all = self.failed.len() == self.config.shards.len();
        if all || self.failed.contains(&ShardId::ZERO) {
            self.stop();
        }
    }

    /// Another shard's journal has failed.
    pub(super) fn other_journal_failed(&mut self, shard: ShardId) {
        self.failed.insert(shard);
        self.stop_if_useless();
    }
}
