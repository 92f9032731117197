//! Every difference from Kafka 4.1.1 that is meant, with its reason. A difference that is not
//! here fails the run; so does a line here that no longer occurs. The first line that fits counts.

use crate::compare::{Difference, fits};

/// Texts are patterns, in which `*` stands for anything.
pub struct Listed {
    pub api: &'static str,
    /// `case/step`.
    pub step: &'static str,
    pub path: &'static str,
    pub kafka: &'static str,
    pub ours: &'static str,
    pub why: &'static str,
}

impl Listed {
    pub fn covers(&self, found: &Difference) -> bool {
        fits(self.api, &found.api)
            && fits(self.step, &format!("{}/{}", found.case, found.step))
            && fits(self.path, &found.path)
            && fits(self.kafka, &found.kafka)
            && fits(self.ours, &found.ours)
    }
}

const fn listed(
    api: &'static str,
    step: &'static str,
    [path, kafka, ours]: [&'static str; 3],
    why: &'static str,
) -> Listed {
    Listed {
        api,
        step,
        path,
        kafka,
        ours,
        why,
    }
}

/// Meant.
#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    // Everywhere.
    listed("*", "*", ["*error_message", "null", "<some>"],
        "where a reply has room, we say what was wrong and what would be right"),
    listed("*", "*", ["*[*", "absent", "{*[]}"],
        "a topic asked about without partitions is answered without any; Kafka leaves it out"),

    // What we advertise.
    listed("ApiVersions", "list/all", ["api_keys[*]", "*", "absent"],
        "an API is advertised when it works, never before"),
    listed("ApiVersions", "list/all", ["*_features[*]", "*", "absent"],
        "a feature is announced when both of its flows work"),
    listed("ApiVersions", "list/all", ["finalized_features_epoch", "*", "-1"],
        "no features, so no epoch of them"),
    listed("ApiVersions", "produce-of-old/*", ["answer", "closed", "a reply"],
        "advertised for old librdkafka's sake: UNSUPPORTED_VERSION tells more than a hang-up"),

    // Metadata.
    listed("Metadata", "auto-created/first", ["topics[~-new].*", "*", "*"],
        "a topic is there when the request that makes it is answered; Kafka has it asked again"),
    listed("Metadata", "by-id/*", ["*", "*", "*"],
        "ids are answered from version 10 on, and an error of one topic leaves the brokers"),

    // Topics.
    listed("CreateTopics", "*", ["*configs[flush.messages].value", "\"9223*\"", "\"1\""],
        "durable before acknowledged: DESIGN 4"),
    listed("CreateTopics", "*", ["*configs[min.insync.replicas].config_source", "3", "5"],
        "eligible leader replicas make it a config of the cluster in Kafka"),

    // Configs.
    listed("DescribeConfigs", "topic/*", ["*configs[flush.messages].*value", "\"9223*\"", "\"1\""],
        "durable before acknowledged: DESIGN 4"),
    listed("DescribeConfigs", "*", ["*configs[min.insync.replicas]*", "*", "*"],
        "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("DescribeConfigs", "topic/documented", ["*documentation", "*", "*"],
        "our own words"),
    listed("DescribeConfigs", "bad/*", ["*error_message", "\"\"", "<some>"],
        "we say what was wrong"),
    listed("DescribeConfigs", "broker/node.id", ["*", "*", "*"],
        "nobody need tell a node its id: the data directory does"),
    listed("AlterConfigs", "bad/one resource twice", ["answer", "silence", "a reply"],
        "Kafka never answers: PROTOCOL trap 21"),
    listed("IncrementalAlterConfigs", "bad/* operation*", ["*error_code", "-1", "42"],
        "an unknown operation is an invalid request rather than UNKNOWN_SERVER_ERROR"),

    listed("AlterConfigs", "dynamic/all, *", ["*", "*", "*"],
        "eligible leader replicas make min.insync.replicas a config of Kafka's cluster, which the \
         old form would remove with all others"),
    listed("*AlterConfigs", "dynamic/one, min.insync.replicas=1", ["*", "*", "*"],
        "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("*AlterConfigs", "dynamic/*, log.local.retention.ms=-1", ["*", "*", "*"],
        "without tiered storage nothing is local, so that nothing local outlives the rest"),
    listed("*AlterConfigs", "dynamic/*, listener.name.*", ["*error_code", "0", "42"],
        "there is one listener: what holds for it is set for the broker"),
    listed("*AlterConfigs", "dynamic/*, listener*", ["*error_code", "0", "42"],
        "listeners are those of the start: sockets that come and go under clients are not built"),
    listed("*AlterConfigs", "dynamic/*, metric.reporters=", ["*error_code", "0", "42"],
        "Java's programs are not run here, so that there is no list of them"),
    listed("*AlterConfigs", "dynamic/*, sasl.*", ["*error_code", "0", "42"],
        "there is no security yet: a setting that protects nobody must not be accepted"),
    listed("*AlterConfigs", "dynamic/*, ssl.*", ["*error_code", "0", "42"],
        "there is no security yet: a setting that protects nobody must not be accepted"),

    // Produce.
    listed("Produce", "*", ["*log_start_offset", "0", "-1"],
        "beside an error Kafka tells the log start of some partitions; nobody may rely on it"),
    listed("Produce", "batches/an offset of the sender's", ["*", "*", "*"],
        "a producer's base offset is replaced anyway"),
    listed("Produce", "damaged/*", ["*error_code", "87", "2"],
        "a batch that ends early is damaged: CORRUPT_MESSAGE makes a producer send it again"),
    listed("Produce", "headers-that-lie/length *", ["*error_code", "*", "*"],
        "a length that disagrees with the bytes: too long is damage, too short a second batch"),
    listed("Produce", "headers-that-lie/codec *", ["*error_code", "-1", "76"],
        "UNSUPPORTED_COMPRESSION_TYPE rather than UNKNOWN_SERVER_ERROR"),
    listed("Produce", "timestamps/below none", ["*", "*", "*"],
        "there is no time below -1"),
    listed("Produce", "sequences/sequence *", ["*log_append_time_ms", "<time>", "-1"],
        "a duplicate's records keep their times; Kafka says LogAppendTime of a CreateTime topic"),
    listed("Produce", "epochs/epoch -1, sequence 0", ["*error_code", "47", "87"],
        "a producer id without an epoch is no batch of any producer"),

    // Fetch.
    listed("Fetch", "whole/one partition twice", ["*", "*", "*"],
        "each asking is answered; Kafka answers the last"),
    listed("Fetch", "*", ["*aborted_transactions", "[]", "null"],
        "beside an error there is no list"),
    listed("Fetch", "limits/*", ["*records[*]", "* bytes of a cut batch", "absent"],
        "only whole batches are sent: a client throws the rest away"),
    listed("Fetch", "limits/*", ["*", "*", "*"],
        "a limit of nothing or less brings what always comes: the first batch, or none"),
    listed("Fetch", "last-fetched-epochs/*", ["*", "*", "*"],
        "last fetched epochs are followers' (KIP-595); a client's changes nothing"),
    listed("Fetch", "isolation/*", ["*", "*", "*"],
        "an unknown isolation level reads uncommitted; Kafka fails with UNKNOWN_SERVER_ERROR"),
    listed("Fetch", "replicas/*", ["*", "*", "*"],
        "replica_id in a client's Fetch changes nothing: FAULTS"),

    // Short answers.
    listed("AlterPartitionReassignments", "moves/none", ["error_message", "\"\"", "null"],
        "where nothing is wrong there are no words"),
    listed("DescribeAcls", "filters/*", ["answer", "*", "a reply"],
        "unknown kinds make Kafka hang up; that there is no authorizer is true of any filter"),
    listed("DescribeQuorum", "metadata/metadata", ["nodes[0].listeners[*]", "*", "*"],
        "there is no listener for controllers"),
    listed("DescribeQuorum", "metadata/metadata", ["*log_end_offset", "*", "*"],
        "how much metadata there is"),
    listed("DescribeQuorum", "metadata/metadata", ["*high_watermark", "*", "*"],
        "how much metadata there is"),
    listed("DescribeQuorum", "metadata/metadata", ["*leader_epoch", "1", "0"],
        "one node needs no election"),
    listed("DescribeTopicPartitions", "topics/\"\"", ["*", "*", "*"],
        "an empty name is an invalid one rather than UNKNOWN_SERVER_ERROR"),
    listed("DescribeTopicPartitions", "pages/from the end of one", ["*", "*", "*"],
        "a topic takes room on a page even without partitions: a request may name very many"),
    listed("DescribeTransactions", "unknown/unknown", ["*error_code", "16", "105"],
        "Kafka makes the coordinators of transactions with the first transaction"),
    listed("ListTransactions", "none/pattern Some(\"(\")", ["error_code", "128", "0"],
        "there are no transactions that a pattern could leave out"),

    // Offsets.
    listed("ListOffsets", "unknown/twice", ["*", "*", "*"],
        "each asking is answered; Kafka refuses the partition"),
    listed("DeleteRecords", "then-read/offset at -3", ["*offset", "1", "4"],
        "the largest time is that of a record that is left; Kafka names a deleted one"),
    listed("ListOffsets", "isolation/*", ["*", "*", "*"],
        "an unknown isolation level reads uncommitted; Kafka fails with UNKNOWN_SERVER_ERROR"),
];

/// Not meant: to be mended, each with what is missing.
#[rustfmt::skip]
pub const NOT_YET: &[Listed] = &[];
