//! Connections: whatever the pieces, bytes keep their order, and ends are told.

use super::{Network, Rig, Script, Shape, stops_on_request};
use crate::base::ByteCount;
use crate::runtime::event::{Actions, CloseReason, ConnectionId, Event, Receive, Send};
use crate::runtime::machine::Boot;

const BYTES: usize = 300_000;

pub fn run(rig: &mut impl Rig) {
    an_echo_returns_every_byte_in_order(rig);
    a_close_lets_what_is_queued_leave_first(rig);
    a_peer_that_still_sends_reads_all_that_was_sent_before_the_finish(rig);
}

fn noise() -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    crate::base::random::Random::with_seed(9).fill(&mut bytes);
    bytes
}

pub(super) fn wish(connection: ConnectionId) -> Receive {
    Receive {
        connection,
        into: None,
        want: ByteCount::kib(4),
    }
}

/// Sends everything, says that it has finished, and reads everything back.
fn echo_client(network: &mut dyn Network) {
    let sent = noise();
    {
        let mut peer = network.connect();
        for piece in sent.chunks(10_000) {
            peer.send(piece);
        }
        peer.finish_sending();
        let back = peer.read(BYTES + 1);
        assert_eq!(back.len(), BYTES, "what came back has another length");
        assert!(back == sent, "what came back is not what was sent");
    }
    network.stop();
}

fn an_echo_returns_every_byte_in_order(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut unsent = 0;
        let mut closed = false;
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
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
                assert!(count <= block.filled());
                let from = block.filled() - count;
                let piece = block.share(from..block.filled());
                let pieces = vec![piece.slice(..count / 2), piece.slice(count / 2..)];
                actions.send.push(Send { connection, pieces });
                unsent += 1;
                // A block with room is received into again; a full one is let go.
                let roomy = block.filled() < block.capacity();
                actions.receive.push(Receive {
                    into: roomy.then_some(block),
                    ..wish(connection)
                });
            }
            Event::Sent { .. } => unsent -= 1,
            Event::Closed { reason, .. } => {
                assert_eq!(reason, CloseReason::Asked);
                assert_eq!(unsent, 0, "every send is told before the end");
                closed = true;
            }
            Event::Stop => {
                assert!(closed, "a connection that was closed is told to be");
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(Shape::ONE, make, echo_client);

    assert_eq!(code, 0);
}

/// Reads to the end, and expects to find it after the last byte.
fn reading_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        assert_eq!(peer.read(BYTES + 1).len(), BYTES);
    }
    stops_on_request(network);
}

fn a_close_lets_what_is_queued_leave_first(rig: &mut impl Rig) {
    let shape = Shape {
        shards: 2,
        cores: 2,
    };
    let make = |_: Boot<'_>| {
        let bytes = bytes::Bytes::from(noise());
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => {
                for start in (0..BYTES).step_by(BYTES / 3) {
                    let end = (start + BYTES / 3).min(BYTES);
                    let pieces = vec![bytes.slice(start..end)];
                    actions.send.push(Send { connection, pieces });
                }
                actions.close.push((connection, false));
            }
            Event::Stop => actions.stopped = Some(0),
            _ => {}
        })
    };

    let code = rig.run(shape, make, reading_client);

    assert_eq!(code, 0);
}

const LAST_WORDS: &[u8] = b"what was owed";

/// Sends on and on, and reads what comes until the end.
fn talking_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        peer.send(&noise());
        assert_eq!(peer.read(LAST_WORDS.len() + 1), LAST_WORDS);
    }
    network.stop();
}

/// A socket that is closed with unread bytes in it is reset, and the peer loses what it has not
/// read yet: so the machine finishes, reads the rest, and closes then.
fn a_peer_that_still_sends_reads_all_that_was_sent_before_the_finish(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let (mut received, mut answered) = (0, false);
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received {
                connection,
                count: 0,
                ..
            } => actions.close.push((connection, true)),
            Event::Received {
                connection, count, ..
            } => {
                if !answered {
                    answered = true;
                    let pieces = vec![bytes::Bytes::from_static(LAST_WORDS)];
                    actions.send.push(Send { connection, pieces });
                    actions.finish.push(connection);
                }
                received += count;
                actions.receive.push(wish(connection));
            }
            Event::Stop => {
                assert!(received > 0, "nothing was received");
                actions.stopped = Some(0);
            }
            _ => {}
        })
    };

    let code = rig.run(Shape::ONE, make, talking_client);

    assert_eq!(code, 0);
}
