use super::*;
use crate::base::Span;

const SECOND: Span = Span::seconds(1);

fn topic(name: &str) -> Arc<SessionTopic> {
    Arc::new(SessionTopic {
        name: name.into(),
        id: Uuid::nil(),
    })
}

const AT_0: Position = Position {
    offset: 0,
    leader_epoch: -1,
    bytes_max: 1_000,
};

fn session_of(parts: i32) -> Session {
    let mut session = Session::new(false, Ticks(0));
    for index in 0..parts {
        assert!(session.put(&topic("t"), index, AT_0));
    }
    session
}

fn due(session: &Session) -> Vec<u32> {
    session
        .due(0, 100)
        .0
        .into_iter()
        .map(|part| part.0)
        .collect()
}

const NOTHING: Seen = Seen {
    failed: false,
    sent: 0,
    more: false,
    high_watermark: 0,
    log_start: 0,
};

#[test]
fn what_was_told_and_has_not_changed_is_neither_looked_at_nor_told_again() {
    let mut session = session_of(3);

    let first: Vec<bool> = (0..3)
        .map(|part| session.tell(PartId(part), NOTHING))
        .collect();

    assert_eq!(first, [true; 3], "all are new to the client");
    assert_eq!(due(&session), [0; 0]);
    assert!(!session.tell(PartId(1), NOTHING));
    let moved = Seen {
        high_watermark: 5,
        ..NOTHING
    };
    assert!(session.tell(PartId(1), moved));
    assert!(!session.tell(PartId(1), moved));
    let trimmed = Seen {
        log_start: 2,
        ..moved
    };
    assert!(session.tell(PartId(1), trimmed));
}

#[test]
fn those_that_sent_records_go_behind_those_that_had_no_room() {
    let mut session = session_of(4);
    let sent = Seen {
        sent: 10,
        ..NOTHING
    };
    let no_room = Seen {
        more: true,
        ..NOTHING
    };

    assert!(session.tell(PartId(0), sent));
    session.tell(PartId(1), sent);
    session.tell(PartId(2), no_room);
    session.tell(PartId(3), NOTHING);

    assert_eq!(due(&session), [2, 0, 1]);
}

#[test]
fn an_error_is_told_every_time_and_so_is_its_end() {
    let mut session = session_of(1);
    let failed = Seen {
        failed: true,
        high_watermark: -1,
        log_start: -1,
        ..NOTHING
    };
    session.tell(PartId(0), NOTHING);
    session.touch(PartId(0));

    assert!(session.tell(PartId(0), failed));
    assert!(session.tell(PartId(0), failed));
    assert_eq!(due(&session), [0]);
    assert!(session.tell(PartId(0), NOTHING));
    assert_eq!(due(&session), [0; 0]);
}

#[test]
fn a_change_brings_a_partition_back_and_a_forgotten_one_never_comes_back() {
    let mut session = session_of(2);
    let home = |stream| (ShardId(1), StreamId(stream));
    for part in 0..2 {
        session.settle_home(PartId(part), home(u64::from(part)));
        session.tell(PartId(part), NOTHING);
    }

    assert_eq!(session.changed(home(1)), Some(PartId(1)));
    assert_eq!(due(&session), [1]);
    assert_eq!(session.forget(&topic("t"), 1), Some(home(1)));
    assert_eq!(session.changed(home(1)), None);
    assert_eq!(due(&session), [0; 0]);
    assert_eq!(session.len(), 1);
    assert_eq!(session.homes(), [ShardId(1)]);
}

#[test]
fn a_session_goes_on_only_with_its_id_its_epoch_and_its_way_to_name_topics() {
    let mut sessions = Sessions::new(2);
    let id = SessionId(7);
    assert!(sessions.open(id, false, 1, Ticks(0)).0.is_some());
    let mut resume = |id, epoch, by_id| sessions.resume(id, epoch, by_id, Ticks(1)).err();

    assert_eq!(
        resume(SessionId(8), 1, false),
        Some(ErrorCode::FetchSessionIdNotFound)
    );
    assert_eq!(
        resume(id, 2, false),
        Some(ErrorCode::InvalidFetchSessionEpoch)
    );
    assert_eq!(
        resume(id, 1, true),
        Some(ErrorCode::FetchSessionTopicIdError)
    );
    assert_eq!(resume(id, 1, false), None);
    assert_eq!(
        resume(id, 1, false),
        Some(ErrorCode::InvalidFetchSessionEpoch)
    );
    assert_eq!(resume(id, 2, false), None);
    sessions.get_mut(id).expect("open").next_epoch = i32::MAX;
    assert!(sessions.resume(id, i32::MAX, false, Ticks(2)).is_ok());
    assert!(
        sessions.resume(id, 1, false, Ticks(2)).is_ok(),
        "0 is passed over"
    );
}

#[test]
fn a_full_cache_gives_way_to_age_first_and_then_to_size() {
    let begin = Ticks(0);
    let mut sessions = Sessions::new(2);
    for (id, parts) in [(1, 5), (2, 3)] {
        let (session, _) = sessions.open(SessionId(id), false, parts as usize, begin);
        let session = session.expect("room");
        (0..parts).for_each(|index| assert!(session.put(&topic("t"), index, AT_0)));
    }
    let ended = |sessions: &mut Sessions, id, size, now| {
        let (session, ended) = sessions.open(SessionId(id), false, size, now);
        (session.is_some(), ended.map(|(id, _)| id.0))
    };

    assert_eq!(
        ended(&mut sessions, 3, 9, begin + SECOND),
        (false, None),
        "all are young"
    );
    let later = begin + FETCH_SESSION_IDLE + SECOND;
    for id in [1, 2] {
        assert!(sessions.resume(SessionId(id), 1, false, later).is_ok());
    }
    assert_eq!(
        ended(&mut sessions, 3, 3, later),
        (false, None),
        "none is smaller"
    );
    assert_eq!(
        ended(&mut sessions, 3, 4, later),
        (true, Some(2)),
        "the smallest"
    );
    let idle = later + FETCH_SESSION_IDLE + SECOND;
    assert_eq!(
        ended(&mut sessions, 4, 1, idle),
        (true, Some(1)),
        "the one idle longest"
    );
}
