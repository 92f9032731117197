//! Who may connect: `max.connections`, `max.connections.per.ip` and its exceptions, and how fast:
//! `max.connection.creation.rate`.
//!
//! A connection may come to any shard, so shard 0 counts for all of them: whoever accepts asks, and
//! reads nothing before the answer. Whoever comes too fast waits for it in a row, as in Kafka. A
//! connection that moves stays counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use crate::admin::InForce;
use crate::admin::broker_config::ip_limits;
use crate::runtime::ConnectionId;

use super::machine::Shard;
use super::message::Message;
use super::pace::Pace;
use super::timers::Timer;
use crate::base::{ShardId, Ticks};

/// The bounds, as they are in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    all: usize,
    address: usize,
    exceptions: BTreeMap<IpAddr, u32>,
    per_second: u64,
}

/// What shards say of connections that come and go.
#[derive(Clone, Copy, Debug)]
pub enum Knock {
    /// To shard 0: may this connection of mine be served?
    Enter {
        connection: ConnectionId,
        address: IpAddr,
    },
    /// Its answer.
    Entered {
        connection: ConnectionId,
        address: IpAddr,
        outcome: Result<(), Full>,
    },
    /// To shard 0: a connection that had entered is gone.
    Left { address: IpAddr },
}

/// Why there is no room for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    Broker { max: usize },
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
    /// Who came too fast, in their order. As many as the shards' connections at most.
    row: VecDeque<(ShardId, ConnectionId, IpAddr)>,
    /// `Timer::Door` is set.
    watched: bool,
}

impl Bounds {
    pub fn new(broker: InForce<'_>) -> Self {
        let number = |name| {
            let count = broker
                .number(name)
                .and_then(|count| usize::try_from(count).ok());
            count.unwrap_or(usize::MAX)
        };
        let exceptions = broker.set("max.connections.per.ip.overrides").next();
        Self {
            all: number("max.connections"),
            address: number("max.connections.per.ip"),
            exceptions: exceptions
                .and_then(|(_, list)| ip_limits(list))
                .unwrap_or_default(),
            per_second: number("max.connection.creation.rate") as u64,
        }
    }

    fn of(&self, address: IpAddr) -> usize {
        let exception = self.exceptions.get(&address);
        exception.map_or(self.address, |max| *max as usize)
    }
}

impl Door {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            pace: Pace::new(bounds.per_second),
            bounds,
            all: 0,
            by_address: HashMap::new(),
            row: VecDeque::new(),
            watched: false,
        }
    }

    /// Holds for whoever comes from now on.
    pub fn follow(&mut self, bounds: Bounds) {
        self.pace.follow(bounds.per_second);
        self.bounds = bounds;
    }

    /// The first in the row, if it may come now; or when to look again, if there is anybody.
    fn next(&mut self, now: Ticks) -> Result<(ShardId, ConnectionId, IpAddr), Option<Ticks>> {
        let first = *self.row.front().ok_or(None)?;
        self.pace.enter(now).map_err(Some)?;
        self.row.pop_front();
        Ok(first)
    }

    /// Counts a connection in, if there is room.
    pub fn enter(&mut self, address: IpAddr) -> Result<(), Full> {
        let max = self.bounds.all;
        if self.all >= max {
            return Err(Full::Broker { max });
        }
        let max = self.bounds.of(address);
        let here = self.by_address.get(&address).copied().unwrap_or(0);
        if here >= max {
            return Err(Full::Address { max });
        }
        self.all += 1;
        self.by_address.insert(address, here + 1);
        Ok(())
    }

    /// Counts one out that was counted in.
    pub fn leave(&mut self, address: IpAddr) {
        assert!(self.all > 0, "more connections left than came");
        self.all -= 1;
        let here = self.by_address.get_mut(&address);
        let here = here.unwrap_or_else(|| panic!("{address} left and never came"));
        *here -= 1;
        if *here == 0 {
            self.by_address.remove(&address);
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker { max } => {
                write!(f, "all {max} connections are taken (max.connections)")
            }
            Self::Address { max } => {
                write!(f, "its address has {max} already (max.connections.per.ip)")
            }
        }
    }
}

impl Shard {
    /// A connection was accepted here: asks for its admission.
    pub(super) fn ask_entry(&mut self, connection: ConnectionId, address: IpAddr) {
        let address = address.to_canonical();
        let knock = Knock::Enter {
            connection,
            address,
        };
        self.tell(ShardId::ZERO, Message::Door(knock));
    }

    /// Another shard, or this one, says something of a connection.
    pub(super) fn knocked(&mut self, from: ShardId, knock: Knock) {
        match knock {
            Knock::Enter {
                connection,
                address,
            } => {
                self.door.row.push_back((from, connection, address));
                self.let_in();
            }
            Knock::Entered {
                connection,
                address,
                outcome,
            } => self.entered(connection, address, outcome),
            Knock::Left { address } => self.door.leave(address),
        }
    }

    /// Answers whoever may come now, and looks after the others later.
    pub(super) fn let_in(&mut self) {
        let at = loop {
            match self.door.next(self.now.ticks) {
                Ok((from, connection, address)) => {
                    let entered = Knock::Entered {
                        connection,
                        address,
                        outcome: self.door.enter(address),
                    };
                    self.tell(from, Message::Door(entered));
                }
                Err(at) => break at,
            }
        };
        if let Some(at) = at.filter(|_| !self.door.watched) {
            self.door.watched = true;
            self.timers.set(at, Timer::Door);
        }
    }

    /// The first in the row may come.
    pub(super) fn wake_door(&mut self) {
        self.door.watched = false;
        self.let_in();
    }

    fn entered(&mut self, id: ConnectionId, address: IpAddr, outcome: Result<(), Full>) {
        let connection = self.connections.get_mut(id);
        match (outcome, connection) {
            (Ok(()), Some(connection)) => {
                connection.enter(address, self.now.ticks);
                self.connections.touch(id);
            }
            // It went before it was let in.
            (Ok(()), None) => self.note_left(Some(address)),
            (Err(full), Some(_)) => self.connections.refuse(id, &full, true),
            (Err(_), None) => {}
        }
    }

    /// A connection has ended that was on this shard.
    pub(super) fn note_left(&mut self, entered: Option<IpAddr>) {
        if let Some(address) = entered {
            self.tell(ShardId::ZERO, Message::Door(Knock::Left { address }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{BrokerConfig, BrokerKey};
    use crate::base::Span;

    fn door(values: &[(&str, &str)]) -> Door {
        let mut fixed = BrokerConfig::default();
        for (name, value) in values {
            let key = BrokerKey::find(name).expect("a key");
            fixed.set(key, value).expect("a value");
        }
        Door::new(Bounds::new(InForce::fixed(&fixed)))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn one_that_leaves_makes_room_for_one_from_anywhere() {
        let mut door = door(&[("max.connections", "2")]);

        assert_eq!(door.enter(address(1)), Ok(()));
        assert_eq!(door.enter(address(2)), Ok(()));
        assert_eq!(door.enter(address(3)), Err(Full::Broker { max: 2 }));
        door.leave(address(1));
        assert_eq!(door.enter(address(3)), Ok(()));
        assert_eq!(door.enter(address(1)), Err(Full::Broker { max: 2 }));
    }

    #[test]
    fn an_exception_counts_instead_of_the_rule() {
        let mut door = door(&[
            ("max.connections.per.ip", "1"),
            ("max.connections.per.ip.overrides", "10.0.0.2:2, 10.0.0.3:0"),
        ]);

        assert_eq!(door.enter(address(1)), Ok(()));
        assert_eq!(door.enter(address(1)), Err(Full::Address { max: 1 }));
        assert_eq!(door.enter(address(2)), Ok(()));
        assert_eq!(door.enter(address(2)), Ok(()));
        assert_eq!(door.enter(address(2)), Err(Full::Address { max: 2 }));
        assert_eq!(door.enter(address(3)), Err(Full::Address { max: 0 }));
    }

    #[test]
    fn a_rate_that_was_set_at_the_start_holds_in_order_of_coming() {
        let mut door = door(&[("max.connection.creation.rate", "1")]);
        for number in 0..12 {
            let knocker = (ShardId(number as u16), ConnectionId(number), address(1));
            door.row.push_back(knocker);
        }

        for number in 0..10 {
            let next = door.next(Ticks(5)).map(|(_, connection, _)| connection);
            assert_eq!(next, Ok(ConnectionId(number)));
        }
        let second = Span::seconds(1).0;
        assert_eq!(door.next(Ticks(5)), Err(Some(Ticks(5 + second))));
        assert_eq!(door.next(Ticks(4 + second)), Err(Some(Ticks(5 + second))));
        assert!(door.next(Ticks(5 + second)).is_ok());
        assert!(door.next(Ticks(5 + 2 * second)).is_ok());
        assert_eq!(door.next(Ticks(5 + 2 * second)), Err(None));
    }

    #[test]
    fn bounds_that_shrink_send_nobody_away() {
        let mut door = door(&[]);
        for _ in 0..3 {
            assert_eq!(door.enter(address(1)), Ok(()));
        }

        door.follow(self::door(&[("max.connections", "2")]).bounds);

        assert_eq!(door.enter(address(2)), Err(Full::Broker { max: 2 }));
        door.leave(address(1));
        door.leave(address(1));
        assert_eq!(door.enter(address(2)), Ok(()));
    }
}
