//! The layout of every request that this room decodes, in every version.
//!
//! Source: Kafka 4.1's message definitions, as kafka-protocol 0.18 decodes them. Strings,
//! byte strings and arrays are compact, and every struct ends with tagged fields, from the
//! version on that `versions::Api::flexible_since` names. A test writes every message in every
//! version with the crate and walks it along these.

use super::shape::*;
use crate::wire::ApiKey;

pub(super) fn of(key: ApiKey) -> Option<&'static Shape> {
    Some(match key {
        ApiKey::Produce => &PRODUCE,
        ApiKey::Fetch => &FETCH,
        ApiKey::ListOffsets => &LIST_OFFSETS,
        ApiKey::Metadata => &METADATA,
        ApiKey::OffsetCommit => &OFFSET_COMMIT,
        ApiKey::OffsetFetch => &OFFSET_FETCH,
        ApiKey::FindCoordinator => &FIND_COORDINATOR,
        ApiKey::JoinGroup => &JOIN_GROUP,
        ApiKey::Heartbeat => &HEARTBEAT,
        ApiKey::LeaveGroup => &LEAVE_GROUP,
        ApiKey::SyncGroup => &SYNC_GROUP,
        ApiKey::DescribeGroups => &DESCRIBE_GROUPS,
        ApiKey::ListGroups => &LIST_GROUPS,
        ApiKey::SaslHandshake => &SASL_HANDSHAKE,
        ApiKey::ApiVersions => &API_VERSIONS,
        ApiKey::CreateTopics => &CREATE_TOPICS,
        ApiKey::DeleteTopics => &DELETE_TOPICS,
        ApiKey::DeleteRecords => &DELETE_RECORDS,
        ApiKey::InitProducerId => &INIT_PRODUCER_ID,
        ApiKey::OffsetForLeaderEpoch => &OFFSET_FOR_LEADER_EPOCH,
        ApiKey::DescribeConfigs => &DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &ALTER_CONFIGS,
        ApiKey::SaslAuthenticate => &SASL_AUTHENTICATE,
        ApiKey::CreatePartitions => &CREATE_PARTITIONS,
        ApiKey::DeleteGroups => &DELETE_GROUPS,
        ApiKey::IncrementalAlterConfigs => &INCREMENTAL_ALTER_CONFIGS,
        ApiKey::OffsetDelete => &OFFSET_DELETE,
        ApiKey::DescribeCluster => &DESCRIBE_CLUSTER,
        ApiKey::ElectLeaders => &ELECT_LEADERS,
        ApiKey::AlterPartitionReassignments => &ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &LIST_PARTITION_REASSIGNMENTS,
        ApiKey::DescribeClientQuotas => &DESCRIBE_CLIENT_QUOTAS,
        ApiKey::DescribeUserScramCredentials => &DESCRIBE_USER_SCRAM_CREDENTIALS,
        ApiKey::DescribeQuorum => &DESCRIBE_QUORUM,
        ApiKey::UpdateFeatures => &UPDATE_FEATURES,
        ApiKey::DescribeProducers => &DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &LIST_TRANSACTIONS,
        ApiKey::ListConfigResources => &LIST_CONFIG_RESOURCES,
        ApiKey::DescribeTopicPartitions => &DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::DescribeAcls => &DESCRIBE_ACLS,
        ApiKey::CreateAcls => &CREATE_ACLS,
        ApiKey::DeleteAcls => &DELETE_ACLS,
        ApiKey::DescribeLogDirs => &DESCRIBE_LOG_DIRS,
        _ => return None,
    })
}

static PRODUCE: Shape = shape(&[TEXT.or_null(), I16, I32, list(&PRODUCE_TOPIC)]);
static PRODUCE_TOPIC: Shape = shape(&[TEXT.until(12), UUID.since(13), list(&PRODUCE_PARTITION)]);
static PRODUCE_PARTITION: Shape = shape(&[I32, BYTES.or_null()]);

static FETCH: Shape = tagged(
    &[
        I32.until(14),
        I32,
        I32,
        I32,
        I8,
        I32.since(7),
        I32.since(7),
        list(&FETCH_TOPIC),
        list(&FORGOTTEN_TOPIC).since(7),
        TEXT.since(11),
    ],
    &[TEXT.or_null(), inner(&REPLICA_STATE).since(15)],
);
static FETCH_TOPIC: Shape = shape(&[TEXT.until(12), UUID.since(13), list(&FETCH_PARTITION)]);
static FETCH_PARTITION: Shape = tagged(
    &[I32, I32.since(9), I64, I32.since(12), I64.since(5), I32],
    &[UUID.since(17), I64.since(18)],
);
static FORGOTTEN_TOPIC: Shape = shape(&[TEXT.until(12), UUID.since(13), LIST_I32]);
static REPLICA_STATE: Shape = shape(&[I32, I64]);

static LIST_OFFSETS: Shape = shape(&[I32, I8.since(2), list(&LIST_OFFSETS_TOPIC), I32.since(10)]);
static LIST_OFFSETS_TOPIC: Shape = shape(&[TEXT, list(&LIST_OFFSETS_PARTITION)]);
// Version 0 alone had a maximum number of offsets; it is gone.
static LIST_OFFSETS_PARTITION: Shape = shape(&[I32, I32.since(4), I64]);

static METADATA: Shape = shape(&[
    list(&METADATA_TOPIC).or_null(),
    BOOL.since(4),
    BOOL.since(8).until(10),
    BOOL.since(8),
]);
static METADATA_TOPIC: Shape = shape(&[UUID.since(10), TEXT.or_null()]);

static OFFSET_COMMIT: Shape = shape(&[
    TEXT,
    I32,
    TEXT,
    TEXT.or_null().since(7),
    I64.until(4),
    list(&OFFSET_COMMIT_TOPIC),
]);
static OFFSET_COMMIT_TOPIC: Shape = shape(&[TEXT, list(&OFFSET_COMMIT_PARTITION)]);
static OFFSET_COMMIT_PARTITION: Shape = shape(&[I32, I64, I32.since(6), TEXT.or_null()]);

static OFFSET_FETCH: Shape = shape(&[
    TEXT.until(7),
    list(&OFFSET_FETCH_TOPIC).or_null().until(7),
    list(&OFFSET_FETCH_GROUP).since(8),
    BOOL.since(7),
]);
static OFFSET_FETCH_TOPIC: Shape = shape(&[TEXT, LIST_I32]);
static OFFSET_FETCH_GROUP: Shape = shape(&[
    TEXT,
    TEXT.or_null().since(9),
    I32.since(9),
    list(&OFFSET_FETCH_TOPIC).or_null(),
]);

static FIND_COORDINATOR: Shape = shape(&[TEXT.until(3), I8.since(1), LIST_TEXT.since(4)]);

static JOIN_GROUP: Shape = shape(&[
    TEXT,
    I32,
    I32.since(1),
    TEXT,
    TEXT.or_null().since(5),
    TEXT,
    list(&JOIN_GROUP_PROTOCOL),
    TEXT.or_null().since(8),
]);
static JOIN_GROUP_PROTOCOL: Shape = shape(&[TEXT, BYTES]);

static HEARTBEAT: Shape = shape(&[TEXT, I32, TEXT, TEXT.or_null().since(3)]);

static LEAVE_GROUP: Shape = shape(&[TEXT, TEXT.until(2), list(&LEAVE_GROUP_MEMBER).since(3)]);
static LEAVE_GROUP_MEMBER: Shape = shape(&[TEXT, TEXT.or_null(), TEXT.or_null().since(5)]);

static SYNC_GROUP: Shape = shape(&[
    TEXT,
    I32,
    TEXT,
    TEXT.or_null().since(3),
    TEXT.or_null().since(5),
    TEXT.or_null().since(5),
    list(&SYNC_GROUP_ASSIGNMENT),
]);
static SYNC_GROUP_ASSIGNMENT: Shape = shape(&[TEXT, BYTES]);

static DESCRIBE_GROUPS: Shape = shape(&[LIST_TEXT, BOOL.since(3)]);
static LIST_GROUPS: Shape = shape(&[LIST_TEXT.since(4), LIST_TEXT.since(5)]);
static DELETE_GROUPS: Shape = shape(&[LIST_TEXT]);

static OFFSET_DELETE: Shape = shape(&[TEXT, list(&OFFSET_DELETE_TOPIC)]);
static OFFSET_DELETE_TOPIC: Shape = shape(&[TEXT, list(&OFFSET_DELETE_PARTITION)]);
static OFFSET_DELETE_PARTITION: Shape = shape(&[I32]);

static SASL_HANDSHAKE: Shape = shape(&[TEXT]);
static SASL_AUTHENTICATE: Shape = shape(&[BYTES]);

static API_VERSIONS: Shape = shape(&[TEXT.since(3), TEXT.since(3)]);

static CREATE_TOPICS: Shape = shape(&[list(&CREATE_TOPIC), I32, BOOL]);
static CREATE_TOPIC: Shape = shape(&[
    TEXT,
    I32,
    I16,
    list(&REPLICA_ASSIGNMENT),
    list(&CONFIG_VALUE),
]);
static REPLICA_ASSIGNMENT: Shape = shape(&[I32, LIST_I32]);
static CONFIG_VALUE: Shape = shape(&[TEXT, TEXT.or_null()]);

static DELETE_TOPICS: Shape = shape(&[list(&DELETE_TOPIC).since(6), LIST_TEXT.until(5), I32]);
static DELETE_TOPIC: Shape = shape(&[TEXT.or_null(), UUID]);

static DELETE_RECORDS: Shape = shape(&[list(&DELETE_RECORDS_TOPIC), I32]);
static DELETE_RECORDS_TOPIC: Shape = shape(&[TEXT, list(&DELETE_RECORDS_PARTITION)]);
static DELETE_RECORDS_PARTITION: Shape = shape(&[I32, I64]);

static CREATE_PARTITIONS: Shape = shape(&[list(&CREATE_PARTITIONS_TOPIC), I32, BOOL]);
static CREATE_PARTITIONS_TOPIC: Shape =
    shape(&[TEXT, I32, list(&CREATE_PARTITIONS_ASSIGNMENT).or_null()]);
static CREATE_PARTITIONS_ASSIGNMENT: Shape = shape(&[LIST_I32]);

static INIT_PRODUCER_ID: Shape = shape(&[TEXT.or_null(), I32, I64.since(3), I16.since(3)]);

static OFFSET_FOR_LEADER_EPOCH: Shape = shape(&[I32.since(3), list(&EPOCH_TOPIC)]);
static EPOCH_TOPIC: Shape = shape(&[TEXT, list(&EPOCH_PARTITION)]);
static EPOCH_PARTITION: Shape = shape(&[I32, I32, I32]);

static DESCRIBE_CONFIGS: Shape = shape(&[list(&DESCRIBE_RESOURCE), BOOL, BOOL.since(3)]);
static DESCRIBE_RESOURCE: Shape = shape(&[I8, TEXT, LIST_TEXT.or_null()]);

static ALTER_CONFIGS: Shape = shape(&[list(&ALTER_RESOURCE), BOOL]);
static ALTER_RESOURCE: Shape = shape(&[I8, TEXT, list(&CONFIG_VALUE)]);

static INCREMENTAL_ALTER_CONFIGS: Shape = shape(&[list(&INCREMENTAL_RESOURCE), BOOL]);
static INCREMENTAL_RESOURCE: Shape = shape(&[I8, TEXT, list(&CONFIG_OPERATION)]);
static CONFIG_OPERATION: Shape = shape(&[TEXT, I8, TEXT.or_null()]);

static DESCRIBE_CLUSTER: Shape = shape(&[BOOL, I8.since(1), BOOL.since(2)]);

static DESCRIBE_TOPIC_PARTITIONS: Shape =
    shape(&[list(&NAMED), I32, inner(&PARTITION_CURSOR).or_null()]);
static NAMED: Shape = shape(&[TEXT]);
static PARTITION_CURSOR: Shape = shape(&[TEXT, I32]);

/// A topic and numbers of its partitions.
static PARTITIONS_OF_TOPIC: Shape = shape(&[TEXT, LIST_I32]);

static DESCRIBE_PRODUCERS: Shape = shape(&[list(&PARTITIONS_OF_TOPIC)]);
static DESCRIBE_TRANSACTIONS: Shape = shape(&[LIST_TEXT]);
static LIST_TRANSACTIONS: Shape =
    shape(&[LIST_TEXT, LIST_I64, I64.since(1), TEXT.or_null().since(2)]);

static DESCRIBE_LOG_DIRS: Shape = shape(&[list(&PARTITIONS_OF_TOPIC).or_null()]);

static DESCRIBE_QUORUM: Shape = shape(&[list(&QUORUM_TOPIC)]);
static QUORUM_TOPIC: Shape = shape(&[TEXT, list(&QUORUM_PARTITION)]);
static QUORUM_PARTITION: Shape = shape(&[I32]);

static ELECT_LEADERS: Shape = shape(&[I8.since(1), list(&PARTITIONS_OF_TOPIC).or_null(), I32]);

static ALTER_PARTITION_REASSIGNMENTS: Shape = shape(&[I32, BOOL.since(1), list(&REASSIGNED_TOPIC)]);
static REASSIGNED_TOPIC: Shape = shape(&[TEXT, list(&REASSIGNED_PARTITION)]);
static REASSIGNED_PARTITION: Shape = shape(&[I32, LIST_I32.or_null()]);
static LIST_PARTITION_REASSIGNMENTS: Shape = shape(&[I32, list(&PARTITIONS_OF_TOPIC).or_null()]);

static UPDATE_FEATURES: Shape = shape(&[I32, list(&FEATURE_UPDATE), BOOL.since(1)]);
static FEATURE_UPDATE: Shape = shape(&[TEXT, I16, BOOL.until(0), I8.since(1)]);

static DESCRIBE_ACLS: Shape = shape(ACL_FILTER);
static CREATE_ACLS: Shape = shape(&[list(&ACL_CREATION)]);
static ACL_CREATION: Shape = shape(&[I8, TEXT, I8, TEXT, TEXT, I8, I8]);
static DELETE_ACLS: Shape = shape(&[list(&ACL_DELETION)]);
static ACL_DELETION: Shape = shape(ACL_FILTER);
const ACL_FILTER: &[Field] = &[
    I8,
    TEXT.or_null(),
    I8,
    TEXT.or_null(),
    TEXT.or_null(),
    I8,
    I8,
];

static DESCRIBE_CLIENT_QUOTAS: Shape = shape(&[list(&QUOTA_COMPONENT), BOOL]);
static QUOTA_COMPONENT: Shape = shape(&[TEXT, I8, TEXT.or_null()]);
static DESCRIBE_USER_SCRAM_CREDENTIALS: Shape = shape(&[list(&NAMED).or_null()]);

static LIST_CONFIG_RESOURCES: Shape = shape(&[LIST_I8.since(1)]);
