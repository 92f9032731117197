//! Whole brokers in a simulated world, and clients that speak real Kafka frames to them.
//!
//! One seed decides everything: `swarm` draws how large and how hostile the world is, `run` lets
//! it run, heals it, demands progress and reads everything back; `history` notes what was called
//! and what was answered, and `checker` says what of it must not be.
//!
//! Begin at `run`.

pub mod run;

pub mod admin;
pub mod broker;
pub mod chaos;
pub mod checker;
pub mod harm;
pub mod history;
pub mod line;
pub mod producer;
pub mod reader;
pub mod swarm;
pub mod value;
