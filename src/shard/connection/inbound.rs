//! Frames out of received bytes, without copying what arrived whole.

use bytes::Bytes;

use crate::base::ByteCount;
use crate::base::limits::{
    FRAME_BYTES_MAX, FRAME_BYTES_MAX_BUT_PRODUCE, FRAME_ROOM_CLASSES, SMALL_FRAME_BYTES,
};
use crate::runtime::{Block, BlockPool};

use super::super::admission::FrameSize;

/// The length prefix.
const PREFIX: usize = 4;
/// The API key of Produce, the one request that has a reason to be large.
const PRODUCE: i16 = 0;
/// The most that is offered to a receive before its frame's length is known.
const USUAL_MOST: usize = 2 << 20;

/// What a connection has received and not yet handed on.
///
/// Memory follows bytes received, never the length that a peer claims: a frame's block grows
/// from class to class as it fills. Only what a peer has already sent once in one frame is
/// offered to its next receive at once.
#[derive(Debug)]
pub struct Inbound {
    /// None: at rest, or lent to the driver.
    block: Option<Block>,
    /// Where in the block the next frame begins.
    start: usize,
    /// What the peer has lately sent at once: the room that its next receive gets.
    usual: usize,
    /// `socket.request.max.bytes`.
    most: ByteCount,
}

/// What stands at the front.
#[derive(Debug)]
pub enum Front {
    /// A whole frame without its length prefix, a slice of the block.
    Frame(Bytes),
    /// Not whole yet.
    Partial,
    /// A length that no request has: none, or more than the most that one like it may have.
    Bad { length: i32, most: ByteCount },
}

/// Where the next bytes go.
#[derive(Debug)]
pub struct Room {
    pub into: Option<Block>,
    pub want: ByteCount,
}

impl Room {
    /// For bytes that nobody will look at.
    pub const ANY: Self = Self {
        into: None,
        want: ByteCount::kib(64),
    };
}

impl Inbound {
    /// At rest. `most` is the size of the largest frame that is taken.
    pub fn new(most: ByteCount) -> Self {
        Self {
            block: None,
            start: 0,
            usual: FRAME_ROOM_CLASSES[0].as_usize(),
            most,
        }
    }

    /// A block comes back from the driver, with more in it.
    pub fn arrived(&mut self, block: Block) {
        assert!(self.block.is_none(), "two blocks for one connection");
        assert!(self.start <= block.filled(), "a block came back shorter");
        if block.filled() == block.capacity() {
            // More was waiting than there was room for: few large receives are cheaper.
            self.usual = (self.usual * 4).min(USUAL_MOST);
        }
        self.block = Some(block);
    }

    /// A block comes back from the driver, with nothing new in it.
    pub fn put_back(&mut self, block: Block) {
        assert!(self.block.is_none(), "two blocks for one connection");
        self.block = Some(block);
    }

    /// What came is not wanted any more.
    pub fn give_up(&mut self) {
        self.block = None;
        self.start = 0;
    }

    /// Takes the frame at the front, if it is whole.
    pub fn next(&mut self) -> Front {
        let Some(block) = &self.block else {
            return Front::Partial;
        };
        let waiting = &block.filled_bytes()[self.start..];
        let Some(length) = claimed_length(waiting) else {
            return Front::Partial;
        };
        let most = self.most_of(waiting);
        if !is_plausible(length, most) {
            return Front::Bad { length, most };
        }
        let end = self.start + PREFIX + length as usize;
        if block.filled() < end {
            return Front::Partial;
        }
        let frame = block.share(self.start + PREFIX..end);
        self.note_size(end - self.start);
        self.start = end;
        Front::Frame(frame)
    }

    /// Gives up the block for the next receive: the same one while there is room for the frame
    /// at the front, else a larger one with the partial frame copied to its beginning.
    pub fn take_room(&mut self, pool: &BlockPool) -> Room {
        let want = ByteCount(self.usual as u64);
        let Some(block) = self.block.take() else {
            return Room { into: None, want };
        };
        let partial = block.filled() - self.start;
        if partial == 0 {
            // The frames that were read keep the memory; the connection owns none.
            self.start = 0;
            return Room { into: None, want };
        }
        let needed = claimed_length(&block.filled_bytes()[self.start..])
            .map_or(PREFIX, |length| PREFIX + length as usize);
        let missing = needed.saturating_sub(partial).max(1);
        if block.capacity() - block.filled() >= missing {
            let into = Some(block);
            return Room { into, want };
        }
        if self.start == 0 && (block.capacity() - block.filled()) * 4 >= block.capacity() {
            // Fill what there is before growing.
            let into = Some(block);
            return Room { into, want };
        }
        let mut larger = pool.take(ByteCount(self.grown(partial, needed) as u64));
        let copied = larger.append(&block.filled_bytes()[self.start..]);
        assert_eq!(copied, partial, "a larger block is larger");
        self.start = 0;
        Room {
            into: Some(larger),
            want,
        }
    }

    /// The memory that a partial frame holds here.
    pub fn held(&self) -> usize {
        self.block.as_ref().map_or(0, Block::charge)
    }

    /// True if `next` would not say `Partial`.
    pub fn has_whole_frame(&self) -> bool {
        let Some(block) = &self.block else {
            return false;
        };
        let waiting = &block.filled_bytes()[self.start..];
        claimed_length(waiting).is_some_and(|length| {
            let most = self.most_of(waiting);
            !is_plausible(length, most) || waiting.len() - PREFIX >= length as usize
        })
    }

    /// The size of the frame at the front, as far as is known.
    pub fn front_size(&self) -> FrameSize {
        let waiting = self.block.as_ref().map(Block::filled_bytes);
        let length = waiting.and_then(|bytes| claimed_length(&bytes[self.start..]));
        match length {
            Some(length) if i64::from(length) > SMALL_FRAME_BYTES.0 as i64 => FrameSize::Large,
            Some(_) | None => FrameSize::Small,
        }
    }

    /// True if a frame has begun and is not whole, or is whole and not taken.
    pub fn has_begun(&self) -> bool {
        self.block
            .as_ref()
            .is_some_and(|block| block.filled() > self.start)
    }

    /// The largest frame that may begin so. Before its API key is there it may be a Produce's.
    fn most_of(&self, waiting: &[u8]) -> ByteCount {
        let rest = waiting.get(PREFIX..);
        let key = rest.and_then(|rest| rest.first_chunk());
        let key = key.map(|bytes| i16::from_be_bytes(*bytes));
        match key.is_none_or(|key| key == PRODUCE) {
            true => self.most,
            false => self.most.min(FRAME_BYTES_MAX_BUT_PRODUCE),
        }
    }

    /// The next class above what has arrived; never more than the frame needs, rounded up to
    /// what this peer's frames usually need.
    fn grown(&self, partial: usize, needed: usize) -> usize {
        let class = FRAME_ROOM_CLASSES
            .iter()
            .map(|class| class.as_usize())
            .find(|class| *class > partial)
            .unwrap_or(FRAME_BYTES_MAX.as_usize() + PREFIX);
        let useful = needed.max(self.usual);
        class.max(self.usual).min(useful).max(partial + 1)
    }

    fn note_size(&mut self, bytes: usize) {
        // Rises at once, falls slowly; never past a class that is worth keeping ready.
        let kept = self.usual - self.usual / 16;
        let least = FRAME_ROOM_CLASSES[0].as_usize();
        self.usual = bytes.max(kept).clamp(least, USUAL_MOST);
    }
}

fn claimed_length(waiting: &[u8]) -> Option<i32> {
    waiting
        .first_chunk()
        .map(|bytes| i32::from_be_bytes(*bytes))
}

fn is_plausible(length: i32, most: ByteCount) -> bool {
    u64::try_from(length).is_ok_and(|length| length > 0 && length <= most.0)
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;
