//! Replies on their way out, counted until the kernel has them.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::base::Ticks;
use crate::base::limits::{SEND_BYTES_MAX, UNSENT_BYTES_MAX};
use crate::runtime::{ConnectionId, Send};

/// What one connection's peer has not yet taken.
#[derive(Debug, Default)]
pub struct Outbound {
    /// The bytes of each send under way, oldest first.
    sends: VecDeque<usize>,
    unsent: usize,
    /// When the peer last took something, or the oldest send began.
    since: Ticks,
}

impl Outbound {
    /// Hands `pieces` to the driver: one send, or several if there is much.
    pub fn send(
        &mut self,
        connection: ConnectionId,
        pieces: Vec<Bytes>,
        now: Ticks,
        out: &mut Vec<Send>,
    ) {
        let mut gathered = Vec::new();
        let mut bytes = 0;
        for mut piece in pieces {
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

    /// The oldest send has left. Returns its bytes.
    pub fn sent(&mut self, now: Ticks) -> usize {
        let bytes = self.sends.pop_front().unwrap_or(0);
        self.unsent -= bytes;
        self.since = now;
        bytes
    }

    /// Too much is queued: the peer is read no further until it takes some.
    pub fn is_full(&self) -> bool {
        self.unsent >= UNSENT_BYTES_MAX.as_usize()
    }

    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
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
        self.unsent += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_is_sent_in_several_sends_and_every_byte_once() {
        let mut outbound = Outbound::default();
        let mut sends = Vec::new();
        let big = Bytes::from(vec![7; (5 << 20) / 2]);
        let pieces = vec![Bytes::from_static(b"head"), big];

        outbound.send(ConnectionId(1), pieces, Ticks(5), &mut sends);

        let sizes: Vec<usize> = sends
            .iter()
            .map(|send| send.pieces.iter().map(Bytes::len).sum())
            .collect();
        assert_eq!(sizes, [1 << 20, 1 << 20, (1 << 19) + 4]);
        assert_eq!(outbound.waiting_since(), Some(Ticks(5)));

        let left: Vec<usize> = sizes.iter().map(|_| outbound.sent(Ticks(9))).collect();
        assert_eq!(left, sizes);
        assert!(outbound.is_empty());
        assert_eq!(outbound.unsent, 0);
    }
}
