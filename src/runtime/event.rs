//! Events and actions: all that a machine and its driver say to each other.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::disk::{DiskDone, DiskOp};
use crate::base::{ByteCount, ShardId, Ticks};

/// A connection of one shard. Never used twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A listener of the process. Those of the start have the numbers from 0 on, in their order; the
/// machine names the others, none of them twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u32);

/// A wish for one more listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    pub listener: ListenerId,
    /// A name or an address; IPv6 without brackets.
    pub host: String,
    /// 0: any that is free at every address of the host.
    pub port: u16,
}

/// Why a listener could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindRefusal {
    pub listener: ListenerId,
    /// For people: the address, what the system said, what to do about it.
    pub words: String,
}

/// The addresses that each listener of an `Actions::bind` got, in the order of asking, with real
/// ports; of a row of ports the first.
pub type Bound = Result<Vec<Vec<SocketAddr>>, BindRefusal>;

/// Something happened.
#[derive(Debug)]
pub enum Event<M> {
    /// The first event of every machine, and once only.
    Started,
    /// A peer connected. Nothing is received until the machine asks for it.
    Accepted {
        connection: ConnectionId,
        peer: SocketAddr,
        local: SocketAddr,
    },
    /// Bytes arrived: `count` of them were appended to the filled part of `block`. Zero: the peer
    /// has finished sending; nothing more will be received, and the machine asks for no more.
    Received {
        connection: ConnectionId,
        block: Block,
        count: usize,
    },
    /// The oldest unfinished `Send` of the connection has left, whole, for the kernel.
    Sent { connection: ConnectionId },
    /// What `Actions::detach` asked for: the connection is no longer this machine's, and no
    /// further event names it. `Closed` comes instead if it ended first.
    Detached {
        connection: ConnectionId,
        transit: Transit,
        /// The block of the receive that was under way, as it was lent.
        block: Option<Block>,
    },
    /// What `Actions::attach` asked for, in the order of asking. Nothing is received until the
    /// machine asks for it.
    Attached { connection: ConnectionId },
    /// The connection is gone; no further event names it. Follows every `close` too.
    Closed {
        connection: ConnectionId,
        reason: CloseReason,
    },
    /// A disk operation ended.
    Disk(DiskDone),
    /// What `Actions::bind` asked for, in the order of asking. Refused: nothing of it is bound.
    Bound(Bound),
    /// Another shard says something. Messages of one sender arrive in order, each once. No driver
    /// bounds them: shards bound what they have under way at each other.
    Mesh { from: ShardId, message: M },
    /// The time given to `Actions::wake_at` has come.
    Wake,
    /// The process was asked to end. The machine winds up and says `Actions::stopped`.
    Stop,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The machine said so.
    Asked,
    /// The peer reset it, or the network did. Told while something is to be received or sent: a
    /// connection of which neither is asked may not hear of it before.
    Reset,
}

/// A connection between two machines: it belongs to neither, and nothing of it is read or sent.
/// Dropped, it closes.
#[derive(Debug)]
pub struct Transit(pub(super) Passenger);

/// What travels, as its driver knows it.
#[derive(Debug)]
pub(super) enum Passenger {
    Socket(socket2::Socket),
    /// The simulator's name of it; it notices when the token is gone.
    Simulated {
        socket: u64,
        _token: Arc<()>,
    },
}

/// Bytes to a peer. Pieces leave in order; sends of one connection leave in order.
#[derive(Debug)]
pub struct Send {
    pub connection: ConnectionId,
    pub pieces: Vec<Bytes>,
}

/// A wish for bytes from a peer; one at a time per connection, answered by `Event::Received`.
#[derive(Debug)]
pub struct Receive {
    pub connection: ConnectionId,
    /// Where to append. None: the connection is at rest and owns no memory; the driver takes a
    /// block of at least `want` bytes from the pool once there is something to receive.
    pub into: Option<Block>,
    /// The size of block that a connection at rest should get.
    pub want: ByteCount,
}

/// What the machine wants done, gathered over a turn and then performed. Disk operations are
/// handed over in order and may end in any order; the machine waits for what must come first.
#[derive(Debug)]
pub struct Actions<M> {
    pub receive: Vec<Receive>,
    pub send: Vec<Send>,
    /// Closed once what is queued on it has left (or at once, if true).
    pub close: Vec<(ConnectionId, bool)>,
    /// Connections on which nothing more will be sent: the peer is told once what is queued has
    /// left. They are received from as before.
    pub finish: Vec<ConnectionId>,
    /// Connections to be taken out, to be attached to another machine. Each owes nothing: every
    /// `Send` has left, and no close was asked for.
    pub detach: Vec<ConnectionId>,
    /// Connections that came from other machines.
    pub attach: Vec<Transit>,
    pub disk: Vec<DiskOp>,
    pub mesh: Vec<(ShardId, M)>,
    /// One timer per machine: the newest value replaces the older. None leaves it as it was.
    pub wake_at: Option<Ticks>,
    /// Listeners to be bound for every core of the process, or for every shard: all of them, or
    /// none. `Event::Bound` follows. Nobody can connect there before a machine opens them.
    pub bind: Vec<Bind>,
    /// Accept connections of these too, which were bound. Said by every machine for itself, once
    /// it has said `listen`, or with it; done before anything else of the turn.
    pub open: Vec<ListenerId>,
    /// Accept no more of these, which were bound or are of the start; said by every machine for
    /// itself. Connections that came by them stay.
    pub shut: Vec<ListenerId>,
    /// Start to accept connections of the start's listeners that were not shut; said once.
    pub listen: bool,
    /// Accept no more; said once.
    pub stop_listening: bool,
    /// The machine has wound up and is told nothing after this turn; the exit code of the process
    /// is the largest that any shard says.
    pub stopped: Option<u8>,
}

impl<M> Default for Actions<M> {
    fn default() -> Self {
        Self {
            receive: Vec::new(),
            send: Vec::new(),
            close: Vec::new(),
            finish: Vec::new(),
            detach: Vec::new(),
            attach: Vec::new(),
            disk: Vec::new(),
            mesh: Vec::new(),
            bind: Vec::new(),
            open: Vec::new(),
            shut: Vec::new(),
            wake_at: None,
            listen: false,
            stop_listening: false,
            stopped: None,
        }
    }
}
