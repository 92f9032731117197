//! What may be changed of a running broker (`scripts/dynamic_configs`).

use super::{Listed, listed};

const REFUSED_HERE: &[[&str; 3]] = &[
    ["responses[*].error_code", "0", "42"],
    ["responses[*].error_message", "null", "<some>"],
];
/// Kafka's POLICY_VIOLATION would be answered to any key; ours is to this one.
const REFUSED_BY_BOTH: &[[&str; 3]] = &[["responses[0].error_code", "40", "42"]];

const NOT_THAT_LISTENER: &str =
    "a bound for a listener that is not there protects nobody: Kafka takes it and never heeds it";
const NO_PROGRAMS: &str = "Java's programs are not run here, so that there is no list of them";
const NO_SECURITY: &str =
    "there is no security yet: a setting that protects nobody must not be accepted";

#[rustfmt::skip]
pub const LISTED: &[Listed] = &[
    listed("*AlterConfigs", &["dynamic/*, log.local.retention.ms=-1"], &[
        ["responses[*].error_code", "42", "0"],
        ["responses[*].error_message", "<some>", "null"],
    ],  "without tiered storage nothing is local, so that nothing local outlives the rest"),
    listed("*AlterConfigs", &["dynamic/one, min.insync.replicas=1"], &[
        ["responses[1000].error_code", "40", "0"],
        ["responses[1000].error_message", "<some>", "null"],
    ],  "eligible leader replicas make it a config of the cluster in Kafka"),
    listed("AlterConfigs", &[
        "dynamic/all, background.threads=9",
        "dynamic/all, compression.*",
        "dynamic/all, listener.name.plaintext.max.*",
        "dynamic/all, listener.name.plaintext.num.*",
        "dynamic/all, log.*",
        "dynamic/all, max.connection*",
        "dynamic/all, message.max.bytes=5",
        "dynamic/all, num.*",
        "dynamic/all, producer.id.expiration.ms=5",
        "dynamic/all, remote.*",
        "dynamic/all, transaction.partition.verification.enable=false",
        "dynamic/all, unclean.leader.election.enable=true",
    ], &[
        ["responses[0].error_code", "40", "0"],
        ["responses[0].error_message", "<some>", "null"],
    ],  "eligible leader replicas make min.insync.replicas a config of Kafka's cluster, which the \
         old form would remove with all others"),

    // Refused, each for its own reason; first the old form for all brokers, in which Kafka
    // refuses everything, as above.
    listed("AlterConfigs", &[
        "dynamic/all, listener.name.nosuch.*",
        "dynamic/all, listener.name.PLAINTEXT.*",
    ], REFUSED_BY_BOTH, NOT_THAT_LISTENER),
    listed("AlterConfigs", &["dynamic/all, metric.reporters="], REFUSED_BY_BOTH, NO_PROGRAMS),
    listed("*AlterConfigs", &[
        "dynamic/one, listener.name.nosuch.*",
        "dynamic/one, listener.name.PLAINTEXT.*",
    ], REFUSED_HERE, NOT_THAT_LISTENER),
    listed("IncrementalAlterConfigs", &[
        "dynamic/all, listener.name.nosuch.*",
        "dynamic/all, listener.name.PLAINTEXT.*",
    ], REFUSED_HERE, NOT_THAT_LISTENER),
    listed("*AlterConfigs", &["dynamic/one, listener.name.plaintext.ssl.*"], REFUSED_HERE,
        NO_SECURITY),
    listed("*AlterConfigs", &["dynamic/one, listener.name.plaintext.listeners=x"], REFUSED_HERE,
        "no key: Kafka takes any name that begins so, and heeds none that it does not know"),
    listed("*AlterConfigs", &["dynamic/one, listener.security.protocol.map=PLAINTEXT:PLAINTEXT"], &[
        ["responses[*].error_code", "42", "0"],
        ["responses[*].error_message", "<some>", "null"],
    ],  "no listener of controllers is there that would have to be in the map, too"),
    listed("*AlterConfigs", &["dynamic/one, metric.reporters="], REFUSED_HERE, NO_PROGRAMS),
    listed("IncrementalAlterConfigs", &["dynamic/all, metric.reporters="], REFUSED_HERE,
        NO_PROGRAMS),
    listed("*AlterConfigs", &["dynamic/one, sasl.*", "dynamic/one, ssl.*"], REFUSED_HERE,
        NO_SECURITY),
];
