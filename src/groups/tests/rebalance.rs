use super::*;

#[test]
fn the_first_rebalance_waits_and_is_prolonged_by_each_newcomer() {
    let mut world = World::new();
    let (first, one) = world.join_new(&["range"]);

    world.pass_ms(2_900);
    let (second, two) = world.join_new(&["range"]);
    world.pass_ms(1_000);
    assert!(
        world.take(one).is_none(),
        "it ended though somebody had come"
    );
    world.pass_ms(2_100);

    let (leader, follower) = (world.joined(one), world.joined(two));
    assert_eq!((leader.generation, &leader.leader), (1, &first));
    assert_eq!(leader.members.len(), 2);
    assert_eq!((follower.leader, follower.member), (first, second));
    assert!(follower.members.is_empty());
}

#[test]
fn an_assignment_is_handed_out_when_it_is_durable_and_not_before() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (member, name) = world.join_new(&["range"]);
    world.pass_ms(0);
    let generation = world.joined(name).generation;

    let given = vec![(member.clone(), assignment(&member))];
    let name = world.send(sync(&member, generation, given));
    assert!(world.take(name).is_none());
    world.flush();

    assert!(matches!(world.take(name), Some(Answer::Synced(synced)) if synced.error.is_none()));
    assert_eq!(world.state(), "Stable");
}

#[test]
fn a_newcomer_makes_everybody_join_again() {
    let mut world = World::new();
    let members = world.stable(2);

    let (_, newcomer) = world.join_new(&["range"]);
    assert_eq!(
        world.heartbeat(&members[0], 1),
        Err(GroupError::RebalanceInProgress)
    );
    let again: Vec<u64> = members.iter().map(|member| world.rejoin(member)).collect();

    let names = [vec![newcomer], again].concat();
    assert_eq!(world.sync_all(&names), 2);
    assert_eq!(world.described().expect("there").members.len(), 3);
}

#[test]
fn who_does_not_join_again_in_time_is_out() {
    let mut world = World::new();
    let members = world.stable(2);
    let (_, newcomer) = world.join_new(&["range"]);
    let again = world.rejoin(&members[0]);

    // The silent one's session ends first.
    world.pass_ms(SESSION_MS as u64 + 1);

    world.sync_all(&[newcomer, again]);
    assert_eq!(
        world.heartbeat(&members[1], 2),
        Err(GroupError::UnknownMember)
    );
}

#[test]
fn a_heartbeating_member_that_does_not_join_is_out_after_the_rebalance_time() {
    let mut world = World::new();
    let members = world.stable(2);
    let again = world.rejoin(&members[0]);
    let mut waited = 0;
    while waited < REBALANCE_MS as u64 {
        assert!(world.take(again).is_none(), "after {waited} ms");
        let heard = world.heartbeat(&members[1], 1);
        assert_eq!(heard, Err(GroupError::RebalanceInProgress));
        world.pass_ms(5_000);
        waited += 5_000;
    }

    assert_eq!(world.joined(again).members.len(), 1);
}

#[test]
fn a_member_that_joins_during_the_sync_phase_sends_the_others_back_to_joining() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (first, one) = world.join_new(&["range"]);
    world.pass_ms(0);
    let (second, two) = world.join_new(&["range"]);
    let first_again = world.rejoin(&first);
    world.joined(one);
    let _ = (world.joined(two), world.joined(first_again));
    // The follower waits for its assignment while a third member comes.
    let waiting = world.send(sync(&second, 2, Vec::new()));

    let (_, three) = world.join_new(&["range"]);

    let Some(Answer::Synced(refused)) = world.take(waiting) else {
        panic!("the follower waits on");
    };
    assert_eq!(refused.error, Some(GroupError::RebalanceInProgress));
    let late = world.ask(sync(&first, 2, vec![(first.clone(), assignment(&first))]));
    assert!(matches!(late, Answer::Synced(s) if s.error == Some(GroupError::RebalanceInProgress)));
    let names = [three, world.rejoin(&first), world.rejoin(&second)];
    assert_eq!(world.sync_all(&names), 3);
}

#[test]
fn an_assignment_that_becomes_durable_after_the_next_rebalance_began_is_nobodys() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (first, one) = world.join_new(&["range"]);
    world.pass_ms(0);
    let generation = world.joined(one).generation;
    let given = vec![(first.clone(), assignment(&first))];
    let waiting = world.send(sync(&first, generation, given));

    // Without a member id in between, so that nothing is flushed on the way.
    let Ask::Join(mut old) = join("", None, &["range"]) else {
        unreachable!()
    };
    old.takes_member_id = false;
    let newcomer = world.send(Ask::Join(old));
    world.flush();

    let Some(Answer::Synced(refused)) = world.take(waiting) else {
        panic!("the leader waits on");
    };
    assert_eq!(refused.error, Some(GroupError::RebalanceInProgress));
    let again = world.rejoin(&first);
    world.sync_all(&[newcomer, again]);
}

#[test]
fn members_that_never_sync_are_put_out() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (first, one) = world.join_new(&["range"]);
    world.pass_ms(0);
    let (_, two) = world.join_new(&["range"]);
    let again = world.rejoin(&first);
    world.joined(one);
    let (_, leader) = (world.joined(two), world.joined(again));
    let name = world.send(sync(&leader.member, leader.generation, Vec::new()));
    world.flush();
    assert!(world.take(name).is_some());

    // Both heartbeat; only one has synced.
    for _ in 0..13 {
        world.pass_ms(5_000);
        let members: Vec<MemberId> = match world.described() {
            Ok(described) => described.members.into_iter().map(|m| m.member).collect(),
            Err(_) => Vec::new(),
        };
        for member in members {
            let _ = world.heartbeat(&member, leader.generation);
        }
    }

    assert_eq!(world.state(), "PreparingRebalance");
    assert_eq!(world.described().expect("there").members.len(), 1);
}

#[test]
fn a_protocol_that_not_all_know_is_not_chosen_and_strangers_are_refused() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (first, one) = world.join_new(&["sticky", "range"]);
    world.pass_ms(0);
    let (_, two) = world.join_new(&["range"]);
    let again = world.send(join(&first, None, &["sticky", "range"]));
    world.joined(one);

    let leader = world.joined(again);

    assert_eq!(leader.protocol.as_deref(), Some("range"));
    assert_eq!(world.joined(two).protocol.as_deref(), Some("range"));
    let stranger = joined(world.ask(join("", None, &["own"])));
    assert_eq!(stranger.error, Some(GroupError::InconsistentProtocol));
    let Ask::Join(mut connect) = join("", None, &["range"]) else {
        unreachable!()
    };
    connect.protocol_type = "connect".into();
    let stranger = joined(world.ask(Ask::Join(connect)));
    assert_eq!(stranger.error, Some(GroupError::InconsistentProtocol));
}

#[test]
fn the_last_one_to_leave_empties_the_group_and_a_deleted_group_is_gone() {
    let mut world = World::new();
    let members = world.stable(2);
    let delete = || Ask::Delete { group: "g".into() };
    assert_eq!(
        world.ask(delete()),
        Answer::Deleted(Err(GroupError::NonEmptyGroup))
    );

    for member in &members {
        assert_eq!(
            world.ask(leave(member, None)),
            Answer::Left(Ok(vec![Ok(())]))
        );
    }
    // The second one left while the first one's going was being dealt with.
    assert_eq!(world.state(), "Empty");
    assert_eq!(world.ask(delete()), Answer::Deleted(Ok(())));

    assert_eq!(world.state(), "gone");
    assert_eq!(
        world.ask(delete()),
        Answer::Deleted(Err(GroupError::GroupNotFound))
    );
    assert_eq!(world.groups.memory_bytes(), 0, "something is still counted");
}

#[test]
fn sessions_out_of_bounds_full_groups_and_unknown_members_are_refused() {
    let mut world = World::with(|config| config.members_max = 2);
    for ms in [5_999, 1_800_001, -1] {
        let Ask::Join(mut ask) = join("", None, &["range"]) else {
            unreachable!()
        };
        ask.session_timeout_ms = ms;
        let refused = joined(world.ask(Ask::Join(ask)));
        assert_eq!(
            refused.error,
            Some(GroupError::InvalidSessionTimeout),
            "{ms}"
        );
    }
    let unknown = joined(world.ask(join("somebody", None, &["range"])));
    assert_eq!(unknown.error, Some(GroupError::UnknownMember));
    let members = world.stable(2);

    let third = joined(world.ask(join("", None, &["range"])));

    assert_eq!(third.error, Some(GroupError::GroupFull));
    assert_eq!(world.heartbeat(&members[0], 1), Ok(()));
    assert_eq!(
        world.heartbeat(&members[0], 0),
        Err(GroupError::IllegalGeneration)
    );
    assert_eq!(
        world.heartbeat("somebody", 1),
        Err(GroupError::UnknownMember)
    );
}

#[test]
fn an_id_that_was_given_out_and_never_used_holds_a_rebalance_up_no_longer_than_a_session() {
    let mut world = World::new();
    let members = world.stable(1);
    let invited = joined(world.ask(join("", None, &["range"])));
    assert_eq!(invited.error, Some(GroupError::MemberIdRequired));
    let again = world.rejoin(&members[0]);
    assert!(
        world.take(again).is_none(),
        "it did not wait for the invited one"
    );

    world.pass_ms(SESSION_MS as u64);

    world.sync_all(&[again]);
}

#[test]
fn an_assignment_that_cannot_be_written_is_refused_and_the_group_goes_on() {
    let mut world = World::with(|config| config.initial_rebalance_delay_ms = 0);
    let (member, name) = world.join_new(&["range"]);
    world.pass_ms(0);
    let generation = world.joined(name).generation;
    let given = vec![(member.clone(), assignment(&member))];

    let name = world.send(sync(&member, generation, given));
    world.settle(Err(GroupError::NotAvailable));

    let Some(Answer::Synced(refused)) = world.take(name) else {
        panic!("no answer");
    };
    assert_eq!(refused.error, Some(GroupError::NotAvailable));
    let again = world.rejoin(&member);
    world.sync_all(&[again]);
}
