//! A consumer that follows the writers: what it saw before a strike must be there after it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::value::ValueId;
use crate::kafka::{Connection, Error};

/// Partition, offset, and whose value lay there.
pub type Observed = (usize, i64, ValueId);

pub struct Reader {
    /// Per partition the offset to go on from.
    next: Vec<i64>,
    observed: Vec<Observed>,
}

impl Reader {
    pub fn from(next: Vec<i64>) -> Self {
        Self {
            next,
            observed: Vec::new(),
        }
    }

    /// Reads until the connection breaks, or until `stop`. An error is a broken promise.
    pub fn run(
        mut self,
        address: SocketAddr,
        topic: &str,
        stop: &AtomicBool,
    ) -> Result<Vec<Observed>, String> {
        match self.follow(address, topic, stop) {
            Ok(()) | Err(Error::Broken(_)) => Ok(self.observed),
            Err(Error::Code(code)) if Error::is_doubtful(code) => Ok(self.observed),
            Err(error) => Err(format!("the consumer: {error}")),
        }
    }

    fn follow(&mut self, address: SocketAddr, topic: &str, stop: &AtomicBool) -> Result<(), Error> {
        let mut connection = Connection::open(address, topic)?;
        while !stop.load(Ordering::Relaxed) {
            for partition in 0..self.next.len() {
                let next = &mut self.next[partition];
                for record in connection.fetch(partition as i32, *next)?.records {
                    let id = ValueId::of(&record.key, &record.value);
                    let id = id.filter(|_| record.offset == *next).ok_or_else(|| {
                        let found = record.offset;
                        Error::Wrong(format!(
                            "partition {partition}, {next} asked, {found} found"
                        ))
                    })?;
                    self.observed.push((partition, *next, id));
                    *next += 1;
                }
            }
        }
        Ok(())
    }
}
