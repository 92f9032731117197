use super::*;

fn committed() -> Committed {
    Committed {
        offset: 42,
        leader_epoch: 7,
        metadata: Some("m".into()),
        at: WallMs(1_000),
        expires: None,
    }
}

fn group() -> GroupRecord {
    let member = |id: &str, instance: Option<&str>| MemberRecord {
        member: id.into(),
        instance: instance.map(Arc::from),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        subscription: Bytes::from_static(b"sub"),
        assignment: Bytes::from_static(b"all"),
    };
    GroupRecord {
        protocol_type: Some("consumer".into()),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("a".into()),
        since: Some(WallMs(5)),
        members: vec![member("a", None), member("b", Some("one"))],
    }
}

#[test]
fn an_offset_is_written_as_kafka_writes_it() {
    let change = Change::Offset {
        group: "g".into(),
        place: ("t".into(), 5),
        value: Some(committed()),
    };

    let record = change.encode();

    assert_eq!(&record.key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x05");
    let value = b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x07\0\x01m\0\0\0\0\0\0\x03\xe8";
    assert_eq!(record.value.as_deref(), Some(&value[..]));
    assert_eq!(Change::decode(&record.key, record.value), Some(change));
}

#[test]
fn an_offset_with_its_own_expiry_is_of_version_1_and_has_no_epoch() {
    let value = Committed {
        expires: Some(WallMs(9)),
        ..committed()
    };

    let bytes = value.encode();

    assert_eq!(&bytes[..2], b"\0\x01");
    let read = Committed::decode(&bytes).expect("readable");
    assert_eq!((read.expires, read.leader_epoch), (Some(WallMs(9)), -1));
}

#[test]
fn a_group_and_tombstones_come_back_as_they_were_written() {
    let value = group().encode();
    assert_eq!(GroupRecord::decode(&value), Some(group()));
    let empty = GroupRecord::default();
    assert_eq!(GroupRecord::decode(&empty.encode()), Some(empty));

    for value in [Some(value), None] {
        let group = "g".into();
        let change = Change::Group { group, value };
        let record = change.encode();
        assert_eq!(&record.key[..], b"\0\x02\0\x01g");
        assert_eq!(Change::decode(&record.key, record.value), Some(change));
    }
}

#[test]
fn versions_of_other_kafkas_are_read() {
    // OffsetCommitValue 4: flexible.
    let flexible = b"\0\x04\0\0\0\0\0\0\0\x2a\0\0\0\x07\x02m\0\0\0\0\0\0\x03\xe8\0";
    assert_eq!(Committed::decode(flexible), Some(committed()));
    // GroupMetadataValue 0: no rebalance time-out, no time, no instance.
    let old = b"\0\0\0\x01c\0\0\0\x02\0\x01r\0\x01a\0\0\0\x01\
        \0\x01a\0\x01i\0\x01h\0\0\0\x0a\0\0\0\0\0\0\0\x01z";
    let read = GroupRecord::decode(old).expect("readable");
    assert_eq!(read.members[0].rebalance_timeout_ms, 10);
    assert_eq!(&read.members[0].assignment[..], b"z");
    assert_eq!(read.since, None);
}

#[test]
fn what_is_cut_off_or_of_another_kind_is_not_read() {
    let value = group().encode();
    for length in 0..value.len() {
        assert_eq!(GroupRecord::decode(&value[..length]), None, "{length}");
    }
    // The key of a KIP-848 group.
    assert_eq!(Change::decode(b"\0\x03\0\x01g", None), None);
    assert_eq!(Change::decode(b"", None), None);
}
