//! Topics, made before a run and deleted after it, and where they begin and end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::LoadError;
use super::batch::ProducerId;
use super::frame::CLIENT_ID;
use crate::wire::StrBytes;
use crate::wire::client;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, TopicName,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long after its creation a topic's leaders may be missing.
const LEADERS_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const TIMEOUT_MS: i32 = 60_000;
const REPLY_BYTES_MAX: u32 = 256 << 20;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const UNKNOWN_TOPIC: i16 = 3;
const NOT_LEADER: i16 = 6;

/// The timestamp that asks ListOffsets for the end.
const LATEST: i64 = -1;

/// A connection for requests about topics; one at a time.
pub struct Admin {
    stream: TcpStream,
    next_id: i32,
}

impl Admin {
    pub fn connect(address: SocketAddr) -> Result<Self, LoadError> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)
            .map_err(LoadError::socket("connecting"))?;
        stream
            .set_nodelay(true)
            .map_err(LoadError::socket("setting TCP_NODELAY"))?;
        stream
            .set_read_timeout(Some(ANSWER_WITHIN))
            .map_err(LoadError::socket("setting a time-out"))?;
        Ok(Self { stream, next_id: 0 })
    }

    /// How many brokers it lists.
    pub fn brokers(&mut self) -> Result<usize, LoadError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        Ok(self.ask(&request, 7)?.brokers.len())
    }

    /// A new id for an idempotent producer.
    pub(super) fn producer_id(&mut self) -> Result<ProducerId, LoadError> {
        let request = InitProducerIdRequest::default().with_producer_id((-1).into());
        let request = request.with_producer_epoch(-1);
        let reply = self.ask(&request, 4)?;
        match reply.error_code {
            0 => Ok(ProducerId {
                id: reply.producer_id.0,
                epoch: reply.producer_epoch,
            }),
            code => Err(LoadError::Refused {
                request: "InitProducerId",
                code,
            }),
        }
    }

    /// Makes a topic with one replica and waits until every partition has a leader.
    pub fn create_topic(
        &mut self,
        topic: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<(), LoadError> {
        let config = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.to_string()))
                .with_value(Some(StrBytes::from_string(value.to_string())))
        };
        let wanted = CreatableTopic::default()
            .with_name(topic_name(topic))
            .with_num_partitions(partitions as i32)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(TIMEOUT_MS);
        let reply = self.ask(&request, 5)?;
        for topic in reply.topics {
            if !matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS) {
                let code = topic.error_code;
                return Err(LoadError::Refused {
                    request: "CreateTopics",
                    code,
                });
            }
        }
        self.await_leaders(topic, partitions)
    }

    pub fn delete_topic(&mut self, topic: &str) -> Result<(), LoadError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(topic)])
            .with_timeout_ms(TIMEOUT_MS);
        let reply = self.ask(&request, 4)?;
        match reply.responses.first().map(|it| it.error_code) {
            Some(0) => Ok(()),
            code => Err(LoadError::Refused {
                request: "DeleteTopics",
                code: code.unwrap_or(UNKNOWN_TOPIC),
            }),
        }
    }

    /// Where each partition ends now. Kafka names a leader before that leader knows it: asked
    /// again until it does.
    pub fn ends(&mut self, topic: &str, partitions: u32) -> Result<Vec<i64>, LoadError> {
        let asked = (0..partitions as i32)
            .map(|index| {
                ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_current_leader_epoch(-1)
                    .with_timestamp(LATEST)
            })
            .collect();
        let asked = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(asked);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![asked]);
        let started = Instant::now();
        loop {
            match self.ends_now(&request, partitions)? {
                Ok(ends) => return Ok(ends),
                Err(NOT_LEADER | UNKNOWN_TOPIC) if started.elapsed() < LEADERS_WITHIN => {
                    thread::sleep(LOOK_EVERY);
                }
                Err(code) => {
                    return Err(LoadError::Refused {
                        request: "ListOffsets",
                        code,
                    });
                }
            }
        }
    }

    fn ends_now(
        &mut self,
        request: &ListOffsetsRequest,
        partitions: u32,
    ) -> Result<Result<Vec<i64>, i16>, LoadError> {
        let reply = self.ask(request, 5)?;
        let mut ends = vec![0; partitions as usize];
        for partition in reply.topics.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code != 0 {
                return Ok(Err(partition.error_code));
            }
            if let Some(end) = ends.get_mut(partition.partition_index as usize) {
                *end = partition.offset;
            }
        }
        Ok(Ok(ends))
    }

    fn await_leaders(&mut self, topic: &str, partitions: u32) -> Result<(), LoadError> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![asked]))
            .with_allow_auto_topic_creation(false);
        let started = Instant::now();
        loop {
            let reply = self.ask(&request, 7)?;
            let found = reply.topics.iter().flat_map(|topic| &topic.partitions);
            let led = found
                .filter(|it| it.error_code == 0 && it.leader_id.0 >= 0)
                .count();
            if led == partitions as usize {
                return Ok(());
            }
            if started.elapsed() > LEADERS_WITHIN {
                return Err(LoadError::Reply("a new topic got no leaders"));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn ask<R: client::Message>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, LoadError> {
        self.next_id += 1;
        let frame = client::encode(request, version, self.next_id, CLIENT_ID)?;
        let socket = || LoadError::socket("asking about topics");
        self.stream.write_all(&frame).map_err(socket())?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(socket())?;
        let length = u32::from_be_bytes(length);
        if length > REPLY_BYTES_MAX {
            return Err(LoadError::Reply("a frame of more than 256 MiB"));
        }
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).map_err(socket())?;
        let (id, reply) = client::decode::<R>(version, Bytes::from(frame))?;
        if id != self.next_id {
            return Err(LoadError::Reply("replies out of order"));
        }
        Ok(reply)
    }
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}
