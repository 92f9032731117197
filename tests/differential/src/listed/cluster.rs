//! What a broker says of itself and of its topics: ApiVersions, Metadata and the short answers.

use super::{Listed, listed, varying};

const BROKER: &str = "{node_id=1000 host=\"127.0.0.1\" port=<some> rack=null}";
const NIL: &str = "00000000-0000-0000-0000-000000000000";
const LED: &str = "{error_code=0 partition_index=0 leader_id=1000 leader_epoch=0 \
                   replica_nodes[0]=1000 isr_nodes[0]=1000 offline_replicas=[]}";

#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    // What we advertise: an API when it works, never before.
    listed("ApiVersions", &["list/all"], &[
        ["api_keys[17]", "{api_key=17 min_version=0 max_version=1}", "absent"],
        ["api_keys[36]", "{api_key=36 min_version=0 max_version=2}", "absent"],
        ["api_keys[38]", "{api_key=38 min_version=1 max_version=3}", "absent"],
        ["api_keys[39]", "{api_key=39 min_version=1 max_version=2}", "absent"],
        ["api_keys[40]", "{api_key=40 min_version=1 max_version=2}", "absent"],
        ["api_keys[41]", "{api_key=41 min_version=1 max_version=3}", "absent"],
        ["api_keys[51]", "{api_key=51 min_version=0 max_version=0}", "absent"],
    ],  "there is no security yet: no SASL, delegation tokens or credentials"),
    listed("ApiVersions", &["list/all"], &[
        ["api_keys[24]", "{api_key=24 min_version=0 max_version=5}", "absent"],
        ["api_keys[25]", "{api_key=25 min_version=0 max_version=4}", "absent"],
        ["api_keys[26]", "{api_key=26 min_version=0 max_version=5}", "absent"],
        ["api_keys[27]", "{api_key=27 min_version=1 max_version=1}", "absent"],
        ["api_keys[28]", "{api_key=28 min_version=0 max_version=5}", "absent"],
    ],  "there are no transactions yet"),
    listed("ApiVersions", &["list/all"], &[
        ["api_keys[34]", "{api_key=34 min_version=1 max_version=2}", "absent"],
        ["api_keys[49]", "{api_key=49 min_version=0 max_version=1}", "absent"],
        ["api_keys[64]", "{api_key=64 min_version=0 max_version=0}", "absent"],
        ["api_keys[80]", "{api_key=80 min_version=0 max_version=0}", "absent"],
        ["api_keys[81]", "{api_key=81 min_version=0 max_version=0}", "absent"],
    ],  "replicas do not move between folders, nobody has a quota, and one node has no peers"),
    listed("ApiVersions", &["list/all"], &[
        ["api_keys[68]", "{api_key=68 min_version=0 max_version=1}", "absent"],
        ["api_keys[69]", "{api_key=69 min_version=0 max_version=1}", "absent"],
    ],  "the groups of KIP-848 are not built yet: clients fall back on the classic ones"),
    listed("ApiVersions", &["list/all"], &[
        ["api_keys[76]", "{api_key=76 min_version=1 max_version=1}", "absent"],
        ["api_keys[77]", "{api_key=77 min_version=1 max_version=1}", "absent"],
        ["api_keys[78]", "{api_key=78 min_version=1 max_version=1}", "absent"],
        ["api_keys[79]", "{api_key=79 min_version=1 max_version=1}", "absent"],
        ["api_keys[83]", "{api_key=83 min_version=0 max_version=0}", "absent"],
        ["api_keys[84]", "{api_key=84 min_version=0 max_version=0}", "absent"],
        ["api_keys[85]", "{api_key=85 min_version=0 max_version=0}", "absent"],
        ["api_keys[86]", "{api_key=86 min_version=0 max_version=0}", "absent"],
        ["api_keys[87]", "{api_key=87 min_version=0 max_version=0}", "absent"],
        ["api_keys[90]", "{api_key=90 min_version=0 max_version=0}", "absent"],
        ["api_keys[91]", "{api_key=91 min_version=0 max_version=0}", "absent"],
        ["api_keys[92]", "{api_key=92 min_version=0 max_version=0}", "absent"],
    ],  "share groups are not built yet"),
    listed("ApiVersions", &["list/all"], &[
        ["supported_features[metadata.version]", "{*}", "absent"],
        ["supported_features[eligible.leader.replicas.version]", "{*}", "absent"],
        ["supported_features[group.version]", "{*}", "absent"],
        ["supported_features[kraft.version]", "{*}", "absent"],
        ["supported_features[share.version]", "{*}", "absent"],
        ["supported_features[transaction.version]", "{*}", "absent"],
        ["finalized_features[metadata.version]", "{*}", "absent"],
        ["finalized_features[eligible.leader.replicas.version]", "{*}", "absent"],
        ["finalized_features[group.version]", "{*}", "absent"],
        ["finalized_features[transaction.version]", "{*}", "absent"],
    ],  "a feature is announced when both of its flows work"),
    // Kafka's is an offset in its metadata.
    listed("ApiVersions", &["list/all"], &[["finalized_features_epoch", "*", "-1"]],
        "no features, so no epoch of them"),
    listed("ApiVersions", &["produce-of-old/version *"], &[["answer", "closed", "a reply"]],
        "advertised for old librdkafka's sake: UNSUPPORTED_VERSION tells more than a hang-up"),

    listed("ApiVersions", &["admin-of-old/*"], &[["answer", "closed", "a reply"]],
        "taken though not advertised: old tools send them unasked (PROTOCOL trap 16)"),

    // Transactions.
    listed("FindCoordinator", &["transactions/one"], &[
        ["*error_code", "0", "42"],
        ["*error_message", "*\"", "<some>"],
        ["*host", "\"127.0.0.1\"", "\"\""],
        ["*node_id", "1000", "-1"],
        ["*port", "<some>", "-1"],
    ],  "there are no transactions yet: INVALID_REQUEST ends a producer at once, with our words"),
    listed("InitProducerId", &["transactions/an id"], &[
        ["error_code", "0", "42"],
        ["producer_id", "<some>", "-1"],
        ["producer_epoch", "0", "-1"],
    ],  "there are no transactions yet"),

    // Metadata.
    listed("Metadata", &["auto-created/first"], &[
        ["topics[~-new].error_code", "3", "0"],
        ["topics[~-new].topic_id", NIL, "<some>"],
        ["topics[~-new].partitions[0]", "absent", LED],
        // Before version 7 there is no epoch to tell.
        ["topics[~-new].partitions[0]", "absent",
            "{error_code=0 partition_index=0 leader_id=1000 leader_epoch=-1 \
             replica_nodes[0]=1000 isr_nodes[0]=1000 offline_replicas=[]}"],
    ],  "a topic is there when the request that makes it is answered; Kafka has it asked again"),
    listed("Metadata", &["by-id/known", "by-id/unknown", "by-id/id and name", "by-id/neither"], &[
        ["brokers[0]", "absent", BROKER],
        ["cluster_id", "null", "<some>"],
        ["controller_id", "-1", "1000"],
    ],  "an error of one topic leaves the brokers"),
    listed("Metadata", &["by-id/known"], &[
        ["topics[<topic>]", "{error_code=42 name=\"\" topic_id=<topic> *}", "absent"],
        ["topics[~-topic]", "absent",
            "{error_code=0 name=\"~-topic\" topic_id=<topic> is_internal=false \
             partitions[0].error_code=0 partitions[0].partition_index=0 \
             partitions[0].leader_id=1000 partitions[0].leader_epoch=0 \
             partitions[0].replica_nodes[0]=1000 partitions[0].isr_nodes[0]=1000 \
             partitions[0].offline_replicas=[] topic_authorized_operations=-2147483648}"],
    ],  "ids are answered from version 10 on, which has them; Kafka does so from 12"),
    listed("Metadata", &["by-id/unknown"], &[["topics[<some>].error_code", "42", "100"]],
        "ids are answered from version 10 on, which has them; Kafka does so from 12"),
    listed("Metadata", &["by-id/id and name"], &[
        ["topics[~-topic].error_code", "42", "0"],
        ["topics[~-topic].partitions[0]", "absent", LED],
    ],  "ids are answered from version 10 on, which has them; Kafka does so from 12"),
    listed("Metadata", &["by-id/neither"], &[
        ["topics[0].name", "\"\"", "null"],
        ["topics[0].error_code", "-1", "42"],
        ["error_code", "-1", "0"],
    ],  "an error of the topic's, with the name that was asked; Kafka fails as a whole"),

    // Short answers.
    listed("AlterPartitionReassignments", &["moves/none"], &[["error_message", "\"\"", "null"]],
        "where nothing is wrong there are no words"),
    listed("AlterPartitionReassignments", &["moves/none under way"],
        &[["responses[~-topic].partitions[0].error_message", "null", "<some>"]],
        "we say what was wrong"),
    listed("DescribeAcls", &["filters/0 1 1 1"], &[["answer", "closed", "a reply"]],
        "kind 0 makes Kafka hang up; that there is no authorizer is true of any filter"),
    listed("DescribeProducers", &["producers/unknown partitions"],
        &[["topics[~-topic].partitions[*].error_message", "null", "<some>"]],
        "we say what was wrong"),
    listed("DescribeQuorum", &["metadata/metadata"], &[
        ["nodes[0].listeners[CONTROLLER]",
            "{name=\"CONTROLLER\" host=\"127.0.0.1\" port=<some>}", "absent"],
        ["nodes[0].listeners[PLAINTEXT]",
            "absent", "{name=\"PLAINTEXT\" host=\"127.0.0.1\" port=<some>}"],
    ],  "there is no listener for controllers"),
    varying("DescribeQuorum", &["metadata/metadata"], &[
        ["topics[__cluster_metadata].partitions[0].high_watermark", "*", "*"],
        ["topics[__cluster_metadata].partitions[0].current_voters[0].log_end_offset", "*", "*"],
    ],  "how much metadata there is, which grows as scripts make topics"),
    listed("DescribeQuorum", &["metadata/metadata"],
        &[["topics[__cluster_metadata].partitions[0].leader_epoch", "1", "0"]],
        "one node needs no election"),
    listed("DescribeTopicPartitions", &["topics/\"\""], &[
        ["topics[0].error_code", "-1", "17"],
        ["topics[0].topic_authorized_operations", "-2147483648", "3576"],
    ],  "an empty name is an invalid one, as \"..\" is, rather than UNKNOWN_SERVER_ERROR"),
    listed("DescribeTopicPartitions", &["pages/from the end of one"], &[
        ["topics[~-b].partitions[1]",
            "{error_code=0 partition_index=1 leader_id=1000 leader_epoch=0 *}", "absent"],
        ["next_cursor", "null", "{topic_name=\"~-b\" partition_index=1}"],
    ],  "a topic takes room on a page even without partitions: a request may name very many"),
    listed("DescribeTransactions", &["unknown/unknown"],
        &[["transaction_states[0].error_code", "16", "105"]],
        "Kafka makes the coordinators of transactions with the first transaction"),
    listed("ListTransactions", &["none/pattern Some(\"(\")"], &[["error_code", "128", "0"]],
        "there are no transactions that a pattern could leave out"),
];
