//! Fetch, ListOffsets and DeleteRecords.

use super::{Listed, listed, varying};

// The three batches of every such topic: sums and times are those of the run.
const FIRST_BATCH: &str = "{base_offset=0 batch_length=77 leader_epoch=0 magic=2 \
     crc=* attributes=0 last_offset_delta=1 base_timestamp=* max_timestamp=* producer_id=-1 \
     producer_epoch=-1 base_sequence=-1 count=2 records=[26, 0, 0, 0, *, 49, 0]}";
const SECOND_BATCH: &str = "{base_offset=2 batch_length=91 leader_epoch=0 magic=2 \
     crc=* attributes=0 last_offset_delta=2 base_timestamp=* max_timestamp=* producer_id=-1 \
     producer_epoch=-1 base_sequence=-1 count=3 records=[26, 0, 0, 0, *, 50, 0]}";
const THIRD_BATCH: &str = "{base_offset=5 batch_length=105 leader_epoch=0 magic=2 \
     crc=* attributes=0 last_offset_delta=3 base_timestamp=* max_timestamp=* producer_id=-1 \
     producer_epoch=-1 base_sequence=-1 count=4 records=[26, 0, 0, 0, *, 51, 0]}";

// Kafka refuses what is read here.
const READ_HERE: &[[&str; 3]] = &[
    ["responses[*].partitions[0].high_watermark", "-1", "9"],
    ["responses[*].partitions[0].last_stable_offset", "-1", "9"],
    ["responses[*].partitions[0].log_start_offset", "-1", "0"],
];
#[rustfmt::skip]
const FIRST_IS_SENT: [&str; 3] = ["responses[*].partitions[0].records[0]", "absent", FIRST_BATCH];
#[rustfmt::skip]
const ALL_ARE_SENT: &[[&str; 3]] = &[
    FIRST_IS_SENT,
    ["responses[*].partitions[0].records[1]", "absent", SECOND_BATCH],
    ["responses[*].partitions[0].records[2]", "absent", THIRD_BATCH],
];
#[rustfmt::skip]
const LATER_ARE_SENT: &[[&str; 3]] = &[
    ["responses[*].partitions[0].records[0]", "absent", SECOND_BATCH],
    ["responses[*].partitions[0].records[1]", "absent", THIRD_BATCH],
];

const NO_FOLLOWERS: &str =
    "last fetched epochs are followers' (KIP-595); a client's changes nothing";
const ANY_REPLICA: &str = "replica_id in a client's Fetch changes nothing: FAULTS";
const UNCOMMITTED: &str =
    "an unknown isolation level reads uncommitted; Kafka fails with UNKNOWN_SERVER_ERROR";
const LIMITS: &str = "a negative limit brings what one of 0 does; Kafka fails with \
                      UNKNOWN_SERVER_ERROR";
const TWICE: &str = "each asking is answered; Kafka answers the last";

#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    listed("Fetch", &["whole/no partitions"], &[
        ["responses[~-topic]", "absent",
            "{topic=\"~-topic\" topic_id=00000000-0000-0000-0000-000000000000 partitions=[]}"],
        ["responses[<topic>]", "absent", "{topic=\"\" topic_id=<topic> partitions=[]}"],
    ],  "a topic asked about without partitions is answered without any; Kafka leaves it out"),

    // From offset 0 and from offset 5 on.
    listed("Fetch", &["whole/one partition twice"], &[
        ["responses[*].partitions[0].records[0].base_offset", "5", "0"],
        ["responses[*].partitions[0].records[0].batch_length", "105", "77"],
        ["responses[*].partitions[0].records[0].last_offset_delta", "3", "1"],
        ["responses[*].partitions[0].records[0].count", "4", "2"],
        ["responses[*].partitions[0].records[0].records",
            "[26, 0, 0, 0, *, 51, 0]", "[26, 0, 0, 0, *, 49, 0]"],
        ["responses[*].partitions[0].records[1]", "absent", SECOND_BATCH],
        ["responses[*].partitions[0].records[2]", "absent", THIRD_BATCH],
        ["responses[*].partitions[0#2]", "absent",
            "{partition_index=0 error_code=0 high_watermark=9 last_stable_offset=9 \
             log_start_offset=* diverging_epoch.epoch=-1 diverging_epoch.end_offset=-1 * \
             records[0].base_offset=5 records[0].batch_length=105 * records[0].count=4 *}"],
    ],  TWICE),
    varying("Fetch", &["whole/one partition twice"], &[
        ["responses[*].partitions[0].records[0].crc", "*", "*"],
        ["responses[*].partitions[0].records[0].base_timestamp", "*", "*"],
    ],  TWICE),

    listed("Fetch", &[
        "unknown/topic", "unknown/partition *", "unknown/one known",
        "bad-sessions/of an unknown topic",
    ],  &[["responses[*].partitions[*].aborted_transactions", "[]", "null"]],
        "beside an error there is no list"),

    // Limits.
    listed("Fetch", &["limits/100 of 1048576 bytes"],
        &[["responses[*].partitions[0].records[1]", "11 bytes of a cut batch", "absent"]],
        "only whole batches are sent: a client throws the rest away"),
    listed("Fetch", &["limits/200 of 1048576 bytes"],
        &[["responses[*].partitions[0].records[2]", "8 bytes of a cut batch", "absent"]],
        "only whole batches are sent: a client throws the rest away"),
    listed("Fetch", &["limits/-1 of 1048576 bytes", "limits/1 of -1 bytes"],
        &[["responses[*].partitions[0].error_code", "-1", "0"]], LIMITS),
    listed("Fetch", &["limits/-1 of 1048576 bytes", "limits/1 of -1 bytes"], READ_HERE, LIMITS),
    listed("Fetch", &["limits/-1 of 1048576 bytes", "limits/1 of -1 bytes"], &[FIRST_IS_SENT],
        LIMITS),

    // Epochs that only a follower tells.
    listed("Fetch", &["last-fetched-epochs/epoch 0 at 10"], &[
        ["responses[*].partitions[0].error_code", "0", "1"],
        ["responses[*].partitions[0].high_watermark", "9", "-1"],
        ["responses[*].partitions[0].last_stable_offset", "9", "-1"],
        ["responses[*].partitions[0].log_start_offset", "0", "-1"],
        ["responses[*].partitions[0].diverging_epoch.epoch", "0", "-1"],
        ["responses[*].partitions[0].diverging_epoch.end_offset", "9", "-1"],
    ],  NO_FOLLOWERS),
    listed("Fetch", &["last-fetched-epochs/epoch 1 at 2", "last-fetched-epochs/epoch 7 at 0"],
        &[["responses[*].partitions[0].error_code", "1", "0"]], NO_FOLLOWERS),
    listed("Fetch", &["last-fetched-epochs/epoch 1 at 2", "last-fetched-epochs/epoch 7 at 0"],
        READ_HERE, NO_FOLLOWERS),
    listed("Fetch", &["last-fetched-epochs/epoch 1 at 2"], LATER_ARE_SENT, NO_FOLLOWERS),
    listed("Fetch", &["last-fetched-epochs/epoch 7 at 0"], ALL_ARE_SENT, NO_FOLLOWERS),

    // Isolation levels other than 0 and 1, from offset 2 on.
    listed("Fetch", &["isolation/level 2", "isolation/level -1"], &[
        ["error_code", "-1", "0"],
        ["responses[*].partitions[0].error_code", "-1", "0"],
        ["responses[*].partitions[0].aborted_transactions", "[]", "null"],
        // From version 13 on, Kafka's reply has no topics.
        ["responses[<topic>]", "absent",
            "{topic=\"\" topic_id=<topic> partitions[0].partition_index=0 \
             partitions[0].error_code=0 partitions[0].high_watermark=9 \
             partitions[0].last_stable_offset=9 partitions[0].log_start_offset=0 * \
             partitions[0].records[0].base_offset=2 * partitions[0].records[1].base_offset=5 *}"],
    ],  UNCOMMITTED),
    listed("Fetch", &["isolation/level 2", "isolation/level -1"], READ_HERE, UNCOMMITTED),
    listed("Fetch", &["isolation/level 2", "isolation/level -1"], LATER_ARE_SENT, UNCOMMITTED),
    listed("ListOffsets", &["isolation/level 2", "isolation/level -1"], &[
        ["topics[~-topic].partitions[0].error_code", "-1", "0"],
        ["topics[~-topic].partitions[0].offset", "-1", "9"],
        ["topics[~-topic].partitions[0].leader_epoch", "-1", "0"],
    ],  UNCOMMITTED),

    // Replicas that are none.
    listed("Fetch", &["replicas/replica 7", "replicas/replica 1000"],
        &[["responses[*].partitions[0].error_code", "6", "0"]], ANY_REPLICA),
    listed("Fetch", &["replicas/replica 7", "replicas/replica 1000"], READ_HERE, ANY_REPLICA),
    listed("Fetch", &["replicas/replica 7", "replicas/replica 1000"], ALL_ARE_SENT, ANY_REPLICA),

    // Offsets.
    listed("ListOffsets", &["empty/no partitions"],
        &[["topics[~-topic]", "absent", "{name=\"~-topic\" partitions=[]}"]],
        "a topic asked about without partitions is answered without any; Kafka leaves it out"),
    listed("ListOffsets", &["unknown/twice"], &[
        ["topics[~-topic].partitions[0].error_code", "42", "0"],
        ["topics[~-topic].partitions[0].offset", "-1", "9"],
        ["topics[~-topic].partitions[0].leader_epoch", "-1", "0"],
        // The earliest; before version 4 there is no epoch to tell.
        ["topics[~-topic].partitions[0#2]", "absent",
            "{partition_index=0 error_code=0 timestamp=-1 offset=0 leader_epoch=-1}"],
        ["topics[~-topic].partitions[0#2]", "absent",
            "{partition_index=0 error_code=0 timestamp=-1 offset=0 leader_epoch=0}"],
    ],  "each asking is answered; Kafka refuses the partition"),
    listed("DeleteRecords", &["then-read/offset at -3"],
        &[["topics[~-topic].partitions[0].offset", "1", "4"]],
        "the largest time is that of a record that is left; Kafka names a deleted one"),
];
