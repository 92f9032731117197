//! Changes on their way to the device, in order.

use std::collections::VecDeque;

use super::offset::{AckToken, Offset};
use crate::journal::{Sequence, StreamId};

/// A change that takes effect once its group is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub group: Sequence,
    pub stream: StreamId,
    /// The high watermark is at least this then.
    pub end: Offset,
    /// Bytes that become visible.
    pub bytes: u32,
    pub token: Option<AckToken>,
}

/// Two queues by how durable "durable" is, each in the order of groups. Bounded by what the
/// journal lets be staged.
#[derive(Debug, Default)]
pub(super) struct PendingQueue {
    /// Wait for the flush.
    strict: VecDeque<Pending>,
    /// Wait for the end of the write (`flush.messages`, `flush.ms`).
    relaxed: VecDeque<Pending>,
}

impl PendingQueue {
    pub fn push(&mut self, pending: Pending, relaxed: bool) {
        let queue = match relaxed {
            true => &mut self.relaxed,
            false => &mut self.strict,
        };
        let last = queue.back().map_or(Sequence(0), |last| last.group);
        assert!(last <= pending.group, "groups go back: {last:?}");
        queue.push_back(pending);
    }

    /// `token` waits for what is on its way to `end` of `stream` already. False: nothing is.
    pub fn join(&mut self, stream: StreamId, end: Offset, token: Option<AckToken>) -> bool {
        for queue in [&mut self.strict, &mut self.relaxed] {
            let is_it = |pending: &&Pending| pending.stream == stream && pending.end >= end;
            if !queue.iter().rev().any(|pending| is_it(&pending)) {
                continue;
            }
            // The last group in the queue and not that of the original, so that groups stay in
            // order: a repetition may wait a moment longer than it must.
            if let Some(last) = queue.back().copied() {
                let (end, bytes) = (Offset(0), 0);
                queue.push_back(Pending {
                    end,
                    bytes,
                    token,
                    stream,
                    ..last
                });
                return true;
            }
        }
        false
    }

    /// The next change that is durable, given how far the journal has come.
    pub fn pop(&mut self, flushed: Sequence, written: Sequence) -> Option<Pending> {
        let ready = |queue: &VecDeque<Pending>, reached: Sequence| {
            queue.front().is_some_and(|first| first.group <= reached)
        };
        if ready(&self.strict, flushed) {
            return self.strict.pop_front();
        }
        if ready(&self.relaxed, written.max(flushed)) {
            return self.relaxed.pop_front();
        }
        None
    }

    /// Gives up everything; the tokens that waited.
    pub fn abandon(&mut self) -> Vec<AckToken> {
        let strict = self.strict.drain(..);
        let relaxed = self.relaxed.drain(..);
        strict
            .chain(relaxed)
            .filter_map(|pending| pending.token)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(group: u64, stream: u64, end: i64) -> Pending {
        Pending {
            group: Sequence(group),
            stream: StreamId(stream),
            end: Offset(end),
            bytes: 10,
            token: Some(AckToken(group)),
        }
    }

    fn popped(queue: &mut PendingQueue, flushed: u64, written: u64) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop(Sequence(flushed), Sequence(written)))
            .filter_map(|pending| Some(pending.token?.0))
            .collect()
    }

    #[test]
    fn a_strict_change_waits_for_the_flush_and_a_relaxed_one_for_the_write() {
        let mut queue = PendingQueue::default();
        queue.push(pending(1, 20, 5), false);
        queue.push(pending(2, 21, 5), true);
        queue.push(pending(3, 21, 9), true);

        assert_eq!(popped(&mut queue, 0, 2), [2]);
        assert_eq!(popped(&mut queue, 1, 2), [1]);
        assert_eq!(popped(&mut queue, 3, 2), [3]);
    }

    #[test]
    fn a_repetition_is_answered_no_earlier_than_its_original() {
        let mut queue = PendingQueue::default();
        queue.push(pending(1, 20, 5), false);

        assert!(queue.join(StreamId(20), Offset(5), Some(AckToken(77))));
        assert!(!queue.join(StreamId(20), Offset(6), Some(AckToken(78))));

        assert!(popped(&mut queue, 0, 1).is_empty());
        assert_eq!(popped(&mut queue, 1, 1), [1, 77]);
    }

    #[test]
    fn abandoning_gives_every_token_back_and_pops_nothing_after() {
        let mut queue = PendingQueue::default();
        queue.push(pending(1, 20, 5), false);
        queue.push(pending(2, 20, 6), true);

        assert_eq!(queue.abandon(), [AckToken(1), AckToken(2)]);
        assert!(popped(&mut queue, 9, 9).is_empty());
    }
}
