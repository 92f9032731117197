//! Topics, made before a run and deleted after it, and where they begin and end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::batch::ProducerId;
use super::frame::CLIENT_ID;
use super::records::KeySpread;
use super::route::{Global, Numbering, Route};
use super::{LoadError, Plan};
use crate::wire::StrBytes;
use crate::wire::client;
use crate::wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::metadata_response::MetadataResponseBroker;
use crate::wire::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, TopicName,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long after its creation a topic's leaders may be missing.
pub(super) const LEADERS_WITHIN: Duration = Duration::from_secs(60);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);
const TIMEOUT_MS: i32 = 60_000;
const REPLY_BYTES_MAX: u32 = 256 << 20;
/// Fits any broker's bound on a request; 8,000 topics are eight of these.
const TOPICS_AT_ONCE: u32 = 1_000;
/// By this name a broker may know us.
const SOFTWARE: &str = "thalweg-loadgen";
const NO_LEADER: i32 = -1;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const UNKNOWN_TOPIC: i16 = 3;
const NOT_LEADER: i16 = 6;

/// The timestamp that asks ListOffsets for the end.
const LATEST: i64 = -1;
/// And for the beginning.
const EARLIEST: i64 = -2;

/// A connection for requests about topics; one at a time.
pub struct Admin {
    address: SocketAddr,
    stream: TcpStream,
    next_id: i32,
}

impl Admin {
    pub fn connect(address: SocketAddr) -> Result<Self, LoadError> {
        Self::connect_within(address, ANSWER_WITHIN)
    }

    /// One that waits so long at most: for the connection, and then for each answer.
    pub fn connect_within(address: SocketAddr, within: Duration) -> Result<Self, LoadError> {
        let mut stream = TcpStream::connect_timeout(&address, within)
            .map_err(LoadError::socket("connecting"))?;
        stream
            .set_nodelay(true)
            .map_err(LoadError::socket("setting TCP_NODELAY"))?;
        stream
            .set_read_timeout(Some(within))
            .map_err(LoadError::socket("setting a time-out"))?;
        greet(&mut stream)?;
        Ok(Self {
            address,
            stream,
            next_id: 0,
        })
    }

    /// How many brokers it lists.
    pub fn brokers(&mut self) -> Result<usize, LoadError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        Ok(self.ask(&request, 7)?.brokers.len())
    }

    /// A new id for an idempotent producer.
    pub(super) fn producer_id(&mut self) -> Result<ProducerId, LoadError> {
        let request = InitProducerIdRequest::default().with_producer_id((-1).into());
        // The default is an empty name, which asks for transactions.
        let request = request.with_transactional_id(None).with_producer_epoch(-1);
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

    /// Makes the plan's topics with one replica and waits until every partition has a leader.
    pub fn create_topics(&mut self, plan: &Plan) -> Result<(), LoadError> {
        let text = |it: &String| StrBytes::from_string(it.clone());
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let wanted = |index| {
            CreatableTopic::default()
                .with_name(topic_name(&plan.topic_name(index)))
                .with_num_partitions(plan.partitions as i32)
                .with_replication_factor(1)
                .with_configs(plan.configs.iter().map(config).collect())
        };
        for some in chunks(plan.topics) {
            let request = CreateTopicsRequest::default()
                .with_topics(some.map(wanted).collect())
                .with_timeout_ms(TIMEOUT_MS);
            for topic in self.ask(&request, 5)?.topics {
                if !matches!(topic.error_code, 0 | TOPIC_ALREADY_EXISTS) {
                    let code = topic.error_code;
                    return Err(LoadError::Refused {
                        request: "CreateTopics",
                        code,
                    });
                }
            }
        }
        let started = Instant::now();
        while self.leaders(plan)?.is_none() {
            if started.elapsed() > LEADERS_WITHIN {
                return Err(LoadError::Reply("a new topic got no leaders"));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    pub fn delete_topics(&mut self, plan: &Plan) -> Result<(), LoadError> {
        for some in chunks(plan.topics) {
            let names = some.map(|it| topic_name(&plan.topic_name(it))).collect();
            let request = DeleteTopicsRequest::default()
                .with_topic_names(names)
                .with_timeout_ms(TIMEOUT_MS);
            let codes = self.ask(&request, 4)?.responses;
            let mut codes = codes.iter().map(|it| it.error_code);
            if let Some(code) = codes.find(|it| *it != 0) {
                return Err(LoadError::Refused {
                    request: "DeleteTopics",
                    code,
                });
            }
        }
        Ok(())
    }

    /// Who leads what. A broker that leads everything is spoken to where the plan says, whatever
    /// it advertises.
    pub(super) fn route(
        &mut self,
        plan: &Plan,
        spread: Option<&KeySpread>,
    ) -> Result<Route, LoadError> {
        let leaders = self.leaders(plan)?;
        let leaders = leaders.ok_or(LoadError::Reply("a topic lost its leaders"))?;
        let mut ids: Vec<i32> = leaders.led_by.clone();
        ids.sort_unstable();
        ids.dedup();
        let addresses = match ids.len() {
            1 => vec![plan.address],
            _ => ids
                .iter()
                .map(|id| leaders.address(*id))
                .collect::<Result<_, _>>()?,
        };
        let index = |id: &i32| ids.binary_search(id).unwrap_or(0) as u32;
        let leader_of: Vec<u32> = leaders.led_by.iter().map(index).collect();
        let numbering = Numbering::of(plan);
        let route = Route::new(
            plan.all_producers(),
            &addresses,
            &leader_of,
            spread,
            numbering,
        );
        Ok(route)
    }

    /// None while a partition has no leader.
    fn leaders(&mut self, plan: &Plan) -> Result<Option<Leaders>, LoadError> {
        let numbering = Numbering::of(plan);
        let mut led_by = vec![NO_LEADER; plan.all_partitions() as usize];
        let mut brokers = Vec::new();
        for some in chunks(plan.topics) {
            let asked = |index| {
                let name = topic_name(&plan.topic_name(index));
                MetadataRequestTopic::default().with_name(Some(name))
            };
            let request = MetadataRequest::default()
                .with_topics(Some(some.map(asked).collect()))
                .with_allow_auto_topic_creation(false);
            let reply = self.ask(&request, 7)?;
            for topic in &reply.topics {
                let name = topic.name.as_ref().map_or("", |it| it.0.as_str());
                let index = numbering.topic_named(name.as_bytes());
                for partition in topic.partitions.iter().filter(|it| it.error_code == 0) {
                    let at = numbering.global(index, partition.partition_index as u32);
                    if let Some(place) = led_by.get_mut(at as usize) {
                        *place = partition.leader_id.0;
                    }
                }
            }
            brokers = reply.brokers;
        }
        let all_led = led_by.iter().all(|leader| *leader >= 0);
        Ok(all_led.then_some(Leaders { led_by, brokers }))
    }

    /// Where each partition of a topic ends now, if this broker leads all of them.
    pub fn ends(&mut self, topic: &str, partitions: u32) -> Result<Vec<i64>, LoadError> {
        let plan = Plan {
            partitions,
            ..Plan::new(self.address, topic)
        };
        let all: Vec<Global> = (0..partitions).collect();
        let mut ends = self.places_of(&plan, &all, LATEST)?;
        ends.sort_unstable();
        Ok(ends.into_iter().map(|it| it.1).collect())
    }

    /// Where each of these partitions ends or begins now. Kafka names a leader before that leader
    /// knows it: asked again until it does.
    fn places_of(
        &mut self,
        plan: &Plan,
        wanted: &[Global],
        timestamp: i64,
    ) -> Result<Vec<(Global, i64)>, LoadError> {
        let numbering = Numbering::of(plan);
        let asked = |partition: &Global| {
            ListOffsetsPartition::default()
                .with_partition_index(numbering.within_topic(*partition) as i32)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        };
        let by_topic =
            |one: &Global, other: &Global| numbering.topic_of(*one) == numbering.topic_of(*other);
        let topic = |partitions: &[Global]| {
            let name = plan.topic_name(numbering.topic_of(partitions[0]));
            ListOffsetsTopic::default()
                .with_name(topic_name(&name))
                .with_partitions(partitions.iter().map(asked).collect())
        };
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(wanted.chunk_by(by_topic).map(topic).collect());
        let started = Instant::now();
        loop {
            match self.ends_now(&request, numbering)? {
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
        numbering: Numbering,
    ) -> Result<Result<Vec<(Global, i64)>, i16>, LoadError> {
        let reply = self.ask(request, 5)?;
        let mut ends = Vec::new();
        for topic in &reply.topics {
            let index = numbering.topic_named(topic.name.0.as_bytes());
            for partition in &topic.partitions {
                if partition.error_code != 0 {
                    return Ok(Err(partition.error_code));
                }
                let at = numbering.global(index, partition.partition_index as u32);
                ends.push((at, partition.offset));
            }
        }
        Ok(Ok(ends))
    }

    pub(super) fn ask<R: client::Message>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, LoadError> {
        self.next_id += 1;
        ask(&mut self.stream, self.next_id, request, version)
    }
}

/// Who leads what.
struct Leaders {
    /// By partition, a broker's id.
    led_by: Vec<i32>,
    brokers: Vec<MetadataResponseBroker>,
}

impl Leaders {
    fn address(&self, id: i32) -> Result<SocketAddr, LoadError> {
        let broker = self.brokers.iter().find(|it| it.node_id.0 == id);
        let broker = broker.ok_or(LoadError::Reply("a leader that is no broker"))?;
        address_of(broker.host.as_str(), broker.port as u16)
    }
}

pub(super) fn address_of(host: &str, port: u16) -> Result<SocketAddr, LoadError> {
    let mut found = (host, port)
        .to_socket_addrs()
        .map_err(LoadError::socket("finding a broker by its advertised name"))?;
    // Of a name for both families the first that answers, as clients do.
    let answers = |it: &SocketAddr| TcpStream::connect_timeout(it, ANSWER_WITHIN).is_ok();
    let first = found.next();
    let other = first.filter(answers).or_else(|| found.find(answers));
    other
        .or(first)
        .ok_or(LoadError::Reply("a broker without an address"))
}

/// Where each partition ends now, from its leader.
pub(super) fn ends(plan: &Plan, route: &Route) -> Result<Vec<i64>, LoadError> {
    offsets(plan, route, LATEST)
}

/// Where each partition begins now.
pub(super) fn begins(plan: &Plan, route: &Route) -> Result<Vec<i64>, LoadError> {
    offsets(plan, route, EARLIEST)
}

fn offsets(plan: &Plan, route: &Route, timestamp: i64) -> Result<Vec<i64>, LoadError> {
    let mut ends = vec![0; plan.all_partitions() as usize];
    for (index, leader) in route.leaders.iter().enumerate() {
        let all = 0..plan.all_partitions() as u32;
        let led: Vec<Global> = all
            .filter(|it| route.leader_of(*it) == index as u32)
            .collect();
        let mut admin = Admin::connect(leader.address)?;
        for (partition, end) in admin.places_of(plan, &led, timestamp)? {
            if let Some(place) = ends.get_mut(partition as usize) {
                *place = end;
            }
        }
    }
    Ok(ends)
}

/// Says who we are, on a new connection: some brokers show a client that they know to open one
/// connection per leader more leaders than others.
pub(super) fn greet(stream: &mut TcpStream) -> Result<(), LoadError> {
    let text = StrBytes::from_static_str;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text(SOFTWARE))
        .with_client_software_version(text(env!("CARGO_PKG_VERSION")));
    ask(stream, 0, &request, 3).map(drop)
}

pub(super) fn ask<R: client::Message>(
    stream: &mut TcpStream,
    id: i32,
    request: &R,
    version: i16,
) -> Result<R::Response, LoadError> {
    let frame = client::encode(request, version, id, CLIENT_ID)?;
    let socket = || LoadError::socket("asking the broker");
    stream.write_all(&frame).map_err(socket())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(socket())?;
    let length = u32::from_be_bytes(length);
    if length > REPLY_BYTES_MAX {
        return Err(LoadError::Reply("a frame of more than 256 MiB"));
    }
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).map_err(socket())?;
    let (found, reply) = client::decode::<R>(version, Bytes::from(frame))?;
    if found != id {
        return Err(LoadError::Reply("replies out of order"));
    }
    Ok(reply)
}

/// Topics in one request.
fn chunks(topics: u32) -> impl Iterator<Item = Range<u32>> {
    let starts = (0..topics).step_by(TOPICS_AT_ONCE as usize);
    starts.map(move |start| start..topics.min(start + TOPICS_AT_ONCE))
}

fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}
