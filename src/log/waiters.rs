//! Fetches that wait for data. Nothing polls: what becomes visible wakes them.

use super::offset::FetchToken;
use super::streams::{NumberMap, StreamMap};
use crate::base::ByteCount;
use crate::journal::StreamId;

/// One waiting fetch.
#[derive(Debug)]
struct Waiter {
    /// Bytes that must still become visible, at least one.
    missing: u64,
    streams: Vec<StreamId>,
}

/// All waiting fetches of a shard.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_token: NumberMap<FetchToken, Waiter>,
    /// Who waits for a stream; a stream that nobody waits for is not in it.
    by_stream: StreamMap<Vec<FetchToken>>,
    /// Woken, not yet told.
    woken: Vec<FetchToken>,
}

impl Waiters {
    pub fn wait(&mut self, token: FetchToken, streams: &[StreamId], missing: ByteCount) {
        let mut streams = streams.to_vec();
        streams.sort_unstable();
        streams.dedup();
        for stream in &streams {
            self.by_stream.entry(*stream).or_default().push(token);
        }
        let missing = missing.0.max(1);
        let waiter = Waiter { missing, streams };
        let before = self.by_token.insert(token, waiter);
        assert!(before.is_none(), "{token:?} waits already");
    }

    pub fn cancel(&mut self, token: FetchToken) -> bool {
        let Some(waiter) = self.by_token.remove(&token) else {
            return false;
        };
        for stream in waiter.streams {
            let Some(tokens) = self.by_stream.get_mut(&stream) else {
                continue;
            };
            tokens.retain(|other| *other != token);
            if tokens.is_empty() {
                self.by_stream.remove(&stream);
            }
        }
        true
    }

    /// `bytes` more of `stream` can be read.
    pub fn advanced(&mut self, stream: StreamId, bytes: u64) {
        let Some(tokens) = self.by_stream.get(&stream) else {
            return;
        };
        let told = self.woken.len();
        for token in tokens {
            let waiter = self.by_token.get_mut(token);
            let Some(waiter) = waiter else { continue };
            waiter.missing = waiter.missing.saturating_sub(bytes);
            if waiter.missing == 0 {
                self.woken.push(*token);
            }
        }
        self.forget_from(told);
    }

    /// `stream` is no longer what it was: whoever waits for it must look again.
    pub fn disturbed(&mut self, stream: StreamId) {
        let told = self.woken.len();
        if let Some(tokens) = self.by_stream.get(&stream) {
            self.woken.extend_from_slice(tokens);
            self.forget_from(told);
        }
    }

    /// Moves those who were woken to `out`, each once.
    pub fn take_woken(&mut self, out: &mut Vec<FetchToken>) {
        out.append(&mut self.woken);
    }

    fn forget_from(&mut self, told: usize) {
        for place in told..self.woken.len() {
            let token = self.woken[place];
            self.cancel(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: StreamId = StreamId(20);
    const B: StreamId = StreamId(21);

    fn woken(waiters: &mut Waiters) -> Vec<u64> {
        let mut out = Vec::new();
        waiters.take_woken(&mut out);
        out.into_iter().map(|token| token.0).collect()
    }

    #[test]
    fn a_fetch_is_woken_once_all_its_streams_together_have_the_bytes() {
        let mut waiters = Waiters::default();
        waiters.wait(FetchToken(1), &[A, B], ByteCount(100));

        waiters.advanced(A, 60);
        assert!(woken(&mut waiters).is_empty());
        waiters.advanced(B, 60);
        waiters.advanced(B, 60);

        assert_eq!(woken(&mut waiters), [1]);
        assert!(!waiters.cancel(FetchToken(1)));
    }

    #[test]
    fn a_fetch_that_was_cancelled_is_not_woken_and_leaves_nothing_behind() {
        let mut waiters = Waiters::default();
        waiters.wait(FetchToken(1), &[A, B], ByteCount(1));

        assert!(waiters.cancel(FetchToken(1)));
        waiters.advanced(A, 60);

        assert!(woken(&mut waiters).is_empty());
        assert!(waiters.by_stream.is_empty());
        assert!(waiters.by_token.is_empty());
    }

    #[test]
    fn a_stream_that_changes_wakes_everyone_who_waits_for_it() {
        let mut waiters = Waiters::default();
        waiters.wait(FetchToken(1), &[A], ByteCount(1_000));
        waiters.wait(FetchToken(2), &[A, B], ByteCount(1_000));
        waiters.wait(FetchToken(3), &[B], ByteCount(1_000));

        waiters.disturbed(A);

        assert_eq!(woken(&mut waiters), [1, 2]);
    }

    #[test]
    fn a_fetch_that_names_a_stream_twice_is_woken_once() {
        let mut waiters = Waiters::default();
        waiters.wait(FetchToken(1), &[A, A], ByteCount(1));

        waiters.disturbed(A);
        waiters.advanced(A, 5);

        assert_eq!(woken(&mut waiters), [1]);
    }
}
