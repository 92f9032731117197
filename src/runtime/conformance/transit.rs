//! Connections that move between shards: no byte is lost, doubled or out of order on the way.

use bytes::Bytes;

use super::{Network, Rig, Script, Shape};
use crate::base::{ByteCount, Now, ShardId};
use crate::runtime::block::BlockPool;
use crate::runtime::event::{Actions, ConnectionId, Event, Receive, Send, Transit};
use crate::runtime::machine::{Boot, Machine};

pub fn run(rig: &mut impl Rig) {
    a_moving_connection_keeps_every_byte_in_order(rig);
    a_connection_that_is_dropped_on_its_way_is_closed(rig);
    a_block_that_was_lent_comes_back_as_it_was(rig);
}

const SHARDS: u16 = 3;
const CORES: usize = 2;
const SHAPE: Shape = Shape {
    shards: SHARDS,
    cores: CORES,
};

/// So many bytes are echoed before the connection moves on.
const STAY_BYTES: usize = 10_000;
const BYTES: usize = 400_000;

/// A connection, and what was received of it after its machine had decided to let it go.
type Moved = (Transit, Vec<u8>);

/// Echoes a while, then hands its connection to the next shard.
struct Wanderer {
    shard: ShardId,
    echoed: usize,
    unsent: usize,
    /// A wish to move; nothing more is asked for until it has.
    leaving: bool,
    /// Received while it was leaving.
    unread: Vec<u8>,
    /// Drops what it detaches.
    drops: bool,
    arrivals: usize,
}

impl Wanderer {
    fn new(boot: &Boot<'_>, drops: bool) -> Self {
        Self {
            shard: boot.shard,
            echoed: 0,
            unsent: 0,
            leaving: false,
            unread: Vec::new(),
            drops,
            arrivals: 0,
        }
    }

    fn next(&self) -> ShardId {
        ShardId((self.shard.0 + 1) % SHARDS)
    }

    fn received(&mut self, id: ConnectionId, bytes: Bytes, actions: &mut Actions<Moved>) {
        if self.leaving {
            return self.unread.extend(&bytes);
        }
        self.echo(id, bytes, actions);
        self.leaving = self.echoed >= STAY_BYTES;
        if !self.leaving {
            self.wish(id, actions);
        }
    }

    fn echo(&mut self, connection: ConnectionId, bytes: Bytes, actions: &mut Actions<Moved>) {
        self.unsent += 1;
        self.echoed += bytes.len();
        let pieces = vec![bytes];
        actions.send.push(Send { connection, pieces });
    }

    fn wish(&self, connection: ConnectionId, actions: &mut Actions<Moved>) {
        actions.receive.push(Receive {
            connection,
            into: None,
            want: ByteCount::kib(4),
        });
    }

    fn came(&mut self, id: ConnectionId, actions: &mut Actions<Moved>) {
        self.echoed = 0;
        self.leaving = false;
        let unread = std::mem::take(&mut self.unread);
        if !unread.is_empty() {
            self.echo(id, unread.into(), actions);
        }
        self.wish(id, actions);
    }
}

impl Machine for Wanderer {
    type Message = Moved;

    fn handle(&mut self, _: Now, event: Event<Moved>, actions: &mut Actions<Moved>) {
        match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => self.came(connection, actions),
            Event::Attached { connection } => {
                self.arrivals += 1;
                self.came(connection, actions);
            }
            Event::Received {
                connection,
                count: 0,
                ..
            } => actions.close.push((connection, false)),
            Event::Received {
                connection,
                block,
                count,
            } => {
                let bytes = block.share(block.filled() - count..block.filled());
                self.received(connection, bytes, actions);
            }
            Event::Sent { connection } => {
                self.unsent -= 1;
                if self.leaving && self.unsent == 0 {
                    // Every other stay ends with a receive under way: the driver takes it back.
                    if self.arrivals % 2 == 1 {
                        self.wish(connection, actions);
                    }
                    actions.detach.push(connection);
                }
            }
            Event::Detached { transit, block, .. } => {
                assert!(block.is_none(), "no block was lent");
                if !self.drops {
                    let unread = std::mem::take(&mut self.unread);
                    actions.mesh.push((self.next(), (transit, unread)));
                }
            }
            Event::Mesh { message, .. } => {
                self.unread = message.1;
                actions.attach.push(message.0);
            }
            Event::Closed { .. } => {}
            Event::Stop => actions.stopped = Some(0),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    fn end_turn(&mut self, _: Now, _: &mut Actions<Moved>) {}
}

/// Asks for less than a stay at a time, so that the wanderer's receives are not cut short.
fn talkative_client(network: &mut dyn Network) {
    let mut sent = vec![0; BYTES];
    crate::base::random::Random::with_seed(11).fill(&mut sent);
    {
        let mut peer = network.connect();
        for piece in sent.chunks(STAY_BYTES / 2) {
            peer.send(piece);
            let back = peer.read(piece.len());
            assert!(back == piece, "what came back is not what was sent");
        }
        // And without waiting.
        for piece in sent.chunks(STAY_BYTES / 3) {
            peer.send(piece);
        }
        let back = peer.read(BYTES);
        assert_eq!(back.len(), BYTES, "what came back has another length");
        assert!(back == sent, "what came back is not what was sent");
    }
    network.stop();
}

fn a_moving_connection_keeps_every_byte_in_order(rig: &mut impl Rig) {
    let make = |boot: Boot<'_>| Wanderer::new(&boot, false);

    let code = rig.run(SHAPE, make, talkative_client);

    assert_eq!(code, 0);
}

fn abandoned_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        let sent = [7; STAY_BYTES];
        peer.send(&sent);
        let back = peer.read(STAY_BYTES + 1);
        assert!(back.len() <= STAY_BYTES, "the end came, or a reset");
    }
    network.stop();
}

fn a_connection_that_is_dropped_on_its_way_is_closed(rig: &mut impl Rig) {
    let make = |boot: Boot<'_>| Wanderer::new(&boot, true);

    let code = rig.run(SHAPE, make, abandoned_client);

    assert_eq!(code, 0);
}

const LENT: &[u8] = b"half a frame";

fn patient_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        // Sends only when the connection has come to rest again.
        assert_eq!(peer.read(LENT.len()), LENT);
        peer.send(b"x");
        assert_eq!(peer.read(2), b"x");
    }
    network.stop();
}

fn a_block_that_was_lent_comes_back_as_it_was(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut closed = false;
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => {
                let mut block = BlockPool::default().take(ByteCount::kib(4));
                block.append(LENT);
                let want = ByteCount::kib(4);
                actions.receive.push(Receive {
                    connection,
                    into: Some(block),
                    want,
                });
                actions.detach.push(connection);
            }
            Event::Detached { transit, block, .. } => {
                let block = block.expect("it was lent");
                assert_eq!(block.filled_bytes(), LENT);
                actions.attach.push(transit);
            }
            Event::Attached { connection } => {
                let pieces = vec![Bytes::from_static(LENT)];
                actions.send.push(Send { connection, pieces });
                actions.receive.push(Receive {
                    connection,
                    into: None,
                    want: ByteCount::kib(4),
                });
            }
            Event::Received {
                connection, block, ..
            } => {
                let pieces = vec![block.share(0..block.filled())];
                actions.send.push(Send { connection, pieces });
                actions.close.push((connection, false));
            }
            Event::Sent { .. } => {}
            Event::Closed { .. } => closed = true,
            Event::Stop => {
                assert!(closed, "a connection that was closed is told to be");
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(Shape::ONE, make, patient_client);

    assert_eq!(code, 0);
}
