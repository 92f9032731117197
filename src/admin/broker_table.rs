//! The broker's own configuration: every key that means something here, but for those that give
//! topics their defaults (`topic_defaults`).
//!
//! Names, types, defaults and bounds as Apache Kafka 4.1's, but for what is ours, and for
//! `listeners`, `log.dir`, `node.id`, `default.replication.factor` and `socket.request.max.bytes`.

use crate::log::config_table::{Bounds, ConfigKind};

use super::broker_key::{BrokerKey, key};

use Bounds::{Between, OneOf, SomeOf};
use ConfigKind::{Boolean, Int, List, Long, Short, String};

const INT_MAX: i64 = i32::MAX as i64;

/// By name.
pub const BROKER_CONFIGS: &[BrokerKey] = &[
    key(
        "advertised.listeners",
        String,
        "The name and port that clients are told, HOST:PORT; of several listeners \
         NAME://HOST:PORT each.",
    )
    .short("advertise"),
    key(
        "allow.buffered",
        Boolean,
        "Where the file system refuses direct I/O, go through the page cache with fdatasync.",
    )
    .default("false"),
    key(
        "authorizer.class.name",
        String,
        "Who may do what. There is no security yet: only empty is possible.",
    )
    .default(""),
    key(
        "auto.create.topics.enable",
        Boolean,
        "Create topics that clients name and that do not exist.",
    )
    .short("auto-create-topics")
    .default("true"),
    key(
        "broker.id",
        Int,
        "This node. Not set: what the data directory says; 1 for a new one.",
    ),
    key(
        "cache.bytes",
        Long,
        "Memory for what was written last, over all shards. Not set: 40 % of memory.",
    )
    .bounds(Between(1 << 20, i64::MAX)),
    key(
        "connections.max.idle.ms",
        Long,
        "A connection that asks nothing for so long is closed; below 0: none is.",
    )
    .default("600000"),
    key(
        "controller.listener.names",
        List,
        "Listeners of these names are not opened: there are no controllers.",
    )
    .default(""),
    key(
        "cores",
        Int,
        "Cores to run on, one thread each. Not set: the CPUs this process may use.",
    )
    .bounds(Between(1, 256)),
    key(
        "default.replication.factor",
        Int,
        "Copies of a partition. One node has one.",
    )
    .default("1")
    .bounds(Between(1, 1)),
    key("delete.topic.enable", Boolean, "Topics may be deleted.").default("true"),
    key(
        "fetch.max.bytes",
        Int,
        "The most bytes of records in one reply to a Fetch; 64 MiB at the most, whatever it says.",
    )
    .default("57671680")
    .bounds(Between(1024, INT_MAX)),
    key(
        "group.consumer.heartbeat.interval.ms",
        Int,
        "How often members of consumer groups are to send heartbeats.",
    )
    .default("5000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.max.heartbeat.interval.ms",
        Int,
        "The longest heartbeat interval of a consumer group.",
    )
    .default("15000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.max.session.timeout.ms",
        Int,
        "The longest session time-out of a consumer group.",
    )
    .default("60000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.max.size",
        Int,
        "The most members of one consumer group.",
    )
    .default("2147483647")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.min.heartbeat.interval.ms",
        Int,
        "The shortest heartbeat interval of a consumer group.",
    )
    .default("5000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.min.session.timeout.ms",
        Int,
        "The shortest session time-out of a consumer group.",
    )
    .default("45000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.consumer.session.timeout.ms",
        Int,
        "How long a member of a consumer group may be silent.",
    )
    .default("45000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "group.initial.rebalance.delay.ms",
        Int,
        "How long an empty classic group waits for more members before its first rebalance.",
    )
    .default("3000")
    .bounds(Between(0, INT_MAX)),
    key(
        "group.max.session.timeout.ms",
        Int,
        "The longest session time-out of a classic group.",
    )
    .default("1800000")
    .bounds(Between(1, INT_MAX)),
    key(
        "group.max.size",
        Int,
        "The most members of one classic group.",
    )
    .default("2147483647")
    .bounds(Between(1, INT_MAX)),
    key(
        "group.min.session.timeout.ms",
        Int,
        "The shortest session time-out of a classic group.",
    )
    .default("6000")
    .bounds(Between(1, INT_MAX)),
    key(
        "idle.poll.us",
        Int,
        "How long a core with nothing to do stays awake for what it expects soon; 0: not at all.",
    )
    .default("100")
    .bounds(Between(0, 1_000)),
    key(
        "index.cache.bytes",
        Long,
        "Memory of each shard for the indexes of sealed segments.",
    )
    .default("134217728")
    .bounds(Between(1 << 20, i64::MAX)),
    key(
        "listener.ids.max",
        Int,
        "The most broker ids that this node shows; more shards share them, unless each has a \
         port.",
    )
    .default("8")
    .bounds(Between(1, 1000)),
    key(
        "listener.layout",
        String,
        "What clients take this node for: `core`, a broker per shard behind one port; `node`, one \
         broker; `auto`, what each client can cope with, by its name and version; `ports`, a \
         broker per shard with a port each, the first and those after it.",
    )
    .default("auto")
    .bounds(OneOf(&["auto", "core", "node", "ports"])),
    key(
        "listener.security.protocol.map",
        String,
        "Which security each listener has. Only PLAINTEXT is possible.",
    )
    .default("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT")
    .per_broker(),
    key(
        "listeners",
        String,
        "Where clients connect: HOST:PORT, or NAME://HOST:PORT of several listeners, whose \
         security is in listener.security.protocol.map.",
    )
    .short("listen")
    .default("PLAINTEXT://localhost:9092")
    .per_broker(),
    key(
        "log.dir",
        String,
        "Where everything is kept, if log.dirs is not set.",
    )
    .default("./thalweg-data"),
    key(
        "log.dirs",
        String,
        "Where everything is kept; made if it is not there.",
    )
    .short("data-dir"),
    key(
        "max.connection.creation.rate",
        Int,
        "How many connections may come in a second, over ten; whoever is beyond it waits.",
    )
    .default("2147483647")
    .bounds(Between(1, INT_MAX))
    .dynamic(),
    key(
        "max.connections",
        Int,
        "The connections of this broker; more are closed.",
    )
    .default("2147483647")
    .bounds(Between(0, INT_MAX))
    .dynamic(),
    key(
        "max.connections.per.ip",
        Int,
        "The connections from one address.",
    )
    .default("2147483647")
    .bounds(Between(0, INT_MAX))
    .dynamic(),
    key(
        "max.connections.per.ip.overrides",
        String,
        "Other bounds for single addresses: 10.0.0.7:5,[::1]:9.",
    )
    .default("")
    .dynamic(),
    key(
        "max.incremental.fetch.session.cache.slots",
        Int,
        "Fetch sessions that this broker remembers.",
    )
    .default("1000")
    .bounds(Between(0, INT_MAX)),
    key(
        "metrics",
        String,
        "Where metrics and health are served over HTTP: HOST:PORT. Not set: nowhere.",
    ),
    key(
        "metrics.allow.remote",
        Boolean,
        "Metrics may be served on an address that others can reach; nobody is asked who he is.",
    )
    .default("false"),
    key(
        "node.id",
        Int,
        "This node. Not set: what the data directory says; 1 for a new one.",
    )
    .bounds(Between(0, 65_535)),
    key(
        "num.io.threads",
        Int,
        "Threads of Kafka; cores decides here.",
    )
    .default("8")
    .bounds(Between(1, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "num.network.threads",
        Int,
        "Threads of Kafka; cores decides here.",
    )
    .default("3")
    .bounds(Between(1, INT_MAX))
    .dynamic()
    .without_effect(),
    key(
        "num.partitions",
        Int,
        "Partitions of a topic that is created without saying how many.",
    )
    .default("1")
    .bounds(Between(1, 200_000)),
    key(
        "offset.metadata.max.bytes",
        Int,
        "The longest text that may be committed with an offset.",
    )
    .default("4096")
    .bounds(Between(0, INT_MAX)),
    key(
        "offsets.retention.minutes",
        Int,
        "How long offsets of an empty group are kept.",
    )
    .default("10080")
    .bounds(Between(1, INT_MAX)),
    key(
        "offsets.topic.num.partitions",
        Int,
        "Partitions of __consumer_offsets, when it is made.",
    )
    .default("50")
    .bounds(Between(1, 200_000)),
    key(
        "offsets.topic.replication.factor",
        Short,
        "Copies of __consumer_offsets. One node has one, whatever is asked.",
    )
    .default("3")
    .bounds(Between(1, 32_767))
    .without_effect(),
    key(
        "process.roles",
        List,
        "The roles of a process in Kafka. Here every node has all.",
    )
    .default("broker,controller")
    .bounds(SomeOf(&["broker", "controller"]))
    .without_effect(),
    key(
        "producer.id.expiration.ms",
        Int,
        "How long an idle producer is remembered.",
    )
    .default("86400000")
    .bounds(Between(1, INT_MAX))
    .dynamic(),
    key(
        "queued.max.request.bytes",
        Long,
        "As request.memory.bytes, over all shards; -1: that one decides.",
    )
    .default("-1")
    .bounds(Between(-1, i64::MAX)),
    key(
        "remote.log.storage.system.enable",
        Boolean,
        "Tiered storage, which this broker does not have: only 'false' is possible.",
    )
    .default("false"),
    key(
        "request.memory.bytes",
        Long,
        "Memory of each shard for requests under way; replies to fetches have as much.",
    )
    .default("268435456")
    .bounds(Between(109_051_904, i64::MAX)),
    key(
        "shards",
        Int,
        "Shards of a new data directory. Not set: as many as cores.",
    )
    .bounds(Between(1, 256)),
    key("socket.request.max.bytes", Int, "The largest request.")
        .default("104857600")
        .bounds(Between(1024, 104_857_600)),
    key(
        "transaction.max.timeout.ms",
        Int,
        "The longest time-out that a transaction may ask for.",
    )
    .default("900000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "transaction.state.log.num.partitions",
        Int,
        "Partitions of __transaction_state, when it is made.",
    )
    .default("50")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
    key(
        "transactional.id.expiration.ms",
        Int,
        "How long an idle transactional id is remembered.",
    )
    .default("604800000")
    .bounds(Between(1, INT_MAX))
    .without_effect(),
];
