use super::*;
use crate::base::limits::LOST_GROUP_INDEXES;
use crate::wire::ErrorCode;

/// In a page: its group's header, and the batch that follows it.
const IN_HEADER: u64 = 20;
const IN_BATCH: u64 = 64 + 63;

/// A broker whose partition 0 of "t" has had three batches, of which that with `value` was harmed
/// at a place of its page.
fn harmed(value: &[u8], at: u64) -> (Broker, SocketId) {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for value in [&b"the first"[..], b"the second", b"the third"] {
        assert_eq!(broker.produce(socket, "t", 0, value).error_code, 0);
        broker.pass(Span::seconds(1));
    }
    broker.world.crash(false);
    let disk = broker.world.disk(ShardId(0));
    assert!(disk.rot_page_of(value, at));
    broker.boot(1);
    let socket = broker.connect();
    (broker, socket)
}

fn fetch(broker: &mut Broker, socket: SocketId, from: i64) -> (i16, Vec<Vec<u8>>) {
    let reply = broker.ask(socket, &fetch_of(&[("t", 0, from)], 0, 0), 11);
    let part = &reply.responses[0].partitions[0];
    (part.error_code, values_in(part.records.as_ref()))
}

#[test]
fn a_fetch_at_damage_is_an_error_and_what_is_before_and_after_is_served() {
    for at in [IN_HEADER, IN_BATCH] {
        let (mut broker, socket) = harmed(b"the second", at);

        let before = fetch(&mut broker, socket, 0);
        let met = fetch(&mut broker, socket, 1);
        let after = fetch(&mut broker, socket, 2);

        assert_eq!(before, (0, vec![b"the first".to_vec()]), "{at}");
        assert_eq!(met, (ErrorCode::CorruptMessage.code(), vec![]), "{at}");
        assert_eq!(after, (0, vec![b"the third".to_vec()]), "{at}");
    }
}

#[test]
fn offsets_go_on_behind_what_was_acknowledged_and_lost() {
    for at in [IN_HEADER, IN_BATCH] {
        let (mut broker, socket) = harmed(b"the second", at);

        assert_eq!(broker.produce(socket, "t", 0, b"the fourth").base_offset, 3);
    }
}

#[test]
fn a_partition_that_may_have_lost_its_last_records_says_so_and_takes_new_ones_behind_them() {
    let mut broker = Broker::start(1);
    broker.create_topic("t", 2);
    let socket = broker.connect();
    for (partition, value) in [(0, &b"stays"[..]), (0, b"gets lost"), (1, b"behind")] {
        assert_eq!(broker.produce(socket, "t", partition, value).error_code, 0);
        broker.pass(Span::seconds(1));
    }
    broker.world.crash(false);
    assert!(
        broker
            .world
            .disk(ShardId(0))
            .rot_page_of(b"gets lost", IN_HEADER)
    );
    broker.boot(1);
    let socket = broker.connect();

    let lost = fetch(&mut broker, socket, 1);
    let next = broker.produce(socket, "t", 0, b"new").base_offset;
    broker.pass(Span::seconds(1));
    broker.world.crash(true);
    broker.boot(1);
    let socket = broker.connect();

    assert_eq!(lost, (ErrorCode::CorruptMessage.code(), vec![]));
    assert_eq!(next, 1 + LOST_GROUP_INDEXES);
    assert_eq!(fetch(&mut broker, socket, 0), (0, vec![b"stays".to_vec()]));
    assert_eq!(fetch(&mut broker, socket, 1), lost);
    assert_eq!(fetch(&mut broker, socket, next), (0, vec![b"new".to_vec()]));
    let behind = broker.values(socket, "t", 1);
    assert_eq!(behind, [b"behind".to_vec()]);
}

#[test]
fn a_partition_that_lost_its_first_records_still_begins_with_them_until_they_are_deleted() {
    let (mut broker, _) = harmed(b"the first", IN_HEADER);
    for start in 0..3 {
        let socket = broker.connect();

        let first = fetch(&mut broker, socket, 0);
        let next = fetch(&mut broker, socket, 1);

        assert_eq!(first, (ErrorCode::CorruptMessage.code(), vec![]), "{start}");
        let rest = vec![b"the second".to_vec(), b"the third".to_vec()];
        assert_eq!(next, (0, rest), "{start}");
        assert_eq!(broker.earliest("t", 0), 0, "{start}");
        broker.pass(Span::seconds(1));
        broker.world.crash(true);
        broker.boot(1);
    }

    assert_eq!(broker.delete("t", 0, 1).error_code, 0);
    broker.world.crash(true);
    broker.boot(1);

    assert_eq!(broker.earliest("t", 0), 1);
    let socket = broker.connect();
    let out_of_range = ErrorCode::OffsetOutOfRange.code();
    assert_eq!(fetch(&mut broker, socket, 0), (out_of_range, vec![]));
    assert_eq!(fetch(&mut broker, socket, 1).1.len(), 2);
}
