//! A plain blocking client: one connection, requests as typed structs or as raw bytes.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use thalweg::wire::batch::{BatchBuilder, BatchHeader, records};
use thalweg::wire::client::{self, Message};
use thalweg::wire::messages::create_topics_request::CreatableTopic;
use thalweg::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use thalweg::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use thalweg::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use thalweg::wire::messages::*;
use thalweg::wire::{ErrorCode, StrBytes};

use super::{PATIENCE, wait_for};

/// Milliseconds since 1970. Records of old times would be deleted by retention.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_millis() as i64
}

/// A batch without compression, its records a millisecond apart.
pub fn batch_of(values: &[&[u8]]) -> Bytes {
    let numbered = values.iter().zip(now()..);
    let built = numbered.fold(BatchBuilder::new(), |builder, (value, time)| {
        builder.value(time, value)
    });
    built.build()
}

/// What comes next on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Without its length prefix.
    Frame(Bytes),
    Closed,
}

pub struct Client {
    pub stream: TcpStream,
    sent: i32,
}

/// One record as it was read back.
pub type Found = (i64, Bytes);

/// What a fetch of one partition brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    pub code: i16,
    pub high_watermark: i64,
    pub records: Bytes,
}

impl Client {
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// From one of several addresses that this side has.
    pub fn try_connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, sent: 0 })
    }

    pub fn port(&self) -> u16 {
        self.stream.local_addr().expect("it is connected").port()
    }

    /// Sends bytes as they are. A peer that closes while we send is no failure here.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            assert!(is_closed(&error), "a send failed: {error}");
        }
    }

    /// The next reply, or the end; neither for `PATIENCE` is a failure.
    pub fn hear(&mut self) -> Heard {
        match self.try_hear() {
            Ok(frame) => Heard::Frame(frame),
            Err(error) if is_closed(&error) => Heard::Closed,
            Err(error) => panic!("neither a reply nor the end of the connection: {error}"),
        }
    }

    fn try_hear(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
        assert!(length <= 128 << 20, "a reply of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }

    pub fn send<R: Message>(&mut self, request: &R, version: i16) -> i32 {
        self.sent += 1;
        let frame = client::encode(request, version, self.sent, "test").expect("it encodes");
        self.send_raw(&frame);
        self.sent
    }

    pub fn try_call<R: Message>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let sent = self.send(request, version);
        let frame = self.try_hear()?;
        let (id, reply) = client::decode::<R>(version, frame).expect("a reply of this request");
        assert_eq!(id, sent, "a reply to another request");
        Ok(reply)
    }

    pub fn call<R: Message>(&mut self, request: &R, version: i16) -> R::Response {
        self.try_call(request, version).expect("an answer")
    }

    pub fn try_metadata(&mut self) -> io::Result<MetadataResponse> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        self.try_call(&request, 9)
    }

    /// Creates a topic, and waits until every partition is led; whether it is new.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> bool {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(10_000);
        let code = self.call(&request, 5).topics[0].error_code;
        let exists = ErrorCode::TopicAlreadyExists.code();
        assert!(code == 0 || code == exists, "creating {name}: error {code}");
        for partition in 0..partitions {
            wait_for("a new partition", || {
                (self.list_offset(name, partition, -1).0 == 0).then_some(())
            });
        }
        code == 0
    }

    /// Error code and base offset.
    pub fn produce(&mut self, name: &str, partition: i32, batch: Option<Bytes>) -> (i16, i64) {
        self.try_produce(name, partition, batch).expect("an answer")
    }

    pub fn try_produce(
        &mut self,
        name: &str,
        partition: i32,
        batch: Option<Bytes>,
    ) -> io::Result<(i16, i64)> {
        let reply = self.try_call(&produce_request(name, partition, batch), 9)?;
        let answer = &reply.responses[0].partition_responses[0];
        Ok((answer.error_code, answer.base_offset))
    }

    /// What there is from `offset` on, without waiting for more.
    pub fn fetch(&mut self, name: &str, partition: i32, offset: i64) -> Fetched {
        let request = fetch_request(name, partition, offset);
        let reply = self.call(&request, 11);
        assert_eq!(reply.error_code, 0);
        let answer = &reply.responses[0].partitions[0];
        Fetched {
            code: answer.error_code,
            high_watermark: answer.high_watermark,
            records: answer.records.clone().unwrap_or_default(),
        }
    }

    /// Every record of a partition, with its offset.
    /// Sends a fetch of what is not there yet, which its broker may let wait so long.
    pub fn send_waiting_fetch(&mut self, name: &str, wait_ms: i32) {
        let request = fetch_request(name, 0, 0).with_max_wait_ms(wait_ms);
        self.send(&request.with_min_bytes(1), 11);
    }

    pub fn read_all(&mut self, name: &str, partition: i32) -> Vec<Found> {
        let mut all: Vec<Found> = Vec::new();
        loop {
            let next = all.last().map_or(0, |(offset, _)| offset + 1);
            let fetched = self.fetch(name, partition, next);
            assert_eq!(fetched.code, 0, "{name} {partition} at {next}");
            let count = all.len();
            let found = records_of(fetched.records);
            all.extend(found.into_iter().filter(|(offset, _)| *offset >= next));
            if all.len() == count {
                assert_eq!(
                    next, fetched.high_watermark,
                    "{name} {partition}: a fetch of nothing"
                );
                return all;
            }
        }
    }

    /// Error code and offset. -1: the end, -2: the start, or a time.
    pub fn list_offset(&mut self, name: &str, partition: i32, time: i64) -> (i16, i64) {
        let asked = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_timestamp(time);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![asked]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_topics(vec![topic]);
        let reply = self.call(&request, 7);
        let answer = &reply.topics[0].partitions[0];
        (answer.error_code, answer.offset)
    }

    pub fn init_producer(&mut self) -> (i64, i16) {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000);
        let reply = self.call(&request, 4);
        assert_eq!(reply.error_code, 0);
        (reply.producer_id.0, reply.producer_epoch)
    }
}

/// The connection is over, as opposed to silent.
pub fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe | Kind::ConnectionAborted
    )
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// With acks=all.
pub fn produce_request(name: &str, partition: i32, batch: Option<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(batch);
    let topic = TopicProduceData::default()
        .with_name(topic_name(name))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

pub fn fetch_request(name: &str, partition: i32, offset: i64) -> FetchRequest {
    let asked = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(name))
        .with_partitions(vec![asked]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(4 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Every record of some whole batches; a batch that can not be read is a failure.
pub fn records_of(mut bytes: Bytes) -> Vec<Found> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(&bytes).expect("a batch header");
        let size = header.size().expect("a size");
        // A partition's byte limit may cut the last batch.
        if size > bytes.len() {
            break;
        }
        let batch = bytes.split_to(size);
        let sum = crc32c::crc32c(&batch[21..]);
        assert_eq!(sum, header.crc, "a batch that is not what was sent");
        for record in records(&batch, 64 << 20).expect("records") {
            let record = record.expect("a record");
            found.push((record.offset, record.value.unwrap_or_default()));
        }
    }
    found
}
