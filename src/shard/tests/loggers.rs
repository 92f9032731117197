//! Loggers: described and changed by every shard for all of them, and forgotten at a restart.

use super::configs::{BROKER, DELETE, SET, describe_of, edit_of};
use super::*;
use crate::admin::loggers::{LOGGERS, ROOT};
use crate::wire::ErrorCode;
use crate::wire::messages::alter_configs_request::{
    AlterConfigsResource, AlterableConfig as Replaced,
};

const LOGGER: i8 = 8;
/// `DescribeConfigsResponse.ConfigSource`.
const DYNAMIC_BROKER_LOGGER: i8 = 6;
const SHARD: &str = "thalweg.shard";
const TICK: &str = "thalweg.shard.tick";

impl Broker {
    /// The levels of the root, of a room and of a module in it, by one shard's word.
    fn levels(&mut self, socket: SocketId) -> Vec<String> {
        let names = [ROOT, SHARD, TICK];
        let described = describe_of(LOGGER, "1000", Some(&names));
        let response = self.ask(socket, &described, 4);
        let configs = response.results[0].configs.iter();
        let levels = configs.map(|config| {
            assert_eq!(config.config_source, DYNAMIC_BROKER_LOGGER);
            assert!(!config.read_only && config.synonyms.is_empty());
            config.value.clone().unwrap_or_default().to_string()
        });
        levels.collect()
    }
}

#[test]
fn a_level_is_in_force_on_every_shard_before_the_answer_and_forgotten_at_a_restart() {
    let mut broker = Broker::start(3);
    let sockets: Vec<SocketId> = (0..3).map(|shard| broker.connect_to(shard)).collect();
    for (at, name, what, value, expected) in [
        (0, SHARD, SET, Some("DEBUG"), ["INFO", "DEBUG", "DEBUG"]),
        (1, ROOT, SET, Some("WARN"), ["WARN", "DEBUG", "DEBUG"]),
        (2, TICK, SET, Some("ERROR"), ["WARN", "DEBUG", "ERROR"]),
        (0, SHARD, DELETE, None, ["WARN", "WARN", "ERROR"]),
    ] {
        let edit = edit_of(LOGGER, "1001", &[(name, what, value)]);
        let response = broker.ask(sockets[at], &edit, 1);

        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
        for socket in &sockets {
            assert_eq!(broker.levels(*socket), expected, "{name} {value:?}");
        }
    }

    broker.world.crash(true);
    broker.boot(2);

    let socket = broker.connect();
    assert_eq!(broker.levels(socket), ["INFO"; 3]);
    assert_eq!(broker.described(LOGGER, "1000").len(), LOGGERS.len() + 1);
    assert_eq!(broker.described(BROKER, ""), []);
}

#[test]
fn trials_repetitions_and_the_old_form_change_no_logger() {
    let mut broker = Broker::start(2);
    let socket = broker.connect();
    let edit = edit_of(LOGGER, "1000", &[(ROOT, SET, Some("TRACE"))]);

    let trial = edit.clone().with_validate_only(true);
    assert_eq!(broker.ask(socket, &trial, 1).responses[0].error_code, 0);
    let mut twice = edit.clone();
    twice.resources.extend(edit.resources);
    for response in broker.ask(socket, &twice, 1).responses {
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
    }
    let config = Replaced::default().with_name(text(ROOT));
    let old = AlterConfigsResource::default()
        .with_resource_type(LOGGER)
        .with_resource_name(text("1000"))
        .with_configs(vec![config.with_value(Some(text("TRACE")))]);
    let old = AlterConfigsRequest::default().with_resources(vec![old]);
    let response = broker.ask(socket, &old, 2);
    let refused = response.responses[0].error_code;
    assert_eq!(refused, ErrorCode::InvalidRequest.code());
    // Of two, one that can not be: nothing is done.
    let half = [(SHARD, SET, Some("TRACE")), (TICK, SET, Some("LOUD"))];
    let (code, words) = broker.edit(LOGGER, "1000", &half);
    assert_eq!(code, ErrorCode::InvalidConfig.code(), "{words}");

    assert_eq!(broker.levels(socket), ["INFO"; 3]);
}
