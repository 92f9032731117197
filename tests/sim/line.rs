//! A client's connection: frames out, replies back in order.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::protocol::Request;
use thalweg::base::{Span, Ticks};
use thalweg::runtime::sim::SocketId;
use thalweg::wire::client;

use super::broker::World;
use super::history::History;

/// A request that awaits its reply.
#[derive(Debug)]
pub struct Call<T> {
    id: i32,
    deadline: Ticks,
    pub version: i16,
    pub what: T,
}

#[derive(Debug)]
pub struct Line<T> {
    name: String,
    pub socket: Option<SocketId>,
    inbox: BytesMut,
    next_id: i32,
    pub flight: VecDeque<Call<T>>,
    /// Connections so far.
    pub connections: u64,
    pub patience: Span,
    /// When this connection was made, or last brought something.
    heard: Ticks,
    /// Something was done to this connection that may keep replies back.
    pub disturbed: bool,
}

impl<T> Line<T> {
    pub fn new(name: String) -> Self {
        Self {
            name,
            socket: None,
            inbox: BytesMut::new(),
            next_id: 0,
            flight: VecDeque::new(),
            connections: 0,
            patience: Span::seconds(8),
            heard: Ticks(0),
            disturbed: false,
        }
    }

    /// True if there is a connection now.
    pub fn connect(&mut self, world: &mut World) -> bool {
        if self.socket.is_none() {
            self.socket = world.connect();
            self.connections += u64::from(self.socket.is_some());
            (self.heard, self.disturbed) = (world.now(), false);
        }
        self.socket.is_some()
    }

    pub fn call<R: Request>(
        &mut self,
        world: &mut World,
        history: &mut History,
        request: &R,
        version: i16,
        what: T,
    ) {
        self.post(world, history, request, version);
        self.flight.push_back(Call {
            id: self.next_id,
            deadline: world.now() + self.patience,
            version,
            what,
        });
    }

    /// Sends what is not answered.
    pub fn post<R: Request>(
        &mut self,
        world: &mut World,
        history: &mut History,
        request: &R,
        version: i16,
    ) {
        let socket = self.socket.expect("connected");
        self.next_id += 1;
        let frame = client::encode(request, version, self.next_id, &self.name)
            .unwrap_or_else(|error| panic!("version {version} of key {}: {error:?}", R::KEY));
        history.operations += 1;
        world.send(socket, frame);
    }

    /// The replies that have arrived whole, in order.
    pub fn replies(&mut self, world: &mut World, history: &mut History) -> Vec<(Call<T>, Bytes)> {
        let Some(socket) = self.socket else {
            return Vec::new();
        };
        let bytes = world.take(socket);
        if !bytes.is_empty() {
            self.heard = world.now();
        }
        self.inbox.extend_from_slice(&bytes);
        let mut replies = Vec::new();
        while let Some(length) = self.inbox.first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            if self.inbox.len() < 4 + length {
                break;
            }
            self.inbox.advance(4);
            let frame = self.inbox.split_to(length).freeze();
            let id = client::correlation_id(&frame);
            match self.flight.pop_front() {
                Some(call) if Some(call.id) == id => replies.push((call, frame)),
                other => {
                    let wanted = other.map(|call| call.id);
                    history.violate(format!(
                        "{}: a reply to {id:?} where {wanted:?} was due",
                        self.name
                    ));
                    break;
                }
            }
        }
        replies
    }

    /// Nothing is to be expected before then.
    pub fn wait_until(&mut self, time: Ticks) {
        self.heard = self.heard.max(time);
    }

    /// True if the client gives the connection up. If all was well with it, and it has brought
    /// nothing for as long, a reply was lost, which no broker may do.
    pub fn is_overdue(&self, now: Ticks, history: &mut History) -> bool {
        let Some(call) = self.flight.front().filter(|call| call.deadline < now) else {
            return false;
        };
        if !self.disturbed && self.heard + self.patience < now {
            history.violate(format!(
                "{}: no reply to {} on a connection that nothing has disturbed",
                self.name, call.id
            ));
        }
        true
    }

    /// The connection is gone, or given up: what was in flight has an unknown end.
    pub fn lose(&mut self, world: &mut World) -> Vec<T> {
        if let Some(socket) = self.socket.take() {
            world.reset(socket);
        }
        self.inbox.clear();
        self.flight.drain(..).map(|call| call.what).collect()
    }
}
