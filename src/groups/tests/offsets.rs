use super::*;

#[test]
fn a_commit_is_answered_and_visible_when_it_is_durable_and_not_before() {
    let mut world = World::new();

    let name = world.send(commit("", -1, "t", 5));
    assert!(world.take(name).is_none());
    let fetch = Ask::Fetch {
        group: "g".into(),
        places: None,
    };
    let early = world.send(fetch);
    assert_eq!(world.take(early), Some(Answer::Fetched(Ok(Vec::new()))));
    world.flush();

    assert_eq!(world.take(name), Some(Answer::Committed(vec![Ok(())])));
    assert_eq!(world.fetched(), [(("t".into(), 0), 5)]);
}

#[test]
fn generations_and_members_are_checked_as_kafka_does() {
    let mut world = World::new();
    assert_eq!(world.commit("m", 1, 5), Err(GroupError::GroupNotFound));
    assert_eq!(world.commit("", -1, 5), Ok(()));
    let members = world.stable(1);

    assert_eq!(world.commit(&members[0], 1, 6), Ok(()));
    assert_eq!(
        world.commit(&members[0], 2, 7),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(world.commit("nobody", 1, 7), Err(GroupError::UnknownMember));
    assert_eq!(world.commit("", -1, 7), Err(GroupError::UnknownMember));
    assert_eq!(world.fetched(), [(("t".into(), 0), 6)]);
}

#[test]
fn a_member_that_has_no_assignment_yet_cannot_commit() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (member, name) = world.join_new(&["range"]);
    world.pass_ms(0);
    let generation = world.joined(name).generation;

    let refused = world.commit(&member, generation, 1);

    assert_eq!(refused, Err(GroupError::RebalanceInProgress));
}

#[test]
fn metadata_is_returned_and_too_much_of_it_refused_for_its_partition_alone() {
    let mut world = World::new();
    let Ask::Commit(mut ask) = commit("", -1, "t", 1) else {
        unreachable!()
    };
    let offset = |partition, bytes: usize| NewOffset {
        place: ("t".into(), partition),
        offset: 1,
        leader_epoch: 3,
        metadata: Some("m".repeat(bytes).into()),
    };
    ask.offsets = vec![offset(0, 4_096), offset(1, 4_097), offset(2, 0)];

    let answer = world.ask(Ask::Commit(ask));

    let expected = vec![Ok(()), Err(GroupError::MetadataTooLarge), Ok(())];
    assert_eq!(answer, Answer::Committed(expected));
    let places = (0..3).map(|partition| ("t".into(), partition)).collect();
    let fetch = Ask::Fetch {
        group: "g".into(),
        places: Some(places),
    };
    let Answer::Fetched(Ok(found)) = world.ask(fetch) else {
        panic!("nothing found");
    };
    let length = |found: &Fetched| found.metadata.as_ref().map_or(0, |text| text.len());
    let found: Vec<_> = found.iter().map(|one| (one.offset, length(one))).collect();
    assert_eq!(found, [(1, 4_096), (-1, 0), (1, 0)]);
}

#[test]
fn offsets_of_subscribed_topics_are_not_deleted_and_others_are() {
    let mut world = World::new();
    let members = world.stable(1);
    assert_eq!(world.commit(&members[0], 1, 6), Ok(()));
    let Answer::Committed(_) = world.ask(commit(&members[0], 1, "other", 7)) else {
        panic!("not committed");
    };

    let places = vec![("t".into(), 0), ("other".into(), 0), ("none".into(), 0)];
    let group: GroupId = "g".into();
    let answer = world.ask(Ask::DeleteOffsets { group, places });

    let expected = vec![Err(GroupError::SubscribedToTopic), Ok(()), Ok(())];
    assert_eq!(answer, Answer::OffsetsDeleted(Ok(expected)));
    assert_eq!(world.fetched(), [(("t".into(), 0), 6)]);
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it_after_commits_that_were_on_their_way() {
    let mut world = World::new();
    let name = world.send(commit("", -1, "t", 5));
    world.send(commit("", -1, "kept", 6));

    world.act(|groups, now, out| groups.topic_deleted("t", now, out));
    world.flush();

    assert_eq!(world.take(name), Some(Answer::Committed(vec![Ok(())])));
    assert_eq!(world.fetched(), [(("kept".into(), 0), 6)]);
    assert_eq!(world.restart().fetched(), [(("kept".into(), 0), 6)]);
}

#[test]
fn offsets_expire_seven_days_after_the_group_became_empty_and_never_while_it_is_subscribed() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    let mut world = World::new();
    let members = world.stable(1);
    assert_eq!(world.commit(&members[0], 1, 6), Ok(()));
    let look = |world: &mut World| {
        for _ in 0..2 {
            let until = world.now.ticks + Span::seconds(601);
            world.set_time(until);
            world.act(|groups, now, out| groups.tick(now.wall, now, out));
            world.flush();
        }
    };
    // A long life of heartbeats, of which only the clocks take notice.
    let later = world.now.ticks + Span::millis(8 * DAY_MS);
    world.set_time(later);
    look(&mut world);
    assert_eq!(world.fetched().len(), 1, "expired though subscribed");

    assert_eq!(
        world.ask(leave(&members[0], None)),
        Answer::Left(Ok(vec![Ok(())]))
    );
    world.pass_ms(7 * DAY_MS - 3_600_000);
    look(&mut world);
    assert_eq!(world.fetched().len(), 1, "expired too early");
    world.pass_ms(3_600_000);
    look(&mut world);

    assert_eq!(world.fetched(), []);
    assert_eq!(world.state(), "gone");
}

#[test]
fn when_memory_is_full_new_offsets_are_refused_and_known_ones_move_on() {
    let mut world = World::with(|config| config.memory = crate::base::ByteCount::kib(4));
    let mut refused = None;
    for number in 0..100 {
        let topic = format!("topic-{number}");
        if let Answer::Committed(results) = world.ask(commit("", -1, &topic, 1))
            && let Err(error) = results[0]
        {
            refused = Some(error);
            break;
        }
    }

    assert_eq!(refused, Some(GroupError::CommitTooLarge));
    let moved = world.ask(commit("", -1, "topic-0", 2));
    assert_eq!(moved, Answer::Committed(vec![Ok(())]));
    let turned_away = joined(world.ask(join("", None, &["range"])));
    assert_eq!(turned_away.error, Some(GroupError::GroupFull));
}
