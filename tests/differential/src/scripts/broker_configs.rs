//! AlterConfigs and IncrementalAlterConfigs of the running broker, and of all brokers.

use kafka_protocol::messages::ApiKey;

use super::Case;
use super::configs::*;
use crate::run::{Outcome, Run};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::AlterConfigs, "broker", alter_broker).alone(),
    Case::new(
        ApiKey::IncrementalAlterConfigs,
        "bad-broker",
        bad_broker_edits,
    ),
    Case::new(ApiKey::IncrementalAlterConfigs, "broker", edit_broker).alone(),
    Case::new(ApiKey::IncrementalAlterConfigs, "cluster", edit_cluster).alone(),
];

fn alter_broker(run: &mut Run, version: i16) -> Outcome {
    let key = "log.cleaner.min.compaction.lag.ms";
    let set: Values<'_> = &[(key, Some("7"))];
    let trial = alter(BROKER, OWN, set).with_validate_only(true);
    run.ask("trial", &trial, version)?;
    run.ask("one broker", &alter(BROKER, OWN, set), version)?;
    in_force(run, (BROKER, OWN), key, Some("7"))?;
    run.ask("of one broker", &describe(BROKER, OWN, Some(&[key])), 4)?;
    run.ask("nothing", &alter(BROKER, OWN, &[]), version)?;
    in_force(run, (BROKER, OWN), key, Some("0"))?;
    run.ask("then", &describe(BROKER, OWN, Some(&[key])), 4)?;
    Ok(())
}

fn bad_broker_edits(run: &mut Run, version: i16) -> Outcome {
    let key = "log.retention.ms";
    let cases: &[(&str, &str, Edits<'_>)] = &[
        ("read-only", OWN, &[("num.partitions", SET, Some("2"))]),
        ("read-only of all", "", &[("node.id", SET, Some("2"))]),
        (
            "read-only deleted",
            OWN,
            &[("num.partitions", DELETE, None)],
        ),
        ("unknown broker", "7", &[(key, SET, Some("5"))]),
        ("negative broker", "-1", &[(key, SET, Some("5"))]),
        ("no number", "x", &[(key, SET, Some("5"))]),
        ("not a number", OWN, &[(key, SET, Some("soon"))]),
        ("none at all", OWN, &[(key, SET, Some("0"))]),
        ("too small", "", &[("message.max.bytes", SET, Some("-1"))]),
        ("no value", "", &[(key, SET, None)]),
        ("not a list", "", &[(key, APPEND, Some("5"))]),
        (
            "a bad item",
            "",
            &[("log.cleanup.policy", APPEND, Some("shred"))],
        ),
        ("no operation", "", &[(key, 4, Some("5"))]),
        (
            "one key twice",
            "",
            &[(key, SET, Some("1")), (key, DELETE, None)],
        ),
        (
            "too large a level",
            "",
            &[("compression.gzip.level", SET, Some("10"))],
        ),
        (
            "one broker's to all",
            "",
            &[("advertised.listeners", SET, Some("h:1"))],
        ),
    ];
    for (label, name, edits) in cases {
        run.ask(label, &edit(BROKER, name, edits), version)?;
        let trial = edit(BROKER, name, edits).with_validate_only(true);
        run.ask(&format!("{label}, trial"), &trial, version)?;
    }
    Ok(())
}

fn edit_broker(run: &mut Run, version: i16) -> Outcome {
    edit_and_undo(run, OWN, version)
}

fn edit_cluster(run: &mut Run, version: i16) -> Outcome {
    edit_and_undo(run, "", version)
}

/// Of one broker or of all: what is set, and the key and value by which it is seen in force.
const STEPS: &[(&str, Edits<'static>, &str, &str)] = &[
    (
        "size",
        &[("message.max.bytes", SET, Some("2000000"))],
        "message.max.bytes",
        "2000000",
    ),
    (
        "time",
        &[("log.retention.ms", SET, Some("5000000"))],
        "log.retention.ms",
        "5000000",
    ),
    (
        "policy",
        &[("log.cleanup.policy", APPEND, Some("compact"))],
        "log.cleanup.policy",
        "delete,compact",
    ),
    (
        "connections",
        &[("max.connections.per.ip", SET, Some("500"))],
        "max.connections.per.ip",
        "500",
    ),
    (
        "rate",
        &[("max.connection.creation.rate", SET, Some("1000000"))],
        "max.connection.creation.rate",
        "1000000",
    ),
    (
        "cleaner",
        &[
            ("log.cleaner.threads", SET, Some("2")),
            ("log.cleaner.io.buffer.load.factor", SET, Some("0.8")),
        ],
        "log.cleaner.threads",
        "2",
    ),
    (
        "undone",
        &[
            ("log.cleaner.threads", DELETE, None),
            ("log.cleaner.io.buffer.load.factor", DELETE, None),
            ("message.max.bytes", DELETE, None),
            ("log.retention.ms", DELETE, None),
            ("max.connections.per.ip", DELETE, None),
            ("max.connection.creation.rate", DELETE, None),
            ("log.cleanup.policy", DELETE, None),
        ],
        "log.cleanup.policy",
        "delete",
    ),
];

/// Of one broker or of all: set, seen, in force for topics, undone.
fn edit_and_undo(run: &mut Run, name: &str, version: i16) -> Outcome {
    let topic = run.topic(1)?;
    let topic = topic.name.0.to_string();
    let brokers: Keys<'_> = Some(&[
        "message.max.bytes",
        "log.retention.ms",
        "log.cleanup.policy",
        "max.connections.per.ip",
        "max.connection.creation.rate",
        "log.cleaner.threads",
        "log.cleaner.io.buffer.load.factor",
    ]);
    let topics: Keys<'_> = Some(&["max.message.bytes", "retention.ms", "cleanup.policy"]);
    for (label, edits, key, value) in STEPS {
        run.ask(label, &edit(BROKER, name, edits), version)?;
        in_force(run, (BROKER, OWN), key, Some(value))?;
        for (what, of) in [("broker", OWN), ("named", name)] {
            let label = format!("{label}, {what}");
            run.ask(&label, &describe(BROKER, of, brokers), 4)?;
        }
        let label = format!("{label}, topic");
        run.ask(&label, &describe(TOPIC, &topic, topics), 4)?;
    }
    Ok(())
}
