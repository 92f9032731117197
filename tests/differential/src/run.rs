//! One script on one broker: it asks, and every answer is kept for the comparison.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use crate::connection::{Connection, Received, Silence};
use crate::normal::{Names, normal};
use crate::scripts::help::list_offsets;
use crate::tree::Node;

/// How long a topic may take to be led after its creation was acknowledged.
const LED_WITHIN: Duration = Duration::from_secs(30);

/// Why a script ends early. What it had asked until then is compared all the same.
#[derive(Debug)]
pub enum Stop {
    /// A step brought no reply; the step says so.
    NoReply,
    /// The script's own preparation failed.
    Failed(String),
}

pub type Outcome = Result<(), Stop>;

/// A request and what it brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the script calls this request.
    pub label: String,
    pub answer: Answer,
    /// The answer's, if it is a message.
    pub layout: Option<Layout>,
}

/// Which message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// An API's key. A case may ask other APIs than its own.
    pub key: i16,
    pub version: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Reply(Node),
    Closed,
    Silent,
}

/// A topic made for one script.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: TopicName,
    pub id: Uuid,
}

pub struct Run {
    address: SocketAddr,
    /// Of the script and its version: no two scripts share a topic or a group.
    prefix: String,
    /// Milliseconds since 1970, the same for both brokers.
    pub now: i64,
    connections: Vec<Option<Connection>>,
    names: Names,
    pub steps: Vec<Step>,
}

impl Run {
    pub fn new(address: SocketAddr, prefix: String, now: i64) -> Self {
        Self {
            address,
            prefix,
            now,
            connections: Vec::new(),
            names: Names::new(),
            steps: Vec::new(),
        }
    }

    /// A name of this script's own.
    pub fn name(&self, suffix: &str) -> StrBytes {
        StrBytes::from_string(format!("{}-{suffix}", self.prefix))
    }

    /// From here on `value`, which the broker drew, is called `name` in every answer.
    pub fn call(&mut self, value: impl ToString, name: &str) {
        self.names.insert(value.to_string(), name.to_string());
    }

    /// Asks on the script's first connection.
    pub fn ask<R: Request<Response: Debug>>(
        &mut self,
        label: &str,
        request: &R,
        version: i16,
    ) -> Result<R::Response, Stop> {
        self.send_on(0, request, version)?;
        self.hear_on::<R>(0, label, version)
    }

    /// Sends without waiting: for requests that block, or that are never answered.
    pub fn send_on<R: Request<Response: Debug>>(
        &mut self,
        at: usize,
        request: &R,
        version: i16,
    ) -> Outcome {
        let connection = self.connection(at)?;
        connection.send(request, version).map_err(Stop::Failed)
    }

    /// The reply to what was sent last on a connection.
    pub fn hear_on<R: Request<Response: Debug>>(
        &mut self,
        at: usize,
        label: &str,
        version: i16,
    ) -> Result<R::Response, Stop> {
        self.hear_named::<R>(at, label, version, |_| Vec::new())
    }

    /// As `hear_on`; what the reply itself drew is named before it is kept.
    pub fn hear_named<R: Request<Response: Debug>>(
        &mut self,
        at: usize,
        label: &str,
        version: i16,
        drawn: impl FnOnce(&R::Response) -> Vec<(String, &'static str)>,
    ) -> Result<R::Response, Stop> {
        match self.connection(at)?.receive::<R>(version) {
            Ok(Received::Message(reply, left)) => {
                for (value, name) in drawn(&reply) {
                    self.call(value, name);
                }
                let mut node = normal(Node::parse(&self.told(&format!("{reply:?}"))), &self.names);
                if let (Node::Struct(fields), true) = (&mut node, left > 0) {
                    fields.push(("bytes_left_over".into(), Node::leaf(left.to_string())));
                }
                let key = R::KEY;
                self.keep_as(label, Answer::Reply(node), Some(Layout { key, version }));
                Ok(reply)
            }
            Ok(Received::Undecodable(why)) => {
                self.keep(
                    label,
                    Answer::Reply(Node::leaf(format!("undecodable: {why}"))),
                );
                self.connections[at] = None;
                Err(Stop::NoReply)
            }
            Err(silence) => Err(self.unanswered(at, label, silence)),
        }
    }

    /// Keeps a part of what was asked quietly: the rest is other scripts'.
    pub fn show(&mut self, label: &str, part: &impl Debug) {
        let node = Node::parse(&self.told(&format!("{part:?}")));
        let node = normal(node, &self.names);
        self.keep(label, Answer::Reply(node));
    }

    /// Without what is in every name of this script.
    fn told(&self, debug: &str) -> String {
        debug.replace(&self.prefix, "~")
    }

    /// A body as it stands behind a good header; the reply's bytes are compared, less ids.
    pub fn ask_raw(&mut self, label: &str, raw: Raw<'_>) -> Outcome {
        let connection = self.connection(0)?;
        connection.send_raw(raw.key, raw.version, raw.header_version, raw.body);
        self.hear_raw(label)
    }

    /// Bytes as they are, length prefix and all.
    pub fn ask_bytes(&mut self, label: &str, bytes: &[u8]) -> Outcome {
        self.connection(0)?.send_bytes(bytes);
        self.hear_raw(label)
    }

    fn hear_raw(&mut self, label: &str) -> Outcome {
        match self.connection(0)?.receive_frame() {
            Ok(frame) => {
                let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
                self.keep(label, Answer::Reply(Node::leaf(hex)));
                Ok(())
            }
            Err(silence) => Err(self.unanswered(0, label, silence)),
        }
    }

    fn unanswered(&mut self, at: usize, label: &str, silence: Silence) -> Stop {
        self.connections[at] = None;
        self.keep(
            label,
            match silence {
                Silence::Closed => Answer::Closed,
                Silence::Silent => Answer::Silent,
            },
        );
        Stop::NoReply
    }

    fn keep(&mut self, label: &str, answer: Answer) {
        self.keep_as(label, answer, None);
    }

    fn keep_as(&mut self, label: &str, answer: Answer, layout: Option<Layout>) {
        self.steps.push(Step {
            label: label.to_string(),
            answer,
            layout,
        });
    }

    fn connection(&mut self, at: usize) -> Result<&mut Connection, Stop> {
        while self.connections.len() <= at {
            self.connections.push(None);
        }
        if self.connections[at].is_none() {
            let opened = Connection::open(self.address);
            let opened = opened.map_err(|error| Stop::Failed(format!("connecting: {error}")))?;
            self.connections[at] = Some(opened);
        }
        self.connections[at].as_mut().ok_or(Stop::NoReply)
    }
}

/// A request that no typed message can say.
pub struct Raw<'a> {
    pub key: i16,
    pub version: i16,
    pub header_version: i16,
    pub body: &'a [u8],
}

/// Preparations: what they ask is not compared.
impl Run {
    pub fn quietly<R: Request>(&self, request: &R, version: i16) -> Result<R::Response, Stop> {
        let failed = |what: String| Stop::Failed(format!("preparing {}: {what}", self.prefix));
        let mut connection = Connection::open(self.address).map_err(|e| failed(e.to_string()))?;
        connection.send(request, version).map_err(failed)?;
        match connection.receive::<R>(version) {
            Ok(Received::Message(reply, _)) => Ok(reply),
            Ok(Received::Undecodable(why)) => Err(failed(why)),
            Err(silence) => Err(failed(format!("{silence:?}"))),
        }
    }

    pub fn topic(&mut self, partitions: i32) -> Result<Topic, Stop> {
        self.topic_with("topic", partitions, &[])
    }

    /// Creates a topic and waits until every partition is led.
    pub fn topic_with(
        &mut self,
        suffix: &str,
        partitions: i32,
        configs: &[(&'static str, &'static str)],
    ) -> Result<Topic, Stop> {
        let name = TopicName(self.name(suffix));
        let configs = configs.iter().map(|(key, value)| {
            let config = CreatableTopicConfig::default().with_name((*key).into());
            config.with_value(Some((*value).into()))
        });
        let wanted = CreatableTopic::default()
            .with_name(name.clone())
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(30_000);
        let reply = self.quietly(&request, 7)?;
        let code = reply.topics.first().map_or(-1, |topic| topic.error_code);
        if code != 0 {
            return Err(Stop::Failed(format!("creating {name:?}: error {code}")));
        }
        let id = self.wait_led(&name, partitions)?;
        self.call(id, suffix);
        Ok(Topic { name, id })
    }

    /// Metadata tells of a leader before that leader knows: it must answer for itself, too.
    fn wait_answered(&self, name: &TopicName, partitions: i32) -> Outcome {
        let all: Vec<(i32, i64)> = (0..partitions).map(|partition| (partition, -1)).collect();
        let topic = Topic {
            name: name.clone(),
            id: Uuid::nil(),
        };
        let request = list_offsets(7, &topic, &all);
        self.wait(&format!("{name:?} answered for"), |run| {
            let reply = run.quietly(&request, 7)?;
            let parts = reply.topics.iter().flat_map(|topic| &topic.partitions);
            Ok(parts
                .map(|part| part.error_code)
                .all(|code| code == 0)
                .then_some(()))
        })
    }

    /// The topic's id, once it has so many partitions and each is led.
    pub fn wait_led(&self, name: &TopicName, partitions: i32) -> Result<Uuid, Stop> {
        let topic = MetadataRequestTopic::default().with_name(Some(name.clone()));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(false);
        let id = self.wait(&format!("{name:?} led"), |run| {
            let reply = run.quietly(&request, 12)?;
            let topic = reply.topics.first();
            let led = topic.is_some_and(|topic| {
                topic.error_code == 0
                    && i32::try_from(topic.partitions.len()) == Ok(partitions)
                    && topic
                        .partitions
                        .iter()
                        .all(|p| p.error_code == 0 && p.leader_id.0 >= 0)
            });
            Ok(topic.filter(|_| led).map(|topic| topic.topic_id))
        })?;
        self.wait_answered(name, partitions)?;
        Ok(id)
    }

    /// Asks until there is an answer.
    pub fn wait<T>(
        &self,
        what: &str,
        mut ask: impl FnMut(&Self) -> Result<Option<T>, Stop>,
    ) -> Result<T, Stop> {
        let until = Instant::now() + LED_WITHIN;
        loop {
            if let Some(answer) = ask(self)? {
                return Ok(answer);
            }
            if Instant::now() > until {
                return Err(Stop::Failed(format!("{what}: not after {LED_WITHIN:?}")));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
