//! Parts of replies that were promised and whose turn has come.

use crate::base::{ByteCount, ShardId};
use crate::journal::{ReadDone, ReadRequest};
use crate::log::LogError;
use crate::runtime::ConnectionId;

use super::super::message::{Later, Message, Outbox};
use super::Owner;
use super::reads::ReadFor;

impl Owner {
    /// Reads the part, from memory or from the disk.
    pub fn pull(
        &mut self,
        asker: ShardId,
        connection: ConnectionId,
        part: Later,
        out: &mut Outbox,
    ) {
        let token = self.reads.next_read();
        let request = ReadRequest {
            token,
            stream: part.stream,
            from: part.from,
            until: part.until,
            bytes_max: ByteCount(part.bytes as u64),
            first_whole: false,
        };
        match self.journal.read(request) {
            Some(done) => self.pull_finished(asker, connection, part, done, out),
            None => self.reads.started(
                token,
                ReadFor::Pull {
                    asker,
                    connection,
                    part,
                },
            ),
        }
    }

    pub(super) fn pull_finished(
        &mut self,
        asker: ShardId,
        connection: ConnectionId,
        part: Later,
        done: ReadDone,
        out: &mut Outbox,
    ) {
        let slices = done.result.map_err(LogError::Journal);
        let records = slices.and_then(|slices| {
            let records: Vec<_> = slices.into_iter().map(|slice| slice.payload).collect();
            let bytes: usize = records.iter().map(|record| record.len()).sum();
            // Given up meanwhile, or lost.
            let whole = bytes == part.bytes;
            whole.then_some(records).ok_or(LogError::UnknownPartition)
        });
        if records.is_err() {
            self.reads.doubtful.insert(part.stream);
        }
        let message = Message::Pulled {
            connection,
            records,
        };
        out.push((asker, message));
    }
}
