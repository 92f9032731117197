//! Everything that a running Kafka 4.1.1 lets one change of a broker
//! (`DynamicBrokerConfig.AllDynamicConfigs`), tried on one broker and on all: what we refuse on
//! purpose is in `listed`, by name.
//!
//! Only tried, since a Kafka that has new listeners or keys is no longer there to be asked.

use kafka_protocol::messages::ApiKey;

use super::Case;
use super::configs::*;
use crate::run::{Outcome, Run};

pub const CASES: &[Case] = &[
    Case::new(ApiKey::IncrementalAlterConfigs, "dynamic", tries),
    Case::new(ApiKey::IncrementalAlterConfigs, "dynamic-bad", bad_tries),
    Case::new(ApiKey::AlterConfigs, "dynamic", old_tries),
];

/// Keys that act here or are kept, each with a value that is not its default.
const KEPT: Values<'static> = &[
    ("background.threads", Some("9")),
    ("compression.gzip.level", Some("3")),
    ("compression.lz4.level", Some("3")),
    ("compression.type", Some("producer")),
    ("compression.zstd.level", Some("4")),
    ("listener.name.plaintext.max.connections", Some("500")),
    (
        "listener.name.plaintext.max.connection.creation.rate",
        Some("500"),
    ),
    ("listener.name.plaintext.num.network.threads", Some("4")),
    ("log.cleaner.backoff.ms", Some("16000")),
    ("log.cleaner.dedupe.buffer.size", Some("134217729")),
    ("log.cleaner.delete.retention.ms", Some("5")),
    ("log.cleaner.io.buffer.load.factor", Some("0.8")),
    ("log.cleaner.io.buffer.size", Some("600000")),
    ("log.cleaner.io.max.bytes.per.second", Some("1e9")),
    ("log.cleaner.max.compaction.lag.ms", Some("5")),
    ("log.cleaner.min.cleanable.ratio", Some("0.4")),
    ("log.cleaner.min.compaction.lag.ms", Some("5")),
    ("log.cleaner.threads", Some("2")),
    ("log.cleanup.policy", Some("compact")),
    ("log.flush.interval.messages", Some("7")),
    ("log.flush.interval.ms", Some("7")),
    ("log.index.interval.bytes", Some("5")),
    ("log.index.size.max.bytes", Some("5")),
    ("log.local.retention.bytes", Some("-1")),
    ("log.local.retention.ms", Some("-1")),
    ("log.message.timestamp.after.max.ms", Some("5")),
    ("log.message.timestamp.before.max.ms", Some("5")),
    ("log.message.timestamp.type", Some("LogAppendTime")),
    ("log.preallocate", Some("true")),
    ("log.retention.bytes", Some("5")),
    ("log.retention.ms", Some("5")),
    ("log.roll.jitter.ms", Some("5")),
    ("log.roll.ms", Some("5")),
    ("log.segment.bytes", Some("2000000")),
    ("log.segment.delete.delay.ms", Some("5")),
    ("max.connection.creation.rate", Some("5")),
    ("max.connections", Some("500")),
    ("max.connections.per.ip", Some("500")),
    ("max.connections.per.ip.overrides", Some("127.0.0.1:400")),
    ("message.max.bytes", Some("5")),
    ("min.insync.replicas", Some("1")),
    ("num.io.threads", Some("7")),
    ("num.network.threads", Some("4")),
    ("num.recovery.threads.per.data.dir", Some("3")),
    ("num.replica.fetchers", Some("2")),
    ("producer.id.expiration.ms", Some("5")),
    ("remote.fetch.max.wait.ms", Some("5")),
    ("remote.list.offsets.request.timeout.ms", Some("5")),
    ("remote.log.index.file.cache.total.size.bytes", Some("5")),
    ("remote.log.manager.copier.thread.pool.size", Some("9")),
    ("remote.log.manager.copy.max.bytes.per.second", Some("5")),
    ("remote.log.manager.expiration.thread.pool.size", Some("9")),
    ("remote.log.manager.fetch.max.bytes.per.second", Some("5")),
    ("remote.log.reader.threads", Some("9")),
    ("transaction.partition.verification.enable", Some("false")),
    ("unclean.leader.election.enable", Some("true")),
];

/// What can not be or is not there: listeners without the first one, TLS, SASL, programs of the
/// user's; and two maps of listeners.
const REFUSED: Values<'static> = &[
    (
        "listener.security.protocol.map",
        Some("PLAINTEXT:PLAINTEXT"),
    ),
    (
        "listener.security.protocol.map",
        Some("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ),
    ("listeners", Some("PLAINTEXT://127.0.0.1:1")),
    ("listener.name.nosuch.max.connections", Some("500")),
    ("listener.name.PLAINTEXT.max.connections", Some("500")),
    (
        "listener.name.plaintext.ssl.keystore.location",
        Some("/none"),
    ),
    ("metric.reporters", Some("")),
    ("metric.reporters", Some("no.such.Reporter")),
    ("principal.builder.class", Some("no.such.Builder")),
    ("sasl.enabled.mechanisms", Some("PLAIN")),
    ("sasl.jaas.config", Some("none")),
    ("sasl.kerberos.kinit.cmd", Some("/none")),
    ("sasl.kerberos.min.time.before.relogin", Some("5")),
    ("sasl.kerberos.principal.to.local.rules", Some("DEFAULT")),
    ("sasl.kerberos.service.name", Some("kafka")),
    ("sasl.kerberos.ticket.renew.jitter", Some("0.1")),
    ("sasl.kerberos.ticket.renew.window.factor", Some("0.7")),
    ("sasl.login.refresh.buffer.seconds", Some("5")),
    ("sasl.login.refresh.min.period.seconds", Some("5")),
    ("sasl.login.refresh.window.factor", Some("0.7")),
    ("sasl.login.refresh.window.jitter", Some("0.1")),
    ("sasl.mechanism.inter.broker.protocol", Some("PLAIN")),
    ("ssl.cipher.suites", Some("TLS_AES_128_GCM_SHA256")),
    ("ssl.client.auth", Some("required")),
    ("ssl.enabled.protocols", Some("TLSv1.3")),
    ("ssl.endpoint.identification.algorithm", Some("")),
    ("ssl.engine.factory.class", Some("no.such.Engine")),
    ("ssl.key.password", Some("secret")),
    ("ssl.keymanager.algorithm", Some("PKIX")),
    ("ssl.keystore.certificate.chain", Some("none")),
    ("ssl.keystore.key", Some("none")),
    ("ssl.keystore.location", Some("/none")),
    ("ssl.keystore.password", Some("secret")),
    ("ssl.keystore.type", Some("PKCS12")),
    ("ssl.protocol", Some("TLSv1.2")),
    ("ssl.provider", Some("none")),
    ("ssl.secure.random.implementation", Some("none")),
    ("ssl.trustmanager.algorithm", Some("PKIX")),
    ("ssl.truststore.certificates", Some("none")),
    ("ssl.truststore.location", Some("/none")),
    ("ssl.truststore.password", Some("secret")),
    ("ssl.truststore.type", Some("PKCS12")),
];

/// What Kafka fixes at a start, though one might think otherwise.
const FIXED: Values<'static> = &[
    ("advertised.listeners", Some("PLAINTEXT://127.0.0.1:1")),
    ("connections.max.idle.ms", Some("-1")),
    ("listener.name.plaintext.listeners", Some("x")),
    ("socket.request.max.bytes", Some("5000000")),
    ("auto.create.topics.enable", Some("false")),
    ("log.retention.hours", Some("1")),
];

fn label(scope: &str, key: &str, value: &str) -> String {
    let scope = if scope.is_empty() { "all" } else { "one" };
    format!("{scope}, {key}={value}")
}

fn tries(run: &mut Run, version: i16) -> Outcome {
    for scope in [OWN, ""] {
        for (key, value) in KEPT.iter().chain(REFUSED).chain(FIXED) {
            let value = value.unwrap_or_default();
            let edits: Edits<'_> = &[(key, SET, Some(value))];
            let trial = edit(BROKER, scope, edits).with_validate_only(true);
            run.ask(&label(scope, key, value), &trial, version)?;
        }
        for (key, _) in REFUSED {
            let edits: Edits<'_> = &[(key, DELETE, None)];
            let trial = edit(BROKER, scope, edits).with_validate_only(true);
            run.ask(&label(scope, key, "(deleted)"), &trial, version)?;
        }
    }
    Ok(())
}

fn bad_tries(run: &mut Run, version: i16) -> Outcome {
    for (key, value) in [
        ("max.connection.creation.rate", "-1"),
        ("max.connection.creation.rate", "0"),
        ("max.connection.creation.rate", "2147483648"),
        ("max.connection.creation.rate", "1.5"),
        ("listener.name.plaintext.max.connection.creation.rate", "0"),
        ("listener.name.plaintext.max.connections", "0"),
        ("listener.name.plaintext.max.connections", "-1"),
        ("listener.name.plaintext.max.connections", "many"),
        ("max.connections", "0"),
        ("max.connections", "-1"),
        ("max.connections.per.ip", "-1"),
        ("max.connections.per.ip.overrides", "127.0.0.1"),
        ("num.io.threads", "0"),
        ("log.cleaner.threads", "-1"),
        ("compression.zstd.level", "23"),
        ("log.cleaner.io.buffer.load.factor", "much"),
        ("unclean.leader.election.enable", "yes"),
    ] {
        let edits: Edits<'_> = &[(key, SET, Some(value))];
        let trial = edit(BROKER, OWN, edits).with_validate_only(true);
        run.ask(&label(OWN, key, value), &trial, version)?;
    }
    Ok(())
}

fn old_tries(run: &mut Run, version: i16) -> Outcome {
    for scope in [OWN, ""] {
        for (key, value) in KEPT.iter().chain(REFUSED).chain(FIXED) {
            let trial = alter(BROKER, scope, &[(key, *value)]).with_validate_only(true);
            let label = label(scope, key, value.unwrap_or_default());
            run.ask(&label, &trial, version)?;
        }
    }
    Ok(())
}
