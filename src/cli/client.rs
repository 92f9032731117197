//! A small blocking client: one connection, one request at a time, any Kafka broker.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::protocol::Request;

use crate::wire::client;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ErrorCode, StrBytes};

use super::Failure;
use super::listen::HostPort;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
const REPLY_WAIT: Duration = Duration::from_secs(60);
const REPLY_BYTES_MAX: usize = 256 << 20;
const CLIENT_ID: &str = "thalweg-cli";

/// A connection to a broker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    address: String,
    versions: ApiVersionsResponse,
    correlation_id: i32,
}

impl Client {
    /// Connects to `bootstrap_server` and asks which versions it speaks.
    pub fn connect(bootstrap_server: &str) -> Result<Self, Failure> {
        let at = HostPort::parse(bootstrap_server, "--bootstrap-server")?;
        let mut last = None;
        for address in at.resolve("--bootstrap-server")? {
            match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
                Ok(stream) => return Self::greet(stream, bootstrap_server),
                Err(error) => last = Some(error),
            }
        }
        let why = last.map_or_else(|| "no address".to_owned(), |error| error.to_string());
        Err(Failure::failed(format!(
            "no broker at {bootstrap_server}: {why}; start one with 'thalweg serve', or name \
             another with --bootstrap-server HOST:PORT"
        )))
    }

    fn greet(stream: TcpStream, address: &str) -> Result<Self, Failure> {
        let limit = stream.set_read_timeout(Some(REPLY_WAIT));
        limit
            .and_then(|()| stream.set_nodelay(true))
            .map_err(|error| lost(address, &error))?;
        let versions = ApiVersionsResponse::default();
        let mut client = Self {
            stream,
            address: address.to_owned(),
            versions,
            correlation_id: 0,
        };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("thalweg"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        client.versions = client.call_at(&request, 3)?;
        Ok(client)
    }

    /// Sends `request` at the newest version that both sides know, and returns that version too.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<(i16, R::Response), Failure> {
        self.call_at_most(request, R::VERSIONS.max)
    }

    /// As `call`, at no newer version than `newest`: newer ones may say the same in other fields.
    pub fn call_at_most<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<(i16, R::Response), Failure> {
        let mut ours = R::VERSIONS;
        ours.max = ours.max.min(newest);
        let theirs = self
            .versions
            .api_keys
            .iter()
            .find(|api| api.api_key == R::KEY);
        let version = theirs.map(|api| ours.max.min(api.max_version));
        match (theirs, version) {
            (Some(api), Some(version)) if version >= ours.min.max(api.min_version) => {
                Ok((version, self.call_at(request, version)?))
            }
            _ => Err(Failure::failed(format!(
                "the broker at {} does not offer this request (API key {})",
                self.address,
                R::KEY
            ))),
        }
    }

    fn call_at<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, Failure> {
        self.correlation_id += 1;
        let frame = client::encode(request, version, self.correlation_id, CLIENT_ID)
            .map_err(|error| Failure::failed(format!("can not write the request: {error}")))?;
        self.stream
            .write_all(&frame)
            .map_err(|error| lost(&self.address, &error))?;
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .map_err(|error| lost(&self.address, &error))?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > REPLY_BYTES_MAX {
            return Err(Failure::failed(format!(
                "{} does not speak Kafka",
                self.address
            )));
        }
        let mut reply = Vec::new();
        let taken = (&self.stream).take(length as u64).read_to_end(&mut reply);
        taken.map_err(|error| lost(&self.address, &error))?;
        let (_, answer) = client::decode::<R>(version, Bytes::from(reply))
            .map_err(|error| Failure::failed(format!("{}: {error}", self.address)))?;
        Ok(answer)
    }
}

/// `HOST:PORT`, with brackets around what has colons of its own.
pub fn address_of(host: &str, port: impl Display) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// As the messages carry text.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn lost(address: &str, error: &std::io::Error) -> Failure {
    Failure::failed(format!(
        "the connection to {address} failed: {error}; is a Kafka-protocol broker listening there?"
    ))
}

/// Fails with Kafka's name for `code` and the broker's own words, if it is an error.
pub fn check(code: i16, message: Option<&str>, what: &str) -> Result<(), Failure> {
    if code == 0 {
        return Ok(());
    }
    let name = ErrorCode::from_i16(code).map_or("an unknown error", ErrorCode::name);
    let words = message
        .map(|words| format!(": {words}"))
        .unwrap_or_default();
    Err(Failure::failed(format!("{what}: {name} ({code}){words}")))
}
