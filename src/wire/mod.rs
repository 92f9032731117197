//! Wire: Kafka's bytes to typed requests and back, record batch headers, error codes.
//!
//! Knows: API keys, versions, headers, message layouts, record batches, compression.
//! Must not know: sockets, storage, time.
//! May use: `base`. Used by: everything that speaks Kafka.
//!
//! Always: input is walked by `guard` before the decoder sees it, so that memory follows
//! bytes received and never a length that the peer claims. Nothing that input can reach panics.
//!
//! A request's way in: `RequestHeader::parse`, then `request::decode`. The way out:
//! `reply::encode`, `fetch_reply::encode` for records,
//! `metadata_reply` for the largest of all. A client's two sides: `client`.
//! Begin at `header`, then `request`.

#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

pub mod codes;
mod cursor;
mod error;
pub mod versions;

pub mod header;

pub mod guard;
pub mod old_admin;
pub mod old_produce;
pub mod request;

pub mod fetch_reply;
pub mod metadata_reply;
pub mod reply;

pub mod client;

pub mod batch;

pub mod membership;
pub mod partitioner;

pub use codes::ErrorCode;
pub use error::WireError;
pub use header::{ReplyTo, RequestHeader};
pub use request::Request;
pub use versions::ApiSet;

/// The crate's message structs; their fields are Kafka's own names.
pub use kafka_protocol::messages;
/// The crate's API keys, under Kafka's own names.
pub use kafka_protocol::messages::ApiKey;
/// A checked UTF-8 string that is a slice of the frame it came in.
pub use kafka_protocol::protocol::StrBytes;
