use super::*;
use crate::base::WallMs;

/// A cluster of one node with three shards.
struct World {
    metadata: Metadata,
    ids: u128,
}

impl World {
    fn new() -> Self {
        let mut metadata = Metadata::default();
        let shards = [0, 1, 2].map(ShardId).to_vec();
        let node = NodeId(1);
        let register = Command::RegisterNode { node, shards };
        metadata.apply(&register).expect("the node is new");
        Self { metadata, ids: 100 }
    }

    fn create(&mut self, name: &str, partitions: u32) -> Result<Arc<Topic>, Refusal> {
        self.create_with(name, partitions, Placement::Spread, &[])
    }

    fn create_with(
        &mut self,
        name: &str,
        partitions: u32,
        placement: Placement,
        configs: &[(&str, &str)],
    ) -> Result<Arc<Topic>, Refusal> {
        self.ids += 1;
        let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let command = Command::CreateTopic {
            name: name.to_string(),
            id: Uuid::from_u128(self.ids),
            partitions,
            placement,
            configs: configs.iter().map(pair).collect(),
        };
        topic_of(self.metadata.apply(&command)?)
    }

    fn grow(&mut self, id: Uuid, total: u32) -> Result<Arc<Topic>, Refusal> {
        let placement = Placement::Spread;
        topic_of(self.metadata.apply(&Command::CreatePartitions {
            id,
            total,
            placement,
        })?)
    }

    fn delete(&mut self, id: Uuid) -> Result<Arc<Topic>, Refusal> {
        topic_of(self.metadata.apply(&Command::DeleteTopic { id })?)
    }

    fn loads(&self) -> [u32; 3] {
        [0, 1, 2].map(|shard| self.metadata.load(ShardId(shard)))
    }
}

fn topic_of(change: Change) -> Result<Arc<Topic>, Refusal> {
    match change.kind {
        ChangeKind::Topic { topic, .. } => Ok(topic),
        other => panic!("{other:?}"),
    }
}

fn shards(topic: &Topic) -> Vec<u16> {
    topic.partitions().map(|place| place.shard.0).collect()
}

#[test]
fn a_topic_is_found_by_name_and_by_id_until_it_is_deleted() {
    let mut world = World::new();

    let topic = world.create("t", 4).expect("created");

    assert_eq!(world.metadata.topic("t"), Some(&topic));
    assert_eq!(world.metadata.topic_by_id(topic.id), Some(&topic));
    assert_eq!(world.metadata.partition_count(), 4);
    world.delete(topic.id).expect("deleted");
    assert_eq!(world.metadata.topic("t"), None);
    assert_eq!(world.metadata.topic_by_id(topic.id), None);
    assert_eq!(world.metadata.partition_count(), 0);
    assert_eq!(world.delete(topic.id), Err(Refusal::UnknownTopic));
}

#[test]
fn new_partitions_go_to_shards_in_turn_from_the_one_with_the_fewest() {
    let mut world = World::new();

    assert_eq!(
        shards(&world.create("a", 4).expect("created")),
        [0, 1, 2, 0]
    );
    assert_eq!(shards(&world.create("b", 2).expect("created")), [1, 2]);
    assert_eq!(shards(&world.create("c", 1).expect("created")), [0]);
    assert_eq!(world.loads(), [3, 2, 2]);
}

#[test]
fn a_thousand_topics_of_one_partition_spread_evenly() {
    let mut world = World::new();

    for n in 0..1_000 {
        world.create(&format!("t{n}"), 1).expect("created");
    }

    assert_eq!(world.loads(), [334, 333, 333]);
}

#[test]
fn listed_shards_are_taken_in_turn_and_unknown_ones_refused() {
    let mut world = World::new();
    let listed = |shards: &[u16]| Placement::Listed(shards.iter().copied().map(ShardId).collect());

    let topic = world
        .create_with("a", 3, listed(&[2, 0]), &[])
        .expect("created");

    assert_eq!(shards(&topic), [2, 0, 2]);
    let shard = Some(ShardId(9));
    let refused = world.create_with("b", 1, listed(&[0, 9]), &[]);
    assert_eq!(refused, Err(Refusal::UnknownShard { shard }));
    let refused = world.create_with("b", 1, listed(&[]), &[]);
    assert_eq!(refused, Err(Refusal::UnknownShard { shard: None }));
}

#[test]
fn no_stream_is_used_twice_even_when_a_topic_is_deleted_and_made_again() {
    let mut world = World::new();
    let mut seen = std::collections::BTreeSet::new();

    for _ in 0..5 {
        let topic = world.create("t", 3).expect("created");
        let grown = world.grow(topic.id, 5).expect("grown");
        assert!(grown.partitions().all(|place| seen.insert(place.stream)));
        world.delete(topic.id).expect("deleted");
    }

    assert_eq!(seen.len(), 25);
    assert!(
        seen.first()
            .is_some_and(|first| first.0 >= StreamId::FIRST_FREE)
    );
}

#[test]
fn growing_keeps_the_partitions_that_there_are() {
    let mut world = World::new();
    let topic = world.create("t", 2).expect("created");

    let grown = world.grow(topic.id, 4).expect("grown");

    let kept: Vec<_> = grown.partitions().take(2).collect();
    assert_eq!(kept, topic.partitions().collect::<Vec<_>>());
    assert_eq!(shards(&grown), [0, 1, 2, 0]);
    let (min, max) = (5, PARTITIONS_PER_TOPIC_MAX);
    for found in [4, 1, max + 1] {
        let refused = Err(Refusal::InvalidPartitions { found, min, max });
        assert_eq!(world.grow(topic.id, found), refused);
    }
}

#[test]
fn a_topic_that_exists_is_refused_whatever_else_is_asked() {
    let mut world = World::new();
    world.create("t", 1).expect("created");

    assert_eq!(world.create("t", 1), Err(Refusal::TopicExists));
    assert_eq!(world.create("t", 99), Err(Refusal::TopicExists));
}

#[test]
fn names_that_metrics_could_not_tell_apart_collide_until_one_is_deleted() {
    let mut world = World::new();
    let topic = world.create("a.b_c", 1).expect("created");

    let with = "a.b_c".into();
    assert_eq!(
        world.create("a_b.c", 1),
        Err(Refusal::TopicNameCollides { with })
    );
    assert_eq!(world.metadata.collision("a.b_c"), None);
    world.delete(topic.id).expect("deleted");
    assert!(world.create("a_b.c", 1).is_ok());
}

#[test]
fn bad_names_counts_configs_and_ids_are_refused_and_change_nothing() {
    let mut world = World::new();
    let before = world.metadata.clone();

    assert!(matches!(
        world.create("..", 1),
        Err(Refusal::InvalidTopicName { .. })
    ));
    assert!(matches!(
        world.create("t", 0),
        Err(Refusal::InvalidPartitions { found: 0, .. })
    ));
    let config = [("retention.ms", "x")];
    let refused = world.create_with("t", 1, Placement::Spread, &config);
    assert!(matches!(refused, Err(Refusal::InvalidConfig(_))));
    world.ids = 0;
    assert_eq!(world.create("t", 1), Err(Refusal::IdTaken));

    assert_eq!(world.metadata, before);
}

#[test]
fn a_node_holds_no_more_partitions_than_it_may() {
    let mut world = World::new();
    for n in 0..PARTITIONS_PER_NODE_MAX / PARTITIONS_PER_TOPIC_MAX {
        world
            .create(&format!("t{n}"), PARTITIONS_PER_TOPIC_MAX)
            .expect("created");
    }

    let max = PARTITIONS_PER_NODE_MAX;
    assert_eq!(
        world.create("one-more", 1),
        Err(Refusal::TooManyPartitions { max })
    );
}

#[test]
fn without_a_shard_there_is_no_topic() {
    let mut world = World::new();
    world.metadata = Metadata::default();

    assert_eq!(
        world.create("t", 1),
        Err(Refusal::UnknownShard { shard: None })
    );
}

#[test]
fn a_configuration_is_replaced_whole() {
    let mut world = World::new();
    let config = [("retention.ms", "5"), ("max.message.bytes", "100")];
    let topic = world
        .create_with("t", 1, Placement::Spread, &config)
        .expect("created");

    let configs = Overrides::from([("retention.ms".to_string(), "7".to_string())]);
    let alter = Command::AlterConfig {
        id: topic.id,
        configs,
    };
    let altered = topic_of(world.metadata.apply(&alter).expect("altered")).expect("a topic");

    assert_eq!(altered.config.retention_ms, Some(7));
    assert_eq!(
        altered.config.max_message_bytes,
        TopicConfig::default().max_message_bytes
    );
    assert_eq!(altered.runs, topic.runs);
}

#[test]
fn producer_ids_come_in_blocks_that_never_overlap() {
    let mut world = World::new();

    for n in 0..3 {
        let change = world
            .metadata
            .apply(&Command::NextProducerIdBlock)
            .expect("a block");
        let (first, count) = (n * 1_000, 1_000);
        assert_eq!(change.kind, ChangeKind::ProducerIds { first, count });
    }
}

#[test]
fn a_cluster_starts_once_and_a_node_registers_only_when_it_is_new_or_other() {
    let mut world = World::new();
    let start = |id: &str| Command::FirstStart {
        cluster_id: id.to_string(),
    };
    let register = |shards: &[u16]| Command::RegisterNode {
        node: NodeId(1),
        shards: shards.iter().copied().map(ShardId).collect(),
    };

    assert!(world.metadata.apply(&start("first")).is_ok());
    assert_eq!(
        world.metadata.apply(&start("second")),
        Err(Refusal::AlreadyStarted)
    );
    assert_eq!(world.metadata.cluster_id(), "first");
    assert_eq!(
        world.metadata.apply(&register(&[0, 1, 2])),
        Err(Refusal::Unchanged)
    );
    assert!(world.metadata.apply(&register(&[0, 1, 2, 3])).is_ok());
}

#[test]
fn copies_that_follow_the_changes_are_the_same_as_the_one_that_decided() {
    let mut world = World::new();
    let mut copy = world.metadata.clone();
    let mut ids = Vec::new();
    let mut random = crate::base::random::Random::with_seed(5);

    for n in 0..500_u32 {
        let placement = Placement::Spread;
        let id = *ids
            .get(random.below(40) as usize)
            .unwrap_or(&Uuid::from_u128(9));
        let command = match random.below(6) {
            0 => Command::DeleteTopic { id },
            1 => Command::CreatePartitions {
                id,
                total: 1 + n % 9,
                placement,
            },
            2 => Command::NextProducerIdBlock,
            3 => Command::NoteRetentionClock {
                at: WallMs(i64::from(n)),
            },
            _ => {
                ids.insert(0, Uuid::from_u128(1_000 + u128::from(n)));
                let name = format!("t.{}", random.below(60));
                let configs = Overrides::new();
                Command::CreateTopic {
                    name,
                    id: ids[0],
                    partitions: 1 + n % 7,
                    placement,
                    configs,
                }
            }
        };
        if let Ok(change) = world.metadata.apply(&command) {
            copy.apply_change(&change);
        }
    }

    assert_eq!(copy, world.metadata);
    assert!(copy.topic_count() > 10);
    let placed: u32 = world.loads().iter().sum();
    assert_eq!(placed, copy.partition_count());
    let here = |shard| {
        let own = |topic: &Topic| topic.config.clone();
        copy.partitions_of(ShardId(shard), own).count()
    } as u32;
    assert_eq!([0, 1, 2].map(here), world.loads());
}
