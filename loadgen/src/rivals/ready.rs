//! Sees from outside that a broker serves: it answers Metadata and lists a broker.

use std::thread;
use std::time::{Duration, Instant};

use thalweg::load::admin::Admin;

use super::Broker;

const TRY_EVERY: Duration = Duration::from_millis(50);

/// Waits until the broker lists itself, or tells why it never will.
pub fn wait_until_ready(broker: &mut Broker, within: Duration) -> Result<(), String> {
    let started = Instant::now();
    loop {
        if let Some(end) = broker.ended() {
            return Err(format!("{end}, before it was ready"));
        }
        let listed = Admin::connect(broker.address).and_then(|mut admin| admin.brokers());
        if matches!(listed, Ok(1..)) {
            return Ok(());
        }
        if started.elapsed() > within {
            return Err(format!("{} was not ready within {within:?}", broker.name));
        }
        thread::sleep(TRY_EVERY);
    }
}
