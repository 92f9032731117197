use super::*;
use crate::admin::{BrokerConfig, BrokerKey, ListenerKey};
use crate::base::Span;
use crate::shard::address::Listener;

const SECOND: u64 = Span::seconds(1).0;

fn bounds(values: &[(&str, &str)]) -> Bounds {
    let mut fixed = BrokerConfig::default();
    for (name, value) in values {
        match ListenerKey::read(name) {
            Some(of) => fixed.set_for_listener(&of, value),
            None => fixed.set(BrokerKey::find(name).expect("a key"), value),
        }
        .expect("a value");
    }
    let mut addresses = Addresses::of_one("a", 1);
    addresses.listeners.push(Listener {
        id: ListenerId(1),
        name: "INSIDE".to_owned(),
        ..addresses.listeners[0].clone()
    });
    Bounds::new(InForce::fixed(&fixed), &addresses)
}

fn door(values: &[(&str, &str)]) -> Door {
    Door::new(bounds(values))
}

fn at(listener: u32, last: u8) -> Visitor {
    Visitor {
        address: IpAddr::from([10, 0, 0, last]),
        listener: ListenerId(listener),
    }
}

fn from(last: u8) -> Visitor {
    at(0, last)
}

impl Door {
    /// One that comes when nobody waits.
    fn enter(&mut self, visitor: Visitor) -> Result<(), Full> {
        self.come(0, visitor).expect("a row");
        let (waiting, outcome) = self.next(Ticks(0)).expect("nobody is before it");
        assert_eq!(waiting.visitor, visitor);
        outcome
    }

    fn come(&mut self, number: u64, visitor: Visitor) -> Result<(), Full> {
        self.wait(ShardId::ZERO, ConnectionId(number), visitor)
    }
}

/// Who comes next, by the number of its connection.
fn next(door: &mut Door, now: u64) -> Result<u64, Option<u64>> {
    let next = door.next(Ticks(now)).map(|(next, _)| next.connection.0);
    next.map_err(|at| at.map(|at| at.0))
}

#[test]
fn one_that_leaves_makes_room_for_one_from_anywhere() {
    let mut door = door(&[(MAX, "2")]);

    assert_eq!(door.enter(from(1)), Ok(()));
    assert_eq!(door.enter(at(1, 2)), Ok(()));
    assert_eq!(door.enter(from(3)), Err(Full::Broker { max: 2 }));
    door.leave(from(1));
    assert_eq!(door.enter(from(3)), Ok(()));
    assert_eq!(door.enter(from(1)), Err(Full::Broker { max: 2 }));
}

#[test]
fn an_exception_counts_instead_of_the_rule() {
    let mut door = door(&[
        ("max.connections.per.ip", "1"),
        ("max.connections.per.ip.overrides", "10.0.0.2:2, 10.0.0.3:0"),
    ]);

    assert_eq!(door.enter(from(1)), Ok(()));
    assert_eq!(door.enter(at(1, 1)), Err(Full::Address { max: 1 }));
    assert_eq!(door.enter(from(2)), Ok(()));
    assert_eq!(door.enter(from(2)), Ok(()));
    assert_eq!(door.enter(from(2)), Err(Full::Address { max: 2 }));
    assert_eq!(door.enter(from(3)), Err(Full::Address { max: 0 }));
}

#[test]
fn a_listener_that_is_full_leaves_room_at_the_others() {
    let mut door = door(&[(MAX, "3"), ("listener.name.plaintext.max.connections", "1")]);

    assert_eq!(door.enter(from(1)), Ok(()));
    assert_eq!(door.enter(from(2)), Err(Full::Listener { max: 1 }));
    assert_eq!(door.enter(at(1, 2)), Ok(()));
    assert_eq!(door.enter(at(1, 2)), Ok(()));
    assert_eq!(door.enter(at(1, 2)), Err(Full::Broker { max: 3 }));
    door.leave(from(1));
    assert_eq!(door.enter(from(2)), Ok(()));
}

#[test]
fn a_rate_that_was_set_at_the_start_holds_in_order_of_coming() {
    let mut door = door(&[(RATE, "1")]);
    for number in 0..12 {
        let listener = number as u32 % 2;
        door.come(number, at(listener, 1)).expect("a row");
    }

    for number in 0..10 {
        assert_eq!(next(&mut door, 5), Ok(number));
    }
    assert_eq!(next(&mut door, 5), Err(Some(5 + SECOND)));
    assert_eq!(next(&mut door, 4 + SECOND), Err(Some(5 + SECOND)));
    assert_eq!(next(&mut door, 5 + SECOND), Ok(10));
    assert_eq!(next(&mut door, 5 + 2 * SECOND), Ok(11));
    assert_eq!(next(&mut door, 5 + 2 * SECOND), Err(None));
}

#[test]
fn a_crowd_at_a_slow_listener_keeps_nobody_from_another() {
    let rate = "listener.name.inside.max.connection.creation.rate";
    let mut door = door(&[(RATE, "4"), (rate, "1")]);
    for number in 0..20 {
        door.come(number, at(1, 1)).expect("a row");
    }
    assert!((0..10).all(|number| next(&mut door, 0) == Ok(number)));
    assert_eq!(next(&mut door, 0), Err(Some(SECOND)));
    for number in 20..60 {
        door.come(number, at(0, 1)).expect("a row");
    }

    // Of the 40 that may be owed in all, 30 are left.
    assert!((20..50).all(|number| next(&mut door, 0) == Ok(number)));
    assert_eq!(next(&mut door, 0), Err(Some(SECOND / 4)));
    assert_eq!(next(&mut door, SECOND / 4), Ok(50));
    assert_eq!(next(&mut door, SECOND), Ok(10));
    assert_eq!(next(&mut door, SECOND), Ok(51));
}

#[test]
fn listeners_take_turns_where_the_brokers_rate_bounds_them_all() {
    let mut door = door(&[(RATE, "1")]);
    for number in 0..30 {
        door.come(number, at(0, 1)).expect("a row");
    }
    assert!((0..10).all(|number| next(&mut door, 0) == Ok(number)));

    door.come(100, at(1, 1)).expect("a row");

    assert_eq!(next(&mut door, SECOND), Ok(100));
    assert_eq!(next(&mut door, 2 * SECOND), Ok(10));
}

#[test]
fn whoever_finds_no_room_waits_for_nothing_and_costs_nobody_a_place() {
    let mut door = door(&[(RATE, "1"), ("listener.name.inside.max.connections", "0")]);
    for number in 0..20 {
        door.come(number, at(1, 1)).expect("a row");
        let refused = door.next(Ticks(0)).map(|(_, outcome)| outcome);
        assert_eq!(refused, Ok(Err(Full::Listener { max: 0 })));
    }

    assert!((0..10).all(|_| door.enter(from(1)).is_ok()));
    door.come(50, from(1)).expect("a row");
    assert_eq!(next(&mut door, 0), Err(Some(SECOND)));
}

#[test]
fn a_row_is_no_longer_than_clients_would_wait() {
    let mut door = door(&[("listener.name.plaintext.max.connection.creation.rate", "2")]);
    for number in 0..60 {
        door.come(number, from(1)).expect("a row");
    }

    assert_eq!(door.come(60, from(1)), Err(Full::Row { max: 60 }));
    assert_eq!(door.come(61, at(1, 1)), Ok(()));
    assert_eq!(next(&mut door, 0), Ok(0));
    assert_eq!(door.come(62, from(1)), Ok(()));
}

#[test]
fn a_timer_is_set_for_the_soonest_and_one_too_late_sets_none() {
    let mut door = door(&[]);

    assert_eq!(door.watch(Ticks(50)), Some(Ticks(50)));
    assert_eq!(door.watch(Ticks(50)), None);
    assert_eq!(door.watch(Ticks(60)), None);
    assert_eq!(door.watch(Ticks(20)), Some(Ticks(20)));
    door.rang(Ticks(20));
    assert_eq!(door.watch(Ticks(70)), Some(Ticks(70)));
    // The one for 50, which 20 had overtaken.
    door.rang(Ticks(50));
    assert_eq!(door.watch(Ticks(70)), None);
}

#[test]
fn bounds_that_shrink_send_nobody_away() {
    let mut door = door(&[]);
    for _ in 0..3 {
        assert_eq!(door.enter(from(1)), Ok(()));
    }

    door.follow(bounds(&[(MAX, "2")]));

    assert_eq!(door.enter(from(2)), Err(Full::Broker { max: 2 }));
    door.leave(from(1));
    door.leave(from(1));
    assert_eq!(door.enter(from(2)), Ok(()));
}

#[test]
fn a_listener_that_goes_takes_its_count_along_and_those_that_stay_keep_theirs() {
    let own = [("listener.name.plaintext.max.connections", "1"), (MAX, "2")];
    let mut door = door(&own);
    assert_eq!(door.enter(from(1)), Ok(()));
    assert_eq!(door.enter(at(1, 2)), Ok(()));
    let (mut without, mut other) = (bounds(&own), bounds(&own));
    without.listeners.pop();
    other.listeners[1].0 = ListenerId(2);

    door.follow(without);
    assert_eq!(door.come(7, at(1, 2)), Err(Full::Closed));
    assert_eq!(door.enter(from(1)), Err(Full::Broker { max: 2 }));
    door.leave(at(1, 2));
    assert_eq!(door.enter(from(3)), Err(Full::Listener { max: 1 }));
    door.follow(other);

    assert_eq!(door.enter(at(2, 2)), Ok(()));
    door.leave(from(1));
    assert_eq!(door.enter(from(3)), Ok(()));
}
