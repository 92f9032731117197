//! Replies in the order of their requests.

use std::collections::VecDeque;

use bytes::Bytes;

/// One request's place in the order of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u64);

/// The requests of one connection that await their replies, oldest first. Replies may come in
/// any order; they leave in the order of the slots.
#[derive(Debug, Default)]
pub struct Slots {
    /// The number of the oldest.
    first: u64,
    replies: VecDeque<Option<Vec<Bytes>>>,
}

impl Slots {
    /// A place for the reply to a request that has just been read.
    pub fn open(&mut self) -> Slot {
        self.replies.push_back(None);
        Slot(self.first + self.replies.len() as u64 - 1)
    }

    /// The reply to the request that got `slot`.
    pub fn fill(&mut self, slot: Slot, reply: Vec<Bytes>) {
        assert!(slot.0 >= self.first, "a second reply to {slot:?}");
        let place = (slot.0 - self.first) as usize;
        assert!(self.replies[place].is_none(), "a second reply to {slot:?}");
        self.replies[place] = Some(reply);
    }

    /// The oldest reply, if it is there.
    pub fn take_ready(&mut self) -> Option<Vec<Bytes>> {
        self.replies.front()?.as_ref()?;
        self.first += 1;
        self.replies.pop_front().flatten()
    }

    /// Requests that await their replies, or whose replies await older ones.
    pub fn len(&self) -> usize {
        self.replies.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_that_comes_early_waits_for_the_older_ones() {
        let mut slots = Slots::default();
        let (first, second) = (slots.open(), slots.open());
        let reply = |text: &'static str| vec![Bytes::from_static(text.as_bytes())];

        slots.fill(second, reply("second"));
        assert_eq!(slots.take_ready(), None);

        slots.fill(first, reply("first"));
        assert_eq!(slots.take_ready(), Some(reply("first")));
        assert_eq!(slots.take_ready(), Some(reply("second")));
        assert_eq!((slots.take_ready(), slots.len()), (None, 0));
    }
}
