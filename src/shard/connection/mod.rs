//! One client's connection: bytes in, frames, replies in order, bytes out.

pub mod inbound;
pub mod outbound;
pub mod slots;
pub mod steering;

use std::net::SocketAddr;

use crate::base::limits::{HANDSHAKE_WAIT, LINGER_WAIT, STALLED_SEND_WAIT};
use crate::base::{ByteCount, ShardId, Span, Ticks};
use crate::runtime::ListenerId;

use crate::wire::StrBytes;

use super::address::Endpoint;
use super::admission::Begun;
use super::door::Visitor;
use inbound::Inbound;
use outbound::Outbound;
use slots::Slots;
use steering::Steering;

/// What a shard keeps of one connection.
#[derive(Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    /// What it came by.
    pub listener: ListenerId,
    /// What this client is told to connect to.
    pub endpoint: Endpoint,
    pub inbound: Inbound,
    pub slots: Slots,
    pub outbound: Outbound,
    /// Of replies that the kernel has not taken, as `Lending` counts them.
    pub owed_bytes: usize,
    /// As what it counts, once shard 0 has let it in; it is read from then on.
    pub entered: Option<Visitor>,
    /// A receive is with the driver.
    pub receiving: bool,
    /// The peer has finished sending; what is owed is still sent.
    pub ended: bool,
    /// It is read no further and closed when nothing is owed.
    pub doomed: bool,
    /// It was refused, and what it sends is not wanted any more.
    pub refused: bool,
    /// We have said that nothing more comes, and throw away what it still sends.
    pub lingering: Option<Lingering>,
    /// We have said `close`; only `Closed` is awaited.
    pub closing: bool,
    /// It is on the list of those to look at when the turn ends.
    pub touched: bool,
    /// It is on the list of those to read in the next turn.
    pub runnable: bool,
    /// Memory of its partial frame, as `Admission` counts it.
    pub charged: usize,
    /// Its partial frame's place in the order, and when it began.
    pub begun: Option<(Begun, Ticks)>,
    /// When the newest receive was handed to the driver.
    pub receiving_since: Ticks,
    /// What the client calls itself, from ApiVersions 3 on; empty if it began without.
    pub software: Option<(StrBytes, StrBytes)>,
    /// This client is told of every shard as a broker of its own.
    pub sees_shards: bool,
    pub steering: Steering,
    /// Where it moves once it is at rest; it is read no further until then.
    pub leaving_for: Option<ShardId>,
    /// The driver was asked for its socket.
    pub detaching: bool,
    /// Produce requests under way that get no reply (acks=0); they count as outstanding.
    pub silent: usize,
    /// A large request of it is being handed over in slices; nothing behind it is decoded.
    pub slicing: bool,
    /// What this connection has had decoded in the turn `turn`.
    pub turn: u64,
    pub turn_requests: usize,
    pub turn_bytes: usize,
    /// Its listener was closed: it is, too, by then, whatever it is owed.
    ends_by: Option<Ticks>,
    /// When it came or was let in.
    opened: Ticks,
    /// When its newest bytes came after a first whole request, or its newest reply left.
    last_active: Option<Ticks>,
}

/// The end of a refused connection: a socket that is closed with unread bytes in it is reset, and
/// the peer may lose replies that were on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lingering {
    pub since: Ticks,
    /// Bytes thrown away so far.
    pub bytes: u64,
}

/// Why a connection is closed for its silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// It has not sent one whole request.
    Handshake,
    /// It has asked nothing and is owed nothing.
    Idle,
    /// It does not take its replies.
    Stalled,
    /// It was refused, and does not close its end.
    Lingering,
    /// Its listener was closed.
    ListenerClosed,
}

impl Connection {
    pub fn new(
        peer: SocketAddr,
        (listener, endpoint): (ListenerId, Endpoint),
        now: Ticks,
        frame_bytes_max: ByteCount,
    ) -> Self {
        Self {
            peer,
            listener,
            endpoint,
            inbound: Inbound::new(frame_bytes_max),
            slots: Slots::default(),
            outbound: Outbound::default(),
            owed_bytes: 0,
            entered: None,
            receiving: false,
            ended: false,
            doomed: false,
            refused: false,
            lingering: None,
            closing: false,
            touched: false,
            runnable: false,
            charged: 0,
            begun: None,
            receiving_since: now,
            software: None,
            sees_shards: false,
            steering: Steering::default(),
            leaving_for: None,
            detaching: false,
            silent: 0,
            slicing: false,
            turn: 0,
            turn_requests: 0,
            turn_bytes: 0,
            ends_by: None,
            opened: now,
            last_active: None,
        }
    }

    /// Its listener was closed: it is read no further, and has a little time for what it is owed.
    pub fn end_by(&mut self, at: Ticks) {
        self.doomed = true;
        self.refused = true;
        self.ends_by = Some(at);
    }

    /// What it is on the shard that it has just come to, which counts `held` bytes for it.
    pub fn settled(mut self, now: Ticks, held: usize) -> Self {
        assert!(self.is_at_rest(), "it moved while something was owed");
        self.steering.moved(now);
        self.leaving_for = None;
        self.detaching = false;
        self.receiving = false;
        self.receiving_since = now;
        self.touched = false;
        self.runnable = false;
        self.charged = held;
        // Turns are counted by each shard for itself.
        (self.turn, self.turn_requests, self.turn_bytes) = (0, 0, 0);
        self
    }

    /// It was let in, and has as long for its first request as if it came now.
    pub fn enter(&mut self, visitor: Visitor, now: Ticks) {
        self.entered = Some(visitor);
        self.opened = now;
    }

    /// A whole request came.
    pub fn note_request(&mut self, now: Ticks) {
        self.last_active = Some(now);
    }

    /// A part of a request came: as in Kafka, a slow upload is not idle. Without a first whole
    /// request it is no sign of a client.
    pub fn note_bytes(&mut self, now: Ticks) {
        self.last_active = self.last_active.map(|_| now);
    }

    /// A part of a reply has left: from here on it may be idle, not from its request on. Returns
    /// how many bytes.
    pub fn note_sent(&mut self, now: Ticks) -> usize {
        let bytes = self.outbound.sent(now);
        self.owed_bytes -= bytes;
        self.last_active = Some(now);
        bytes
    }

    /// Requests under way, answered or not.
    pub fn outstanding(&self) -> usize {
        self.slots.len() + self.silent
    }

    /// Nothing is owed and nothing is on its way.
    pub fn is_at_rest(&self) -> bool {
        self.outstanding() == 0 && self.outbound.is_empty()
    }

    /// The silence that it must be closed for, or when to look again. `idle` is
    /// `connections.max.idle.ms`; None: it may be idle for ever.
    pub fn silence(&self, now: Ticks, idle: Option<Span>) -> Result<Ticks, Silence> {
        if let Some(lingering) = self.lingering {
            let due = lingering.since + LINGER_WAIT;
            return if due <= now {
                Err(Silence::Lingering)
            } else {
                Ok(due)
            };
        }
        if let Some(at) = self.ends_by {
            return if at <= now {
                Err(Silence::ListenerClosed)
            } else {
                Ok(at)
            };
        }
        let (limit, why): ((Ticks, Span), Silence) = match self.outbound.waiting_since() {
            Some(since) => ((since, STALLED_SEND_WAIT), Silence::Stalled),
            // Told to wait, at the door or for memory: the silence is ours.
            None if !self.receiving && !self.ended => return Ok(now + HANDSHAKE_WAIT),
            None => match self.last_active {
                None => ((self.opened, HANDSHAKE_WAIT), Silence::Handshake),
                // Owed a reply: the silence is ours.
                Some(_) if self.outstanding() > 0 => return Ok(now + HANDSHAKE_WAIT),
                Some(last) => match idle {
                    Some(idle) => ((last, idle), Silence::Idle),
                    None => return Ok(now + STALLED_SEND_WAIT),
                },
            },
        };
        let due = limit.0 + limit.1;
        if due <= now {
            return Err(why);
        }
        Ok(due)
    }
}

impl std::fmt::Display for Silence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Handshake => "no whole request since it connected",
            Self::Idle => "idle",
            Self::Stalled => "it does not take its replies",
            Self::Lingering => "it was refused and goes on",
            Self::ListenerClosed => "its listener is closed",
        })
    }
}
