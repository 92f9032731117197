//! Replies on their way out, counted until the kernel has them.
//!
//! A part that was promised for later is pulled from its owner when all before it has left, so
//! that a peer that reads slowly holds no more memory than one that reads fast.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::Ticks;
use crate::base::limits::{SEND_BYTES_MAX, UNSENT_BYTES_MAX};
use crate::runtime::{ConnectionId, Send};

use super::super::message::Later;

/// Part of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Here(Bytes),
    Later(Later),
}

impl Part {
    pub fn bytes(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::Later(later) => later.bytes,
        }
    }
}

/// What one connection's peer has not yet taken.
#[derive(Debug, Default)]
pub struct Outbound {
    /// What is not with the driver yet: there is something to be pulled before it.
    parts: VecDeque<Part>,
    /// A part is being pulled: it goes before all of `parts`.
    pulling: Option<Later>,
    /// The bytes of each send under way, oldest first.
    sends: VecDeque<usize>,
    /// All of it.
    unsent: usize,
    /// When the peer last took something, or the oldest send began.
    since: Ticks,
}

impl Outbound {
    /// Adds a reply.
    pub fn push(&mut self, reply: Vec<Part>) {
        self.unsent += reply.iter().map(Part::bytes).sum::<usize>();
        self.parts.extend(reply);
    }

    /// Hands what is here to the driver: one send, or several if there is much.
    pub fn send(&mut self, connection: ConnectionId, now: Ticks, out: &mut Vec<Send>) {
        let mut gathered = Vec::new();
        let mut bytes = 0;
        while let Some(mut piece) = self.next_here() {
            while bytes + piece.len() > SEND_BYTES_MAX.as_usize() {
                let part = piece.split_to(SEND_BYTES_MAX.as_usize() - bytes);
                bytes += part.len();
                gathered.push(part);
                self.note_send(bytes, now);
                out.push(Send {
                    connection,
                    pieces: std::mem::take(&mut gathered),
                });
                bytes = 0;
            }
            bytes += piece.len();
            if !piece.is_empty() {
                gathered.push(piece);
            }
        }
        if bytes > 0 {
            self.note_send(bytes, now);
            let pieces = gathered;
            out.push(Send { connection, pieces });
        }
    }

    fn next_here(&mut self) -> Option<Bytes> {
        if self.pulling.is_some() {
            return None;
        }
        match self.parts.pop_front()? {
            Part::Here(bytes) => Some(bytes),
            later @ Part::Later(_) => {
                self.parts.push_front(later);
                None
            }
        }
    }

    /// The oldest send has left. Some: this part's turn has come.
    pub fn sent(&mut self, now: Ticks) -> Option<Later> {
        let bytes = self.sends.pop_front().unwrap_or(0);
        self.unsent -= bytes;
        self.since = now;
        if !self.sends.is_empty() || self.pulling.is_some() {
            return None;
        }
        let Some(Part::Later(later)) = self.parts.front() else {
            return None;
        };
        self.pulling = Some(*later);
        self.parts.pop_front();
        self.pulling
    }

    /// What was pulled.
    pub fn pulled(&mut self, records: Vec<Bytes>) {
        let part = self.pulling.take().expect("only what was asked for comes");
        let bytes: usize = records.iter().map(Bytes::len).sum();
        assert_eq!(bytes, part.bytes, "its length has left already");
        for bytes in records.into_iter().rev() {
            self.parts.push_front(Part::Here(bytes));
        }
    }

    /// Too much is queued: the peer is read no further until it takes some.
    pub fn is_full(&self) -> bool {
        self.unsent >= UNSENT_BYTES_MAX.as_usize()
    }

    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && !self.has_more()
    }

    /// There is more than what the driver has.
    pub fn has_more(&self) -> bool {
        self.pulling.is_some() || !self.parts.is_empty()
    }

    /// Since when the peer has taken nothing of what is queued.
    pub fn waiting_since(&self) -> Option<Ticks> {
        (!self.sends.is_empty()).then_some(self.since)
    }

    fn note_send(&mut self, bytes: usize, now: Ticks) {
        if self.sends.is_empty() {
            self.since = now;
        }
        self.sends.push_back(bytes);
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;
