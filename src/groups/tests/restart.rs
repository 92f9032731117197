use super::*;

#[test]
fn a_stable_group_is_stable_after_a_restart_and_its_members_go_on() {
    let mut world = World::new();
    let members = world.stable(2);
    assert_eq!(world.commit(&members[0], 1, 42), Ok(()));
    let before = world.described();

    let mut world = world.restart();

    assert_eq!(world.described(), before);
    assert_eq!(world.heartbeat(&members[1], 1), Ok(()));
    assert_eq!(world.commit(&members[0], 1, 43), Ok(()));
    assert_eq!(world.fetched(), [(("t".into(), 0), 43)]);
    // Nobody is heard of any more.
    world.pass_ms(SESSION_MS as u64 + 1);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn nothing_is_answered_for_before_the_log_has_been_read() {
    let mut world = World::new();
    world.groups.open(PARTITION);

    let refused = joined(world.ask(join("", None, &["range"])));

    assert_eq!(refused.error, Some(GroupError::Loading));
    assert_eq!(world.commit("", -1, 1), Err(GroupError::Loading));
    assert_eq!(world.heartbeat("m", 1), Ok(()));
    let list = Ask::List {
        states: Vec::new(),
        types: Vec::new(),
    };
    assert_eq!(world.ask(list), Answer::Listed(Err(GroupError::Loading)));
}

#[test]
fn a_rewritten_log_alone_gives_the_same_groups() {
    let mut world = World::new();
    let members = world.stable(3);
    for round in 0..20 {
        for number in 0..150 {
            let topic = format!("topic-{number}");
            world.ask(commit(&members[0], 1, &topic, round));
        }
    }
    let (before, offsets) = (world.described(), world.fetched());

    let records = 10_000;
    let from = world.log.len();
    world.act(|groups, now, out| assert!(groups.rewrite(PARTITION, records, now, out)));
    world.flush();
    assert!(world.groups.take_rewritten(PARTITION));
    world.log.drain(..from);

    assert!(world.log.len() < 160, "{} records", world.log.len());
    let mut world = world.restart();
    assert_eq!(world.described(), before);
    assert_eq!(world.fetched(), offsets);
}

#[test]
fn a_rewrite_never_puts_an_older_offset_behind_a_newer_one() {
    let mut world = World::new();
    world.ask(commit("", -1, "moving", 1));
    world.ask(commit("", -1, "resting", 1));
    // On its way when the round begins: durable before what the round writes.
    let newer = world.send(commit("", -1, "moving", 2));
    let from = world.log.len();

    world.act(|groups, now, out| assert!(groups.rewrite(PARTITION, 10_000, now, out)));
    world.flush();

    assert!(world.take(newer).is_some() && world.groups.take_rewritten(PARTITION));
    world.log.drain(..from);
    let expected = [(("moving".into(), 0), 2), (("resting".into(), 0), 1)];
    assert_eq!(world.fetched(), expected);
    assert_eq!(world.restart().fetched(), expected);
}

#[test]
fn a_round_that_cannot_be_written_gives_nothing_up() {
    let mut world = World::new();
    world.ask(commit("", -1, "t", 1));

    world.act(|groups, now, out| assert!(groups.rewrite(PARTITION, 10_000, now, out)));
    world.settle(Err(GroupError::NotAvailable));

    assert!(!world.groups.take_rewritten(PARTITION));
    assert!(!world.groups.is_rewriting(PARTITION));
    assert_eq!(world.fetched().len(), 1);
}

#[test]
fn few_records_or_mostly_live_ones_are_left_as_they_are() {
    let mut world = World::new();
    world.ask(commit("", -1, "t", 1));

    world.act(|groups, now, out| {
        assert!(!groups.rewrite(PARTITION, 9_999, now, out));
        assert!(!groups.rewrite(PARTITION + 1, 1_000_000, now, out));
    });
}
