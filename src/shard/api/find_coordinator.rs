//! FindCoordinator 0-6. There are no coordinators yet; clients take the answer for "not now".

use crate::wire::messages::find_coordinator_response::Coordinator;
use crate::wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::{ErrorCode, StrBytes, reply};

use super::super::calls::Asked;
use super::super::machine::Shard;

const WORDS: &str = "This broker has no coordinators yet.";

impl Shard {
    pub(super) fn find_coordinator(&mut self, asked: Asked, request: FindCoordinatorRequest) {
        let code = ErrorCode::CoordinatorNotAvailable.code();
        let words = Some(StrBytes::from_static_str(WORDS));
        let response = if asked.to.version < 4 {
            FindCoordinatorResponse::default()
                .with_error_code(code)
                .with_error_message(words)
                .with_node_id((-1).into())
                .with_port(-1)
        } else {
            let none = |key| {
                Coordinator::default()
                    .with_key(key)
                    .with_node_id((-1).into())
                    .with_port(-1)
                    .with_error_code(code)
                    .with_error_message(words.clone())
            };
            let coordinators = request.coordinator_keys.into_iter().map(none);
            FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
        };
        let frame = reply::encode(asked.to, &response);
        self.send_reply(asked, frame.map(|frame| vec![frame]));
    }
}
