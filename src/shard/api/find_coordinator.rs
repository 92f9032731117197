//! FindCoordinator 0-6: this node (or, to clients that see shards, the shard that owns the group's
//! partition), once `__consumer_offsets` is there; it is made on first use.

use crate::cluster::{Command, Placement, Refusal};
use crate::groups::OFFSETS_TOPIC;
use crate::runtime::ConnectionId;
use crate::wire::messages::find_coordinator_response::Coordinator;
use crate::wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;

/// `key_type`: a group's id, a transactional id.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// From here on many keys are asked for at once (KIP-699).
const KEYS_SINCE: i16 = 4;
/// Kafka 4.1.1 says so of success, where one key is answered.
const NO_ERROR: &str = "NONE";

/// A FindCoordinator that awaits the creation of `__consumer_offsets`.
#[derive(Debug)]
pub struct FindCoordinatorCall {
    asked: Asked,
    keys: Vec<StrBytes>,
}

impl Shard {
    pub(super) fn find_coordinator(&mut self, asked: Asked, request: FindCoordinatorRequest) {
        let keys = match asked.to.version < KEYS_SINCE {
            true => vec![request.key],
            false => request.coordinator_keys,
        };
        let call = FindCoordinatorCall { asked, keys };
        match request.key_type {
            GROUP if self.has_offsets_topic() => {
                self.answer_find_coordinator(call, None);
            }
            GROUP => {
                let command = self.offsets_topic_creation();
                self.propose(vec![command], Call::FindCoordinator(Box::new(call)));
            }
            // COORDINATOR_NOT_AVAILABLE would be asked again until a time-out that says nothing.
            TRANSACTION => {
                let words = "there are no transactions on this broker yet: a producer without \
                             transactional.id works";
                let failure = Failure::because(ErrorCode::InvalidRequest, words);
                self.answer_find_coordinator(call, Some(failure));
            }
            other => {
                let words = format!("key type {other}: a group is 0, a transaction 1");
                let failure = Failure::because(ErrorCode::InvalidRequest, words);
                self.answer_find_coordinator(call, Some(failure));
            }
        }
    }

    /// `__consumer_offsets` is there now, on every shard, or was refused.
    pub(in super::super) fn offsets_topic_created(
        &mut self,
        call: FindCoordinatorCall,
        outcomes: &[Outcome],
    ) {
        let failure = match outcomes.first() {
            Some(Ok(_) | Err(Refusal::TopicExists)) => None,
            Some(Err(refusal)) => Some(not_created(Failure::from(refusal))),
            None => Some(not_created(Failure::bare(ErrorCode::None))),
        };
        self.answer_find_coordinator(call, failure);
    }

    fn has_offsets_topic(&self) -> bool {
        self.known()
            .is_some_and(|known| known.topic(OFFSETS_TOPIC).is_some())
    }

    /// With the configs that Kafka gives it.
    pub(super) fn offsets_topic_creation(&mut self) -> Command {
        let configs = [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", "104857600"),
        ];
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Command::CreateTopic {
            name: OFFSETS_TOPIC.to_owned(),
            id: self.draw_id(),
            partitions: self.config.groups.offsets_partitions,
            placement: Placement::Spread,
            configs: configs.into_iter().map(owned).collect(),
        }
    }

    /// The broker that a group's coordinator is to this client: its id and its port.
    fn coordinator_at(&self, id: ConnectionId, first_port: u16, group: &str) -> (i32, i32) {
        let shard = self.coordinator_of(group).map(|(shard, _)| shard);
        // Whose shard has failed is told so when it asks.
        let shard = shard.unwrap_or(self.id);
        let broker = self.ids().of(shard, self.sees_shards(id));
        (broker, self.config.layout.port(first_port, shard))
    }

    fn answer_find_coordinator(&mut self, call: FindCoordinatorCall, failure: Option<Failure>) {
        let asked = call.asked;
        let found = failure.is_none();
        let failure = failure.unwrap_or(Failure::bare(ErrorCode::None));
        let endpoint = self.endpoint(asked.connection);
        let place_of = |key: &StrBytes| match found {
            true => self.coordinator_at(asked.connection, endpoint.port, key),
            false => (-1, -1),
        };
        let host = if found {
            endpoint.host
        } else {
            StrBytes::default()
        };
        let response = if asked.to.version < KEYS_SINCE {
            let (id, port) = call.keys.first().map_or((-1, -1), place_of);
            FindCoordinatorResponse::default()
                .with_error_code(failure.code.code())
                .with_error_message(Some(failure.words.unwrap_or(NO_ERROR.into())))
                .with_node_id(id.into())
                .with_host(host)
                .with_port(port)
        } else {
            let coordinators = call.keys.into_iter().map(|key| {
                let (id, port) = place_of(&key);
                Coordinator::default()
                    .with_node_id(id.into())
                    .with_key(key)
                    .with_host(host.clone())
                    .with_port(port)
                    .with_error_code(failure.code.code())
                    .with_error_message(Some(failure.words.clone().unwrap_or_default()))
            });
            FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
        };
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}

/// `__consumer_offsets` could not be made.
fn not_created(why: Failure) -> Failure {
    let why = why.words.unwrap_or_default();
    let words = format!("{OFFSETS_TOPIC} could not be created: {why}; try again");
    Failure::because(ErrorCode::CoordinatorNotAvailable, words)
}
