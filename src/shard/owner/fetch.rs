//! Reading batches, and waiting for them.

use crate::base::{ByteCount, ShardId};
use crate::journal::{ReadDone, StreamId};
use crate::log::LogError;

use super::super::calls::Token;
use super::super::message::{FetchAsk, FetchPart, FetchedPart, Message, Outbox, Wait};
use super::reads::{Gather, GatherId, ReadFor};
use super::{Owner, wait_token, watch_token};

/// What planning and reading one part came to.
enum Begun {
    Ended(Result<FetchedPart, LogError>),
    Reading(FetchedPart),
}

impl Owner {
    /// Reads what there is. If that is too little, waits for more: the wait is registered in the
    /// same step that planned the reads, so no commit falls between.
    pub fn fetch(&mut self, asker: ShardId, token: Token, ask: FetchAsk, out: &mut Outbox) {
        let id = self.reads.next_gather();
        let streams: Vec<StreamId> = ask.parts.iter().map(|part| part.stream).collect();
        let mut gather = Gather {
            asker,
            token,
            parts: Vec::with_capacity(ask.parts.len()),
            missing: 0,
            waits: false,
        };
        let mut left = ask.bytes_max.0;
        // The first batch is sent whatever the limit, even a limit of nothing: who asks again for
        // what never comes would not get on (KIP-74).
        let mut first = true;
        let mut found = 0;
        let watch = ask.watch.map(|session| watch_token(asker, session));
        for (index, part) in ask.parts.into_iter().enumerate() {
            let place = part.place;
            let (result, taken) = match self.begin_read(id, index, part, left, first) {
                Begun::Ended(result) => {
                    let bytes = result.as_ref().map_or(0, FetchedPart::bytes) as u64;
                    found += bytes;
                    (result, bytes)
                }
                Begun::Reading(part) => {
                    gather.missing += 1;
                    // How much it brings is not known yet; count what it may bring.
                    let most = part.plan.bytes_max.0.max(1);
                    (Ok(part), most)
                }
            };
            if let (Some(token), Ok(part)) = (watch, &result) {
                self.partitions.watch(token, part.plan.stream);
            }
            left = left.saturating_sub(taken);
            first &= taken == 0;
            gather.parts.push((place, result));
        }
        gather.waits = self.wait_for_more(&gather, ask.wait, found, &streams);
        if gather.missing == 0 {
            return answer(gather, out);
        }
        self.reads.fetches.insert(id, gather);
    }

    /// The fetch waits no longer.
    pub fn unwatch(&mut self, asker: ShardId, token: Token) {
        self.partitions.cancel(wait_token(asker, token));
    }

    /// The session watches this stream no longer, or any.
    pub fn end_watch(&mut self, asker: ShardId, session: i32, stream: Option<StreamId>) {
        self.partitions
            .end_watch(watch_token(asker, session), stream);
    }

    pub(super) fn read_finished(&mut self, done: ReadDone, out: &mut Outbox) {
        match self.reads.ended(done.token) {
            Some(ReadFor::Fetch { gather, index }) => {
                self.fetch_read_finished(gather, index, done, out);
            }
            Some(ReadFor::Offset {
                answer,
                index,
                plan,
            }) => self.search_finished((answer, index), plan, done, out),
            None => {}
        }
    }

    fn begin_read(
        &mut self,
        id: GatherId,
        index: usize,
        part: FetchPart,
        left: u64,
        first: bool,
    ) -> Begun {
        let mut ask = part.ask;
        ask.bytes_max = ByteCount(ask.bytes_max.0.min(left));
        ask.first_whole = first;
        let plan = match self.partitions.plan_read(part.stream, &ask) {
            Ok(plan) => plan,
            Err(error) => return Begun::Ended(Err(error)),
        };
        let mut fetched = FetchedPart {
            plan,
            batches: Vec::new(),
        };
        if left == 0 && !first {
            return Begun::Ended(Ok(fetched));
        }
        let token = self.reads.next_read();
        let Some(request) = plan.request(token) else {
            return Begun::Ended(Ok(fetched));
        };
        match self.journal.read(request) {
            Some(done) => Begun::Ended(done.result.map_err(LogError::Journal).map(|batches| {
                fetched.batches = batches;
                fetched
            })),
            None => {
                let gather = id;
                self.reads.started(token, ReadFor::Fetch { gather, index });
                Begun::Reading(fetched)
            }
        }
    }

    /// Returns whether a wait was registered.
    fn wait_for_more(
        &mut self,
        gather: &Gather<FetchedPart>,
        wait: Option<Wait>,
        found: u64,
        streams: &[StreamId],
    ) -> bool {
        let Some(wait) = wait else {
            return false;
        };
        let failed = gather.parts.iter().any(|(_, part)| part.is_err());
        if failed || found >= wait.bytes_min.0 {
            return false;
        }
        // Whoever takes no more than this would wait in vain.
        let mut parts = gather
            .parts
            .iter()
            .filter_map(|(_, part)| part.as_ref().ok());
        if gather.missing == 0 && found > 0 && parts.any(FetchedPart::has_more) {
            return false;
        }
        // What is being read may or may not be enough; any commit then wakes the fetch.
        let missing = if wait.alone && gather.missing == 0 {
            wait.bytes_min.0 - found
        } else {
            1
        };
        let token = wait_token(gather.asker, gather.token);
        self.partitions.wait(token, streams, ByteCount(missing));
        true
    }

    fn fetch_read_finished(
        &mut self,
        id: GatherId,
        index: usize,
        done: ReadDone,
        out: &mut Outbox,
    ) {
        let Some(gather) = self.reads.fetches.get_mut(&id) else {
            return;
        };
        let part = &mut gather.parts[index].1;
        match (done.result, part.as_mut()) {
            (Ok(batches), Ok(fetched)) => fetched.batches = batches,
            (Err(error), _) => *part = Err(LogError::Journal(error)),
            (Ok(_), Err(_)) => {}
        }
        gather.missing -= 1;
        if gather.missing == 0
            && let Some(gather) = self.reads.fetches.remove(&id)
        {
            answer(gather, out);
        }
    }
}

fn answer(gather: Gather<FetchedPart>, out: &mut Outbox) {
    let message = Message::Fetched {
        token: gather.token,
        parts: gather.parts,
        waits: gather.waits,
    };
    out.push((gather.asker, message));
}
