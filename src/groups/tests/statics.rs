use super::*;

/// A stable group of one static member.
fn stable_static(world: &mut World) -> MemberId {
    let name = world.send(join("", Some("one"), &["range"]));
    world.pass_ms(8_000);
    let joined = world.joined(name);
    let given = vec![(joined.member.clone(), assignment(&joined.member))];
    let name = world.send(sync(&joined.member, joined.generation, given));
    world.flush();
    assert!(world.take(name).is_some());
    joined.member
}

#[test]
fn a_static_member_that_returns_gets_its_place_without_a_rebalance() {
    let mut world = World::new();
    let old = stable_static(&mut world);

    let returned = joined(world.ask(join("", Some("one"), &["range"])));

    assert_eq!((returned.error, returned.generation), (None, 1));
    assert_ne!(returned.member, old);
    assert!(returned.skip_assignment && returned.members.len() == 1);
    assert_eq!(world.state(), "Stable");
    let Answer::Synced(synced) = world.ask(sync(&returned.member, 1, Vec::new())) else {
        panic!("no assignment");
    };
    assert_eq!(synced.assignment, assignment(&old));
    let fenced = world.ask(Ask::Heartbeat(of(&old, Some("one"), 1)));
    assert_eq!(fenced, Answer::Heartbeat(Err(GroupError::FencedInstance)));
    assert_eq!(world.heartbeat(&old, 1), Err(GroupError::UnknownMember));
}

#[test]
fn a_client_that_cannot_skip_is_not_told_that_it_leads() {
    let mut world = World::new();
    let old = stable_static(&mut world);
    let Ask::Join(mut ask) = join("", Some("one"), &["range"]) else {
        unreachable!()
    };
    ask.skips_assignment = false;

    let returned = joined(world.ask(Ask::Join(ask)));

    assert_eq!((&returned.leader, returned.skip_assignment), (&old, false));
    assert!(returned.members.is_empty());
}

#[test]
fn a_second_member_with_the_same_instance_fences_the_first_that_is_joining() {
    let mut world = World::new();
    let first = world.send(join("", Some("one"), &["range"]));

    let second = world.send(join("", Some("one"), &["range"]));

    assert_eq!(world.joined(first).error, Some(GroupError::FencedInstance));
    world.pass_ms(8_000);
    assert_eq!(world.joined(second).error, None);
}

#[test]
fn a_static_member_that_returns_while_a_rebalance_runs_is_part_of_it() {
    let mut world = World::new();
    let old = stable_static(&mut world);
    let (_, newcomer) = world.join_new(&["range"]);
    assert!(world.take(newcomer).is_none());

    let back = world.send(join("", Some("one"), &["range"]));

    let joined = [world.joined(newcomer), world.joined(back)];
    assert!(
        joined
            .iter()
            .all(|one| one.error.is_none() && one.generation == 2)
    );
    assert!(joined.iter().all(|one| one.member != old));
    assert!(joined.iter().any(|one| one.members.len() == 2));
}

#[test]
fn a_static_member_that_returns_while_the_leader_assigns_begins_another_rebalance() {
    let mut world = World::new();
    let (dynamic, one) = world.join_new(&["range"]);
    let fixed = world.send(join("", Some("one"), &["range"]));
    world.pass_ms(8_000);
    let leader = world.joined(one);
    world.joined(fixed);
    let waiting = world.send(sync(&dynamic, leader.generation, Vec::new()));

    // The assignment was written when the static member came back under another id.
    let back = world.send(join("", Some("one"), &["range"]));
    world.flush();

    let Some(Answer::Synced(refused)) = world.take(waiting) else {
        panic!("it waits on");
    };
    assert_eq!(refused.error, Some(GroupError::RebalanceInProgress));
    let again = world.rejoin(&dynamic);
    let joined = [world.joined(back), world.joined(again)];
    assert!(
        joined
            .iter()
            .all(|one| one.generation == leader.generation + 1)
    );
}

#[test]
fn a_static_member_that_does_not_rejoin_keeps_its_place_until_its_session_ends() {
    let mut world = World::new();
    let _ = stable_static(&mut world);
    let (_, newcomer) = world.join_new(&["range"]);

    world.pass_ms(SESSION_MS as u64 - 1_000);
    assert!(
        world.take(newcomer).is_none(),
        "the static member was dropped early"
    );
    world.pass_ms(2_000);

    assert_eq!(world.joined(newcomer).members.len(), 1);
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance() {
    let mut world = World::new();
    let member = stable_static(&mut world);

    assert_eq!(
        world.ask(leave("", Some("nobody"))),
        Answer::Left(Ok(vec![Err(GroupError::UnknownMember)]))
    );
    assert_eq!(
        world.ask(leave("other", Some("one"))),
        Answer::Left(Ok(vec![Err(GroupError::FencedInstance)]))
    );
    assert_eq!(
        world.ask(leave("", Some("one"))),
        Answer::Left(Ok(vec![Ok(())]))
    );

    assert_eq!(world.state(), "Empty");
    assert_eq!(world.heartbeat(&member, 2), Err(GroupError::UnknownMember));
}
