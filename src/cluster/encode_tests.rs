use super::*;
use crate::base::random::Random;
use crate::cluster::{Command, ConfigEdit, Edit, Placement};

/// A metadata with a past, and every change of it.
pub(in crate::cluster) fn world(topics: u32, partitions: u32) -> (Metadata, Vec<Change>) {
    let mut metadata = Metadata::default();
    let mut changes = Vec::new();
    let mut apply = |command: Command| changes.push(metadata.apply(&command).expect("valid"));
    apply(Command::FirstStart {
        cluster_id: "cluster".to_string(),
    });
    apply(Command::RegisterNode {
        node: NodeId(1),
        shards: vec![ShardId(0), ShardId(1)],
    });
    let placement = Placement::Spread;
    for n in 0..topics {
        let id = Uuid::from_u128(1_000 + u128::from(n));
        let config = ("retention.ms".to_string(), n.to_string());
        apply(Command::CreateTopic {
            name: format!("topic.{n}"),
            id,
            partitions,
            placement: placement.clone(),
            configs: Overrides::from([config]),
        });
        match n % 4 {
            0 => apply(Command::DeleteTopic { id }),
            1 => apply(Command::CreatePartitions {
                id,
                total: partitions + 3,
                placement: placement.clone(),
            }),
            2 => apply(Command::AlterConfig {
                id,
                configs: Overrides::new(),
            }),
            _ => apply(Command::NextProducerIdBlock),
        }
    }
    for (scope, value) in [
        (BrokerScope::Cluster, "1"),
        (BrokerScope::Node(NodeId(1)), "2"),
        (BrokerScope::Node(NodeId(2)), "3"),
    ] {
        let configs = Overrides::from([("message.max.bytes".to_string(), value.to_string())]);
        apply(Command::AlterBrokerConfig { scope, configs });
    }
    let scope = BrokerScope::Node(NodeId(2));
    let gone = ConfigEdit {
        name: "message.max.bytes".to_string(),
        what: Edit::Delete,
    };
    apply(Command::EditBrokerConfig {
        scope,
        edits: vec![gone],
    });
    apply(Command::NoteRetentionClock { at: WallMs(77) });
    (metadata, changes)
}

fn decoded(change: &Change, before: &Metadata) -> Result<Change, Unreadable> {
    match decode(&encode_change(change))? {
        Logged::Change(record) => change_of(record, before),
        Logged::Part(_) => Err("a part"),
    }
}

#[test]
fn every_change_comes_back_as_it_was_written() {
    let (metadata, changes) = world(40, 6);
    let mut copy = Metadata::default();

    for change in &changes {
        let read = decoded(change, &copy).expect("readable");
        assert_eq!(read, *change);
        copy.apply_change(&read);
    }

    assert_eq!(copy, metadata);
}

#[test]
fn a_hundred_thousand_partitions_are_a_line() {
    let (_, changes) = world(2, 99_000);

    assert!(
        changes
            .iter()
            .all(|change| encode_change(change).len() < 400)
    );
}

#[test]
fn an_entry_of_a_newer_format_is_refused_and_not_guessed_at() {
    assert!(decode(&[KIND_CHANGE, FORMAT + 1, b'{', b'}']).is_err());
    assert!(decode(&[KIND_SNAPSHOT + 1, FORMAT]).is_err());
    assert!(decode(&[]).is_err());
}

#[test]
fn a_topic_with_a_configuration_of_a_newer_version_is_refused_and_gets_no_default() {
    let (_, changes) = world(1, 1);
    let text = String::from_utf8(encode_change(&changes[2])).expect("text");
    let newer = text.replace("retention.ms", "retention.ks");

    let Ok(Logged::Change(record)) = decode(newer.as_bytes()) else {
        panic!("the form is as ever")
    };

    assert!(change_of(record, &Metadata::default()).is_err());
}

#[test]
fn bytes_that_were_changed_never_panic() {
    let (metadata, changes) = world(20, 6);
    let mut random = Random::with_seed(3);

    for _ in 0..3_000 {
        let change = &changes[random.below(changes.len() as u64) as usize];
        let mut bytes = encode_change(change);
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << random.below(8);
        if let Ok(Logged::Change(record)) = decode(&bytes) {
            let _ = change_of(record, &metadata);
        }
    }
}
