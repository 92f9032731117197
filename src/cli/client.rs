//! A small blocking client: one connection, one request at a time, any Kafka broker.

use std::fmt::Display;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::protocol::{Request, VersionRange};

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
        let next = "start one with 'thalweg serve', or name another with --bootstrap-server \
                    HOST:PORT";
        Self::reach(bootstrap_server, next)
    }

    /// As `connect`, to a broker of the cluster, at the address that clients are told.
    pub fn connect_told(address: &str) -> Result<Self, Failure> {
        let next = "clients are told to look for it there: start it, or let it tell an address \
                    that leads to it from here (advertised.listeners, 'thalweg serve --advertise')";
        Self::reach(address, next)
    }

    /// `next` is what to do where no broker is.
    fn reach(address: &str, next: &str) -> Result<Self, Failure> {
        let at = HostPort::parse(address, "--bootstrap-server")?;
        let nobody =
            |error: Error| Failure::try_again(format!("no broker at {address}: {error}; {next}"));
        let mut last = Error::from(ErrorKind::NotFound);
        for place in at.resolve().map_err(nobody)? {
            match TcpStream::connect_timeout(&place, CONNECT_WAIT) {
                Ok(stream) => return Self::greet(stream, address),
                Err(error) => last = error,
            }
        }
        Err(nobody(last))
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
        let version = self.version_of::<R>(ours)?;
        Ok((version, self.call_at(request, version)?))
    }

    /// Sends a request that no broker answers: Produce with acks=0.
    pub fn tell<R: Request>(&mut self, request: &R) -> Result<(), Failure> {
        let version = self.version_of::<R>(R::VERSIONS)?;
        self.send_at(request, version)
    }

    /// The newest version that both sides know.
    fn version_of<R: Request>(&self, ours: VersionRange) -> Result<i16, Failure> {
        let mut theirs = self.versions.api_keys.iter();
        let theirs = theirs.find(|api| api.api_key == R::KEY);
        let both = theirs.map(|api| {
            let newest = ours.max.min(api.max_version);
            (newest, newest >= ours.min.max(api.min_version))
        });
        match both {
            Some((version, true)) => Ok(version),
            Some((_, false)) | None => Err(Failure::failed(format!(
                "the broker at {} does not offer this request (API key {})",
                self.address,
                R::KEY
            ))),
        }
    }

    fn send_at<R: Request>(&mut self, request: &R, version: i16) -> Result<(), Failure> {
        self.correlation_id += 1;
        let frame = client::encode(request, version, self.correlation_id, CLIENT_ID)
            .map_err(|error| Failure::failed(format!("can not write the request: {error}")))?;
        let sent = self.stream.write_all(&frame);
        sent.map_err(|error| lost(&self.address, &error))
    }

    fn call_at<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, Failure> {
        self.send_at(request, version)?;
        let mut length = [0; 4];
        self.stream
            .read_exact(&mut length)
            .map_err(|error| lost(&self.address, &error))?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > REPLY_BYTES_MAX {
            return Err(Failure::failed(format!(
                "{} does not speak Kafka: give the address of a broker's plain listener with \
                 --bootstrap-server",
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

/// Nothing is known of what the request did: another try may help, and the user decides.
fn lost(address: &str, error: &Error) -> Failure {
    Failure::try_again(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!(
            "no answer from {address} within {} s; is it a Kafka-protocol broker, and is it well?",
            REPLY_WAIT.as_secs()
        ),
        _ => format!(
            "the connection to {address} failed: {error}; is a Kafka-protocol broker listening \
             there?"
        ),
    })
}

/// Fails with Kafka's name for `code`, the broker's own words and what to do next, if it is an
/// error.
pub fn check(code: i16, message: Option<&str>, what: &str) -> Result<(), Failure> {
    if code == 0 {
        return Ok(());
    }
    let known = ErrorCode::from_i16(code);
    let name = known.map_or("an unknown error", ErrorCode::name);
    let said = [message, known.and_then(next_step)];
    let said: Vec<&str> = said.into_iter().flatten().collect();
    let words = match said.is_empty() {
        true => String::new(),
        false => format!(": {}", said.join("; ")),
    };
    let told = format!("{what}: {name} ({code}){words}");
    Err(match known.is_some_and(may_pass) {
        true => Failure::try_again(told),
        false => Failure::failed(told),
    })
}

/// The same command may succeed later. Kafka calls more errors retriable: those that pass only if
/// somebody does something, such as creating the topic, are none here.
fn may_pass(error: ErrorCode) -> bool {
    let needs_somebody = matches!(
        error,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
            | ErrorCode::ListenerNotFound
            | ErrorCode::ElectionNotNeeded
    );
    error.is_retriable() && !needs_somebody
}

/// What a user can do about it.
fn next_step(error: ErrorCode) -> Option<&'static str> {
    Some(match error {
        ErrorCode::UnknownTopicOrPartition => {
            "`thalweg topic list` shows the topics that are there, `thalweg topic create NAME` \
             makes one"
        }
        ErrorCode::TopicAlreadyExists => {
            "choose another name, or see what is there with `thalweg topic describe NAME`"
        }
        ErrorCode::InvalidTopicException => {
            "a name has up to 249 letters, digits, dots, underscores and hyphens"
        }
        ErrorCode::InvalidPartitions => {
            "ask for at least one partition, and for more than the topic has if it is there"
        }
        ErrorCode::InvalidReplicationFactor => {
            "leave --replication-factor away, and the broker decides"
        }
        ErrorCode::InvalidConfig => {
            "`thalweg config describe --all` shows the names and values that there are"
        }
        ErrorCode::MessageTooLarge => {
            "send less at once, or raise the topic's max.message.bytes with `thalweg config set`"
        }
        ErrorCode::OffsetOutOfRange => {
            "it is not kept any more, or not there yet: `thalweg consume --from-beginning` begins \
             with the oldest record that is kept"
        }
        ErrorCode::KafkaStorageError => "see the broker's log: its disk failed",
        ErrorCode::GroupIdNotFound => "`thalweg group list` shows the groups that are there",
        ErrorCode::NonEmptyGroup => "stop its members first: `thalweg group describe` shows them",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Error;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_error_has_the_brokers_words_and_what_to_do_next() {
        let code = ErrorCode::UnknownTopicOrPartition as i16;

        let bare = check(code, None, "absent").expect_err("it is one");
        let told = check(code, Some("no such topic"), "absent").expect_err("it is one");
        let other = check(-1, None, "absent").expect_err("it is one");

        let head = "absent: UNKNOWN_TOPIC_OR_PARTITION (3): ";
        let next = "`thalweg topic list` shows the topics that are there, `thalweg topic create \
                    NAME` makes one";
        assert_eq!(bare.message, format!("{head}{next}"));
        assert_eq!(told.message, format!("{head}no such topic; {next}"));
        assert_eq!(other.message, "absent: UNKNOWN_SERVER_ERROR (-1)");
        assert!(check(0, None, "absent").is_ok());
    }

    #[test]
    fn only_what_passes_by_itself_invites_to_try_again() {
        let code = |error: ErrorCode| check(error.code(), None, "t").expect_err("it is one").code;
        let again = Failure::try_again("").code;
        let failed = Failure::failed("").code;

        for passing in [
            ErrorCode::RequestTimedOut,
            ErrorCode::LeaderNotAvailable,
            ErrorCode::NotLeaderOrFollower,
            ErrorCode::NotEnoughReplicas,
            ErrorCode::CoordinatorLoadInProgress,
            ErrorCode::ThrottlingQuotaExceeded,
        ] {
            assert_eq!(code(passing), again, "{passing:?}");
        }
        for lasting in [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::KafkaStorageError,
            ErrorCode::TopicAlreadyExists,
            ErrorCode::UnknownServerError,
        ] {
            assert_eq!(code(lasting), failed, "{lasting:?}");
        }
    }

    #[test]
    fn a_broker_that_is_not_there_or_goes_away_invites_to_try_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let closer = std::thread::spawn(move || drop(listener.accept()));

        let gone = Client::connect(&address).expect_err("it is closed");
        closer.join().expect("it only accepts");
        let absent = Client::connect(&address).expect_err("nobody listens");
        let silent = lost(&address, &Error::from(ErrorKind::WouldBlock));

        let again = Failure::try_again("").code;
        for (failure, words) in [
            (gone, "is a Kafka-protocol broker listening there?"),
            (absent, "start one with 'thalweg serve'"),
            (silent, "no answer from"),
        ] {
            assert_eq!(failure.code, again, "{}", failure.message);
            assert!(failure.message.contains(words), "{}", failure.message);
        }
    }
}
