//! Produce.

use super::{Listed, listed};

const LOG_START: &[[&str; 3]] = &[[
    "responses[*].partition_responses[0].log_start_offset",
    "0",
    "-1",
]];
const CODE: &str = "responses[*].partition_responses[0].error_code";

#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    listed("Produce", &[
        "unknown-topic/*",
        "bad-names/*",
        "acks/acks 2", "acks/acks -2", "acks/acks 32767",
        "too-large/large", "too-large/93* bytes",
        "damaged/*",
        "headers-that-lie/*",
        "old-magic/magic 0", "old-magic/magic 1",
        "timestamps/below none",
        "sequences/10, sequence 0", "sequences/11, sequence 20", "sequences/12, sequence 13",
        "sequences/14, sequence -1", "sequences/longer",
        "epochs/epoch 2, sequence 2", "epochs/epoch 4, sequence 2", "epochs/epoch 3, sequence 2",
        "epochs/epoch -1, sequence 0",
        "many-partitions/good and bad", "many-partitions/two topics",
        "transactional-without-id/no id",
    ],  &[["responses[*].partition_responses[*].error_message", "null", "<some>"]],
        "we say what was wrong"),
    listed("Produce", &[
        "headers-that-lie/count *", "headers-that-lie/last delta *", "headers-that-lie/control",
        "headers-that-lie/codec *",
        "timestamps/two hours ahead", "timestamps/below none", "timestamps/too long ago",
        "compacted/no key", "compacted/no key, gzip",
        "sequences/10, sequence 0", "sequences/11, sequence 20", "sequences/12, sequence 13",
        "sequences/14, sequence -1", "sequences/longer",
        "epochs/epoch 2, sequence 2", "epochs/epoch 4, sequence 2", "epochs/epoch 3, sequence 2",
        "epochs/epoch -1, sequence 0",
    ],  LOG_START,
        "beside an error Kafka tells the log start of some partitions; nobody may rely on it"),
    listed("Produce", &["transactional/with an id"], &[
        [CODE, "49", "48"],
        ["responses[*].partition_responses[0].error_message", "null", "<some>"],
    ],  "there are no transactions yet, and so none that a batch could belong to"),
    listed("Produce", &["many-partitions/no partitions"], &[
        ["responses[~-topic]", "absent",
            "{name=\"~-topic\" topic_id=00000000-0000-0000-0000-000000000000 \
             partition_responses=[]}"],
        ["responses[<topic>]", "absent", "{name=\"\" topic_id=<topic> partition_responses=[]}"],
    ],  "a topic asked about without partitions is answered without any; Kafka leaves it out"),
    listed("Produce", &["batches/an offset of the sender's"], &[
        ["responses[*].partition_responses[1].error_code", "87", "0"],
        ["responses[*].partition_responses[1].base_offset", "-1", "0"],
    ],  "a producer's base offset is replaced anyway"),
    listed("Produce", &["damaged/cut", "damaged/only a header", "damaged/short of a header"],
        &[[CODE, "87", "2"]],
        "a batch that ends early is damaged: CORRUPT_MESSAGE makes a producer send it again"),
    listed("Produce", &["headers-that-lie/length more", "headers-that-lie/length huge"],
        &[[CODE, "87", "2"]],
        "a length that is too long for the bytes is damage"),
    listed("Produce", &["headers-that-lie/length less"], &[[CODE, "2", "87"]],
        "what a length that is too short leaves over is a second batch"),
    listed("Produce", &["headers-that-lie/codec *"], &[[CODE, "-1", "76"]],
        "UNSUPPORTED_COMPRESSION_TYPE rather than UNKNOWN_SERVER_ERROR"),
    listed("Produce", &["timestamps/below none"], &[
        [CODE, "0", "32"],
        ["responses[*].partition_responses[0].base_offset", "4", "-1"],
        ["responses[*].partition_responses[0].record_errors[0]", "absent",
            "{batch_index=0 batch_index_error_message=<some>}"],
    ],  "there is no time below -1"),
    // All three were sent before.
    listed("Produce", &["sequences/2, sequence 2", "sequences/3, sequence 0",
            "sequences/9, sequence 10"],
        &[["responses[*].partition_responses[0].log_append_time_ms", "<time>", "-1"]],
        "a duplicate's records keep their times; Kafka says LogAppendTime of a CreateTime topic"),
    listed("Produce", &["epochs/epoch -1, sequence 0"], &[[CODE, "47", "87"]],
        "a producer id without an epoch is no batch of any producer"),
];
