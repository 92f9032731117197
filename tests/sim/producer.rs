//! A producer: idempotent with retries, or plain and never twice.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use thalweg::base::Ticks;
use thalweg::base::random::Random;
use thalweg::wire::batch::{BatchBuilder, NewRecord};
use thalweg::wire::{ErrorCode, client};

use super::broker::World;
use super::harm::Claim;
use super::history::{History, Outcome, Tp, Written};
use super::line::Line;
use super::value::{self, ValueId};

#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub idempotent: bool,
    /// -1, 0 or 1.
    pub acks: i16,
    /// Requests in flight.
    pub depth: usize,
    pub version: i16,
    pub records_max: u64,
    pub value_max: u64,
}

/// A batch that is not settled. It keeps its sequence over every retry.
#[derive(Debug)]
struct Batch {
    sequence: i32,
    values: Vec<ValueId>,
    bytes: Bytes,
    in_flight: bool,
}

/// One partition's batches, oldest first.
#[derive(Debug, Default)]
struct Lane {
    next_sequence: i32,
    batches: VecDeque<Batch>,
}

#[derive(Debug)]
pub enum Sent {
    Init,
    /// Each partition's batch, by its sequence.
    Produce(Vec<(Tp, i32)>),
}

#[derive(Debug)]
pub struct Producer {
    client: u32,
    habits: Habits,
    pub line: Line<Sent>,
    random: Random,
    identity: Option<(i64, i16)>,
    asking_identity: bool,
    lanes: BTreeMap<Tp, Lane>,
    next_number: u32,
    /// What the wall clock showed at the last act.
    wall: i64,
    /// Writes nothing new, only what is owed.
    pub winding_down: bool,
}

impl Producer {
    pub fn new(client: u32, habits: Habits, seed: u64) -> Self {
        Self {
            client,
            habits,
            line: Line::new(format!("producer-{client}")),
            random: Random::with_seed(seed),
            identity: None,
            asking_identity: false,
            lanes: BTreeMap::new(),
            next_number: 0,
            wall: 0,
            winding_down: false,
        }
    }

    /// True if nothing is owed.
    pub fn is_content(&self, history: &History) -> bool {
        let owed = |(tp, lane): (&Tp, &Lane)| !lane.batches.is_empty() && !history.is_doomed(*tp);
        !self.lanes.iter().any(owed)
    }

    pub fn act(&mut self, world: &mut World, history: &mut History) {
        if !self.line.connect(world) {
            return;
        }
        self.wall = world.clocks().wall.0;
        if self.habits.idempotent && self.identity.is_none() {
            self.ask_identity(world, history);
            return;
        }
        while self.line.flight.len() < self.habits.depth {
            let parts = self.choose(world.now(), history);
            if parts.is_empty() {
                return;
            }
            self.send(world, history, parts);
            if self.random.one_in(2) {
                return;
            }
        }
    }

    fn ask_identity(&mut self, world: &mut World, history: &mut History) {
        if self.asking_identity {
            return;
        }
        self.asking_identity = true;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let version = self.random.below(6) as i16;
        // The older versions can not say "I have none".
        let request = if version < 3 {
            request
                .with_producer_id(InitProducerIdRequest::default().producer_id)
                .with_producer_epoch(InitProducerIdRequest::default().producer_epoch)
        } else {
            request
        };
        self.line
            .call(world, history, &request, version, Sent::Init);
    }

    /// The batches of the next request: what must be sent again, or else something new.
    fn choose(&mut self, now: Ticks, history: &mut History) -> Vec<(Tp, i32)> {
        let mut parts = Vec::new();
        for (tp, lane) in &mut self.lanes {
            if history.is_doomed(*tp) {
                continue;
            }
            // Nothing overtakes what is in flight; of the rest, the oldest goes first.
            let in_flight = lane.batches.iter().take_while(|batch| batch.in_flight);
            let count = in_flight.count();
            if lane.batches.iter().skip(count).any(|batch| batch.in_flight) {
                continue;
            }
            if let Some(batch) = lane.batches.get_mut(count) {
                batch.in_flight = true;
                parts.push((*tp, batch.sequence));
            }
        }
        if !parts.is_empty() || self.winding_down {
            return parts;
        }
        let mut usable = history.usable();
        // After a loss its sequences are rightly refused: the records before are not there.
        if self.habits.idempotent {
            usable.retain(|tp| !history.topics[tp.topic].relaxed);
        }
        for _ in 0..1 + self.random.below(3) {
            if usable.is_empty() {
                break;
            }
            let pick = self.random.below(usable.len() as u64) as usize;
            let tp = usable.swap_remove(pick);
            let unsettled = self.lanes.get(&tp).map_or(0, |lane| lane.batches.len());
            if unsettled < 5 {
                let sequence = self.write(tp, now, history);
                parts.push((tp, sequence));
            }
        }
        parts
    }

    /// Makes a new batch; returns its sequence.
    fn write(&mut self, tp: Tp, now: Ticks, history: &mut History) -> i32 {
        let count = 1 + self.random.below(self.habits.records_max);
        let lane = self.lanes.entry(tp).or_default();
        let sequence = lane.next_sequence;
        lane.next_sequence += count as i32;
        let mut builder = BatchBuilder::new();
        if self.habits.idempotent {
            let (id, epoch) = self.identity.expect("asked for before");
            builder = builder.producer(id, epoch, sequence);
        }
        let connection = match self.habits.idempotent {
            true => 0,
            false => self.line.connections,
        };
        let mut values = Vec::new();
        for _ in 0..count {
            let id = ValueId {
                client: self.client,
                number: self.next_number,
            };
            self.next_number += 1;
            let noise = self.random.below(self.habits.value_max) as usize;
            let bytes = value::encode(id, tp, noise);
            let key = id.number.to_be_bytes();
            builder.push(NewRecord {
                timestamp: self.wall,
                key: Some(&key),
                value: Some(&bytes),
                headers: &[],
            });
            let written = Written {
                tp,
                sent: now,
                outcome: Outcome::Unknown,
                lane: (self.client, connection),
            };
            history.sent(id, written);
            values.push(id);
        }
        let bytes = builder.build();
        let in_flight = true;
        lane.batches.push_back(Batch {
            sequence,
            values,
            bytes,
            in_flight,
        });
        sequence
    }

    fn send(&mut self, world: &mut World, history: &mut History, parts: Vec<(Tp, i32)>) {
        let version = self.habits.version;
        let mut topics: BTreeMap<usize, Vec<PartitionProduceData>> = BTreeMap::new();
        for (tp, sequence) in &parts {
            let lane = &self.lanes[tp];
            let batch = lane
                .batches
                .iter()
                .find(|batch| batch.sequence == *sequence);
            let bytes = batch.expect("it was chosen").bytes.clone();
            let data = PartitionProduceData::default()
                .with_index(tp.partition)
                .with_records(Some(bytes));
            topics.entry(tp.topic).or_default().push(data);
        }
        let topics = topics.into_iter().map(|(index, data)| {
            let topic = &history.topics[index];
            let out = TopicProduceData::default().with_partition_data(data);
            if version >= 13 {
                return out.with_topic_id(topic.id.expect("usable topics have ids"));
            }
            let name = StrBytes::from_string(topic.name.clone());
            out.with_name(TopicName(name))
        });
        let request = ProduceRequest::default()
            .with_acks(self.habits.acks)
            .with_timeout_ms(5_000)
            .with_topic_data(topics.collect());
        if self.habits.acks == 0 {
            self.line.post(world, history, &request, version);
            for (tp, sequence) in parts {
                self.forget(tp, sequence);
            }
        } else {
            let sent = Sent::Produce(parts);
            self.line.call(world, history, &request, version, sent);
        }
    }

    fn forget(&mut self, tp: Tp, sequence: i32) -> Option<Batch> {
        let lane = self.lanes.get_mut(&tp)?;
        let at = lane
            .batches
            .iter()
            .position(|batch| batch.sequence == sequence)?;
        lane.batches.remove(at)
    }

    pub fn readable(&mut self, world: &mut World, history: &mut History) {
        for (call, frame) in self.line.replies(world, history) {
            match call.what {
                Sent::Init => self.take_identity(call.version, frame, history),
                Sent::Produce(parts) => {
                    self.settle(world.now(), call.version, parts, frame, history);
                }
            }
        }
    }

    fn take_identity(&mut self, version: i16, frame: Bytes, history: &mut History) {
        self.asking_identity = false;
        let (_, reply) = match client::decode::<InitProducerIdRequest>(version, frame) {
            Ok(reply) => reply,
            Err(error) => return history.violate(format!("InitProducerId: {error:?}")),
        };
        match reply.error_code {
            0 => self.identity = Some((reply.producer_id.0, reply.producer_epoch)),
            code => history.tally.hit(error_name("init: ", code)),
        }
    }

    fn settle(
        &mut self,
        now: Ticks,
        version: i16,
        mut parts: Vec<(Tp, i32)>,
        frame: Bytes,
        history: &mut History,
    ) {
        let (_, reply) = match client::decode::<ProduceRequest>(version, frame) {
            Ok(reply) => reply,
            Err(error) => return history.violate(format!("Produce {version}: {error:?}")),
        };
        for topic in &reply.responses {
            let index = match version {
                13.. => history.topic_with(topic.topic_id),
                _ => history.topic_named(&topic.name),
            };
            for part in &topic.partition_responses {
                let tp = index.map(|topic| Tp {
                    topic,
                    partition: part.index,
                });
                let Some(at) = parts.iter().position(|(asked, _)| Some(*asked) == tp) else {
                    history.violate(format!("Produce answers {tp:?}, which was not asked"));
                    continue;
                };
                let (tp, sequence) = parts.swap_remove(at);
                self.settle_part(
                    now,
                    tp,
                    sequence,
                    part.error_code,
                    part.base_offset,
                    history,
                );
            }
        }
        if !parts.is_empty() {
            history.violate(format!("Produce does not answer {parts:?}"));
        }
    }

    fn settle_part(
        &mut self,
        now: Ticks,
        tp: Tp,
        sequence: i32,
        code: i16,
        base: i64,
        history: &mut History,
    ) {
        let lane = self.lanes.get_mut(&tp).expect("it was sent from there");
        let found = lane.batches.iter().position(|b| b.sequence == sequence);
        let Some(at) = found else { return };
        if code == 0 {
            if at != 0 && self.habits.idempotent {
                let oldest = lane.batches[0].sequence;
                history.violate(format!(
                    "{tp:?}: sequence {sequence} of client {} was taken before {oldest}",
                    self.client
                ));
            }
            let batch = self.forget(tp, sequence).expect("found above");
            for (id, offset) in batch.values.into_iter().zip(base..) {
                history.acked(id, (base >= 0).then_some(offset), now);
            }
            return;
        }
        history.tally.hit(error_name("produce: ", code));
        let doomed = history.is_doomed(tp);
        match ErrorCode::from_i16(code) {
            _ if doomed => drop(self.forget(tp, sequence)),
            Some(ErrorCode::OutOfOrderSequenceNumber) if at > 0 => {
                lane.batches[at].in_flight = false;
            }
            Some(
                ErrorCode::KafkaStorageError
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::LeaderNotAvailable
                | ErrorCode::RequestTimedOut,
            ) => self.retry_or_give_up(tp, sequence),
            known => {
                let what = format!(
                    "client {} got {} for {tp:?}, sequence {sequence}",
                    self.client,
                    known.map_or("a code of its own", ErrorCode::name)
                );
                match known {
                    Some(ErrorCode::OutOfOrderSequenceNumber) => {
                        history.claim(Claim::Producers(tp), what);
                    }
                    Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {
                        history.claim(Claim::Topic(tp.topic), what);
                    }
                    _ => history.violate(what),
                }
            }
        }
    }

    fn retry_or_give_up(&mut self, tp: Tp, sequence: i32) {
        if !self.habits.idempotent {
            self.forget(tp, sequence);
            return;
        }
        let lane = self.lanes.get_mut(&tp).expect("it was sent from there");
        let mut batches = lane.batches.iter_mut();
        if let Some(batch) = batches.find(|batch| batch.sequence == sequence) {
            batch.in_flight = false;
        }
    }

    pub fn closed(&mut self, world: &mut World) {
        for what in self.line.lose(world) {
            match what {
                Sent::Init => {}
                Sent::Produce(parts) => {
                    for (tp, sequence) in parts {
                        self.retry_or_give_up(tp, sequence);
                    }
                }
            }
        }
        self.asking_identity = false;
    }
}

pub fn error_name(_kind: &str, code: i16) -> &'static str {
    ErrorCode::from_i16(code).map_or("error: unknown code", ErrorCode::name)
}
