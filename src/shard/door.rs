//! Who may connect: `max.connections`, `max.connections.per.ip` and its exceptions, and how fast:
//! `max.connection.creation.rate`. For single listeners, too: `listener.name.NAME.max.connections`.
//!
//! A connection may come to any shard, so shard 0 counts for all of them: whoever accepts asks, and
//! reads nothing before the answer. Whoever comes too fast waits for it, as in Kafka: in a row at
//! each listener, so that a crowd at one keeps nobody from another that may be faster. A connection
//! that moves stays counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::admin::InForce;
use crate::admin::broker_config::ip_limits;
use crate::runtime::ConnectionId;

use super::address::Addresses;
use super::machine::Shard;
use super::message::Message;
use super::pace::Pace;
use super::timers::Timer;
use crate::base::{ShardId, Ticks};

const MAX: &str = "max.connections";
const RATE: &str = "max.connection.creation.rate";

/// The bounds, as they are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    all: usize,
    address: usize,
    exceptions: BTreeMap<IpAddr, u32>,
    per_second: u64,
    /// Of each listener, in their order.
    listeners: Vec<OfListener>,
}

/// What holds for one listener beside the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfListener {
    all: usize,
    per_second: u64,
}

/// Who comes, by what counts for the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub address: IpAddr,
    /// The place of the listener that it came by.
    pub listener: usize,
}

/// What shards say of connections that come and go.
#[derive(Clone, Copy, Debug)]
pub enum Knock {
    /// To shard 0: may this connection of mine be served?
    Enter {
        connection: ConnectionId,
        visitor: Visitor,
    },
    /// Its answer.
    Entered {
        connection: ConnectionId,
        visitor: Visitor,
        outcome: Result<(), Full>,
    },
    /// To shard 0: a connection that had entered is gone.
    Left(Visitor),
}

/// Why there is no room for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Broker { max: usize },
    Listener { max: usize },
    Address { max: usize },
}

/// The count of all connections of the process. Shard 0's.
#[derive(Debug)]
pub struct Door {
    bounds: Bounds,
    all: usize,
    /// No address with a count of zero is in it.
    by_address: HashMap<IpAddr, usize>,
    pace: Pace,
    /// One per listener.
    gates: Vec<Gate>,
    /// How many have come to any row.
    came: u64,
    /// When the timer goes off that was set last, if somebody waits for it.
    watched: Option<Ticks>,
}

/// One listener's count and row.
#[derive(Debug)]
struct Gate {
    all: usize,
    pace: Pace,
    /// Who came too fast, in their order. As many as the shards' connections at most.
    row: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    /// Of all that have come.
    number: u64,
    from: ShardId,
    connection: ConnectionId,
    visitor: Visitor,
}

impl Bounds {
    pub fn new(broker: InForce<'_>, addresses: &Addresses) -> Self {
        let count = |number: Option<i64>| {
            let count = number.and_then(|number| usize::try_from(number).ok());
            count.unwrap_or(usize::MAX)
        };
        let exceptions = broker.set("max.connections.per.ip.overrides").next();
        let listeners = addresses.listeners.iter().map(|listener| OfListener {
            all: count(broker.listener_number(&listener.name, MAX)),
            per_second: count(broker.listener_number(&listener.name, RATE)) as u64,
        });
        Self {
            all: count(broker.number(MAX)),
            address: count(broker.number("max.connections.per.ip")),
            exceptions: exceptions
                .and_then(|(_, list)| ip_limits(list))
                .unwrap_or_default(),
            per_second: count(broker.number(RATE)) as u64,
            listeners: listeners.collect(),
        }
    }

    fn of(&self, address: IpAddr) -> usize {
        let exception = self.exceptions.get(&address);
        exception.map_or(self.address, |max| *max as usize)
    }
}

impl Door {
    pub fn new(bounds: Bounds) -> Self {
        let gates = bounds.listeners.iter().map(|of| Gate {
            all: 0,
            pace: Pace::new(of.per_second),
            row: VecDeque::new(),
        });
        Self {
            pace: Pace::new(bounds.per_second),
            gates: gates.collect(),
            bounds,
            all: 0,
            by_address: HashMap::new(),
            came: 0,
            watched: None,
        }
    }

    /// Holds for whoever comes from now on. The listeners are those of the start.
    pub fn follow(&mut self, bounds: Bounds) {
        self.pace.follow(bounds.per_second);
        for (gate, of) in self.gates.iter_mut().zip(&bounds.listeners) {
            gate.pace.follow(of.per_second);
        }
        self.bounds = bounds;
    }

    /// At the end of the row of its listener.
    fn wait(&mut self, from: ShardId, connection: ConnectionId, visitor: Visitor) {
        self.came += 1;
        self.gates[visitor.listener].row.push_back(Waiting {
            number: self.came,
            from,
            connection,
            visitor,
        });
    }

    /// Who came first of those that may come now; or when to look again, if anybody waits.
    fn next(&mut self, now: Ticks) -> Result<Waiting, Option<Ticks>> {
        let mut first: Option<Waiting> = None;
        let mut again: Option<Ticks> = None;
        for gate in &self.gates {
            let Some(waiting) = gate.row.front() else {
                continue;
            };
            match gate.pace.ask(now) {
                Ok(_) if first.is_none_or(|first| waiting.number < first.number) => {
                    first = Some(*waiting);
                }
                Ok(_) => {}
                Err(at) => again = Some(again.map_or(at, |other| other.min(at))),
            }
        }
        let first = first.ok_or(again)?;
        self.pace.enter(now).map_err(Some)?;
        let gate = &mut self.gates[first.visitor.listener];
        let entered = gate.pace.enter(now);
        debug_assert!(entered.is_ok(), "it was asked before");
        gate.row.pop_front();
        Ok(first)
    }

    /// When a timer must be set, for somebody who may come at `at`: no other goes off in time.
    fn watch(&mut self, at: Ticks) -> Option<Ticks> {
        let is_sooner = self.watched.is_none_or(|other| at < other);
        is_sooner.then(|| *self.watched.insert(at))
    }

    /// A timer went off. One that was set before a sooner one is nobody's.
    fn rang(&mut self, now: Ticks) {
        self.watched = self.watched.filter(|at| *at > now);
    }

    /// Counts a connection in, if there is room.
    fn enter(&mut self, visitor: Visitor) -> Result<(), Full> {
        let Visitor { address, listener } = visitor;
        let max = self.bounds.all;
        if self.all >= max {
            return Err(Full::Broker { max });
        }
        let max = self.bounds.listeners[listener].all;
        if self.gates[listener].all >= max {
            return Err(Full::Listener { max });
        }
        let max = self.bounds.of(address);
        let here = self.by_address.get(&address).copied().unwrap_or(0);
        if here >= max {
            return Err(Full::Address { max });
        }
        self.all += 1;
        self.gates[listener].all += 1;
        self.by_address.insert(address, here + 1);
        Ok(())
    }

    /// Counts one out that was counted in.
    fn leave(&mut self, visitor: Visitor) {
        let Visitor { address, listener } = visitor;
        assert!(self.all > 0, "more connections left than came");
        self.all -= 1;
        self.gates[listener].all -= 1;
        let here = self.by_address.get_mut(&address);
        let here = here.unwrap_or_else(|| panic!("{address} left and never came"));
        *here -= 1;
        if *here == 0 {
            self.by_address.remove(&address);
        }
    }
}

/// What is said of it, by the name of its listener.
struct Told<'a>(Full, &'a str);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(full, listener) = self;
        match full {
            Full::Broker { max } => write!(f, "all {max} connections are taken ({MAX})"),
            Full::Listener { max } => {
                let of = listener.to_lowercase();
                write!(
                    f,
                    "all {max} connections of the listener {listener} are taken \
                     (listener.name.{of}.{MAX})"
                )
            }
            Full::Address { max } => {
                write!(f, "its address has {max} already (max.connections.per.ip)")
            }
        }
    }
}

impl Shard {
    /// A connection was accepted here: asks for its admission.
    pub(super) fn ask_entry(&mut self, connection: ConnectionId, peer: IpAddr, local: SocketAddr) {
        let visitor = Visitor {
            address: peer.to_canonical(),
            listener: self.config.addresses.reached(local),
        };
        let knock = Knock::Enter {
            connection,
            visitor,
        };
        self.tell(ShardId::ZERO, Message::Door(knock));
    }

    /// Another shard, or this one, says something of a connection.
    pub(super) fn knocked(&mut self, from: ShardId, knock: Knock) {
        match knock {
            Knock::Enter {
                connection,
                visitor,
            } => {
                self.door.wait(from, connection, visitor);
                self.let_in();
            }
            Knock::Entered {
                connection,
                visitor,
                outcome,
            } => self.entered(connection, visitor, outcome),
            Knock::Left(visitor) => self.door.leave(visitor),
        }
    }

    /// Answers whoever may come now, and looks after the others later.
    pub(super) fn let_in(&mut self) {
        let at = loop {
            match self.door.next(self.now.ticks) {
                Ok(next) => {
                    let entered = Knock::Entered {
                        connection: next.connection,
                        visitor: next.visitor,
                        outcome: self.door.enter(next.visitor),
                    };
                    self.tell(next.from, Message::Door(entered));
                }
                Err(at) => break at,
            }
        };
        if let Some(at) = at.and_then(|at| self.door.watch(at)) {
            self.timers.set(at, Timer::Door);
        }
    }

    /// Somebody in a row may come.
    pub(super) fn wake_door(&mut self) {
        self.door.rang(self.now.ticks);
        self.let_in();
    }

    fn entered(&mut self, id: ConnectionId, visitor: Visitor, outcome: Result<(), Full>) {
        let connection = self.connections.get_mut(id);
        match (outcome, connection) {
            (Ok(()), Some(connection)) => {
                connection.enter(visitor, self.now.ticks);
                self.connections.touch(id);
            }
            // It went before it was let in.
            (Ok(()), None) => self.note_left(Some(visitor)),
            (Err(full), Some(_)) => {
                let listener = &self.config.addresses.listeners[visitor.listener];
                let told = Told(full, &listener.name);
                self.connections.refuse(id, &told, true);
            }
            (Err(_), None) => {}
        }
    }

    /// A connection has ended that was on this shard.
    pub(super) fn note_left(&mut self, entered: Option<Visitor>) {
        if let Some(visitor) = entered {
            self.tell(ShardId::ZERO, Message::Door(Knock::Left(visitor)));
        }
    }
}

#[cfg(test)]
mod tests {
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
            name: "INSIDE".to_owned(),
            ..addresses.listeners[0].clone()
        });
        Bounds::new(InForce::fixed(&fixed), &addresses)
    }

    fn door(values: &[(&str, &str)]) -> Door {
        Door::new(bounds(values))
    }

    fn at(listener: usize, last: u8) -> Visitor {
        Visitor {
            address: IpAddr::from([10, 0, 0, last]),
            listener,
        }
    }

    fn from(last: u8) -> Visitor {
        at(0, last)
    }

    /// Who comes next, by the number of its connection.
    fn next(door: &mut Door, now: u64) -> Result<u64, Option<u64>> {
        let next = door.next(Ticks(now)).map(|next| next.connection.0);
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
            let listener = number as usize % 2;
            door.wait(ShardId::ZERO, ConnectionId(number), at(listener, 1));
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
            door.wait(ShardId::ZERO, ConnectionId(number), at(1, 1));
        }
        assert!((0..10).all(|number| next(&mut door, 0) == Ok(number)));
        assert_eq!(next(&mut door, 0), Err(Some(SECOND)));
        for number in 20..60 {
            door.wait(ShardId::ZERO, ConnectionId(number), at(0, 1));
        }

        // Of the 40 that may be owed in all, 30 are left.
        assert!((20..50).all(|number| next(&mut door, 0) == Ok(number)));
        assert_eq!(next(&mut door, 0), Err(Some(SECOND / 4)));
        assert_eq!(next(&mut door, SECOND / 4), Ok(50));
        // Whoever has waited longest goes first as soon as its own listener lets it.
        assert_eq!(next(&mut door, SECOND), Ok(10));
        assert_eq!(next(&mut door, SECOND), Ok(51));
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
}
