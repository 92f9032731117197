//! Back-pressure, both ways: nothing is received unasked, and what a peer does not read has not
//! been sent.

use bytes::Bytes;

use super::net::wish;
use super::{Network, Rig, Script, Shape};
use crate::runtime::event::{Actions, CloseReason, ConnectionId, Event, Send};
use crate::runtime::machine::Boot;

const SENDS: usize = 64;
const EARLY: &[u8] = b"said before anybody listened";

pub fn run(rig: &mut impl Rig) {
    who_does_not_read_is_not_sent_to_and_who_is_not_asked_is_not_heard(rig);
}

/// Reads nothing until another peer has heard that this one holds the machine's sends back.
fn slow_client(network: &mut dyn Network) {
    {
        let mut slow = network.connect();
        slow.send(EARLY);
        let mut other = network.connect();
        other.send(b"?");
        assert_ne!(other.read(1), [0], "everything is said to have left");
        other.send(b"!");
        let mut all = Vec::new();
        loop {
            let more = slow.read(50_000);
            if more.is_empty() {
                break;
            }
            all.extend(more);
        }
        assert_eq!(all.len() % SENDS, 0);
        for (number, send) in all.chunks(all.len() / SENDS).enumerate() {
            let right = send.iter().all(|byte| usize::from(*byte) == number);
            assert!(right, "send {number} of {} bytes is not whole", send.len());
        }
        assert!(!all.is_empty(), "nothing came");
    }
    network.stop();
}

/// A machine with one peer that does not read, and one that asks about it.
struct Held {
    flood: usize,
    slow: Option<ConnectionId>,
    unsent: usize,
    /// The slow one may be heard.
    asked: bool,
    heard: usize,
    closed: usize,
}

impl Held {
    fn accepted(&mut self, connection: ConnectionId, actions: &mut Actions<u64>) {
        if self.slow.is_some() {
            return actions.receive.push(wish(connection));
        }
        self.slow = Some(connection);
        self.unsent = SENDS;
        for number in 0..SENDS {
            let bytes = Bytes::from(vec![number as u8; self.flood / SENDS]);
            // A send is what lies between its ends, however many pieces that is.
            let pieces = vec![Bytes::new(), bytes.slice(..7), bytes.slice(7..)];
            actions.send.push(Send { connection, pieces });
        }
    }

    fn asked(&mut self, connection: ConnectionId, word: u8, actions: &mut Actions<u64>) {
        if word == b'!' {
            self.asked = true;
            return actions.receive.extend(self.slow.map(wish));
        }
        let pieces = vec![Bytes::from(vec![self.unsent as u8])];
        actions.send.push(Send { connection, pieces });
        actions.receive.push(wish(connection));
    }

    fn heard(&mut self, connection: ConnectionId, count: usize, actions: &mut Actions<u64>) {
        assert!(self.asked, "received unasked");
        self.heard += count;
        match self.heard < EARLY.len() {
            true => actions.receive.push(wish(connection)),
            false => actions.close.push((connection, false)),
        }
    }

    fn handle(&mut self, event: Event<u64>, actions: &mut Actions<u64>) {
        match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => self.accepted(connection, actions),
            Event::Received {
                connection, count, ..
            } if self.slow == Some(connection) => self.heard(connection, count, actions),
            Event::Received {
                connection,
                block,
                count: 1..,
            } => self.asked(connection, block.filled_bytes()[0], actions),
            Event::Sent { connection } if self.slow == Some(connection) => self.unsent -= 1,
            Event::Sent { .. } => {}
            Event::Closed { connection, reason } if self.slow == Some(connection) => {
                assert_eq!(reason, CloseReason::Asked);
                assert_eq!(self.unsent, 0, "every send is told before the end");
                self.closed += 1;
            }
            Event::Received { .. } | Event::Closed { .. } => {}
            Event::Stop => {
                assert_eq!((self.closed, self.heard), (1, EARLY.len()));
                actions.stopped = Some(0);
            }
            other => panic!("nobody asked for {other:?}"),
        }
    }
}

fn who_does_not_read_is_not_sent_to_and_who_is_not_asked_is_not_heard(rig: &mut impl Rig) {
    let flood = rig.flood();
    let make = move |_: Boot<'_>| {
        let mut held = Held {
            flood,
            slow: None,
            unsent: 0,
            asked: false,
            heard: 0,
            closed: 0,
        };
        Script(move |_, event, actions: &mut Actions<u64>| held.handle(event, actions))
    };

    let code = rig.run(Shape::ONE, make, slow_client);

    assert_eq!(code, 0);
}
