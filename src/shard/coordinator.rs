//! This shard as a coordinator of groups: what `groups` decides is written, read and answered here.
//!
//! A partition of `__consumer_offsets` is read when it is first seen, a slice per turn; until then
//! its groups answer COORDINATOR_LOAD_IN_PROGRESS. Records are appended as a producer's are, so
//! they become durable in order.

use std::collections::{BTreeMap, VecDeque};

use crate::base::limits::{BATCH_BYTES_MAX, GROUP_LOAD_BYTES};
use crate::base::random::Random;
use crate::base::{ShardId, Span, Ticks};
use crate::cluster::Topic;
use crate::groups::{
    Ask, Caller, Effects, GroupConfig, GroupError, Groups, OFFSETS_TOPIC, Write, WriteId,
};
use crate::journal::{JournalError, StreamId};
use crate::log::{Appended, Isolation, LogError, Offset, ReadAsk};
use crate::wire::batch::{BatchBuilder, NewRecord, check_produced, records};

use super::calls::{Call, Token};
use super::machine::Shard;
use super::message::{FetchAsk, FetchPart, FetchedPart, Message, Place, ProducePart};
use super::timers::Timer;

/// A read that the device refused is tried again after this long.
const LOAD_RETRY: Span = Span::seconds(1);

/// What a shard keeps as a coordinator, besides the groups themselves.
#[derive(Debug)]
pub struct Coordinator {
    pub groups: Groups,
    /// Partitions of `__consumer_offsets` that are here.
    streams: BTreeMap<u32, StreamId>,
    /// Those that are still to be read, the first of them from this offset on.
    loading: VecDeque<u32>,
    load_at: Option<Offset>,
    /// Where partitions will begin once their live state has been written again.
    rewrites: BTreeMap<u32, Offset>,
    /// When the driver will be woken for the groups.
    alarm: Option<Ticks>,
}

impl Coordinator {
    pub fn new(config: GroupConfig, random: Random) -> Self {
        Self {
            groups: Groups::new(config, random),
            streams: BTreeMap::new(),
            loading: VecDeque::new(),
            load_at: None,
            rewrites: BTreeMap::new(),
            alarm: None,
        }
    }
}

impl Shard {
    /// Partitions of `__consumer_offsets` have come to this shard.
    pub(super) fn open_group_partitions(&mut self, topic: &Topic, first: u32) {
        let here = |place: &crate::cluster::PartitionPlace| place.shard == self.id;
        let places: Vec<_> = topic.partitions_from(first).filter(here).collect();
        for place in places {
            let own = &mut self.coordinator;
            if own.streams.insert(place.partition, place.stream).is_none() {
                own.groups.open(place.partition);
                own.loading.push_back(place.partition);
            }
        }
        self.timers.set(self.now.ticks, Timer::GroupLoad);
    }

    /// At a start: those that the metadata has.
    pub(super) fn open_known_group_partitions(&mut self) {
        let topic = self.known().and_then(|known| known.topic(OFFSETS_TOPIC));
        if let Some(topic) = topic.cloned() {
            self.open_group_partitions(&topic, 0);
        }
    }

    /// Reads the next slice of what must be read.
    pub(super) fn load_groups(&mut self) {
        while let Some(partition) = self.coordinator.loading.front().copied() {
            let Some(stream) = self.coordinator.streams.get(&partition).copied() else {
                self.coordinator.loading.pop_front();
                continue;
            };
            let owner = &self.owner;
            let Some(facts) = owner.partitions.facts(&owner.journal, stream) else {
                self.coordinator.loading.pop_front();
                continue;
            };
            let from = self.coordinator.load_at.unwrap_or(facts.log_start);
            if from >= facts.high_watermark {
                self.group_partition_loaded(partition);
                continue;
            }
            let part = FetchPart {
                place: Place(0),
                stream,
                ask: ReadAsk {
                    from,
                    leader_epoch: None,
                    isolation: Isolation::ReadUncommitted,
                    bytes_max: GROUP_LOAD_BYTES,
                    first_whole: true,
                },
            };
            let ask = FetchAsk {
                parts: vec![part],
                bytes_max: GROUP_LOAD_BYTES,
                wait: None,
                watch: None,
            };
            let token = self.calls.next_token();
            self.coordinator.load_at = Some(from);
            self.calls.open(token, Call::GroupLoad(partition));
            return self.tell(self.id, Message::Fetch { token, ask });
        }
    }

    /// A slice has been read.
    pub(super) fn group_slice_came(
        &mut self,
        partition: u32,
        parts: Vec<(Place, Result<FetchedPart, LogError>)>,
    ) {
        let from = self.coordinator.load_at.unwrap_or(Offset(0));
        let mut wait = Span(0);
        let next = match parts.into_iter().next() {
            Some((_, Ok(part))) => self.replay_groups(partition, from, &part),
            Some((_, Err(LogError::OffsetOutOfRange { start, .. }))) if start > from => start,
            // What can not be read any more had been acknowledged: what follows it is served.
            Some((_, Err(LogError::Journal(error @ JournalError::Checksum { .. })))) => {
                tracing::error!(?error, partition, "{OFFSETS_TOPIC} has lost a record");
                from.plus(1)
            }
            Some((_, Err(error))) => {
                tracing::error!(?error, partition, "{OFFSETS_TOPIC} can not be read now");
                wait = LOAD_RETRY;
                from
            }
            None => from,
        };
        self.coordinator.load_at = Some(next);
        self.timers.set(self.now.ticks + wait, Timer::GroupLoad);
    }

    /// Gives the groups the records of a slice; returns where the next begins.
    fn replay_groups(&mut self, partition: u32, from: Offset, part: &FetchedPart) -> Offset {
        let (mut next, mut unread) = (from, 0_u32);
        for batch in &part.batches {
            next = next.max(Offset::from(batch.head.end()));
            let Ok(walk) = records(&batch.payload, BATCH_BYTES_MAX.as_usize()) else {
                unread += 1;
                continue;
            };
            for record in walk {
                let Ok(record) = record else {
                    unread += 1;
                    break;
                };
                if record.offset < from.0 {
                    continue;
                }
                let key = record.key.unwrap_or_default();
                let groups = &mut self.coordinator.groups;
                unread += u32::from(!groups.replay(partition, &key, record.value, self.now));
            }
        }
        if unread > 0 {
            tracing::warn!(
                partition,
                unread,
                "records of {OFFSETS_TOPIC} are passed over"
            );
        }
        // A slice without a batch must not be asked for again and again.
        if next == from { from.plus(1) } else { next }
    }

    fn group_partition_loaded(&mut self, partition: u32) {
        self.coordinator.loading.pop_front();
        self.coordinator.load_at = None;
        let metadata = self.metadata.as_ref();
        let is_topic = |name: &str| metadata.is_some_and(|known| known.topic(name).is_some());
        let mut effects = Effects::default();
        let groups = &mut self.coordinator.groups;
        groups.loaded(partition, &is_topic, self.now, &mut effects);
        self.perform(effects);
    }

    /// Any shard asks about a group that is ours.
    pub(super) fn group_asked(
        &mut self,
        from: ShardId,
        token: Token,
        place: Place,
        partition: u32,
        ask: Ask,
    ) {
        let caller = Caller {
            shard: from,
            token: token.0,
            part: place.0,
        };
        let mut effects = Effects::default();
        let groups = &mut self.coordinator.groups;
        groups.ask(caller, partition, ask, self.now, &mut effects);
        self.perform(effects);
    }

    /// Answers and records leave.
    fn perform(&mut self, effects: Effects) {
        for write in effects.writes {
            self.write_group(write);
        }
        for (caller, answer) in effects.answers {
            let message = Message::Grouped {
                token: Token(caller.token),
                place: Place(caller.part),
                answer: Box::new(answer),
            };
            self.tell(caller.shard, message);
        }
        self.set_group_alarm();
    }

    fn write_group(&mut self, write: Write) {
        let mut builder = BatchBuilder::new();
        for record in &write.records {
            builder.push(NewRecord {
                timestamp: self.now.wall.0,
                key: Some(&record.key),
                value: record.value.as_deref(),
                headers: &[],
            });
        }
        let stream = self.coordinator.streams.get(&write.partition).copied();
        let (Some(stream), Ok(batch)) = (stream, check_produced(&builder.build())) else {
            return self.group_written(write.id, Err(GroupError::NotCoordinator));
        };
        let token = self.calls.next_token();
        self.calls.open(token, Call::GroupWrite(write.id));
        let parts = vec![ProducePart {
            place: Place(0),
            stream,
            batch,
        }];
        let durable = true;
        let message = Message::Produce {
            token,
            parts,
            durable,
        };
        self.tell(self.id, message);
    }

    /// A write of the groups is durable, or is refused.
    pub(super) fn group_appended(
        &mut self,
        write: WriteId,
        parts: Vec<(Place, Result<Appended, LogError>)>,
    ) {
        let result = match parts.into_iter().next() {
            Some((_, Ok(_))) => Ok(()),
            Some((_, Err(error))) => Err(write_error(error)),
            None => Err(GroupError::NotAvailable),
        };
        self.group_written(write, result);
    }

    fn group_written(&mut self, write: WriteId, result: Result<(), GroupError>) {
        let mut effects = Effects::default();
        let groups = &mut self.coordinator.groups;
        groups.written(write, result, self.now, &mut effects);
        self.perform(effects);
    }

    /// The groups' time has come.
    pub(super) fn wake_groups(&mut self) {
        self.coordinator.alarm = None;
        let mut effects = Effects::default();
        self.coordinator.groups.wake(self.now, &mut effects);
        self.perform(effects);
    }

    fn set_group_alarm(&mut self) {
        let Some(at) = self.coordinator.groups.wake_at() else {
            return;
        };
        if self.coordinator.alarm.is_none_or(|alarm| at < alarm) {
            self.coordinator.alarm = Some(at);
            self.timers.set(at, Timer::Groups);
        }
    }

    /// Every few seconds: offsets whose time is over, and partitions that have grown too long.
    pub(super) fn tick_groups(&mut self, wall: crate::base::WallMs) {
        let mut effects = Effects::default();
        self.coordinator.groups.tick(wall, self.now, &mut effects);
        let streams: Vec<_> = self
            .coordinator
            .streams
            .iter()
            .map(|(p, s)| (*p, *s))
            .collect();
        for (partition, stream) in streams {
            self.shorten(partition, stream, &mut effects);
        }
        self.perform(effects);
    }

    /// Begins to write a partition's live state again, or gives up what was before it.
    fn shorten(&mut self, partition: u32, stream: StreamId, effects: &mut Effects) {
        let (own, owner) = (&mut self.coordinator, &mut self.owner);
        if own.groups.take_rewritten(partition) {
            if let Some(start) = own.rewrites.remove(&partition)
                && let Err(error) = owner.give_up(stream, start)
            {
                tracing::warn!(?error, partition, "{OFFSETS_TOPIC} stays long for now");
            }
            return;
        }
        let Some(facts) = owner.partitions.facts(&owner.journal, stream) else {
            return;
        };
        // All that lies below the high watermark has been taken over by the groups: both happen in
        // one turn, and this is a later one.
        let records = facts.high_watermark.0 - facts.log_start.0;
        let records = u64::try_from(records).unwrap_or(0);
        if own.groups.rewrite(partition, records, self.now, effects) {
            own.rewrites.insert(partition, facts.high_watermark);
        }
    }

    /// A topic is gone: so are the offsets in it.
    pub(super) fn forget_offsets_of(&mut self, topic: &str) {
        let mut effects = Effects::default();
        let groups = &mut self.coordinator.groups;
        groups.topic_deleted(topic, self.now, &mut effects);
        self.perform(effects);
    }

    /// The broker stops: nobody waits for members that will not come.
    pub(super) fn end_waiting_groups(&mut self) {
        let mut effects = Effects::default();
        self.coordinator.groups.stop(self.now, &mut effects);
        self.perform(effects);
    }
}

/// What a failed append is to a group.
fn write_error(error: LogError) -> GroupError {
    match error {
        LogError::TooLarge { .. } | LogError::Journal(JournalError::TooLarge { .. }) => {
            GroupError::RecordTooLarge
        }
        LogError::UnknownPartition
        | LogError::FencedLeaderEpoch { .. }
        | LogError::UnknownLeaderEpoch { .. }
        | LogError::Journal(
            JournalError::Device(_)
            | JournalError::Stopped
            | JournalError::Checksum { .. }
            | JournalError::Lost { .. }
            | JournalError::OutOfRange
            | JournalError::Format { .. },
        ) => GroupError::NotCoordinator,
        LogError::InvalidTimestamp { .. }
        | LogError::ClaimsAppendTime
        | LogError::NoKey { .. }
        | LogError::InvalidRecord
        | LogError::OutOfOrderSequence { .. }
        | LogError::InvalidProducerEpoch { .. }
        | LogError::InvalidTransactionState
        | LogError::OffsetOutOfRange { .. }
        | LogError::Journal(JournalError::Full | JournalError::Busy) => GroupError::NotAvailable,
    }
}
