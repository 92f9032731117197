//! Moving bytes between a socket and our memory, without waiting.

use std::collections::VecDeque;
use std::os::fd::AsRawFd;

use bytes::Bytes;
use socket2::Socket;

use crate::runtime::block::Block;
use crate::runtime::system;

/// One call sends at most this much, in at most so many pieces (the kernel's IOV_MAX is 1024).
const SEND_BYTES_MAX: usize = 256 << 10;
const SEND_PIECES_MAX: usize = 256;

/// How a call went.
pub(super) enum Progress {
    Moved(usize),
    /// The socket has nothing, or takes nothing, for now.
    Blocked,
    /// The connection is gone.
    Broken,
}

/// Bytes queued on one connection, and where each `Send` of them ends.
#[derive(Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// Per unfinished send the bytes of it that have not left.
    sends: VecDeque<usize>,
    finished: usize,
}

impl Outgoing {
    pub(super) fn push(&mut self, pieces: Vec<Bytes>) {
        let length = pieces.iter().map(Bytes::len).sum();
        self.sends.push_back(length);
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        self.pieces.extend(pieces);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// The sends that have left since the last call.
    pub(super) fn take_finished(&mut self) -> usize {
        std::mem::take(&mut self.finished)
    }

    fn left(&mut self, mut count: usize) {
        system::consume(&mut self.pieces, count);
        while let Some(rest) = self.sends.front_mut() {
            if *rest > count {
                *rest -= count;
                return;
            }
            count -= *rest;
            self.sends.pop_front();
            self.finished += 1;
        }
    }
}

/// Receives into the block's spare room, at most `room` bytes. Zero bytes: the peer has finished.
pub(super) fn receive_into(socket: &Socket, block: &mut Block, room: usize) -> Progress {
    assert!(
        room > 0,
        "a receive into a full block would look like the end"
    );
    match system::receive(socket.as_raw_fd(), &mut block.spare()[..room]) {
        Ok(count) => {
            block.advance(count);
            Progress::Moved(count)
        }
        Err(libc::EAGAIN) => Progress::Blocked,
        Err(_) => Progress::Broken,
    }
}

/// One call's worth of what is queued.
pub(super) fn send_some(socket: &Socket, outgoing: &mut Outgoing) -> Progress {
    let mut bytes = 0;
    let mut pieces = Vec::with_capacity(outgoing.pieces.len().min(SEND_PIECES_MAX));
    for piece in &outgoing.pieces {
        if bytes == SEND_BYTES_MAX || pieces.len() == SEND_PIECES_MAX {
            break;
        }
        let part = &piece[..piece.len().min(SEND_BYTES_MAX - bytes)];
        bytes += part.len();
        pieces.push(system::piece(part));
    }
    if bytes == 0 {
        outgoing.left(0);
        return Progress::Moved(0);
    }
    match system::send(socket.as_raw_fd(), &pieces) {
        Ok(count) => {
            outgoing.left(count);
            if count < bytes {
                Progress::Blocked
            } else {
                Progress::Moved(count)
            }
        }
        Err(libc::EAGAIN) => Progress::Blocked,
        Err(_) => Progress::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_is_finished_when_its_last_byte_has_left_and_an_empty_one_at_once() {
        let mut outgoing = Outgoing::default();
        outgoing.push(vec![Bytes::from_static(b"abc"), Bytes::from_static(b"de")]);
        outgoing.push(Vec::new());
        outgoing.push(vec![Bytes::from_static(b"f")]);

        outgoing.left(4);
        assert_eq!(outgoing.take_finished(), 0);
        outgoing.left(1);
        assert_eq!(outgoing.take_finished(), 2);
        outgoing.left(1);
        assert_eq!(outgoing.take_finished(), 1);
        assert!(outgoing.is_empty());
    }
}
