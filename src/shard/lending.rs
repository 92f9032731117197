//! Memory for the replies to fetches, lent to them while there is some.

use crate::base::ByteCount;
use crate::base::limits::{REPLY_BYTES_MIN, REPLY_SHARE};

/// As much as `request.memory.bytes` of one shard, for batches that were read for a client and that
/// its socket has not taken. A client that reads slowly keeps what it was sent; so that a few of
/// these leave enough for all others, nobody is offered more than a part of what is left.
#[derive(Debug)]
pub struct Lending {
    limit: u64,
    lent: u64,
}

impl Lending {
    pub fn new(limit: ByteCount) -> Self {
        Self {
            limit: limit.0,
            lent: 0,
        }
    }

    /// What a fetch that asks for `wanted` bytes may take now. Never nothing, so that everybody
    /// gets on.
    pub fn offer(&self, wanted: usize) -> usize {
        let part = self.limit.saturating_sub(self.lent) / REPLY_SHARE;
        let part = ByteCount(part).max(REPLY_BYTES_MIN);
        wanted.min(part.as_usize())
    }

    pub fn take(&mut self, bytes: usize) {
        self.lent += bytes as u64;
    }

    pub fn give_back(&mut self, bytes: usize) {
        assert!(self.lent >= bytes as u64, "more given back than was lent");
        self.lent -= bytes as u64;
    }

    #[cfg(test)]
    pub fn lent(&self) -> u64 {
        self.lent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_take_what_they_ask_for_and_many_share_what_is_left() {
        let mut memory = Lending::new(ByteCount::mib(256));
        let wanted = 50 << 20;
        let offers: Vec<usize> = (0..200)
            .map(|_| {
                let offer = memory.offer(wanted);
                memory.take(offer);
                offer
            })
            .collect();

        assert_eq!(offers[0], wanted);
        assert!(offers.is_sorted_by(|before, after| before >= after));
        assert_eq!(offers[199], REPLY_BYTES_MIN.as_usize());
        let bound = ByteCount::mib(256).0 + 200 * REPLY_BYTES_MIN.0;
        assert!(memory.lent() <= bound, "{}", memory.lent());

        offers.iter().for_each(|offer| memory.give_back(*offer));
        assert_eq!(memory.offer(wanted), wanted);
        assert_eq!(memory.offer(10), 10);
    }
}
