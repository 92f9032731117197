//! InitProducerId 0-5: ids for idempotent producers, from a block that the shard owns.

use std::collections::VecDeque;
use std::ops::Range;

use crate::cluster::{ChangeKind, Command};
use crate::wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::wire::{ErrorCode, reply};

use super::super::calls::{Asked, Call};
use super::super::codes::Failure;
use super::super::machine::Shard;
use super::super::message::Outcome;

/// Producer ids that this shard may hand out, and who waits for more.
#[derive(Debug, Default)]
pub struct ProducerIds {
    block: Range<i64>,
    waiting: VecDeque<Asked>,
}

impl Shard {
    pub(super) fn init_producer_id(&mut self, asked: Asked, request: InitProducerIdRequest) {
        // There are no transactions yet, of which FindCoordinator has told.
        if request.transactional_id.is_some() {
            return self.refuse_producer_id(asked, ErrorCode::InvalidRequest);
        }
        // A producer knows both, or neither.
        let named = (request.producer_id.0 != -1, request.producer_epoch != -1);
        if named.0 != named.1 {
            return self.refuse_producer_id(asked, ErrorCode::InvalidRequest);
        }
        // An idempotent producer that asks to have its epoch raised gets a new id, as in Kafka.
        self.producer_ids.waiting.push_back(asked);
        if self.producer_ids.waiting.len() == 1 || !self.producer_ids.block.is_empty() {
            self.hand_out_producer_ids();
        }
    }

    /// A block of ids is ours, or is not to be had now.
    pub(in super::super) fn block_came(&mut self, outcomes: &[Outcome]) {
        match outcomes.first() {
            Some(Ok(change)) => {
                if let ChangeKind::ProducerIds { first, count } = change.kind {
                    self.producer_ids.block = first..first + i64::from(count);
                }
                self.hand_out_producer_ids();
            }
            Some(Err(refusal)) => {
                let code = Failure::from(refusal).code;
                for asked in std::mem::take(&mut self.producer_ids.waiting) {
                    self.refuse_producer_id(asked, code);
                }
            }
            None => {}
        }
    }

    fn hand_out_producer_ids(&mut self) {
        while !self.producer_ids.waiting.is_empty() {
            let Some(id) = self.producer_ids.block.next() else {
                return self.propose(vec![Command::NextProducerIdBlock], Call::Block);
            };
            if let Some(asked) = self.producer_ids.waiting.pop_front() {
                let response = InitProducerIdResponse::default()
                    .with_producer_id(id.into())
                    .with_producer_epoch(0);
                let frame = reply::encode(asked.to, &response);
                self.send_reply(asked, frame.map(|frame| vec![frame]));
            }
        }
    }

    fn refuse_producer_id(&mut self, asked: Asked, code: ErrorCode) {
        let response = InitProducerIdResponse::default()
            .with_error_code(code.code())
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
