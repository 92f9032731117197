//! DescribeTransactions 0 and ListTransactions 0-2: there are no transactions yet, so none is
//! listed and none is found.

use crate::wire::messages::describe_transactions_response::TransactionState;
use crate::wire::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ListTransactionsRequest,
    ListTransactionsResponse,
};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

/// The states that a transaction can be in, by Kafka's names.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

impl Shard {
    pub(super) fn describe_transactions(
        &mut self,
        asked: Asked,
        request: DescribeTransactionsRequest,
    ) {
        let states = request.transactional_ids.into_iter().map(|id| {
            let code = match id.is_empty() {
                true => ErrorCode::InvalidRequest,
                false => ErrorCode::TransactionalIdNotFound,
            };
            TransactionState::default()
                .with_error_code(code.code())
                .with_transactional_id(id)
        });
        let response =
            DescribeTransactionsResponse::default().with_transaction_states(states.collect());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }

    pub(super) fn list_transactions(&mut self, asked: Asked, request: ListTransactionsRequest) {
        let is_unknown = |state: &StrBytes| !STATES.contains(&state.as_str());
        let unknown = request.state_filters.into_iter().filter(is_unknown);
        let response =
            ListTransactionsResponse::default().with_unknown_state_filters(unknown.collect());
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
