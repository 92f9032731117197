//! Produce 3-13: batches to their partitions, and an answer when they are durable.
//!
//! A large request is checked and handed to its owners in slices, one a turn: 100 MiB at once kept
//! the other connections of the core waiting for 100 to 400 ms (`benches/stalls`). Until its last
//! slice nothing more of its connection is decoded, so that batches keep their order.

use std::collections::{BTreeMap, VecDeque};
use std::vec;

use bytes::Bytes;

use crate::base::ShardId;
use crate::base::limits::PRODUCE_BYTES_PER_TURN_MAX;
use crate::cluster::{PartitionPlace, Topic, Uuid};
use crate::log::{Appended, LogError};
use crate::runtime::ConnectionId;
use crate::wire::batch::{CheckedBatch, Codec, check_produced};
use crate::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use crate::wire::messages::{ProduceRequest, ProduceResponse, TopicName};
use crate::wire::{ErrorCode, reply};

use super::super::calls::{Asked, Call, Token};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::{Message, Place, ProducePart};

/// Zstandard came with this version (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// What a part counts for beside its records.
const PART_BYTES: usize = 256;

/// A Produce that awaits its owners' answers.
#[derive(Debug)]
pub struct ProduceCall {
    asked: Asked,
    topics: Vec<(TopicName, Uuid)>,
    /// In the request's order: those of one topic stand together.
    parts: Vec<Part>,
    /// Messages to owners that are not answered.
    missing: usize,
    /// What no owner has been given yet.
    unread: Unread,
}

/// The rest of a request, in its order.
#[derive(Debug)]
struct Unread {
    acks: i16,
    /// The request names a transactional id.
    transactional: bool,
    topics: vec::IntoIter<TopicProduceData>,
    /// Partitions of the topic that was named last.
    partitions: vec::IntoIter<PartitionProduceData>,
}

/// Requests of which a part is still to be handed over, in the order of their turns.
#[derive(Debug, Default)]
pub struct LongProduces(VecDeque<Token>);

impl LongProduces {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug)]
struct Part {
    topic: usize,
    index: i32,
    outcome: Option<Result<Appended, Failure>>,
}

/// What each owner is to append.
type Shares = BTreeMap<ShardId, Vec<ProducePart>>;

impl Shard {
    pub(super) fn produce(&mut self, mut asked: Asked, request: ProduceRequest) {
        if request.acks == 0 {
            self.expect_no_reply(&mut asked);
        }
        let call = ProduceCall {
            asked,
            topics: Vec::with_capacity(request.topic_data.len()),
            parts: Vec::new(),
            missing: 0,
            unread: Unread {
                acks: request.acks,
                transactional: request.transactional_id.is_some(),
                topics: request.topic_data.into_iter(),
                partitions: Vec::new().into_iter(),
            },
        };
        self.connections.memory.take(asked.bytes);
        let token = self.calls.next_token();
        let first = true;
        self.hand_over(token, call, first);
    }

    /// The next slice of the request whose turn it is.
    pub(in super::super) fn continue_long_produces(&mut self) {
        let Some(token) = self.long_produces.0.pop_front() else {
            return;
        };
        if let Some(Call::Produce(call)) = self.calls.close(token) {
            self.hand_over(token, *call, false);
        }
    }

    /// Gives owners what this turn may.
    fn hand_over(&mut self, token: Token, mut call: ProduceCall, first: bool) {
        let (shares, whole) = self.next_slice(&mut call);
        let id = call.asked.connection;
        if first {
            self.note_routed(id, shares.keys().copied());
        }
        call.missing += shares.len();
        if whole && call.missing == 0 {
            self.read_on(id, first);
            return self.answer_produce(call);
        }
        let durable = call.unread.acks != 0;
        self.calls.open(token, Call::Produce(Box::new(call)));
        for (shard, parts) in shares {
            let message = Message::Produce {
                token,
                parts,
                durable,
            };
            self.tell(shard, message);
        }
        if whole {
            self.read_on(id, first);
        } else {
            self.long_produces.0.push_back(token);
            if let Some(connection) = self.connections.get_mut(id) {
                connection.slicing = true;
            }
        }
    }

    /// The request is handed over; if that took more than one turn, its connection was held.
    fn read_on(&mut self, id: ConnectionId, at_once: bool) {
        if !at_once && let Some(connection) = self.connections.get_mut(id) {
            connection.slicing = false;
            self.connections.touch(id);
        }
    }

    /// Checks the next batches, up to a turn's share of bytes; true when they were the last.
    fn next_slice(&self, call: &mut ProduceCall) -> (Shares, bool) {
        let mut shares = Shares::new();
        let mut bytes = 0;
        while bytes < PRODUCE_BYTES_PER_TURN_MAX.as_usize() {
            let Some(partition) = call.unread.partitions.next() else {
                let Some(topic) = call.unread.topics.next() else {
                    return (shares, true);
                };
                call.topics.push((topic.name, topic.topic_id));
                call.unread.partitions = topic.partition_data.into_iter();
                continue;
            };
            // Parts without records take time too.
            bytes += PART_BYTES + partition.records.as_ref().map_or(0, Bytes::len);
            self.add_batch(call, partition, &mut shares);
        }
        let whole = call.unread.partitions.len() == 0 && call.unread.topics.len() == 0;
        (shares, whole)
    }

    fn add_batch(
        &self,
        call: &mut ProduceCall,
        partition: PartitionProduceData,
        shares: &mut Shares,
    ) {
        let topic = call.topics.len() - 1;
        let (name, id) = &call.topics[topic];
        let checked = self
            .find_topic(name, *id)
            .and_then(|found| self.check_part(found, partition.index, call.unread.acks))
            .and_then(|place| {
                let transactional = call.unread.transactional;
                let batch = check_batch(partition.records, call.asked, transactional)?;
                Ok((place, batch))
            });
        let mut part = Part {
            topic,
            index: partition.index,
            outcome: None,
        };
        match checked {
            Ok((place, batch)) => shares.entry(place.shard).or_default().push(ProducePart {
                place: Place(call.parts.len() as u32),
                stream: place.stream,
                batch,
            }),
            Err(failure) => part.outcome = Some(Err(failure)),
        }
        call.parts.push(part);
    }

    /// An owner answers.
    pub(in super::super) fn produced(
        &mut self,
        token: Token,
        parts: Vec<(Place, Result<Appended, LogError>)>,
    ) {
        if let Some(Call::GroupWrite(write)) = self.calls.get_mut(token) {
            let write = *write;
            self.calls.close(token);
            return self.group_appended(write, parts);
        }
        let Some(Call::Produce(call)) = self.calls.get_mut(token) else {
            return;
        };
        for (place, outcome) in parts {
            call.parts[place.0 as usize].outcome = Some(outcome.map_err(Failure::from));
        }
        call.missing -= 1;
        let unread = call.unread.partitions.len() + call.unread.topics.len();
        if call.missing > 0 || unread > 0 {
            return;
        }
        if let Some(Call::Produce(call)) = self.calls.close(token) {
            self.answer_produce(*call);
            self.after_brief_call();
        }
    }

    fn answer_produce(&mut self, call: ProduceCall) {
        self.connections.memory.give_back(call.asked.bytes);
        if call.asked.slot.is_none() {
            return self.silent_produce_ended(&call);
        }
        let asked = call.asked;
        let mut topics: Vec<TopicProduceResponse> = call
            .topics
            .into_iter()
            .map(|(name, id)| {
                TopicProduceResponse::default()
                    .with_name(name)
                    .with_topic_id(id)
            })
            .collect();
        for part in call.parts {
            topics[part.topic]
                .partition_responses
                .push(part_response(part.index, part.outcome));
        }
        let response = ProduceResponse::default().with_responses(topics);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    /// acks=0: the reply's place in the order is given up, the request still counts.
    fn expect_no_reply(&mut self, asked: &mut Asked) {
        let Some(slot) = asked.slot.take() else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(asked.connection) {
            connection.slots.fill(slot, Vec::new());
            connection.silent += 1;
        }
    }

    /// acks=0: nothing can tell the client of an error but a closed connection (as in Kafka).
    fn silent_produce_ended(&mut self, call: &ProduceCall) {
        let id = call.asked.connection;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.silent -= 1;
        }
        let failure = call.parts.iter().find_map(|part| match &part.outcome {
            Some(Err(failure)) => Some(failure.code),
            Some(Ok(_)) | None => None,
        });
        if let Some(code) = failure {
            let why = format!("a produce without acknowledgement got {code}");
            self.connections.refuse(id, &why, false);
        }
        self.connections.touch(id);
    }

    fn check_part(&self, topic: &Topic, index: i32, acks: i16) -> Result<PartitionPlace, Failure> {
        if !(-1..=1).contains(&acks) {
            let words = format!("acks is {acks}: all is -1, the leader's 1, none 0");
            return Err(Failure::because(ErrorCode::InvalidRequiredAcks, words));
        }
        let place = self.find_partition(topic, index)?;
        if topic.is_internal() {
            let words = format!("Cannot append to internal topic {}", topic.name);
            return Err(Failure::because(ErrorCode::InvalidTopicException, words));
        }
        if self.is_leaderless(place.shard) {
            let words = "the disk of this partition's shard has failed";
            return Err(Failure::because(ErrorCode::KafkaStorageError, words));
        }
        Ok(place)
    }
}

fn check_batch(
    records: Option<Bytes>,
    asked: Asked,
    transactional: bool,
) -> Result<CheckedBatch, Failure> {
    let batch = check_produced(&records.unwrap_or_default())?;
    if batch.header.is_transactional() && !transactional {
        let words = "a transactional batch in a request that names no transactional id";
        let code = ErrorCode::TransactionalIdAuthorizationFailed;
        return Err(Failure::because(code, words));
    }
    if batch.codec == Codec::Zstd && asked.to.version < ZSTD_SINCE {
        let words = "zstd came with Produce 7; this request's version is older";
        return Err(Failure::because(
            ErrorCode::UnsupportedCompressionType,
            words,
        ));
    }
    Ok(batch)
}

/// The record to blame (KIP-467): producers fail it by these words, and the others of its batch
/// as its neighbours.
fn record_errors(failure: &Failure) -> Vec<BatchIndexAndErrorMessage> {
    let blamed = failure.record.map(|record| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(i32::try_from(record).unwrap_or(i32::MAX))
            .with_batch_index_error_message(failure.words.clone())
    });
    blamed.into_iter().collect()
}

fn part_response(
    index: i32,
    outcome: Option<Result<Appended, Failure>>,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Some(Ok(appended)) => response
            .with_base_offset(appended.base_offset.0)
            .with_log_append_time_ms(appended.log_append_time)
            .with_log_start_offset(appended.log_start.0),
        Some(Err(failure)) => response
            .with_error_code(failure.code.code())
            .with_record_errors(record_errors(&failure))
            .with_error_message(failure.words)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1),
        None => unreachable!("an owner left out a part"),
    }
}
