//! Fetch sessions (KIP-227) over whole shards.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::fetch_request::ForgottenTopic;
use crate::wire::messages::{DeleteTopicsRequest, FetchResponse};

/// A client's side of one session.
struct Client {
    socket: SocketId,
    id: i32,
    epoch: i32,
}

type Told = Vec<(String, i32, i64, usize)>;

/// Topic, partition, high watermark and number of records of everything that a reply tells.
fn told(response: &FetchResponse) -> Told {
    let topics = response.responses.iter();
    let told = topics.flat_map(|topic| {
        topic.partitions.iter().map(move |part| {
            let records = values_in(part.records.as_ref()).len();
            (
                topic.topic.to_string(),
                part.partition_index,
                part.high_watermark,
                records,
            )
        })
    });
    let mut told: Told = told.collect();
    told.sort();
    told
}

fn of(
    topic: &str,
    partition: i32,
    high_watermark: i64,
    records: usize,
) -> (String, i32, i64, usize) {
    (topic.to_owned(), partition, high_watermark, records)
}

impl Client {
    /// Begins a session with a full fetch.
    fn begin(broker: &mut Broker, parts: &[(&str, i32, i64)]) -> (Self, FetchResponse) {
        let socket = broker.connect_to(0);
        let request = fetch_of(parts, 0, 1).with_session_epoch(0);
        let response = broker.ask(socket, &request, 11);
        assert_eq!(response.error_code, 0);
        let id = response.session_id;
        (
            Self {
                socket,
                id,
                epoch: 1,
            },
            response,
        )
    }

    fn request(&mut self, parts: &[(&str, i32, i64)], wait_ms: i32) -> FetchRequest {
        let epoch = self.epoch;
        self.epoch += 1;
        fetch_of(parts, wait_ms, 1)
            .with_session_id(self.id)
            .with_session_epoch(epoch)
    }

    /// An incremental fetch that names these only.
    fn fetch(&mut self, broker: &mut Broker, parts: &[(&str, i32, i64)]) -> FetchResponse {
        let request = self.request(parts, 0);
        let response = broker.ask(self.socket, &request, 11);
        assert_eq!(response.error_code, 0);
        assert_eq!(response.session_id, self.id);
        response
    }
}

/// Partitions 0 to `count` of "t", from the start.
fn all(count: i32) -> Vec<(&'static str, i32, i64)> {
    (0..count).map(|partition| ("t", partition, 0)).collect()
}

#[test]
fn an_incremental_reply_has_only_what_changed_over_all_shards() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let writer = broker.connect_to(1);
    let (mut client, full) = Client::begin(&mut broker, &all(4));

    assert_ne!(client.id, 0);
    assert_eq!(told(&full).len(), 4, "a full reply tells of all");
    assert_eq!(told(&client.fetch(&mut broker, &[])), []);
    broker.produce(writer, "t", 2, b"a");
    broker.produce(writer, "t", 3, b"b");
    assert_eq!(
        told(&client.fetch(&mut broker, &[])),
        [of("t", 2, 1, 1), of("t", 3, 1, 1)]
    );
    // Who does not move on gets the same again; who does gets nothing more.
    assert_eq!(
        told(&client.fetch(&mut broker, &[("t", 3, 1)])),
        [of("t", 2, 1, 1)]
    );
    assert_eq!(told(&client.fetch(&mut broker, &[("t", 2, 1)])), []);
    assert_eq!(told(&client.fetch(&mut broker, &[])), []);
}

#[test]
fn a_waiting_incremental_fetch_is_woken_by_a_partition_that_it_does_not_name() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let writer = broker.connect_to(0);
    let (mut client, _) = Client::begin(&mut broker, &all(4));
    for partition in 0..4 {
        let request = client.request(&[], 20_000);
        let began = broker.world.now();
        broker.send(client.socket, &request, 11);
        assert!(
            broker
                .frame_within(client.socket, Span::millis(200))
                .is_none()
        );
        broker.produce(writer, "t", partition, b"news");

        let (_, response) = broker.reply::<FetchRequest>(client.socket, 11);

        assert!(broker.world.now().since(began) < Span::seconds(1));
        assert_eq!(told(&response), [of("t", partition, 1, 1)]);
        let moved = [("t", partition, 1)];
        assert_eq!(told(&client.fetch(&mut broker, &moved)), []);
    }
}

#[test]
fn a_waiting_incremental_fetch_with_no_news_is_answered_empty_at_its_deadline() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (mut client, _) = Client::begin(&mut broker, &all(2));
    let request = client.request(&[], 500);
    let began = broker.world.now();

    let response = broker.ask(client.socket, &request, 11);

    let waited = broker.world.now().since(began);
    assert!(waited >= Span::millis(500), "{waited:?}");
    assert!(waited < Span::millis(600), "{waited:?}");
    assert_eq!(told(&response), []);
}

#[test]
fn partitions_join_and_are_forgotten_and_the_last_one_ends_the_session() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 3);
    let writer = broker.connect_to(1);
    let (mut client, _) = Client::begin(&mut broker, &all(1));

    assert_eq!(
        told(&client.fetch(&mut broker, &[("t", 1, 0)])),
        [of("t", 1, 0, 0)]
    );
    broker.produce(writer, "t", 0, b"a");
    broker.produce(writer, "t", 1, b"b");
    let forget = |partitions: Vec<i32>| {
        let topic = ForgottenTopic::default().with_topic(name("t"));
        vec![topic.with_partitions(partitions)]
    };
    let request = client
        .request(&[], 0)
        .with_forgotten_topics_data(forget(vec![0]));
    let response = broker.ask(client.socket, &request, 11);
    assert_eq!(told(&response), [of("t", 1, 1, 1)]);
    let request = client
        .request(&[], 0)
        .with_forgotten_topics_data(forget(vec![1]));
    let response = broker.ask(client.socket, &request, 11);

    assert_eq!((response.error_code, response.session_id), (0, 0));
    let request = client.request(&[], 0);
    let response = broker.ask(client.socket, &request, 11);
    assert_eq!(
        response.error_code,
        ErrorCode::FetchSessionIdNotFound.code()
    );
}

#[test]
fn ids_and_epochs_that_do_not_fit_are_refused_and_a_full_fetch_ends_the_old_session() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let (mut client, _) = Client::begin(&mut broker, &all(2));
    let socket = client.socket;
    let code = |broker: &mut Broker, id, epoch, version| {
        let request = fetch_of(&[], 0, 1)
            .with_session_id(id)
            .with_session_epoch(epoch);
        let response = broker.ask(socket, &request, version);
        (response.error_code, response.session_id)
    };
    let not_found = (ErrorCode::FetchSessionIdNotFound.code(), 0);
    let bad_epoch = (ErrorCode::InvalidFetchSessionEpoch.code(), 0);
    let by_id = (ErrorCode::FetchSessionTopicIdError.code(), 0);

    assert_eq!(code(&mut broker, client.id ^ 1, 1, 11), not_found);
    assert_eq!(code(&mut broker, 0, 5, 11), not_found);
    assert_eq!(code(&mut broker, client.id, 2, 11), bad_epoch);
    assert_eq!(code(&mut broker, client.id, -7, 11), bad_epoch);
    assert_eq!(code(&mut broker, client.id, 1, 13), by_id);
    assert_eq!(
        told(&client.fetch(&mut broker, &[])),
        [],
        "nothing of that harmed it"
    );
    assert_eq!(
        code(&mut broker, client.id, 1, 11),
        bad_epoch,
        "an epoch is used once"
    );
    assert_eq!(code(&mut broker, client.id, -1, 11), (0, 0));
    assert_eq!(code(&mut broker, client.id, 2, 11), not_found);
}

#[test]
fn a_session_tells_of_a_deleted_topic_every_time_and_finds_its_successor() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 2);
    let admin = broker.connect_to(1);
    let (mut client, _) = Client::begin(&mut broker, &all(2));
    let delete = DeleteTopicsRequest::default()
        .with_topic_names(vec![name("t")])
        .with_timeout_ms(10_000);

    assert_eq!(broker.ask(admin, &delete, 5).responses[0].error_code, 0);

    for _ in 0..2 {
        let response = client.fetch(&mut broker, &[]);
        let codes = response.responses[0]
            .partitions
            .iter()
            .map(|part| part.error_code);
        let unknown = ErrorCode::UnknownTopicOrPartition.code();
        assert_eq!(codes.collect::<Vec<_>>(), [unknown; 2]);
    }
    broker.create_topic("t", 2);
    broker.produce(admin, "t", 1, b"again");
    let expected = [of("t", 0, 0, 0), of("t", 1, 1, 1)];
    assert_eq!(told(&client.fetch(&mut broker, &[])), expected);
}

#[test]
fn a_bound_on_bytes_serves_the_partitions_of_a_session_in_turn() {
    let mut broker = Broker::start(2);
    broker.create_topic("t", 4);
    let writer = broker.connect_to(0);
    let (mut client, _) = Client::begin(&mut broker, &all(4));
    for partition in 0..4 {
        broker.produce(writer, "t", partition, &[7; 3_000]);
    }
    let mut served = Vec::new();
    for _ in 0..8 {
        // The client never moves on, so that every partition always has something.
        let request = client.request(&[], 0).with_max_bytes(100);
        let response = broker.ask(client.socket, &request, 11);
        let with_records = told(&response)
            .into_iter()
            .filter(|(_, _, _, records)| *records > 0);
        let mut partitions: Vec<i32> = with_records.map(|(_, index, _, _)| index).collect();
        assert_eq!(partitions.len(), 1, "{partitions:?}");
        served.append(&mut partitions);
    }

    let (mut first, mut second) = (served[..4].to_vec(), served[4..].to_vec());
    first.sort_unstable();
    second.sort_unstable();
    assert_eq!(first, [0, 1, 2, 3], "{served:?}");
    assert_eq!(second, [0, 1, 2, 3], "{served:?}");
}

#[test]
fn without_a_free_slot_a_client_goes_without_a_session_and_is_served_all_the_same() {
    let mut broker = Broker::start_with(1, |config| config.defaults.fetch_sessions = 1);
    broker.create_topic("t", 2);
    let (mut first, _) = Client::begin(&mut broker, &all(2));

    let (second, response) = Client::begin(&mut broker, &all(2));

    assert_eq!(second.id, 0);
    assert_eq!(told(&response).len(), 2);
    assert_eq!(told(&first.fetch(&mut broker, &[])), []);
}
