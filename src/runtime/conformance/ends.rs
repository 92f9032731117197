//! How connections end: by the peer, by a reset, by the machine, with the process; and what goes
//! on meanwhile.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::net::wish;
use super::{Network, Peer, Rig, Script, Shape, stops_on_request};
use crate::runtime::event::{Actions, CloseReason, ConnectionId, Event, Send};
use crate::runtime::machine::Boot;

pub fn run(rig: &mut impl Rig) {
    a_reset_is_told_and_harms_no_other_connection(rig);
    a_close_at_once_drops_what_is_queued_and_is_told_once(rig);
    a_peer_that_has_finished_is_answered_as_long_as_the_machine_likes(rig);
    who_stops_to_listen_serves_old_peers_and_lets_no_new_ones_in(rig);
    a_process_that_stops_ends_the_connections_that_are_left(rig);
}

fn send(connection: ConnectionId, bytes: impl Into<Bytes>) -> Send {
    let pieces = vec![bytes.into()];
    Send { connection, pieces }
}

/// Asks until the answer is this; how long that takes is the driver's affair.
fn await_answer(peer: &mut dyn Peer, answer: u8) {
    const ASKED_MAX: usize = 1_000_000;
    for _ in 0..ASKED_MAX {
        peer.send(b"?");
        if peer.read(1) == [answer] {
            return;
        }
    }
    panic!("{answer} was never the answer");
}

fn resetting_client(network: &mut dyn Network) {
    {
        let mut honest = network.connect();
        for _ in 0..3 {
            let mut other = network.connect();
            other.send(b"?");
            assert_eq!(other.read(1).len(), 1);
            other.reset();
        }
        await_answer(&mut *honest, 3);
        honest.finish_sending();
        assert_eq!(honest.read(1), b"");
    }
    network.stop();
}

/// Whoever asks is told how many were reset.
fn a_reset_is_told_and_harms_no_other_connection(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut resets = 0;
        let mut ended = BTreeSet::new();
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received {
                connection,
                count: 0,
                ..
            } => actions.close.push((connection, false)),
            Event::Received { connection, .. } => {
                assert!(!ended.contains(&connection), "heard after its end");
                actions.send.push(send(connection, vec![resets]));
                actions.receive.push(wish(connection));
            }
            Event::Sent { connection } => assert!(!ended.contains(&connection)),
            Event::Closed { connection, reason } => {
                assert!(ended.insert(connection), "ended twice");
                let expected = match resets {
                    3 => CloseReason::Asked,
                    _ => CloseReason::Reset,
                };
                assert_eq!(reason, expected);
                resets += u8::from(reason == CloseReason::Reset);
            }
            Event::Stop => {
                assert_eq!(ended.len(), 4);
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(Shape::ONE, make, resetting_client);

    assert_eq!(code, 0);
}

/// What is queued on a connection that is closed at once: more than leaves in one call.
const QUEUED: usize = 4 << 20;

fn cut_off_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        assert!(peer.read(QUEUED).len() < QUEUED, "all of it came");
        // Served after whatever the machine said of the first one.
        let mut other = network.connect();
        other.send(b"?");
        assert_eq!(other.read(2), b"!");
    }
    network.stop();
}

fn a_close_at_once_drops_what_is_queued_and_is_told_once(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut first: Option<ConnectionId> = None;
        let mut closed = Vec::new();
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } if first.is_none() => {
                first = Some(connection);
                let bytes = Bytes::from(vec![7; QUEUED / 4]);
                let queued = (0..4).map(|_| send(connection, bytes.clone()));
                actions.send.extend(queued);
                actions.close.push((connection, true));
            }
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received { connection, .. } => {
                actions.send.push(send(connection, &b"!"[..]));
                actions.close.push((connection, false));
            }
            Event::Sent { connection } => assert!(!closed.contains(&connection)),
            Event::Closed { connection, reason } => {
                assert!(!closed.contains(&connection), "told twice");
                assert_eq!(reason, CloseReason::Asked);
                closed.push(connection);
                // Of a connection that is gone nothing follows.
                actions.receive.push(wish(connection));
                actions.send.push(send(connection, &b"late"[..]));
                actions.finish.push(connection);
                actions.detach.push(connection);
                actions.close.push((connection, true));
            }
            Event::Stop => {
                assert_eq!(closed.len(), 2);
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(Shape::ONE, make, cut_off_client);

    assert_eq!(code, 0);
}

const ANSWERS: usize = 40;
const ANSWER: usize = 5_000;

fn finished_client(network: &mut dyn Network) {
    {
        let mut peer = network.connect();
        peer.send(b"?");
        peer.finish_sending();
        let answers = peer.read(ANSWERS * ANSWER + 1);
        assert_eq!(answers.len(), ANSWERS * ANSWER);
        for (number, answer) in answers.chunks(ANSWER).enumerate() {
            assert!(answer.iter().all(|byte| usize::from(*byte) == number));
        }
    }
    network.stop();
}

fn a_peer_that_has_finished_is_answered_as_long_as_the_machine_likes(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut answers = 0;
        let mut received = 0;
        let mut closed = false;
        let mut answer = move |connection, actions: &mut Actions<u64>| {
            if answers == ANSWERS {
                return actions.close.push((connection, false));
            }
            actions
                .send
                .push(send(connection, vec![answers as u8; ANSWER]));
            answers += 1;
        };
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received {
                connection,
                count: 0,
                ..
            } => {
                assert_eq!(received, 1, "the end comes last");
                answer(connection, actions);
            }
            Event::Received {
                connection, count, ..
            } => {
                received += count;
                actions.receive.push(wish(connection));
            }
            Event::Sent { connection } => answer(connection, actions),
            Event::Closed { reason, .. } => {
                assert_eq!(reason, CloseReason::Asked);
                closed = true;
            }
            Event::Stop => {
                assert!(closed, "a connection that was closed is told to be");
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        })
    };

    let code = rig.run(Shape::ONE, make, finished_client);

    assert_eq!(code, 0);
}

fn old_client(network: &mut dyn Network) {
    {
        let mut old = network.connect();
        old.send(b"1");
        assert_eq!(old.read(1), b"1");
        assert!(network.is_refused(), "a new one was let in");
        old.send(b"2");
        assert_eq!(old.read(1), b"2");
    }
    network.stop();
}

fn who_stops_to_listen_serves_old_peers_and_lets_no_new_ones_in(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let (mut accepted, mut words) = (0, 0);
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => {
                accepted += 1;
                actions.receive.push(wish(connection));
            }
            Event::Received {
                connection,
                block,
                count: 1..,
            } => {
                actions.stop_listening = words == 0;
                words += 1;
                let bytes = block.share(0..block.filled());
                actions.send.push(send(connection, bytes));
                actions.receive.push(wish(connection));
            }
            Event::Stop => {
                assert_eq!(accepted, 1);
                actions.stopped = Some(0);
            }
            _ => {}
        })
    };

    let code = rig.run(Shape::ONE, make, old_client);

    assert_eq!(code, 0);
}

fn left_client(network: &mut dyn Network) {
    let mut resting = network.connect();
    let mut waiting = network.connect();
    for peer in [&mut resting, &mut waiting] {
        peer.send(b"?");
        assert_eq!(peer.read(1), b"!");
    }
    stops_on_request(network);
    assert_eq!(resting.read(1), b"");
    assert_eq!(waiting.read(1), b"");
}

fn a_process_that_stops_ends_the_connections_that_are_left(rig: &mut impl Rig) {
    let make = |_: Boot<'_>| {
        let mut served = 0;
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received { connection, .. } => {
                actions.send.push(send(connection, &b"!"[..]));
                // One rests, of the other more is wished.
                if served == 0 {
                    actions.receive.push(wish(connection));
                }
                served += 1;
            }
            Event::Stop => actions.stopped = Some(0),
            _ => {}
        })
    };

    let code = rig.run(Shape::ONE, make, left_client);

    assert_eq!(code, 0);
}
