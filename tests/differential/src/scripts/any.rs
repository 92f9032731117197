//! What any API answers to versions that do not exist and to bytes that are no request.

use kafka_protocol::messages::ApiKey;
use thalweg::wire::versions;

use super::Case;
use crate::run::{Outcome, Raw, Run};

pub const CASES: &[Case] = &[
    Case::new(
        ApiKey::ApiVersions,
        "versions-that-do-not-exist",
        bad_versions,
    )
    .since(4),
    Case::new(
        ApiKey::ApiVersions,
        "its-own-unknown-versions",
        own_versions,
    )
    .since(4),
    Case::new(ApiKey::ApiVersions, "unknown-apis", unknown_apis).since(4),
    Case::new(ApiKey::ApiVersions, "produce-of-old", old_produce).since(4),
    Case::new(ApiKey::ApiVersions, "admin-of-old", old_admin).since(4),
    Case::new(ApiKey::ApiVersions, "bodies-cut-short", cut).since(4),
    Case::new(ApiKey::ApiVersions, "frames", frames).since(4),
];

fn raw(key: i16, version: i16, body: &[u8]) -> Raw<'_> {
    Raw {
        key,
        version,
        header_version: 1,
        body,
    }
}

fn bad_versions(run: &mut Run, _: i16) -> Outcome {
    for api in versions::APIS {
        let range = api.advertised;
        if api.key == ApiKey::ApiVersions {
            continue;
        }
        for version in [range.min - 1, range.max + 1, i16::MAX, i16::MIN] {
            let label = format!("{:?} {version}", api.key);
            let _ = run.ask_raw(&label, raw(api.key as i16, version, &[0; 64]));
        }
    }
    Ok(())
}

fn own_versions(run: &mut Run, _: i16) -> Outcome {
    for version in [5, 6, i16::MAX, -1] {
        let body = [2, b'x', 2, b'1', 0];
        let request = Raw {
            header_version: 2,
            ..raw(18, version, &body)
        };
        let _ = run.ask_raw(&format!("version {version}"), request);
    }
    Ok(())
}

fn unknown_apis(run: &mut Run, _: i16) -> Outcome {
    for key in [
        -1,
        4,
        5,
        6,
        7,
        52,
        58,
        63,
        73,
        93,
        127,
        128,
        1000,
        i16::MAX,
        i16::MIN,
    ] {
        let _ = run.ask_raw(&format!("key {key}"), raw(key, 0, &[0; 32]));
    }
    Ok(())
}

/// Acks 1, one topic, one partition, records of no bytes.
fn old_produce(run: &mut Run, _: i16) -> Outcome {
    let mut body = Vec::new();
    body.extend([0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't']);
    body.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    for version in [0, 1, 2] {
        let _ = run.ask_raw(&format!("version {version}"), raw(0, version, &body));
    }
    Ok(())
}

/// Whole requests about nothing, in versions that old administration tools send.
fn old_admin(run: &mut Run, _: i16) -> Outcome {
    const NONE: [u8; 4] = [0; 4];
    const WITHIN: [u8; 4] = 30_000_i32.to_be_bytes();
    let in_time = [NONE, WITHIN].concat();
    let in_earnest = [&in_time[..], &[0]].concat();
    for (label, key, version, body) in [
        ("CreateTopics 0", 19, 0, &in_time),
        ("CreateTopics 1", 19, 1, &in_earnest),
        ("DeleteTopics 0", 20, 0, &in_time),
        ("DescribeConfigs 0", 32, 0, &NONE.to_vec()),
    ] {
        let _ = run.ask_raw(label, raw(key, version, body));
    }
    Ok(())
}

fn cut(run: &mut Run, _: i16) -> Outcome {
    for api in versions::APIS {
        // Without a body ApiVersions and others of no fields would be whole.
        let version = api.accepted.max;
        let header_version = if api.is_flexible(version) { 2 } else { 1 };
        let label = format!("{:?} {version}", api.key);
        let request = Raw {
            header_version,
            ..raw(api.key as i16, version, &[0xff, 0xff])
        };
        let _ = run.ask_raw(&label, request);
    }
    Ok(())
}

fn frames(run: &mut Run, _: i16) -> Outcome {
    let _ = run.ask_bytes("negative length", &(-1i32).to_be_bytes());
    let _ = run.ask_bytes("huge length", &i32::MAX.to_be_bytes());
    let _ = run.ask_bytes("no header", &[0, 0, 0, 2, 0, 18]);
    let _ = run.ask_bytes("http", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    let _ = run.ask_bytes("an empty frame", &[0, 0, 0, 0]);
    Ok(())
}
