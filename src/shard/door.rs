//! Who may connect: `max.connections`, `max.connections.per.ip` and its exceptions, and how fast:
//! `max.connection.creation.rate`. For single listeners, too: `listener.name.NAME.max.connections`.
//!
//! A connection may come to any shard, so shard 0 counts for all of them: whoever accepts asks, and
//! reads nothing before the answer. Whoever comes too fast waits for it, as in Kafka: in a row at
//! each listener. The rows take turns, and whoever finds no room pays for nothing, so that a crowd
//! at one listener keeps nobody from another. A connection that moves stays counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use crate::admin::InForce;
use crate::admin::broker_config::ip_limits;
use crate::runtime::{ConnectionId, ListenerId};

use super::address::Addresses;
use super::machine::Shard;
use super::message::Message;
use super::pace::Pace;
use super::timers::Timer;
use crate::base::{ShardId, Ticks};

/// Who would wait for longer is closed at once: clients give up by then, and those who wait are not
/// read, so that nobody notices.
const WAIT_MAX_SECONDS: u64 = 30;

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
    listeners: Vec<(ListenerId, OfListener)>,
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
    /// What it came by.
    pub listener: ListenerId,
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
    Broker {
        max: usize,
    },
    Listener {
        max: usize,
    },
    Address {
        max: usize,
    },
    /// So many wait in the listener's row already.
    Row {
        max: u64,
    },
    /// Its listener is closed.
    Closed,
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
    /// Whose turn it is.
    turn: usize,
    /// When the timer goes off that was set last, if somebody waits for it.
    watched: Option<Ticks>,
}

/// One listener's count and row.
#[derive(Debug)]
struct Gate {
    listener: ListenerId,
    bounds: OfListener,
    all: usize,
    pace: Pace,
    /// Who came too fast, in their order.
    row: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
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
        let listeners = addresses.listeners.iter().map(|listener| {
            let of = OfListener {
                all: count(broker.listener_number(&listener.name, MAX)),
                per_second: count(broker.listener_number(&listener.name, RATE)) as u64,
            };
            (listener.id, of)
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

impl Gate {
    fn new(listener: ListenerId, bounds: OfListener) -> Self {
        Self {
            listener,
            bounds,
            all: 0,
            pace: Pace::new(bounds.per_second),
            row: VecDeque::new(),
        }
    }

    fn follow(&mut self, bounds: OfListener) {
        self.pace.follow(bounds.per_second);
        self.bounds = bounds;
    }
}

impl Door {
    pub fn new(bounds: Bounds) -> Self {
        let gates = bounds.listeners.iter();
        Self {
            pace: Pace::new(bounds.per_second),
            gates: gates.map(|(id, of)| Gate::new(*id, *of)).collect(),
            bounds,
            all: 0,
            by_address: HashMap::new(),
            turn: 0,
            watched: None,
        }
    }

    /// Holds for whoever comes from now on. Who waited at a listener that is no more is forgotten:
    /// that connection is closed where it is.
    pub fn follow(&mut self, bounds: Bounds) {
        self.pace.follow(bounds.per_second);
        let mut before = std::mem::take(&mut self.gates);
        for &(id, of) in &bounds.listeners {
            let own = before.iter().position(|gate| gate.listener == id);
            let mut gate = own.map_or_else(|| Gate::new(id, of), |own| before.swap_remove(own));
            gate.follow(of);
            self.gates.push(gate);
        }
        self.turn %= self.gates.len().max(1);
        self.bounds = bounds;
    }

    fn gate(&self, listener: ListenerId) -> Option<&Gate> {
        self.gates.iter().find(|gate| gate.listener == listener)
    }

    fn gate_mut(&mut self, listener: ListenerId) -> Option<&mut Gate> {
        self.gates.iter_mut().find(|gate| gate.listener == listener)
    }

    /// At the end of the row of its listener, if that is not too long already.
    fn wait(
        &mut self,
        from: ShardId,
        connection: ConnectionId,
        visitor: Visitor,
    ) -> Result<(), Full> {
        let per_second = self.bounds.per_second;
        let gate = self.gate_mut(visitor.listener).ok_or(Full::Closed)?;
        let rate = per_second.min(gate.bounds.per_second);
        let max = rate.saturating_mul(WAIT_MAX_SECONDS);
        if gate.row.len() as u64 >= max {
            return Err(Full::Row { max });
        }
        gate.row.push_back(Waiting {
            from,
            connection,
            visitor,
        });
        Ok(())
    }

    /// The next who need not wait any longer, and whether it is counted in or finds no room; or
    /// when to look again, if anybody waits.
    fn next(&mut self, now: Ticks) -> Result<(Waiting, Result<(), Full>), Option<Ticks>> {
        let mut again: Option<Ticks> = None;
        let count = self.gates.len();
        for place in (self.turn..self.turn + count).map(|place| place % count) {
            let gate = &self.gates[place];
            let Some(waiting) = gate.row.front().copied() else {
                continue;
            };
            let outcome = self.room_for(waiting.visitor);
            // The broker's rate is asked last, for it counts whoever asks.
            let may = match outcome {
                Err(_) => Ok(()),
                Ok(()) => gate.pace.ask(now).and_then(|_| self.pace.enter(now)),
            };
            if let Err(at) = may {
                again = Some(again.map_or(at, |other| other.min(at)));
                continue;
            }
            let gate = &mut self.gates[place];
            gate.row.pop_front();
            if outcome.is_ok() {
                let entered = gate.pace.enter(now);
                debug_assert!(entered.is_ok(), "it was asked before");
                self.count(waiting.visitor);
            }
            self.turn = (place + 1) % count;
            return Ok((waiting, outcome));
        }
        Err(again)
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

    fn room_for(&self, visitor: Visitor) -> Result<(), Full> {
        let Visitor { address, listener } = visitor;
        let max = self.bounds.all;
        if self.all >= max {
            return Err(Full::Broker { max });
        }
        let gate = self.gate(listener).ok_or(Full::Closed)?;
        let max = gate.bounds.all;
        if gate.all >= max {
            return Err(Full::Listener { max });
        }
        let max = self.bounds.of(address);
        match self.by_address.get(&address) {
            Some(here) if *here >= max => Err(Full::Address { max }),
            None if max == 0 => Err(Full::Address { max }),
            Some(_) | None => Ok(()),
        }
    }

    fn count(&mut self, visitor: Visitor) {
        self.all += 1;
        if let Some(gate) = self.gate_mut(visitor.listener) {
            gate.all += 1;
        }
        *self.by_address.entry(visitor.address).or_default() += 1;
    }

    /// Counts one out that was counted in.
    fn leave(&mut self, visitor: Visitor) {
        let Visitor { address, listener } = visitor;
        assert!(self.all > 0, "more connections left than came");
        self.all -= 1;
        if let Some(gate) = self.gate_mut(listener) {
            gate.all -= 1;
        }
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
                let of = listener.to_ascii_lowercase();
                write!(
                    f,
                    "all {max} connections of the listener {listener} are taken \
                     (listener.name.{of}.{MAX})"
                )
            }
            Full::Address { max } => {
                write!(f, "its address has {max} already (max.connections.per.ip)")
            }
            Full::Row { max } => write!(
                f,
                "{max} wait at the listener {listener} already, which is {WAIT_MAX_SECONDS} s \
                 ({RATE})"
            ),
            Full::Closed => write!(f, "its listener is closed"),
        }
    }
}

impl Shard {
    /// A connection was accepted here: asks for its admission.
    pub(super) fn ask_entry(
        &mut self,
        connection: ConnectionId,
        peer: IpAddr,
        listener: ListenerId,
    ) {
        let visitor = Visitor {
            address: peer.to_canonical(),
            listener,
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
                if let Err(full) = self.door.wait(from, connection, visitor) {
                    let entered = Knock::Entered {
                        connection,
                        visitor,
                        outcome: Err(full),
                    };
                    return self.tell(from, Message::Door(entered));
                }
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
                Ok((next, outcome)) => {
                    let entered = Knock::Entered {
                        connection: next.connection,
                        visitor: next.visitor,
                        outcome,
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
                let listener = self.config.addresses.listener(visitor.listener);
                let told = Told(full, listener.map_or("", |listener| &listener.name));
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
#[path = "door_tests.rs"]
mod tests;
