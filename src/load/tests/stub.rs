//! A broker in a few lines, in memory, that can be told to lie.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::stub_groups::Groups;
use crate::base::crc::crc32c;
use crate::load::batch::{
    COUNT_AT, HEAD_BYTES, LENGTH_AT, PRODUCER_AT, SEQUENCE_AT, SUM_AT, SUMMED_AT,
};
use crate::wire::StrBytes;
use crate::wire::messages::create_topics_response::CreatableTopicResult;
use crate::wire::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use crate::wire::messages::*;
use crate::wire::{ReplyTo, Request, RequestHeader, reply, request};

/// What is wrong with a broker, once, at the batch of this number (counted over all).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    None,
    /// Says nothing to anybody for this long.
    Stall(u64, Duration),
    /// Acknowledges the batch and does not keep it.
    ForgetBatch(u64),
    /// Keeps the batch twice.
    RepeatBatch(u64),
    /// Keeps the batch after the next one of its partition.
    SwapBatch(u64),
    /// Flips a bit in the batch.
    FlipBit(u64),
    /// Flips a bit in a record, and makes the batch's sum agree.
    FlipBitAndSum(u64),
    /// Takes one record out of the batch, and makes the batch agree.
    ForgetRecord(u64),
    /// Exchanges two neighbouring records of the batch, and makes the batch agree.
    SwapRecords(u64),
    /// Puts one record in a second time in place of its neighbour.
    RepeatRecord(u64),
    /// Refuses the batch with NOT_LEADER_OR_FOLLOWER.
    Refuse(u64),
    /// Refuses to say where partitions end.
    NoEnds,
}

pub struct Stub {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
}

/// What all brokers of a stub share.
struct World {
    lie: Lie,
    batches: u64,
    partitions: HashMap<(TopicName, i32), Partition>,
    /// The brokers' ports. Partition p is led by broker `p % how many there are`.
    ports: Vec<u16>,
    /// Connections so far: each greets once.
    greeted: usize,
    /// What producers asked for.
    acks: BTreeSet<i16>,
}

/// One of the brokers, by its place among the ports.
#[derive(Clone, Copy)]
struct Me(usize);

#[derive(Default)]
struct Partition {
    end: i64,
    /// The sequence that an idempotent producer's next batch must have.
    sequence: u32,
    log: Vec<Batch>,
    held_back: Option<Vec<u8>>,
}

struct Batch {
    base: i64,
    records: i64,
    bytes: Vec<u8>,
}

impl Stub {
    /// Serves on a free port until the test process ends.
    pub fn that(lie: Lie) -> Self {
        Self::of_brokers(1, lie)
    }

    /// So many brokers, each of which refuses what another leads.
    pub fn of_brokers(count: usize, lie: Lie) -> Self {
        let bind = |_| TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<TcpListener> = (0..count).map(bind).collect();
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(|it| it.local_addr().unwrap())
            .collect();
        let groups = Arc::new(Groups::default());
        let world = Arc::new(Mutex::new(World {
            lie,
            batches: 0,
            partitions: HashMap::new(),
            ports: addresses.iter().map(SocketAddr::port).collect(),
            greeted: 0,
            acks: BTreeSet::new(),
        }));
        let own = Arc::clone(&world);
        for (index, listener) in listeners.into_iter().enumerate() {
            let (world, groups) = (Arc::clone(&world), Arc::clone(&groups));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (world, groups) = (Arc::clone(&world), Arc::clone(&groups));
                    thread::spawn(move || serve(stream, Me(index), &world, &groups));
                }
            });
        }
        Self {
            address: addresses[0],
            world: own,
        }
    }

    /// Connections so far, and the acknowledgements that were asked for.
    pub fn asked(&self) -> (usize, Vec<i16>) {
        let world = self.world.lock().unwrap();
        (world.greeted, world.acks.iter().copied().collect())
    }

    /// Of all topics that there are now.
    pub fn partitions(&self) -> usize {
        self.world.lock().unwrap().partitions.len()
    }
}

fn serve(mut stream: TcpStream, me: Me, world: &Mutex<World>, groups: &Groups) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).ok()?;
        let mut frame = Bytes::from(frame);
        let header = RequestHeader::parse(&mut frame).unwrap();
        let request = request::decode(&header, frame).unwrap();
        let answer = answer(header.reply_to(), request, me, world, groups);
        stream.write_all(&answer).ok()?;
    }
}

fn answer(to: ReplyTo, request: Request, me: Me, world: &Mutex<World>, groups: &Groups) -> Bytes {
    let locked = || world.lock().unwrap();
    let answer = match request {
        Request::ApiVersions(_) => {
            locked().greeted += 1;
            reply::encode(to, &ApiVersionsResponse::default())
        }
        Request::CreateTopics(it) => reply::encode(to, &create(&it, &mut locked())),
        Request::Metadata(it) => reply::encode(to, &metadata(&it, &locked())),
        Request::ListOffsets(it) => reply::encode(to, &ends(&it, me, &locked())),
        Request::Produce(it) => reply::encode(to, &produce(&it, me, &mut locked())),
        Request::Fetch(it) => reply::encode(to, &fetch(&it, me, world)),
        Request::DeleteTopics(it) => {
            let is_left = |key: &(TopicName, i32)| !it.topic_names.contains(&key.0);
            locked().partitions.retain(|key, _| is_left(key));
            let deleted = it.topic_names.into_iter();
            let deleted = deleted.map(|it| DeletableTopicResult::default().with_name(Some(it)));
            let reply = DeleteTopicsResponse::default().with_responses(deleted.collect());
            reply::encode(to, &reply)
        }
        Request::InitProducerId(_) => {
            let given = InitProducerIdResponse::default().with_producer_id(7.into());
            reply::encode(to, &given.with_producer_epoch(0))
        }
        Request::FindCoordinator(_) => {
            let port = i32::from(locked().ports[0]);
            let host = StrBytes::from_static_str("127.0.0.1");
            let found = FindCoordinatorResponse::default().with_host(host);
            reply::encode(to, &found.with_port(port))
        }
        Request::JoinGroup(it) => reply::encode(to, &groups.join(&it)),
        Request::SyncGroup(it) => reply::encode(to, &groups.sync(&it)),
        Request::Heartbeat(it) => reply::encode(to, &groups.beat(&it)),
        Request::LeaveGroup(it) => reply::encode(to, &groups.leave(&it)),
        Request::OffsetCommit(it) => reply::encode(to, &groups.commit(&it)),
        Request::OffsetFetch(it) => reply::encode(to, &groups.committed(&it)),
        Request::DeleteGroups(_) => reply::encode(to, &DeleteGroupsResponse::default()),
        other => panic!("the stub does not know {:?}", other.api()),
    };
    answer.unwrap()
}

impl World {
    fn leads(&self, me: Me, partition: i32) -> bool {
        partition as usize % self.ports.len() == me.0
    }
}

fn create(request: &CreateTopicsRequest, world: &mut World) -> CreateTopicsResponse {
    let mut results = Vec::new();
    for topic in &request.topics {
        for index in 0..topic.num_partitions {
            let key = (topic.name.clone(), index);
            world.partitions.insert(key, Partition::default());
        }
        results.push(CreatableTopicResult::default().with_name(topic.name.clone()));
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn metadata(request: &MetadataRequest, world: &World) -> MetadataResponse {
    let broker = |(id, port): (usize, &u16)| {
        MetadataResponseBroker::default()
            .with_node_id((id as i32).into())
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(i32::from(*port))
    };
    let mut topics = Vec::new();
    for asked in request.topics.iter().flatten() {
        let of_topic = world.partitions.keys();
        let of_topic = of_topic.filter(|it| Some(&it.0) == asked.name.as_ref());
        let partitions = of_topic.map(|(_, index)| {
            let leader = *index % world.ports.len() as i32;
            MetadataResponsePartition::default()
                .with_partition_index(*index)
                .with_leader_id(leader.into())
        });
        let topic = MetadataResponseTopic::default().with_name(asked.name.clone());
        topics.push(topic.with_partitions(partitions.collect()));
    }
    let brokers = world.ports.iter().enumerate().map(broker).collect();
    MetadataResponse::default()
        .with_topics(topics)
        .with_brokers(brokers)
}

fn ends(request: &ListOffsetsRequest, me: Me, world: &World) -> ListOffsetsResponse {
    let of_topic = |topic: &ListOffsetsTopic| {
        let of_partition = |asked: &ListOffsetsPartition| {
            let index = asked.partition_index;
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(index);
            match world.leads(me, index) {
                _ if world.lie == Lie::NoEnds => answer.with_error_code(29),
                true => answer.with_offset(world.partitions[&(topic.name.clone(), index)].end),
                false => answer.with_error_code(6),
            }
        };
        ListOffsetsTopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partitions.iter().map(of_partition).collect())
    };
    let topics = request.topics.iter().map(of_topic).collect();
    ListOffsetsResponse::default().with_topics(topics)
}

fn produce(request: &ProduceRequest, me: Me, world: &mut World) -> ProduceResponse {
    let mut topics = Vec::new();
    world.acks.insert(request.acks);
    for topic in &request.topic_data {
        let mut answers = Vec::new();
        for data in &topic.partition_data {
            let key = (topic.name.clone(), data.index);
            let records = data.records.clone().unwrap_or_default();
            let (code, base) = produce_batch(key, records, me, world);
            let answer = PartitionProduceResponse::default().with_index(data.index);
            answers.push(answer.with_error_code(code).with_base_offset(base));
        }
        let topic = TopicProduceResponse::default().with_name(topic.name.clone());
        topics.push(topic.with_partition_responses(answers));
    }
    ProduceResponse::default().with_responses(topics)
}

/// The error code and base offset for one batch.
fn produce_batch(key: (TopicName, i32), records: Bytes, me: Me, world: &mut World) -> (i16, i64) {
    if !world.leads(me, key.1) {
        return (6, -1);
    }
    world.batches += 1;
    if world.lie == Lie::Refuse(world.batches) {
        return (6, -1);
    }
    // The lock is held: nobody else gets an answer either.
    if let Lie::Stall(at, time) = world.lie
        && at == world.batches
    {
        thread::sleep(time);
    }
    let (number, lie) = (world.batches, world.lie);
    let partition = world.partitions.get_mut(&key).unwrap();
    let (base, bytes) = (partition.end, records.to_vec());
    if u32_at(&bytes, PRODUCER_AT) != u32::MAX {
        if u32_at(&bytes, SEQUENCE_AT) != partition.sequence {
            return (45, -1);
        }
        partition.sequence += u32_at(&bytes, COUNT_AT);
    }
    partition.keep(bytes, number, lie);
    (0, base)
}

impl Partition {
    fn keep(&mut self, mut bytes: Vec<u8>, number: u64, lie: Lie) {
        let records = i64::from(u32_at(&bytes, COUNT_AT));
        match lie {
            Lie::ForgetBatch(at) if at == number => {
                self.end += records;
                return;
            }
            Lie::SwapBatch(at) if at == number => {
                self.end += records;
                self.held_back = Some(bytes);
                return;
            }
            Lie::RepeatBatch(at) if at == number => self.push(bytes.clone(), records),
            Lie::FlipBit(at) if at == number => *bytes.last_mut().unwrap() ^= 1,
            Lie::FlipBitAndSum(at) if at == number => {
                // The last byte is the count of headers; before it ends the last value.
                let value_end = bytes.len() - 2;
                bytes[value_end] ^= 1;
            }
            Lie::ForgetRecord(at) if at == number => rewrite(&mut bytes, |it| {
                it.remove(1);
            }),
            Lie::SwapRecords(at) if at == number => rewrite(&mut bytes, |it| it.swap(1, 2)),
            Lie::RepeatRecord(at) if at == number => {
                rewrite(&mut bytes, |it| it[2] = it[1].clone())
            }
            _ => {}
        }
        if !matches!(lie, Lie::FlipBit(_)) {
            let sum = crc32c(&bytes[SUMMED_AT..]).to_be_bytes();
            bytes[SUM_AT..SUMMED_AT].copy_from_slice(&sum);
        }
        if let Some(held_back) = self.held_back.take() {
            // Both keep the offsets that were acknowledged, in each other's place.
            self.end -= records;
            self.push(bytes, records);
            self.push(held_back, records);
            return;
        }
        self.push(bytes, records);
    }

    fn push(&mut self, mut bytes: Vec<u8>, records: i64) {
        bytes[..8].copy_from_slice(&self.end.to_be_bytes());
        self.log.push(Batch {
            base: self.end,
            records,
            bytes,
        });
        self.end += records;
    }
}

/// Takes a batch apart into records, changes them, and puts it together.
fn rewrite(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut records = Vec::new();
    let mut at = HEAD_BYTES;
    while at < bytes.len() {
        // Records of 100 bytes have a length of two bytes, zigzag.
        let length = (usize::from(bytes[at] & 0x7f) | usize::from(bytes[at + 1]) << 7) / 2 + 2;
        records.push(bytes[at..at + length].to_vec());
        at += length;
    }
    change(&mut records);
    bytes.truncate(HEAD_BYTES);
    bytes.extend(records.concat());
    bytes[COUNT_AT..HEAD_BYTES].copy_from_slice(&(records.len() as u32).to_be_bytes());
    let length = (bytes.len() - LENGTH_AT - 4) as u32;
    bytes[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
}

/// Answers at once if there is something; otherwise looks again until the wait is over.
fn fetch(request: &FetchRequest, me: Me, world: &Mutex<World>) -> FetchResponse {
    let mut waited = 0;
    loop {
        let mut found = 0;
        let of_topic = |topic: &FetchTopic| {
            let of_partition = |asked: &FetchPartition| {
                let world = world.lock().unwrap();
                let answer = PartitionData::default().with_partition_index(asked.partition);
                if !world.leads(me, asked.partition) {
                    return answer.with_error_code(6);
                }
                let key = (topic.topic.clone(), asked.partition);
                let bytes = world.partitions[&key].from(asked.fetch_offset);
                found += bytes.len();
                answer.with_records(Some(Bytes::from(bytes)))
            };
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_partitions(topic.partitions.iter().map(of_partition).collect())
        };
        let topics = request.topics.iter().map(of_topic).collect();
        if found > 0 || waited >= request.max_wait_ms {
            return FetchResponse::default().with_responses(topics);
        }
        waited += 1;
        thread::sleep(Duration::from_millis(1));
    }
}

impl Partition {
    fn from(&self, offset: i64) -> Vec<u8> {
        let first = self
            .log
            .partition_point(|it| it.base + it.records <= offset);
        let after = self.log[first..].iter();
        let mut bytes = Vec::new();
        for batch in after {
            bytes.extend_from_slice(&batch.bytes);
            if bytes.len() > 256 << 10 {
                break;
            }
        }
        bytes
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
