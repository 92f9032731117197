//! Frames by the thousand, valid and spoiled, pipelined and cut into pieces; each must get exactly
//! what the broker's own reading of it foretells.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;

use bytes::Bytes;
use thalweg::base::random::Random;
use thalweg::wire::ApiKey;
use thalweg::wire::batch::BatchHeader;
use thalweg::wire::client::{correlation_id, decode};
use thalweg::wire::messages::*;

use super::mutate::{Outcome, PARTITIONS, TOPIC, foretell, make, rows};
use super::support::client::Heard;
use super::support::{Client, from_environment};
use super::{MIB, Siege};

/// The most that is sent on one connection.
const FRAMES_PER_CONNECTION: usize = 16;

/// What came of the frames, in all and per row.
#[derive(Default)]
struct Tally {
    frames: u64,
    replies: u64,
    closed: u64,
    whatever: u64,
    connections: u64,
    rows: BTreeMap<(i16, i16), u64>,
}

struct Sent {
    outcome: Outcome,
    row: Option<(ApiKey, i16)>,
    frame: Vec<u8>,
}

#[test]
fn mutated_frames_get_what_they_deserve_and_harm_nobody() {
    let count = from_environment("THALWEG_HOSTILE_FRAMES", 20_000);
    let seed = from_environment("THALWEG_HOSTILE_SEED", 20_261_122);
    println!("THALWEG_HOSTILE_SEED={seed} THALWEG_HOSTILE_FRAMES={count}");
    let siege = Siege::begin("hostile-mutated");
    siege.connect().create_topic(TOPIC, PARTITIONS);
    let mut random = Random::with_seed(seed);
    let all_rows = rows();
    let mut next = 0;
    let mut tally = Tally::default();

    while tally.frames < count {
        let mut sent: Vec<Sent> = Vec::new();
        while sent.len() < FRAMES_PER_CONNECTION {
            let (api, version) = all_rows[next % all_rows.len()];
            next += 1;
            let frame = make(api, version, next as i32, &mut random);
            let (outcome, row) = foretell(&frame);
            sent.push(Sent {
                outcome,
                row,
                frame,
            });
            if !matches!(outcome, Outcome::Reply(_)) {
                break;
            }
        }
        let mut client = siege.connect();
        deliver(&mut client, &sent, &mut random);
        check(&mut client, &sent, seed);
        tally.note(&sent);
    }

    tally.print();
    let missing: Vec<_> = all_rows
        .iter()
        .filter(|(api, version)| !tally.rows.contains_key(&(api.key as i16, *version)))
        .collect();
    assert!(missing.is_empty(), "rows without a frame: {missing:?}");
    check_target(&mut siege.connect());
    siege.end(192 * MIB);
}

/// All frames in one stream of bytes, in pieces of any size.
fn deliver(client: &mut Client, sent: &[Sent], random: &mut Random) {
    let all: Vec<u8> = sent.iter().flat_map(|sent| sent.frame.clone()).collect();
    let mut rest = &all[..];
    let usual = [3, 40, 500, 100_000][random.below(4) as usize];
    while !rest.is_empty() {
        let count = (1 + random.below(usual) as usize).min(rest.len());
        if client.stream.write_all(&rest[..count]).is_err() {
            // Closed in the middle of its last frame; what was owed can still be read.
            return;
        }
        rest = &rest[count..];
    }
}

fn check(client: &mut Client, sent: &[Sent], seed: u64) {
    for (place, frame) in sent.iter().enumerate() {
        let about = || {
            let before = sent[..place].iter().map(|sent| sent.row);
            format!(
                "seed {seed}: {:?} {:02x?} after {:?}",
                frame.row,
                frame.frame,
                before.collect::<Vec<_>>()
            )
        };
        match frame.outcome {
            Outcome::Reply(id) => match client.hear() {
                Heard::Frame(reply) => {
                    assert_eq!(correlation_id(&reply), Some(id), "{}", about());
                    check_reply(frame.row, reply, &about);
                }
                Heard::Closed => panic!("closed instead of a reply: {}", about()),
            },
            Outcome::Closed => assert_eq!(client.hear(), Heard::Closed, "{}", about()),
            Outcome::Whatever => {
                // Nothing more comes from us. A fetch may still wait, and we do not.
                let _ = client.stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Whether a reply to each of these can be read.
macro_rules! sound {
    ($key:expr, $version:expr, $reply:expr; $($api:ident($request:ident))*) => {
        match $key {
            $(ApiKey::$api => decode::<$request>($version, $reply).is_ok(),)*
            other => panic!("{other:?} is served and its reply is not checked here"),
        }
    };
}

/// A reply follows the layout of its request's version.
fn check_reply(row: Option<(ApiKey, i16)>, reply: Bytes, about: &dyn Fn() -> String) {
    let Some((key, version)) = row else {
        return;
    };
    let sound = sound!(key, version, reply;
        Produce(ProduceRequest) Fetch(FetchRequest) ListOffsets(ListOffsetsRequest)
        Metadata(MetadataRequest) FindCoordinator(FindCoordinatorRequest)
        ApiVersions(ApiVersionsRequest) CreateTopics(CreateTopicsRequest)
        DeleteTopics(DeleteTopicsRequest) InitProducerId(InitProducerIdRequest)
        DescribeCluster(DescribeClusterRequest) DescribeConfigs(DescribeConfigsRequest)
        AlterConfigs(AlterConfigsRequest)
        IncrementalAlterConfigs(IncrementalAlterConfigsRequest)
        ListConfigResources(ListConfigResourcesRequest)
        CreatePartitions(CreatePartitionsRequest) DeleteRecords(DeleteRecordsRequest)
        OffsetForLeaderEpoch(OffsetForLeaderEpochRequest)
        DescribeTopicPartitions(DescribeTopicPartitionsRequest)
        DescribeProducers(DescribeProducersRequest)
        DescribeTransactions(DescribeTransactionsRequest)
        ListTransactions(ListTransactionsRequest) DescribeLogDirs(DescribeLogDirsRequest)
        DescribeQuorum(DescribeQuorumRequest) ElectLeaders(ElectLeadersRequest)
        AlterPartitionReassignments(AlterPartitionReassignmentsRequest)
        ListPartitionReassignments(ListPartitionReassignmentsRequest)
        UpdateFeatures(UpdateFeaturesRequest) DescribeAcls(DescribeAclsRequest)
        CreateAcls(CreateAclsRequest) DeleteAcls(DeleteAclsRequest)
        DescribeClientQuotas(DescribeClientQuotasRequest)
        DescribeUserScramCredentials(DescribeUserScramCredentialsRequest)
        OffsetCommit(OffsetCommitRequest) OffsetFetch(OffsetFetchRequest)
        JoinGroup(JoinGroupRequest) Heartbeat(HeartbeatRequest) LeaveGroup(LeaveGroupRequest)
        SyncGroup(SyncGroupRequest) DescribeGroups(DescribeGroupsRequest)
        ListGroups(ListGroupsRequest) DeleteGroups(DeleteGroupsRequest)
        OffsetDelete(OffsetDeleteRequest)
    );
    assert!(sound, "a reply that can not be read: {}", about());
}

/// What was accepted into the log can be fetched: whole batches, true sums, no holes.
fn check_target(client: &mut Client) {
    for partition in 0..PARTITIONS {
        let (_, mut next) = client.list_offset(TOPIC, partition, -2);
        let (_, end) = client.list_offset(TOPIC, partition, -1);
        let mut batches = 0;
        while next < end {
            let fetched = client.fetch(TOPIC, partition, next);
            assert_eq!(fetched.code, 0, "partition {partition} at {next}");
            let mut bytes = fetched.records;
            assert!(
                !bytes.is_empty(),
                "partition {partition}: nothing at {next} below {end}"
            );
            while let Ok(header) = BatchHeader::parse(&bytes) {
                let size = header.size().expect("a size");
                if size > bytes.len() {
                    break;
                }
                let batch = bytes.split_to(size);
                assert_eq!(crc32c::crc32c(&batch[21..]), header.crc, "at {next}");
                assert_eq!(header.base_offset, next, "partition {partition} has a hole");
                next = header.last_offset() + 1;
                batches += 1;
            }
        }
        println!("partition {partition}: {batches} batches were accepted, {end} records");
        assert!(batches > 0, "no produce got through");
    }
}

impl Tally {
    fn note(&mut self, sent: &[Sent]) {
        self.connections += 1;
        for sent in sent {
            match sent.outcome {
                Outcome::Reply(_) => self.replies += 1,
                Outcome::Closed => self.closed += 1,
                Outcome::Whatever => self.whatever += 1,
            }
            // Only what passed its header counts.
            if let Some((key, version)) = sent.row {
                self.frames += 1;
                *self.rows.entry((key as i16, version)).or_default() += 1;
            }
        }
    }

    fn print(&self) {
        println!(
            "{} frames passed their headers on {} connections; {} were answered, {} closed \
             theirs, {} could do either; {} rows, the least with {} frames",
            self.frames,
            self.connections,
            self.replies,
            self.closed,
            self.whatever,
            self.rows.len(),
            self.rows.values().min().copied().unwrap_or(0)
        );
    }
}
