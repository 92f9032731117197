//! One connection, blocking: requests out, replies in, in order.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::batch::{Record, decode_batches};
use super::bytes::{Reader, Writer};

/// Longer than any healthy broker takes to flush; a silence beyond it is a failure.
const PATIENCE: Duration = Duration::from_secs(30);
const REPLY_BYTES_MAX: usize = 256 << 20;
const FETCH_BYTES: i32 = 8 << 20;

#[derive(Debug)]
pub enum Error {
    /// The connection is of no use any more; what was in flight is unknown.
    Broken(io::Error),
    /// The broker answered with a Kafka error code.
    Code(i16),
    /// The broker answered something else than was asked, or damaged batches.
    Wrong(String),
}

impl Error {
    /// Codes by which a broker says that it cannot tell, or not now: leader not available, not
    /// leader, timed out, network exception, storage error. A batch is in doubt, nothing more.
    pub fn is_doubtful(code: i16) -> bool {
        [5, 6, 7, 13, 56].contains(&code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => write!(f, "connection: {error}"),
            Self::Code(code) => write!(f, "Kafka error code {code}"),
            Self::Wrong(what) => write!(f, "{what}"),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A part of one partition.
pub struct Fetched {
    pub high_watermark: i64,
    pub records: Vec<Record>,
}

pub struct Connection {
    stream: TcpStream,
    topic: String,
    sent: i32,
    answered: i32,
}

impl Connection {
    /// All partitions spoken of are of this topic.
    pub fn open(address: SocketAddr, topic: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            topic: topic.to_string(),
            sent: 0,
            answered: 0,
        })
    }

    /// Error 36 says that it exists already.
    pub fn create_topic(&mut self, partitions: i32) -> Result<(), Error> {
        let mut body = Writer::default();
        body.i32(1).string(&self.topic).i32(partitions).i16(1);
        body.i32(0).i32(0).i32(30_000).i8(0);
        let reply = self.call(19, 4, &body.0)?;
        let mut reader = Reader(&reply);
        let code = (|| {
            let (_throttle, _count) = (reader.i32()?, reader.i32()?);
            reader.string()?;
            reader.i16()
        })();
        check_code(code)
    }

    /// A producer id and its epoch.
    pub fn init_producer(&mut self) -> Result<(i64, i16), Error> {
        let mut body = Writer::default();
        body.null_string().i32(60_000);
        let reply = self.call(22, 1, &body.0)?;
        let mut reader = Reader(&reply);
        let _throttle = reader.i32();
        check_code(reader.i16())?;
        reader.i64().zip(reader.i16()).ok_or_else(malformed)
    }

    /// First offset (`stamp` -2), end (-1), or the first offset at or after a time.
    pub fn list_offset(&mut self, partition: i32, stamp: i64) -> Result<i64, Error> {
        let mut body = Writer::default();
        body.i32(-1).i32(1).string(&self.topic);
        body.i32(1).i32(partition).i64(stamp);
        let reply = self.call(2, 1, &body.0)?;
        let mut reader = Reader(&reply);
        let code = (|| {
            reader.i32()?;
            reader.string()?;
            let (_count, _partition) = (reader.i32()?, reader.i32()?);
            reader.i16()
        })();
        check_code(code)?;
        let _stamp = reader.i64();
        reader.i64().ok_or_else(malformed)
    }

    /// Sends a batch with acks=all; the answer is to be read by `produced`, in order.
    pub fn produce(&mut self, partition: i32, batch: &[u8]) -> Result<(), Error> {
        let mut body = Writer::default();
        body.null_string().i16(-1).i32(30_000);
        body.i32(1).string(&self.topic).i32(1).i32(partition);
        body.bytes(batch);
        self.send(0, 7, &body.0)
    }

    /// The first offset of the oldest batch that is not yet answered.
    pub fn produced(&mut self) -> Result<i64, Error> {
        let reply = self.receive()?;
        let mut reader = Reader(&reply);
        let code = (|| {
            reader.i32()?;
            reader.string()?;
            let (_count, _partition) = (reader.i32()?, reader.i32()?);
            reader.i16()
        })();
        check_code(code)?;
        reader.i64().ok_or_else(malformed)
    }

    /// What lies at and after an offset, without waiting for more.
    pub fn fetch(&mut self, partition: i32, offset: i64) -> Result<Fetched, Error> {
        let mut body = Writer::default();
        body.i32(-1).i32(0).i32(0).i32(FETCH_BYTES).i8(0);
        body.i32(1).string(&self.topic);
        body.i32(1).i32(partition).i64(offset).i32(FETCH_BYTES);
        let reply = self.call(1, 4, &body.0)?;
        let mut reader = Reader(&reply);
        let code = (|| {
            let (_throttle, _count) = (reader.i32()?, reader.i32()?);
            reader.string()?;
            let (_count, _partition) = (reader.i32()?, reader.i32()?);
            reader.i16()
        })();
        check_code(code)?;
        let rest = (|| {
            let (high_watermark, _stable) = (reader.i64()?, reader.i64()?);
            // Aborted transactions: producer id and first offset each.
            let aborted = reader.i32()?.max(0);
            reader.raw(16 * usize::try_from(aborted).ok()?)?;
            Some((high_watermark, reader.bytes()?))
        })();
        let (high_watermark, bytes) = rest.ok_or_else(malformed)?;
        let mut records = decode_batches(bytes).map_err(Error::Wrong)?;
        // A fetch inside a batch brings the whole batch.
        records.retain(|record| record.offset >= offset);
        Ok(Fetched {
            high_watermark,
            records,
        })
    }

    fn call(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>, Error> {
        self.send(key, version, body)?;
        self.receive()
    }

    fn send(&mut self, key: i16, version: i16, body: &[u8]) -> Result<(), Error> {
        let mut frame = Writer::default();
        let client = "rig";
        let length = 2 + 2 + 4 + 2 + client.len() + body.len();
        frame
            .i32(length as i32)
            .i16(key)
            .i16(version)
            .i32(self.sent);
        frame.string(client).raw(body);
        self.sent += 1;
        Ok(self.stream.write_all(&frame.0)?)
    }

    fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head)?;
        let mut reader = Reader(&head);
        let (length, correlation) = reader.i32().zip(reader.i32()).expect("eight bytes");
        if correlation != self.answered {
            let expected = self.answered;
            return Err(Error::Wrong(format!("reply {correlation}, not {expected}")));
        }
        self.answered += 1;
        let length = usize::try_from(length - 4).unwrap_or(usize::MAX);
        if length > REPLY_BYTES_MAX {
            return Err(Error::Wrong(format!("a reply of {length} bytes")));
        }
        let mut reply = vec![0; length];
        self.stream.read_exact(&mut reply)?;
        Ok(reply)
    }
}

fn malformed() -> Error {
    Error::Wrong("a reply that is too short".to_string())
}

fn check_code(code: Option<i16>) -> Result<(), Error> {
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Error::Code(code)),
        None => Err(malformed()),
    }
}
