//! What the tests of a real broker process share: the process, a plain blocking client, and an
//! honest user whose every acknowledged record is looked for at the end.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]

pub mod broker;
pub mod client;
pub mod honest;
pub mod system;
pub mod terminal;

pub use broker::{Broker, Scratch, refusal, serve};
pub use client::{Client, batch_of};
pub use honest::Honest;

use std::time::{Duration, Instant};

/// Longer than anything takes that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until there is an answer; `what` is missing after `PATIENCE`.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A number from the environment.
pub fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
