//! Produced batches and deletions that await durability, searches that await reads, and the
//! answers that await them.

use std::collections::VecDeque;

use crate::base::{IdMap, ShardId};
use crate::log::{AckToken, Appended, LogError};

use super::super::calls::Token;
use super::super::message::{Finding, Message, Outbox, Place};

/// One answer in the making.
#[derive(Debug)]
pub struct Answer {
    asker: ShardId,
    token: Token,
    parts: Parts,
    /// Parts that are staged and not durable, or being read.
    missing: usize,
    /// No part is to come any more.
    whole: bool,
}

/// What it will say, of `Message::Produce` or `Message::Inquire`.
#[derive(Debug)]
enum Parts {
    Produced(Vec<(Place, Result<Appended, LogError>)>),
    Inquired(Vec<(Place, Result<Finding, LogError>)>),
}

impl Parts {
    fn len(&self) -> usize {
        match self {
            Self::Produced(parts) => parts.len(),
            Self::Inquired(parts) => parts.len(),
        }
    }

    fn fail(&mut self, index: usize, error: LogError) {
        match self {
            Self::Produced(parts) => parts[index].1 = Err(error),
            Self::Inquired(parts) => parts[index].1 = Err(error),
        }
    }
}

/// An answer's name among those in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerId(u64);

/// All answers in the making. Tokens are given in order and come back nearly in order, so the
/// list of them is a window that slides.
#[derive(Debug, Default)]
pub struct Acks {
    answers: IdMap<AnswerId, Answer>,
    next: u64,
    first: u64,
    waiting: VecDeque<Option<(AnswerId, u32)>>,
}

impl Acks {
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Begins an answer to a Produce.
    pub fn open(&mut self, asker: ShardId, token: Token, parts: usize) -> AnswerId {
        self.open_with(asker, token, Parts::Produced(Vec::with_capacity(parts)))
    }

    /// Begins an answer to an inquiry.
    pub fn open_findings(&mut self, asker: ShardId, token: Token, parts: usize) -> AnswerId {
        self.open_with(asker, token, Parts::Inquired(Vec::with_capacity(parts)))
    }

    fn open_with(&mut self, asker: ShardId, token: Token, parts: Parts) -> AnswerId {
        let id = AnswerId(self.next);
        self.next += 1;
        let answer = Answer {
            asker,
            token,
            parts,
            missing: 0,
            whole: false,
        };
        self.answers.insert(id, answer);
        id
    }

    /// The token under which the next part of any answer awaits durability, if it must.
    pub fn next_token(&self) -> AckToken {
        AckToken(self.first + self.waiting.len() as u64)
    }

    /// A part is answered, or staged under `next_token` (`waits`).
    pub fn add(
        &mut self,
        id: AnswerId,
        place: Place,
        part: Result<Appended, LogError>,
        waits: bool,
    ) {
        let answer = self.answers.get_mut(&id).expect("an answer is open");
        match &mut answer.parts {
            Parts::Produced(parts) => parts.push((place, part)),
            Parts::Inquired(_) => unreachable!("a batch in an answer to an inquiry"),
        }
        self.added(id, waits);
    }

    /// As `add`, for an inquiry.
    pub fn add_finding(
        &mut self,
        id: AnswerId,
        place: Place,
        part: Result<Finding, LogError>,
        waits: bool,
    ) {
        let answer = self.answers.get_mut(&id).expect("an answer is open");
        match &mut answer.parts {
            Parts::Inquired(parts) => parts.push((place, part)),
            Parts::Produced(_) => unreachable!("a finding in an answer to a Produce"),
        }
        self.added(id, waits);
    }

    /// A part of an inquiry must be read first: its place in the answer, for `read`.
    pub fn expect_read(&mut self, id: AnswerId, place: Place) -> usize {
        let none = Err(LogError::UnknownPartition);
        self.add_finding(id, place, none, false);
        let answer = self.answers.get_mut(&id).expect("an answer is open");
        answer.missing += 1;
        answer.parts.len() - 1
    }

    /// What `expect_read` awaited has been read.
    pub fn read(
        &mut self,
        id: AnswerId,
        index: usize,
        found: Result<Finding, LogError>,
        out: &mut Outbox,
    ) {
        if let Some(Answer { parts, .. }) = self.answers.get_mut(&id) {
            match parts {
                Parts::Inquired(parts) => parts[index].1 = found,
                Parts::Produced(_) => unreachable!("a read for an answer to a Produce"),
            }
        }
        self.one_less(id, out);
    }

    fn added(&mut self, id: AnswerId, waits: bool) {
        let answer = self.answers.get_mut(&id).expect("an answer is open");
        if waits {
            answer.missing += 1;
            let index = answer.parts.len() as u32 - 1;
            self.waiting.push_back(Some((id, index)));
        }
    }

    /// No part will be added: the answer leaves as soon as nothing is missing.
    pub fn close(&mut self, id: AnswerId, out: &mut Outbox) {
        let answer = self.answers.get_mut(&id).expect("an answer is open");
        answer.whole = true;
        self.send_if_done(id, out);
    }

    /// What waited under `ack` is durable.
    pub fn durable(&mut self, ack: AckToken, out: &mut Outbox) {
        if let Some((id, _)) = self.take(ack) {
            self.one_less(id, out);
        }
    }

    /// What waited under `ack` will not become durable.
    pub fn failed(&mut self, ack: AckToken, error: LogError, out: &mut Outbox) {
        let Some((id, index)) = self.take(ack) else {
            return;
        };
        if let Some(answer) = self.answers.get_mut(&id) {
            answer.parts.fail(index as usize, error);
        }
        self.one_less(id, out);
    }

    fn take(&mut self, ack: AckToken) -> Option<(AnswerId, u32)> {
        let place = ack.0.checked_sub(self.first)?;
        let taken = self.waiting.get_mut(place as usize)?.take();
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
        taken
    }

    fn one_less(&mut self, id: AnswerId, out: &mut Outbox) {
        if let Some(answer) = self.answers.get_mut(&id) {
            assert!(answer.missing > 0, "a part was answered twice");
            answer.missing -= 1;
        }
        self.send_if_done(id, out);
    }

    fn send_if_done(&mut self, id: AnswerId, out: &mut Outbox) {
        let done = |answer: &Answer| answer.whole && answer.missing == 0;
        if !self.answers.get(&id).is_some_and(done) {
            return;
        }
        let Some(Answer {
            asker,
            token,
            parts,
            ..
        }) = self.answers.remove(&id)
        else {
            return;
        };
        let message = match parts {
            Parts::Produced(parts) => Message::Produced { token, parts },
            Parts::Inquired(parts) => Message::Inquired { token, parts },
        };
        out.push((asker, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::JournalError;
    use crate::log::Offset;

    fn appended(offset: i64) -> Result<Appended, LogError> {
        Ok(Appended {
            base_offset: Offset(offset),
            log_append_time: -1,
            log_start: Offset(0),
            duplicate: false,
            settled: false,
        })
    }

    #[test]
    fn an_answer_leaves_when_its_last_part_is_durable_and_not_before() {
        let (mut acks, mut out) = (Acks::default(), Outbox::new());
        let id = acks.open(ShardId(1), Token(9), 2);
        let first = acks.next_token();
        acks.add(id, Place(0), appended(5), true);
        let second = acks.next_token();
        acks.add(id, Place(1), appended(6), true);
        acks.close(id, &mut out);

        acks.durable(second, &mut out);
        assert!(out.is_empty());
        acks.failed(first, LogError::Journal(JournalError::Stopped), &mut out);

        let [(ShardId(1), Message::Produced { token, parts })] = &out[..] else {
            panic!("{out:?}");
        };
        assert_eq!(*token, Token(9));
        assert!(parts[0].1.is_err());
        assert_eq!(parts[1].1, appended(6));
        assert!(acks.is_empty());
        assert_eq!(acks.next_token(), AckToken(2));
    }
}
