//! Sees from outside that a broker serves: it answers Metadata and lists a broker.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::Broker;

const TRY_EVERY: Duration = Duration::from_millis(50);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Metadata version 1 with an empty list of topics: length, key, version, correlation id,
/// no client id, no topics.
const METADATA_REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0, 0, 0, 0];

/// Waits until the broker lists itself, or tells why it never will.
pub fn wait_until_ready(broker: &mut Broker, within: Duration) -> Result<(), String> {
    let started = Instant::now();
    loop {
        if let Some(end) = broker.ended() {
            return Err(format!("{end}, before it was ready"));
        }
        if matches!(brokers_listed(broker.address), Ok(1..)) {
            return Ok(());
        }
        if started.elapsed() > within {
            return Err(format!("{} was not ready within {within:?}", broker.name));
        }
        thread::sleep(TRY_EVERY);
    }
}

fn brokers_listed(address: SocketAddr) -> io::Result<i32> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.write_all(&METADATA_REQUEST)?;
    // Length, correlation id, number of brokers.
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(i32::from_be_bytes([head[8], head[9], head[10], head[11]]))
}
