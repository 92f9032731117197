//! A group's coordinator: found, asked, and found again when it has moved.

use std::time::Duration;

use kafka_protocol::protocol::Request;

use super::Failure;
use super::client::{Client, address_of, check, text};
use crate::wire::ErrorCode;
use crate::wire::messages::{FindCoordinatorRequest, GroupId};

/// A coordinator that loads a group, or is just being elected, needs some seconds.
const TRIES_MAX: u32 = 40;
const RETRY_WAIT: Duration = Duration::from_millis(250);
/// The newest version that asks for one key; later ones ask for several.
const ONE_KEY: i16 = 3;

/// A connection to the broker that coordinates one group.
#[derive(Debug)]
pub struct Coordinator {
    bootstrap_server: String,
    group: String,
    client: Client,
}

impl Coordinator {
    pub fn connect(bootstrap_server: &str, group: &str) -> Result<Self, Failure> {
        Ok(Self {
            bootstrap_server: bootstrap_server.to_owned(),
            group: group.to_owned(),
            client: find(bootstrap_server, group)?,
        })
    }

    pub fn group_id(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    /// Asks at most at version `newest`; again, of the coordinator of the moment, as long as the
    /// code that `code_of` finds says that another try may help.
    pub fn ask<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
        code_of: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, Failure> {
        let mut tries = 1;
        loop {
            let (_, reply) = self.client.call_at_most(request, newest)?;
            let moved = matches!(
                ErrorCode::from_i16(code_of(&reply)),
                Some(
                    ErrorCode::CoordinatorLoadInProgress
                        | ErrorCode::CoordinatorNotAvailable
                        | ErrorCode::NotCoordinator
                )
            );
            if !moved || tries == TRIES_MAX {
                return Ok(reply);
            }
            tries += 1;
            std::thread::sleep(RETRY_WAIT);
            self.client = find(&self.bootstrap_server, &self.group)?;
        }
    }
}

fn find(bootstrap_server: &str, group: &str) -> Result<Client, Failure> {
    let request = FindCoordinatorRequest::default()
        .with_key(text(group))
        .with_key_type(0);
    let mut tries = 1;
    loop {
        let mut client = Client::connect(bootstrap_server)?;
        let (_, reply) = client.call_at_most(&request, ONE_KEY)?;
        let code = ErrorCode::from_i16(reply.error_code);
        if code.is_some_and(ErrorCode::is_retriable) && tries < TRIES_MAX {
            tries += 1;
            std::thread::sleep(RETRY_WAIT);
            continue;
        }
        let what = format!("the coordinator of {group}");
        check(reply.error_code, reply.error_message.as_deref(), &what)?;
        return Client::connect_told(&address_of(reply.host.as_str(), reply.port));
    }
}
