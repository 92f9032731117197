//! Listeners that come and go: bound for all, opened and shut by each.

use std::net::SocketAddr;

use super::net::wish;
use super::{Network, Rig, Script, Shape};
use crate::base::ShardId;
use crate::runtime::event::{Actions, Bind, ConnectionId, Event, ListenerId, Send};
use crate::runtime::machine::Boot;

/// What a client asks for: a listener, one where there is one already, or that the newest be shut.
const OPEN: u8 = b'o';
const TAKE: u8 = b't';
const SHUT: u8 = b's';

/// What shards tell each other, with the listener's number added; and that it is done.
const TO_OPEN: u64 = 1_000;
const TO_SHUT: u64 = 2_000;
const DONE: u64 = 0;

pub fn run(rig: &mut impl Rig) {
    for shape in [Shape::ONE, SEVERAL] {
        listeners_come_and_go(rig, shape);
    }
}

const SEVERAL: Shape = Shape {
    shards: 3,
    cores: 2,
};

/// Serves whoever asks as above, and echoes all else.
struct Server {
    id: ShardId,
    shards: Vec<ShardId>,
    /// Who awaits an answer, what it will be, and how many shards are still to do their part.
    asker: Option<(ConnectionId, Vec<u8>, usize)>,
    /// The newest that was asked for here.
    listener: ListenerId,
    port: u16,
}

impl Server {
    fn asked(&mut self, connection: ConnectionId, byte: u8, actions: &mut Actions<u64>) {
        match byte {
            OPEN | TAKE => {
                // Each shard has numbers of its own.
                self.listener.0 += 1;
                actions.bind.push(Bind {
                    listener: self.listener,
                    host: "127.0.0.1".to_owned(),
                    port: if byte == OPEN { 0 } else { self.port },
                });
                self.asker = Some((connection, Vec::new(), 0));
            }
            SHUT => self.tell_all(connection, TO_SHUT, vec![SHUT], actions),
            other => answer(connection, vec![other], actions),
        }
    }

    fn bound(&mut self, at: &[SocketAddr], actions: &mut Actions<u64>) {
        let (connection, _, _) = self.asker.take().expect("somebody asked");
        self.port = at[0].port();
        let port = self.port.to_be_bytes().to_vec();
        self.tell_all(connection, TO_OPEN, port, actions);
    }

    fn tell_all(
        &mut self,
        connection: ConnectionId,
        what: u64,
        words: Vec<u8>,
        actions: &mut Actions<u64>,
    ) {
        self.asker = Some((connection, words, self.shards.len()));
        let message = what + u64::from(self.listener.0);
        for shard in self.shards.clone() {
            if shard == self.id {
                self.told(shard, message, actions);
            } else {
                actions.mesh.push((shard, message));
            }
        }
    }

    fn told(&mut self, from: ShardId, message: u64, actions: &mut Actions<u64>) {
        if message == DONE {
            return self.done(actions);
        }
        let number = ListenerId((message % 1_000) as u32);
        match message >= TO_SHUT {
            true => actions.shut.push(number),
            false => actions.open.push(number),
        }
        if from == self.id {
            self.done(actions);
        } else {
            actions.mesh.push((from, DONE));
        }
    }

    fn done(&mut self, actions: &mut Actions<u64>) {
        let (connection, words, left) = self.asker.as_mut().expect("somebody asked");
        *left -= 1;
        if *left == 0 {
            answer(*connection, std::mem::take(words), actions);
        }
    }
}

fn answer(connection: ConnectionId, words: Vec<u8>, actions: &mut Actions<u64>) {
    let pieces = vec![words.into()];
    actions.send.push(Send { connection, pieces });
}

fn client(network: &mut dyn Network) {
    let mut main = network.connect();
    let mut ask = |byte: u8, length: usize| {
        main.send(&[byte]);
        let words = main.read(length);
        assert_eq!(words.len(), length, "no answer");
        words
    };
    let echoes = |peer: &mut dyn super::Peer| {
        peer.send(b"x");
        peer.read(1) == b"x"
    };

    let port = u16::from_be_bytes(*ask(OPEN, 2).first_chunk().expect("a port"));
    let many: Vec<_> = (0..20).map(|_| network.connect_at(port)).collect();
    let mut many: Vec<_> = many.into_iter().flatten().collect();
    assert_eq!(
        many.len(),
        20,
        "a listener that is open is open on every core"
    );
    assert!(many.iter_mut().all(|peer| echoes(&mut **peer)));
    assert_eq!(ask(TAKE, 1), [TAKE], "two have one port");
    assert!(network.connect_at(port).is_some(), "what was there stays");

    // The newest number was refused, and names nothing.
    ask(SHUT, 1);
    assert!(network.connect_at(port).is_some(), "another one was shut");
    let other = u16::from_be_bytes(*ask(OPEN, 2).first_chunk().expect("a port"));
    assert!(other != port && network.connect_at(other).is_some());
    ask(SHUT, 1);
    assert!(network.connect_at(other).is_none(), "it was shut");
    assert!(network.connect_at(port).is_some(), "another one was shut");
    assert!(many.iter_mut().all(|peer| echoes(&mut **peer)));
    network.stop();
}

fn listeners_come_and_go(rig: &mut impl Rig, shape: Shape) {
    let make = |boot: Boot<'_>| {
        let mut server = Server {
            id: boot.shard,
            shards: boot.shards.to_vec(),
            asker: None,
            listener: ListenerId(10 * u32::from(boot.shard.0)),
            port: 0,
        };
        Script(move |_, event, actions: &mut Actions<u64>| match event {
            Event::Started => actions.listen = true,
            Event::Accepted { connection, .. } => actions.receive.push(wish(connection)),
            Event::Received {
                connection,
                block,
                count: 1..,
            } => {
                let byte = block.filled_bytes()[0];
                server.asked(connection, byte, actions);
                actions.receive.push(wish(connection));
            }
            Event::Bound(Ok(all)) => server.bound(&all[0], actions),
            Event::Bound(Err(refused)) => {
                assert_eq!(refused.listener, server.listener);
                let (connection, _, _) = server.asker.take().expect("somebody asked");
                answer(connection, vec![TAKE], actions);
            }
            Event::Mesh { from, message } => server.told(from, message, actions),
            Event::Stop => actions.stopped = Some(0),
            _ => {}
        })
    };

    let code = rig.run(shape, make, client);

    assert_eq!(code, 0);
}
