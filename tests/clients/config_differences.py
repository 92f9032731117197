"""Whose configs differ between Thalweg and Apache Kafka 4.1.1, and why. All others are the same."""
import fnmatch

STARTED = "the two were not started with the same"
DURABLE = "a record is on the disk before it is acknowledged"
ELIGIBLE = "eligible leader replicas make it a config of the cluster in Kafka"
NODE = "the data directory knows the node's id; nobody need tell it"
OWN = "Kafka has nothing of the kind"
UNTOLD = "Kafka lets it be set, and does not tell of it until then"

# In both, with another value, source or flag.
DIFFERENT = {
    "topic": {"flush.messages": DURABLE, "min.insync.replicas": ELIGIBLE},
    "broker": {
        "advertised.listeners": STARTED,
        "broker.id": NODE,
        "controller.listener.names": STARTED,
        "group.initial.rebalance.delay.ms": STARTED,
        "listeners": STARTED,
        "log.dir": "a directory of ours",
        "log.dirs": STARTED,
        "log.flush.interval.messages": DURABLE,
        "min.insync.replicas": ELIGIBLE,
        "offsets.topic.replication.factor": STARTED,
        "process.roles": STARTED,
        "socket.request.max.bytes": STARTED,
    },
}

OURS_ONLY = {
    "topic": {},
    "broker": {
        "allow.buffered": OWN,
        "cache.bytes": OWN,
        "cores": OWN,
        "follower.replication.throttled.rate": UNTOLD,
        "idle.poll.us": OWN,
        "index.cache.bytes": OWN,
        "leader.replication.throttled.rate": UNTOLD,
        "listener.ids.max": OWN,
        "listener.layout": OWN,
        "metrics": OWN,
        "metrics.allow.remote": OWN,
        "replica.alter.log.dirs.io.max.bytes.per.second": UNTOLD,
        "request.memory.bytes": OWN,
        "shards": OWN,
    },
}

# What only Kafka has: each name must fit one of these.
KAFKAS_ONLY = {
    "topic": {},
    "broker": {
        "sasl.* ssl.* security.* delegation.token.* principal.builder.class "
        "connections.max.reauth.ms connection.failed.authentication.*": "there is no security yet",
        "*quota*": "there are no quotas yet",
        "broker.* controller.* controlled.* early.start.listeners initial.broker.registration.* "
        "inter.broker.* leader.imbalance.* auto.leader.rebalance.enable metadata.* "
        "replica.* num.replica.*": "one node: nobody else is there, nor a controller",
        "transaction.* add.partitions.to.txn.*": "there are no transactions yet",
        "share.* group.share.* group.streams.* group.consumer.* group.coordinator.*":
            "there are classic groups only, and no threads for them",
        "remote.log.*": "there is no tiered storage",
        "metric.* metrics.* kafka.metrics.* telemetry.* *.policy.class.name":
            "no program of Java's runs here",
        "log.* offsets.* *.purgatory.purge.interval.requests": "files and tasks as Kafka has them",
        "socket.* queued.max.requests request.timeout.ms max.request.partition.size.limit":
            "threads, buffers and bounds as Kafka has them",
    },
}


def fits(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())


def unlisted(kind, ours, kafkas):
    """What differs without being listed, and what is listed without differing."""
    ours = {one["name"]: one for one in ours}
    kafkas = {one["name"]: one for one in kafkas}
    different = {name for name in ours.keys() & kafkas.keys() if ours[name] != kafkas[name]}
    wrong = []
    for name in different ^ DIFFERENT[kind].keys():
        wrong.append(f"ours: {ours.get(name)}, Kafka's: {kafkas.get(name)}")
    for name in (ours.keys() - kafkas.keys()) ^ OURS_ONLY[kind].keys():
        wrong.append(f"only ours? {name}")
    others = kafkas.keys() - ours.keys()
    for name in others:
        if not any(fits(name, patterns) for patterns in KAFKAS_ONLY[kind]):
            wrong.append(f"only Kafka's: {name}")
    for pattern in " ".join(KAFKAS_ONLY[kind]).split():
        if not any(fits(name, pattern) for name in others):
            wrong.append(f"nothing only of Kafka's is named {pattern} any more")
    return wrong
