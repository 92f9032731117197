//! A broker in a few lines, in memory, that can be told to lie.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use crate::base::crc::crc32c;
use crate::load::batch::{
    COUNT_AT, HEAD_BYTES, LENGTH_AT, PRODUCER_AT, SEQUENCE_AT, SUM_AT, SUMMED_AT,
};
use crate::wire::messages::create_topics_response::CreatableTopicResult;
use crate::wire::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
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
}

pub struct Stub {
    pub address: SocketAddr,
}

struct World {
    lie: Lie,
    batches: u64,
    partitions: HashMap<i32, Partition>,
}

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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World {
            lie,
            batches: 0,
            partitions: HashMap::new(),
        }));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let world = Arc::clone(&world);
                thread::spawn(move || serve(stream, &world));
            }
        });
        Self { address }
    }
}

fn serve(mut stream: TcpStream, world: &Mutex<World>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).ok()?;
        let mut frame = Bytes::from(frame);
        let header = RequestHeader::parse(&mut frame).unwrap();
        let request = request::decode(&header, frame).unwrap();
        let answer = answer(header.reply_to(), request, world);
        stream.write_all(&answer).ok()?;
    }
}

fn answer(to: ReplyTo, request: Request, world: &Mutex<World>) -> Bytes {
    let answer = match request {
        Request::CreateTopics(it) => reply::encode(to, &create(&it, &mut world.lock().unwrap())),
        Request::Metadata(it) => reply::encode(to, &metadata(&it, &world.lock().unwrap())),
        Request::ListOffsets(it) => reply::encode(to, &ends(&it, &world.lock().unwrap())),
        Request::Produce(it) => reply::encode(to, &produce(&it, &mut world.lock().unwrap())),
        Request::Fetch(it) => reply::encode(to, &fetch(&it, world)),
        Request::DeleteTopics(it) => {
            let name = it.topic_names[0].clone();
            let result = DeletableTopicResult::default().with_name(Some(name));
            reply::encode(
                to,
                &DeleteTopicsResponse::default().with_responses(vec![result]),
            )
        }
        Request::InitProducerId(_) => {
            let given = InitProducerIdResponse::default().with_producer_id(7.into());
            reply::encode(to, &given.with_producer_epoch(0))
        }
        other => panic!("the stub does not know {:?}", other.api()),
    };
    answer.unwrap()
}

fn create(request: &CreateTopicsRequest, world: &mut World) -> CreateTopicsResponse {
    let topic = &request.topics[0];
    world.partitions = (0..topic.num_partitions)
        .map(|it| (it, Partition::default()))
        .collect();
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    CreateTopicsResponse::default().with_topics(vec![result])
}

fn metadata(request: &MetadataRequest, world: &World) -> MetadataResponse {
    let name = request.topics.as_ref().unwrap()[0].name.clone();
    let partitions = world.partitions.keys();
    let partitions = partitions
        .map(|it| MetadataResponsePartition::default().with_partition_index(*it))
        .collect();
    let topic = MetadataResponseTopic::default()
        .with_name(name)
        .with_partitions(partitions);
    MetadataResponse::default().with_topics(vec![topic])
}

fn ends(request: &ListOffsetsRequest, world: &World) -> ListOffsetsResponse {
    let topic = &request.topics[0];
    let partitions = topic.partitions.iter().map(|asked| {
        ListOffsetsPartitionResponse::default()
            .with_partition_index(asked.partition_index)
            .with_offset(world.partitions[&asked.partition_index].end)
    });
    let topic = ListOffsetsTopicResponse::default()
        .with_name(topic.name.clone())
        .with_partitions(partitions.collect());
    ListOffsetsResponse::default().with_topics(vec![topic])
}

fn produce(request: &ProduceRequest, world: &mut World) -> ProduceResponse {
    let topic = &request.topic_data[0];
    let mut answers = Vec::new();
    for data in &topic.partition_data {
        world.batches += 1;
        let answer = PartitionProduceResponse::default().with_index(data.index);
        if world.lie == Lie::Refuse(world.batches) {
            answers.push(answer.with_error_code(6).with_base_offset(-1));
            continue;
        }
        // The lock is held: nobody else gets an answer either.
        if let Lie::Stall(at, time) = world.lie
            && at == world.batches
        {
            thread::sleep(time);
        }
        let (number, lie) = (world.batches, world.lie);
        let partition = world.partitions.get_mut(&data.index).unwrap();
        let (base, bytes) = (partition.end, data.records.as_ref().unwrap().to_vec());
        if u32_at(&bytes, PRODUCER_AT) != u32::MAX {
            if u32_at(&bytes, SEQUENCE_AT) != partition.sequence {
                answers.push(answer.with_error_code(45).with_base_offset(-1));
                continue;
            }
            partition.sequence += u32_at(&bytes, COUNT_AT);
        }
        partition.keep(bytes, number, lie);
        answers.push(answer.with_base_offset(base));
    }
    let topic = TopicProduceResponse::default()
        .with_name(topic.name.clone())
        .with_partition_responses(answers);
    ProduceResponse::default().with_responses(vec![topic])
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
fn fetch(request: &FetchRequest, world: &Mutex<World>) -> FetchResponse {
    let topic = &request.topics[0];
    let mut waited = 0;
    loop {
        let mut found = 0;
        let answers: Vec<_> = topic
            .partitions
            .iter()
            .map(|asked| {
                let world = world.lock().unwrap();
                let bytes = world.partitions[&asked.partition].from(asked.fetch_offset);
                found += bytes.len();
                PartitionData::default()
                    .with_partition_index(asked.partition)
                    .with_records(Some(Bytes::from(bytes)))
            })
            .collect();
        if found > 0 || waited >= request.max_wait_ms {
            let topic = FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_partitions(answers);
            return FetchResponse::default().with_responses(vec![topic]);
        }
        waited += 1;
        thread::sleep(Duration::from_millis(1));
    }
}

impl Partition {
    fn from(&self, offset: i64) -> Vec<u8> {
        let after = self
            .log
            .iter()
            .skip_while(|it| it.base + it.records <= offset);
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
