//! One connection: typed requests or raw bytes out, replies in, in order. It encodes with the
//! crate alone, so that a mistake of our own codec is not repeated in the judge.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

/// As long as a healthy broker on a loaded machine can take.
const PATIENCE: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(20);
const REPLY_BYTES_MAX: usize = 64 << 20;
const CLIENT_ID: &str = "differential";

pub struct Connection {
    stream: TcpStream,
    sent: i32,
}

/// What came instead of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The broker closed the connection.
    Closed,
    /// It kept the connection open and said nothing.
    Silent,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, sent: 0 })
    }

    /// Sends a request; a peer that closed meanwhile shows when its reply is awaited.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<(), String> {
        let mut body = BytesMut::new();
        request
            .encode(&mut body, version)
            .map_err(|error| format!("the script cannot be encoded: {error}"))?;
        self.send_raw(R::KEY, version, R::header_version(version), &body);
        Ok(())
    }

    /// A header of the given version, then `body` as it stands.
    pub fn send_raw(&mut self, key: i16, version: i16, header_version: i16, body: &[u8]) {
        self.sent += 1;
        let header = RequestHeader::default()
            .with_request_api_key(key)
            .with_request_api_version(version)
            .with_correlation_id(self.sent)
            .with_client_id(Some(CLIENT_ID.into()));
        let mut frame = BytesMut::from(&[0; 4][..]);
        let encoded = header.encode(&mut frame, header_version);
        encoded.expect("a request header is encodable");
        frame.extend_from_slice(body);
        let length = i32::try_from(frame.len() - 4).expect("a short frame");
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.send_bytes(&frame);
    }

    /// Bytes without a header of ours.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        // An error means that the peer closed; the next receive says so.
        let _ = self.stream.write_all(bytes);
    }

    /// The next reply, decoded, and how many bytes of it were left over.
    pub fn receive<R: Request>(&mut self, version: i16) -> Result<Received<R>, Silence> {
        let mut frame = self.receive_frame()?;
        let header_version =
            <R::Response as kafka_protocol::protocol::HeaderVersion>::header_version(version);
        let header = ResponseHeader::decode(&mut frame, header_version);
        let message = header.and_then(|header| {
            assert_eq!(
                header.correlation_id, self.sent,
                "a reply to another request"
            );
            R::Response::decode(&mut frame, version)
        });
        Ok(match message {
            Ok(message) => Received::Message(message, frame.len()),
            Err(error) => Received::Undecodable(error.to_string()),
        })
    }

    /// The next reply without its length prefix.
    pub fn receive_frame(&mut self) -> Result<Bytes, Silence> {
        self.try_receive().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Silence::Silent,
            _ => Silence::Closed,
        })
    }

    fn try_receive(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > REPLY_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }
}

pub enum Received<R: Request> {
    Message(R::Response, usize),
    Undecodable(String),
}
