//! Creates topics, deletes some, and looks whether the metadata keeps its word.

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use thalweg::base::random::Random;
use thalweg::wire::{ErrorCode, client};

use super::broker::World;
use super::harm::Claim;
use super::history::{History, Topic, TopicState};
use super::line::Line;
use super::producer::error_name;

#[derive(Debug)]
pub enum Asked {
    Create(usize),
    Delete(usize),
    /// With the states of the topics when it was asked.
    Metadata(Vec<TopicState>),
}

#[derive(Debug)]
pub struct Admin {
    pub line: Line<Asked>,
    random: Random,
    topics_max: usize,
    partitions_max: u64,
    /// Creates and deletes nothing more, only confirms.
    pub winding_down: bool,
    /// Metadata replies that were checked since the winding down began.
    pub looks: u64,
}

impl Admin {
    pub fn new(seed: u64, topics_max: usize, partitions_max: u64) -> Self {
        Self {
            line: Line::new("admin".into()),
            random: Random::with_seed(seed),
            topics_max,
            partitions_max,
            winding_down: false,
            looks: 0,
        }
    }

    pub fn act(&mut self, world: &mut World, history: &mut History) {
        if !self.line.connect(world) || !self.line.flight.is_empty() {
            return;
        }
        let wanted = |topic: &Topic| topic.state == TopicState::Wanted;
        if let Some(index) = history.topics.iter().position(wanted) {
            self.create(index, world, history);
            return;
        }
        let doomed = |topic: &Topic| topic.state == TopicState::Doomed;
        if let Some(index) = history.topics.iter().position(doomed) {
            self.delete(index, world, history);
            return;
        }
        let lacks_id = |topic: &Topic| topic.id.is_none();
        if history.topics.iter().any(lacks_id) {
            self.look(world, history);
            return;
        }
        let grows = history.topics.len() < self.topics_max && !self.winding_down;
        match self.random.below(20) {
            0..8 if grows => self.want_topic(history),
            8 if history.topics.len() > 2 && !self.winding_down => self.doom(history),
            _ => self.look(world, history),
        }
    }

    fn want_topic(&mut self, history: &mut History) {
        history.topics.push(Topic {
            name: format!("topic-{}", history.topics.len()),
            id: None,
            partitions: 1 + self.random.below(self.partitions_max) as i32,
            state: TopicState::Wanted,
            relaxed: self.random.one_in(3),
        });
    }

    fn doom(&mut self, history: &mut History) {
        // The first two stay, so that there is always something to do.
        let last = history.topics.last_mut().expect("there are some");
        if last.state == TopicState::Created {
            last.state = TopicState::Doomed;
            history.tally.hit("client: topic deleted");
        }
    }

    fn create(&mut self, index: usize, world: &mut World, history: &mut History) {
        let topic = &history.topics[index];
        let name = StrBytes::from_string(topic.name.clone());
        let wanted = CreatableTopic::default()
            .with_name(TopicName(name))
            .with_num_partitions(topic.partitions)
            .with_replication_factor(1)
            .with_configs(relaxed_configs(index, topic.relaxed));
        let request = CreateTopicsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(5_000);
        let version = 2 + self.random.below(6) as i16;
        let asked = Asked::Create(index);
        self.line.call(world, history, &request, version, asked);
    }

    fn delete(&mut self, index: usize, world: &mut World, history: &mut History) {
        let topic = &history.topics[index];
        let version = 1 + self.random.below(6) as i16;
        let name = TopicName(StrBytes::from_string(topic.name.clone()));
        let request = DeleteTopicsRequest::default().with_timeout_ms(5_000);
        let request = if version >= 6 {
            let state = DeleteTopicState::default();
            let state = match (topic.id, self.random.one_in(2)) {
                (Some(id), true) => state.with_name(None).with_topic_id(id),
                _ => state.with_name(Some(name)),
            };
            request.with_topics(vec![state])
        } else {
            request.with_topic_names(vec![name])
        };
        let asked = Asked::Delete(index);
        self.line.call(world, history, &request, version, asked);
    }

    fn look(&mut self, world: &mut World, history: &mut History) {
        // From version 10 on, topics have ids.
        let version = 10 + self.random.below(4) as i16;
        let states = history.topics.iter().map(|topic| topic.state).collect();
        let request = MetadataRequest::default()
            .with_topics(None)
            .with_allow_auto_topic_creation(false);
        let asked = Asked::Metadata(states);
        self.line.call(world, history, &request, version, asked);
    }

    pub fn readable(&mut self, world: &mut World, history: &mut History) {
        for (call, frame) in self.line.replies(world, history) {
            let taken = match call.what {
                Asked::Create(index) => take_created(call.version, index, frame, history),
                Asked::Delete(index) => take_deleted(call.version, index, frame, history),
                Asked::Metadata(states) => {
                    self.looks += u64::from(self.winding_down);
                    take_metadata(call.version, &states, frame, history)
                }
            };
            if let Err(what) = taken {
                history.violate(what);
            }
        }
    }

    pub fn closed(&mut self, world: &mut World) {
        self.line.lose(world);
    }
}

/// Either of the two that make a topic relaxed.
fn relaxed_configs(index: usize, relaxed: bool) -> Vec<CreatableTopicConfig> {
    let (name, value) = match index % 2 {
        0 => ("flush.messages", "50"),
        _ => ("flush.ms", "100"),
    };
    let config = CreatableTopicConfig::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_static_str(value)));
    relaxed.then_some(config).into_iter().collect()
}

fn take_created(
    version: i16,
    index: usize,
    frame: Bytes,
    history: &mut History,
) -> Result<(), String> {
    let (_, reply) = client::decode::<CreateTopicsRequest>(version, frame)
        .map_err(|error| format!("CreateTopics {version}: {error:?}"))?;
    let result = reply.topics.first().ok_or("CreateTopics answers nothing")?;
    let topic = &mut history.topics[index];
    match ErrorCode::from_i16(result.error_code) {
        Some(ErrorCode::None) => {
            topic.state = TopicState::Created;
            if version >= 7 {
                topic.id = Some(result.topic_id);
            }
            history.tally.hit("client: topic created");
        }
        // An earlier request, whose reply was lost, had made it.
        Some(ErrorCode::TopicAlreadyExists) => topic.state = TopicState::Created,
        Some(code) if code.is_retriable() => history.tally.hit(code.name()),
        _ => {
            let name = error_name("", result.error_code);
            return Err(format!("CreateTopics {version} of {}: {name}", topic.name));
        }
    }
    Ok(())
}

fn take_deleted(
    version: i16,
    index: usize,
    frame: Bytes,
    history: &mut History,
) -> Result<(), String> {
    let (_, reply) = client::decode::<DeleteTopicsRequest>(version, frame)
        .map_err(|error| format!("DeleteTopics {version}: {error:?}"))?;
    let result = reply
        .responses
        .first()
        .ok_or("DeleteTopics answers nothing")?;
    let topic = &mut history.topics[index];
    match ErrorCode::from_i16(result.error_code) {
        // Unknown: an earlier request, whose reply was lost, had deleted it.
        Some(ErrorCode::None | ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId) => {
            topic.state = TopicState::Deleted
        }
        Some(code) if code.is_retriable() => history.tally.hit(code.name()),
        _ => {
            let name = error_name("", result.error_code);
            return Err(format!("DeleteTopics {version} of {}: {name}", topic.name));
        }
    }
    Ok(())
}

/// What was created before the question is there, with its id and its partitions; what was
/// deleted before it is not.
fn take_metadata(
    version: i16,
    states: &[TopicState],
    frame: Bytes,
    history: &mut History,
) -> Result<(), String> {
    let (_, reply) = client::decode::<MetadataRequest>(version, frame)
        .map_err(|error| format!("Metadata {version}: {error:?}"))?;
    for (index, state) in states.iter().enumerate() {
        let known = &mut history.topics[index];
        let name = &known.name;
        let claim = Claim::Topic(index);
        let found = reply.topics.iter().find(|topic| {
            topic
                .name
                .as_ref()
                .is_some_and(|found| found.0.as_str() == name)
        });
        match (state, found) {
            (TopicState::Created, None) if known.state == TopicState::Created => {
                let what = format!("{name} was created and is not listed");
                history.claim(claim, what);
            }
            (TopicState::Deleted, Some(_)) => {
                let what = format!("{name} was deleted and is listed");
                history.claim(claim, what);
            }
            (TopicState::Created, Some(found)) => {
                let id = *known.id.get_or_insert(found.topic_id);
                let (count, wanted) = (found.partitions.len(), known.partitions as usize);
                if id != found.topic_id {
                    let what = format!("{name} had the id {id}, now {}", found.topic_id);
                    history.claim(claim, what);
                } else if count != wanted {
                    let what = format!("{name} has {count} of {wanted} partitions");
                    history.claim(claim, what);
                }
            }
            _ => {}
        }
    }
    Ok(())
}
