//! Topics and their configurations: CreateTopics, CreatePartitions, DescribeConfigs and bad
//! alterations.

use super::{Listed, listed};

const REFUSED_HERE: &[[&str; 3]] = &[
    ["responses[*].error_code", "0", "42"],
    ["responses[*].error_message", "null", "<some>"],
];
const OTHER_LOGGERS: &str = "loggers are modules, whose names are ours; only the root is in both";
const MOST: &str = "\"9223372036854775807\"";

#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    // Topics.
    listed("CreateTopics", &["*"],
        &[["topics[*].configs[flush.messages].value", MOST, "\"1\""]],
        "durable before acknowledged: DESIGN 4"),
    listed("CreateTopics", &["*"],
        &[["topics[*].configs[min.insync.replicas].config_source", "3", "5"]],
        "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("CreatePartitions", &["counts/unknown topic", "counts/a bad name"],
        &[["results[*].error_message", "null", "<some>"]],
        "we say what was wrong"),

    // Descriptions.
    listed("DescribeConfigs", &["topic/all", "topic/no keys"], &[
        ["results[~-topic].configs[flush.messages].value", MOST, "\"1\""],
        ["results[~-topic].configs[flush.messages].synonyms[log.flush.interval.messages].value",
            MOST, "\"1\""],
    ],  "durable before acknowledged: DESIGN 4"),
    listed("DescribeConfigs", &["topic/all", "topic/no keys"], &[
        ["results[~-topic].configs[min.insync.replicas].config_source", "3", "5"],
        ["results[~-topic].configs[min.insync.replicas].synonyms[min.insync.replicas].source",
            "3", "5"],
        ["results[~-topic].configs[min.insync.replicas].synonyms[min.insync.replicas#2]",
            "{name=\"min.insync.replicas\" value=\"1\" source=5}", "absent"],
    ],  "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("DescribeConfigs", &["broker/cluster"],
        &[["results[0].configs[min.insync.replicas]",
            "{name=\"min.insync.replicas\" value=\"1\" read_only=false config_source=3 *}",
            "absent"]],
        "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("DescribeConfigs", &["broker/node.id"], &[
        ["results[1000].configs[node.id].value", "\"1000\"", "\"1\""],
        ["results[1000].configs[node.id].synonyms[node.id].value", "\"1000\"", "\"1\""],
    ],  "what clients see as brokers are shards: node 1 has the brokers from 1000 on"),
    listed("DescribeConfigs", &["topic/documented"], &[
        ["results[~-topic].configs[max.message.bytes].documentation", "\"The largest*\"",
            "\"The largest *.\""],
        ["results[~-topic].configs[retention.ms].documentation", "\"This configuration *\"",
            "\"How long *.\""],
        ["results[~-topic].configs[segment.ms].documentation", "\"This configuration *\"",
            "\"How long *.\""],
    ],  "our own words"),
    listed("DescribeConfigs", &["others/all loggers"], &[
        ["results[1000].configs[*]",
            "{name=* value=* read_only=false config_source=6 *}", "absent"],
        ["results[1000].configs[thalweg*]", "absent",
            "{name=\"thalweg*\" value=\"INFO\" read_only=false config_source=6 *}"],
    ],  OTHER_LOGGERS),
    listed("DescribeConfigs", &["bad/2 \"*-nowhere\"", "bad/good and bad"],
        &[["results[~-nowhere].error_message", "\"\"", "<some>"]],
        "we say what was wrong"),

    // Alterations.
    listed("AlterConfigs", &["bad/one resource twice"], &[["answer", "silence", "a reply"]],
        "Kafka never answers: PROTOCOL trap 21"),
    listed("IncrementalAlterConfigs",
        &["loggers/no operation, trial", "loggers/negative operation, trial"], &[
        ["responses[1000].error_code", "-1", "42"],
        ["responses[1000].error_message", "null", "<some>"],
    ],  "an exception of Kafka's own comes through: we say what was wrong"),
    listed("IncrementalAlterConfigs", &["others/metrics"], REFUSED_HERE,
        "clients' metrics are not collected, so that nobody would heed a subscription"),
    listed("IncrementalAlterConfigs", &["others/a group"], REFUSED_HERE,
        "they are for the groups of KIP-848 and for share groups, which are not built yet"),
    listed("IncrementalAlterConfigs", &[
        "bad/no operation", "bad/no operation, trial",
        "bad/negative operation", "bad/negative operation, trial",
    ], &[
        ["responses[~-topic].error_code", "-1", "42"],
        ["responses[~-topic].error_message", "null", "<some>"],
    ],  "an unknown operation is an invalid request rather than UNKNOWN_SERVER_ERROR"),
];
