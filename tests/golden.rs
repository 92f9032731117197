//! Golden bytes: what real clients sent, and what Apache Kafka 4.1.1 answered them.
//!
//! `tests/golden/frames.txt` has one frame a line, made by `tests/golden/record.sh`: client, API,
//! version, `request` or `reply`, and the frame without its length prefix. Each is read as a
//! broker reads it, through the guard, and written again to the same bytes. So neither the layouts
//! of `wire` nor the crate's can drift from what is really on the wire. Every version that is
//! advertised is among them, as a request and as a reply.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;
use thalweg::wire::fetch_reply::{
    AbortedTransaction, FetchReply, LeaderAndEpoch, PartitionReply, TopicReply,
};
use thalweg::wire::messages::*;
use thalweg::wire::versions::{self, ApiSet};
use thalweg::wire::{
    ApiKey, ErrorCode, ReplyTo, Request, RequestHeader, client, fetch_reply, guard, reply, request,
};

struct Frame {
    client: &'static str,
    key: i16,
    version: i16,
    is_request: bool,
    bytes: Bytes,
}

impl Frame {
    fn about(&self) -> String {
        let (
            Self {
                client,
                key,
                version,
                ..
            },
            what,
        ) = (self, self.is_request);
        let what = if what { "request" } else { "reply" };
        format!("{client}'s {what} of API {key}, version {version}")
    }
}

fn frames(requests: bool) -> impl Iterator<Item = Frame> {
    let lines = include_str!("golden/frames.txt").lines();
    let frames = lines.map(|line| {
        let fields: Vec<&'static str> = line.split(' ').collect();
        let [client, key, version, what, hex] = fields[..] else {
            panic!("not a frame: {line}");
        };
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        Frame {
            client,
            key: key.parse().expect("an API key"),
            version: version.parse().expect("a version"),
            is_request: what == "request",
            bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        }
    });
    frames.filter(move |frame| frame.is_request == requests)
}

/// The APIs that this broker decodes, each with its request: what is written again here.
macro_rules! served {
    ($do:ident, $($arguments:expr),*) => {
        $do!($($arguments,)*
            Produce(ProduceRequest) Fetch(FetchRequest) ListOffsets(ListOffsetsRequest)
            Metadata(MetadataRequest) OffsetCommit(OffsetCommitRequest)
            OffsetFetch(OffsetFetchRequest) FindCoordinator(FindCoordinatorRequest)
            JoinGroup(JoinGroupRequest) Heartbeat(HeartbeatRequest)
            LeaveGroup(LeaveGroupRequest) SyncGroup(SyncGroupRequest)
            DescribeGroups(DescribeGroupsRequest) ListGroups(ListGroupsRequest)
            SaslHandshake(SaslHandshakeRequest) ApiVersions(ApiVersionsRequest)
            CreateTopics(CreateTopicsRequest) DeleteTopics(DeleteTopicsRequest)
            DeleteRecords(DeleteRecordsRequest) InitProducerId(InitProducerIdRequest)
            OffsetForLeaderEpoch(OffsetForLeaderEpochRequest)
            DescribeConfigs(DescribeConfigsRequest) AlterConfigs(AlterConfigsRequest)
            SaslAuthenticate(SaslAuthenticateRequest) CreatePartitions(CreatePartitionsRequest)
            DeleteGroups(DeleteGroupsRequest)
            IncrementalAlterConfigs(IncrementalAlterConfigsRequest)
            OffsetDelete(OffsetDeleteRequest) DescribeCluster(DescribeClusterRequest)
            ElectLeaders(ElectLeadersRequest)
            AlterPartitionReassignments(AlterPartitionReassignmentsRequest)
            ListPartitionReassignments(ListPartitionReassignmentsRequest)
            DescribeClientQuotas(DescribeClientQuotasRequest)
            DescribeUserScramCredentials(DescribeUserScramCredentialsRequest)
            DescribeQuorum(DescribeQuorumRequest) UpdateFeatures(UpdateFeaturesRequest)
            DescribeProducers(DescribeProducersRequest)
            DescribeTransactions(DescribeTransactionsRequest)
            ListTransactions(ListTransactionsRequest)
            ListConfigResources(ListConfigResourcesRequest)
            DescribeTopicPartitions(DescribeTopicPartitionsRequest)
            DescribeAcls(DescribeAclsRequest) CreateAcls(CreateAclsRequest)
            DeleteAcls(DeleteAclsRequest) DescribeLogDirs(DescribeLogDirsRequest))
    };
}

macro_rules! request_bytes {
    ($request:expr, $version:expr, $($api:ident($message:ident))*) => {{
        let mut out = BytesMut::new();
        match $request {
            $(Request::$api(message) => message.encode(&mut out, $version).expect("encodes"),)*
        }
        out.freeze()
    }};
}

macro_rules! reply_again {
    ($key:expr, $version:expr, $frame:expr, $($api:ident($message:ident))*) => {
        match $key {
            $(ApiKey::$api => again::<$message>($key, $version, $frame),)*
            other => panic!("{other:?} is served and not written again here"),
        }
    };
}

fn again<R: client::Message>(api: ApiKey, version: i16, frame: Bytes) -> Bytes {
    let (correlation_id, response) = client::decode::<R>(version, frame).expect("a reply");
    let to = ReplyTo {
        api,
        version,
        correlation_id,
    };
    reply::encode(to, &response).expect("encodes").slice(4..)
}

/// Those that are decoded here; others are some of Kafka's that this broker does not advertise.
fn known(frame: &Frame) -> bool {
    let api = versions::find(frame.key);
    api.is_some_and(|api| api.accepted.contains(frame.version))
}

#[test]
fn what_real_clients_ask_passes_the_guard_and_is_written_to_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for frame in frames(true).filter(known) {
        let about = frame.about();
        let mut body = frame.bytes.clone();

        let header = RequestHeader::parse(&mut body).expect(&about);
        let decoded = request::decode(&header, body.clone()).expect(&about);

        assert_eq!(
            (header.api as i16, header.version),
            (frame.key, frame.version)
        );
        let again = served!(request_bytes, &decoded, frame.version);
        // librdkafka's Metadata is longer than what it reads as: see `guard::trailing_max`.
        let api = versions::find(frame.key).expect("known");
        let more = body.len().saturating_sub(again.len());
        assert!(more <= guard::trailing_max(api, frame.version), "{about}");
        assert_eq!(again, body.slice(..body.len() - more), "{about}");
        seen.insert((frame.key, frame.version));
    }
    assert!(seen.len() > 50, "only {} APIs and versions", seen.len());
}

#[test]
fn what_kafka_answered_is_written_to_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for frame in frames(false).filter(known) {
        let key = ApiKey::try_from(frame.key).expect("known");

        let again = served!(reply_again, key, frame.version, frame.bytes.clone());

        assert_eq!(again, frame.bytes, "{}", frame.about());
        seen.insert((frame.key, frame.version));
    }
    assert!(seen.len() > 50, "only {} APIs and versions", seen.len());
}

/// Fetch replies are written by an encoder of our own, which copies no records.
#[test]
fn our_own_encoder_writes_kafkas_fetch_replies_to_the_same_bytes() {
    let mut seen = BTreeSet::new();
    for frame in frames(false).filter(|frame| frame.key == ApiKey::Fetch as i16) {
        let (correlation_id, response) =
            client::decode::<FetchRequest>(frame.version, frame.bytes.clone()).expect("a reply");
        let to = ReplyTo {
            api: ApiKey::Fetch,
            version: frame.version,
            correlation_id,
        };

        let pieces = fetch_reply::encode(to, ours(response)).expect("encodes");

        let written: Bytes = pieces.concat().into();
        assert_eq!(written.slice(4..), frame.bytes, "{}", frame.about());
        seen.insert(frame.version);
    }
    assert!(seen.len() >= 4, "only versions {seen:?}");
}

fn ours(response: FetchResponse) -> FetchReply {
    let partition = |part: fetch_response::PartitionData| {
        let aborted = part.aborted_transactions.map(|list| {
            let one = |one: &fetch_response::AbortedTransaction| AbortedTransaction {
                producer_id: one.producer_id.0,
                first_offset: one.first_offset,
            };
            list.iter().map(one).collect()
        });
        let leader = part.current_leader;
        let leader = LeaderAndEpoch {
            broker_id: leader.leader_id.0,
            epoch: leader.leader_epoch,
        };
        PartitionReply {
            index: part.partition_index,
            error: ErrorCode::from_i16(part.error_code).expect("a known code"),
            high_watermark: part.high_watermark,
            last_stable_offset: part.last_stable_offset,
            log_start_offset: part.log_start_offset,
            aborted,
            current_leader: (leader.broker_id >= 0).then_some(leader),
            records: part.records.into_iter().collect(),
        }
    };
    let topic = |topic: fetch_response::FetchableTopicResponse| TopicReply {
        name: topic.topic.0,
        id: topic.topic_id.into_bytes(),
        partitions: topic.partitions.into_iter().map(partition).collect(),
    };
    FetchReply {
        throttle_time_ms: response.throttle_time_ms,
        error: ErrorCode::from_i16(response.error_code).expect("a known code"),
        session_id: response.session_id,
        topics: response.responses.into_iter().map(topic).collect(),
    }
}

/// What a client asks that this broker does not serve must not be among what it advertises.
#[test]
fn every_api_that_was_asked_is_served_or_not_advertised() {
    let served = ApiSet::ENGINE.advertised();
    for frame in frames(true) {
        let row = served.iter().find(|row| row.api_key == frame.key);
        if let Some(row) = row {
            let range = row.min_version..=row.max_version;
            assert!(range.contains(&frame.version), "{}", frame.about());
        }
    }
}

/// All that is advertised and accepted: an API, a version, and whether it is the request.
fn advertised() -> impl Iterator<Item = (ApiKey, i16, bool)> {
    let served = versions::APIS.iter();
    let served = served.filter(|api| ApiSet::ENGINE.contains(api.key));
    let accepted =
        served.flat_map(|api| (api.accepted.min..=api.accepted.max).map(|it| (api.key, it)));
    accepted.flat_map(|(key, version)| [(key, version, true), (key, version, false)])
}

/// An API is advertised when its layouts are known from what others put on the wire, not before.
#[test]
fn every_version_that_is_advertised_has_a_request_and_a_reply_among_the_fixtures() {
    let both = frames(true).chain(frames(false));
    let there: BTreeSet<_> = both
        .map(|frame| (frame.key, frame.version, frame.is_request))
        .collect();

    let missing: Vec<_> = advertised()
        .filter(|(key, version, is_request)| !there.contains(&(*key as i16, *version, *is_request)))
        .collect();

    assert!(
        missing.is_empty(),
        "API, version, is a request: {missing:?}"
    );
}
