//! Why a run could not be made.

use std::fmt;
use std::io;

use crate::wire::WireError;

#[derive(Debug)]
pub enum LoadError {
    /// The plan asks for something that cannot be.
    Plan(&'static str),
    /// A socket failed, or the broker did not answer within the time-out.
    Socket {
        doing: &'static str,
        error: io::Error,
    },
    /// The broker answered a request about topics with a Kafka error code.
    Refused { request: &'static str, code: i16 },
    /// The broker's bytes are no reply to what was asked.
    Reply(&'static str),
    /// A request could not be encoded, or a reply could not be decoded.
    Wire(WireError),
    /// A thread of the engine panicked.
    Panicked,
}

impl LoadError {
    pub(super) fn socket(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Socket { doing, error }
    }
}

impl From<WireError> for LoadError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(why) => write!(f, "this plan cannot be run: {why}"),
            Self::Socket { doing, error } => write!(f, "{doing}: {error}"),
            Self::Refused { request, code } => {
                write!(f, "the broker refused {request}: Kafka error {code}")
            }
            Self::Reply(what) => write!(f, "the broker's reply makes no sense: {what}"),
            Self::Wire(error) => write!(f, "the broker's reply makes no sense: {error:?}"),
            Self::Panicked => write!(f, "a thread of the load engine panicked"),
        }
    }
}

impl std::error::Error for LoadError {}
