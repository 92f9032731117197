//! One connection between a simulated client and a machine, as TCP would carry it: bytes keep
//! their order, and everything else is chance.

use std::collections::VecDeque;
use std::sync::Weak;

use bytes::Bytes;

use crate::base::random::Random;
use crate::base::{ByteCount, ShardId, Span, Ticks};
use crate::runtime::block::{Block, BlockPool};
use crate::runtime::event::{ConnectionId, Event, Receive};

/// How a network behaves.
#[derive(Clone, Copy, Debug)]
pub struct NetworkFaults {
    /// The longest that a packet takes, as a rule.
    pub delay_max: Span,
    /// One packet in so many takes a hundred times as long.
    pub slow: u64,
    /// One packet in so many resets its connection.
    pub reset: u64,
    /// One connection in so many brings its bytes in tiny pieces.
    pub tiny_pieces: u64,
    /// The most bytes that the kernel takes from a machine before the peer has read them.
    pub window: ByteCount,
}

impl NetworkFaults {
    pub const NONE: Self = Self {
        delay_max: Span(100_000),
        slow: 0,
        reset: 0,
        tiny_pieces: 0,
        window: ByteCount::mib(1),
    };
}

/// What travels on a link, and how it ends.
#[derive(Debug)]
pub(super) enum Packet {
    Bytes(Bytes),
    /// The sender has finished.
    End,
    Reset,
}

#[derive(Debug)]
pub(super) struct Link {
    pub shard: ShardId,
    pub connection: ConnectionId,
    /// Bytes that reached the machine's side and were not received yet.
    arrived: VecDeque<u8>,
    /// The client has finished sending, and that has arrived.
    ended: bool,
    /// The machine has been told so.
    end_told: bool,
    receive: Option<Receive>,
    /// What the machine has sent and the kernel has not taken, with the bytes left of each `Send`.
    unsent: VecDeque<(VecDeque<Bytes>, usize)>,
    /// Taken by the kernel, not read by the client.
    pub in_window: usize,
    /// A `Send` kept back by a planted bug.
    pub held: Option<Vec<Bytes>>,
    /// A planted bug lets nothing more of what the machine sends arrive.
    pub mute: bool,
    pub close_when_sent: bool,
    /// The client is to be told, when all is sent, that nothing follows.
    pub finish_when_sent: bool,
    /// The machine's side exists.
    pub machine_open: bool,
    /// On its way between two machines, for as long as the token lives.
    pub transit: Option<Weak<()>>,
    /// How often it has moved; each machine knows it by another id.
    pub moves: u64,
    /// It was reset on its way; the machine that takes it in is told.
    pub broken: bool,
    /// The client's side exists.
    pub client_open: bool,
    /// The client reads nothing for now.
    pub stalled: bool,
    /// Read by nobody yet, on the client's side.
    pub inbox: Vec<u8>,
    /// The largest piece that a receive brings.
    piece_max: usize,
    /// Packets of one direction arrive in order.
    pub last_up: Ticks,
    pub last_down: Ticks,
}

impl Link {
    pub fn new(shard: ShardId, connection: ConnectionId, piece_max: usize) -> Self {
        Self {
            shard,
            connection,
            arrived: VecDeque::new(),
            ended: false,
            end_told: false,
            receive: None,
            unsent: VecDeque::new(),
            in_window: 0,
            held: None,
            mute: false,
            close_when_sent: false,
            finish_when_sent: false,
            machine_open: true,
            transit: None,
            moves: 0,
            broken: false,
            client_open: true,
            stalled: false,
            inbox: Vec::new(),
            piece_max,
            last_up: Ticks(0),
            last_down: Ticks(0),
        }
    }

    /// A packet reached the machine's side.
    pub fn arrive(&mut self, packet: &Packet) {
        match packet {
            Packet::Bytes(bytes) => self.arrived.extend(bytes),
            Packet::End => self.ended = true,
            Packet::Reset => {}
        }
    }

    pub fn wish(&mut self, receive: Receive) {
        assert!(
            self.receive.is_none(),
            "{:?} wishes for bytes twice",
            self.connection
        );
        self.receive = Some(receive);
    }

    /// What the machine is to be told, if it wishes and there is something.
    pub fn receive<M>(&mut self, pool: &BlockPool, random: &mut Random) -> Option<Event<M>> {
        if !self.machine_open || (self.arrived.is_empty() && (!self.ended || self.end_told)) {
            return None;
        }
        let wish = self.receive.take()?;
        let mut block = wish.into.unwrap_or_else(|| pool.take(wish.want));
        let spare = block.capacity() - block.filled();
        assert!(
            spare > 0,
            "{:?} receives into a full block",
            self.connection
        );
        let most = self.arrived.len().min(spare).min(self.piece_max);
        let count = match most {
            0 => 0,
            _ if random.one_in(3) => 1 + random.below(most as u64) as usize,
            _ => most,
        };
        self.end_told = count == 0;
        let bytes: Vec<u8> = self.arrived.drain(..count).collect();
        block.append(&bytes);
        Some(Event::Received {
            connection: self.connection,
            block,
            count,
        })
    }

    /// Takes the receive under way back, and the block that it lent.
    pub fn take_wish(&mut self) -> Option<Block> {
        self.receive.take().and_then(|receive| receive.into)
    }

    pub fn send(&mut self, pieces: Vec<Bytes>) {
        let bytes = pieces.iter().map(Bytes::len).sum();
        self.unsent.push_back((pieces.into(), bytes));
    }

    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.held.is_some()
    }

    /// Moves what fits into the window. Returns what leaves, and how many sends are through.
    pub fn leave(&mut self, window: usize) -> (Vec<Bytes>, usize) {
        let mut leaving = Vec::new();
        let mut through = 0;
        while let Some((pieces, left)) = self.unsent.front_mut() {
            while *left > 0 && self.in_window < window {
                let mut piece = pieces.pop_front().expect("bytes are left, so are pieces");
                let count = piece.len().min(window - self.in_window);
                let part = piece.split_to(count);
                if !piece.is_empty() {
                    pieces.push_front(piece);
                }
                *left -= count;
                self.in_window += count;
                leaving.push(part);
            }
            if *left > 0 {
                break;
            }
            self.unsent.pop_front();
            through += 1;
        }
        (leaving, through)
    }

    /// The machine's side is gone: nothing more is received or sent.
    pub fn drop_machine_side(&mut self) {
        self.machine_open = false;
        self.receive = None;
        self.unsent.clear();
        self.held = None;
        self.arrived.clear();
    }
}
