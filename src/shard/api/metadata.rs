//! Metadata 0-13: the broker, the topics, where their partitions are; and auto-creation.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::ShardId;
use crate::cluster::{Command, PartitionPlace, Placement, Refusal, Topic, Uuid, check_topic_name};
use crate::groups::OFFSETS_TOPIC;
use crate::log::Overrides;
use crate::wire::messages::metadata_request::MetadataRequestTopic;
use crate::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::wire::messages::{MetadataRequest, MetadataResponse, TopicName};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::address::Endpoint;
use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;
use super::operations;
use crate::runtime::ConnectionId;

/// Version 0 has no controller, and its empty list means all topics.
const CONTROLLER_SINCE: i16 = 1;
/// From here on a topic that is known only by its id has no name.
const NULL_NAME_SINCE: i16 = 12;

/// A Metadata that awaits the creation of topics.
#[derive(Debug)]
pub struct MetadataCall {
    asked: Asked,
    topics: Vec<MetadataRequestTopic>,
    /// Those that are being created, in the order in which they were proposed.
    created: Vec<StrBytes>,
    told: Operations,
}

/// Of what the client wants to know what it may do (versions 8 to 10 for the cluster).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operations {
    cluster: bool,
    topics: bool,
}

/// Why some of the topics that were asked for are not there.
type Refused = BTreeMap<StrBytes, ErrorCode>;

impl Shard {
    pub(super) fn metadata(&mut self, asked: Asked, request: MetadataRequest) {
        let all = |topics: &Vec<_>| asked.to.version == 0 && topics.is_empty();
        let topics = request.topics.filter(|topics| !all(topics));
        let told = Operations {
            cluster: request.include_cluster_authorized_operations,
            topics: request.include_topic_authorized_operations,
        };
        let Some(topics) = topics else {
            return self.answer_all(asked, told);
        };
        let topics = each_once(topics);
        let mut created = Vec::new();
        if request.allow_auto_topic_creation && self.config.defaults.auto_create_topics {
            for topic in &topics {
                let wanted = self.is_creatable(topic).cloned();
                created.extend(wanted.filter(|name| !created.contains(name)));
            }
        }
        if created.is_empty() {
            return self.answer_topics(asked, &topics, &Refused::new(), told);
        }
        let commands = created.iter().map(|name| self.auto_create(name)).collect();
        let call = MetadataCall {
            asked,
            topics,
            created,
            told,
        };
        self.propose(commands, Call::Metadata(Box::new(call)));
    }

    /// The topics exist now, or were refused.
    pub(in super::super) fn topics_auto_created(
        &mut self,
        call: MetadataCall,
        outcomes: &[Outcome],
    ) {
        let mut refused = Refused::new();
        for (name, outcome) in call.created.iter().zip(outcomes) {
            match outcome {
                // Somebody else was faster: it is there, which is all that was wanted.
                Ok(_) | Err(Refusal::TopicExists) => {}
                Err(refusal) => {
                    refused.insert(name.clone(), Failure::from(refusal).code);
                }
            }
        }
        self.answer_topics(call.asked, &call.topics, &refused, call.told);
    }

    fn answer_topics(
        &mut self,
        asked: Asked,
        topics: &[MetadataRequestTopic],
        refused: &Refused,
        told: Operations,
    ) {
        let version = asked.to.version;
        let sees_shards = self.sees_shards(asked.connection);
        let topics = topics.iter().map(|topic| {
            let name = topic.name.as_ref().map(|name| &name.0);
            let by_id = !topic.topic_id.is_nil();
            let none = StrBytes::default();
            let found = self.find_topic(name.unwrap_or(&none), topic.topic_id);
            match found {
                Ok(found) => self.topic_response(found, sees_shards, told),
                Err(failure) => {
                    let name = name.filter(|_| !by_id);
                    let code = match name {
                        Some(name) => why_unknown(name, refused),
                        // Asking again would not help.
                        None if !by_id => ErrorCode::InvalidRequest,
                        None => failure.code,
                    };
                    let shown = match name {
                        Some(name) => Some(TopicName(name.clone())),
                        None if version >= NULL_NAME_SINCE => None,
                        None => Some(TopicName::default()),
                    };
                    MetadataResponseTopic::default()
                        .with_error_code(code.code())
                        .with_name(shown)
                        .with_topic_id(topic.topic_id)
                }
            }
        });
        let response = self.metadata_response(asked, topics.collect(), told);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    pub(super) fn metadata_response(
        &self,
        asked: Asked,
        topics: Vec<MetadataResponseTopic>,
        told: Operations,
    ) -> MetadataResponse {
        let endpoint = self.endpoint(asked.connection);
        let shards = self.config.shards.len();
        let ids = self.ids().shown(shards, self.sees_shards(asked.connection));
        let brokers = (0..).map(ShardId).zip(ids).map(|(shard, id)| {
            MetadataResponseBroker::default()
                .with_node_id(id.into())
                .with_host(endpoint.host.clone())
                .with_port(self.config.layout.port(endpoint.port, shard))
        });
        let mut response = MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(self.cluster_id()))
            .with_topics(topics);
        if asked.to.version >= CONTROLLER_SINCE {
            response.controller_id = self.broker_id().into();
        }
        if told.cluster {
            response.cluster_authorized_operations = operations::OF_THE_CLUSTER;
        }
        response
    }

    fn topic_response(
        &self,
        topic: &Topic,
        sees_shards: bool,
        told: Operations,
    ) -> MetadataResponseTopic {
        let partitions = topic.partitions();
        let partitions = partitions.map(|place| self.partition_response(place, sees_shards));
        self.topic_head(topic, told)
            .with_partitions(partitions.collect())
    }

    /// A topic without its partitions.
    pub(super) fn topic_head(&self, topic: &Topic, told: Operations) -> MetadataResponseTopic {
        let mut response = MetadataResponseTopic::default();
        if told.topics {
            response.topic_authorized_operations = operations::OF_TOPICS;
        }
        response
            .with_name(Some(TopicName(StrBytes::from_string(
                topic.name.to_string(),
            ))))
            .with_topic_id(topic.id)
            .with_is_internal(topic.is_internal())
    }

    pub(super) fn partition_response(
        &self,
        place: PartitionPlace,
        sees_shards: bool,
    ) -> MetadataResponsePartition {
        let id = self.ids().of(place.shard, sees_shards);
        let response = MetadataResponsePartition::default()
            .with_partition_index(place.partition as i32)
            .with_leader_epoch(place.leader_epoch.0)
            .with_replica_nodes(vec![id.into()]);
        if self.is_leaderless(place.shard) {
            return response
                .with_error_code(ErrorCode::LeaderNotAvailable.code())
                .with_leader_id((-1).into())
                .with_offline_replicas(vec![id.into()]);
        }
        response
            .with_leader_id(id.into())
            .with_isr_nodes(vec![id.into()])
    }

    /// The name, if the topic is not there and may be made.
    fn is_creatable<'a>(&self, topic: &'a MetadataRequestTopic) -> Option<&'a StrBytes> {
        let name = &topic.name.as_ref()?.0;
        let missing = topic.topic_id.is_nil() && self.find_topic(name, Uuid::nil()).is_err();
        (missing && check_topic_name(name).is_ok()).then_some(name)
    }

    fn auto_create(&mut self, name: &StrBytes) -> Command {
        if name.as_str() == OFFSETS_TOPIC {
            return self.offsets_topic_creation();
        }
        Command::CreateTopic {
            name: name.to_string(),
            id: self.draw_id(),
            partitions: self.config.defaults.partitions,
            placement: Placement::Spread,
            configs: Overrides::new(),
        }
    }

    /// A new topic's id: random, of version 4.
    pub(super) fn draw_id(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0F) | 0x40;
        bytes[8] = (bytes[8] & 0x3F) | 0x80;
        Uuid::from_bytes(bytes)
    }

    /// Where the client of this connection is told that the node is; its shards may have further
    /// ports.
    pub(super) fn endpoint(&self, id: ConnectionId) -> Endpoint {
        let connection = self.connections.get(id);
        connection.map_or(Endpoint::new("", 0), |own| own.endpoint.clone())
    }

    pub(super) fn cluster_id(&self) -> StrBytes {
        let id = self.known().map_or("", |known| known.cluster_id());
        StrBytes::from_string(id.to_owned())
    }
}

/// A topic that is asked about twice is answered once.
fn each_once(topics: Vec<MetadataRequestTopic>) -> Vec<MetadataRequestTopic> {
    let mut seen = BTreeSet::new();
    let mut topics = topics;
    topics.retain(|topic| {
        let name = topic.name.as_ref().map(|name| name.0.clone());
        seen.insert((name, topic.topic_id))
    });
    topics
}

fn why_unknown(name: &StrBytes, refused: &Refused) -> ErrorCode {
    if check_topic_name(name).is_err() {
        return ErrorCode::InvalidTopicException;
    }
    let code = refused.get(name).copied();
    code.unwrap_or(ErrorCode::UnknownTopicOrPartition)
}
