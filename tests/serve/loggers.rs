//! What a running broker logs can be changed, module by module (`kafka-configs --entity-type
//! broker-loggers`), and a restart begins anew with what `RUST_LOG` says.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};

use thalweg::wire::StrBytes;
use thalweg::wire::messages::describe_configs_request::DescribeConfigsResource;
use thalweg::wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use thalweg::wire::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};

use super::support::{Broker, Client, Scratch, serve, wait_for};

const LOGGER: i8 = 8;
const OWN: StrBytes = StrBytes::from_static_str("1000");
const CONNECTIONS: &str = "thalweg.shard.connections";

/// Sets a logger's level; None: takes it away.
fn set(client: &mut Client, name: &'static str, level: Option<&'static str>) {
    let config = AlterableConfig::default()
        .with_name(StrBytes::from_static_str(name))
        .with_config_operation(i8::from(level.is_none()))
        .with_value(level.map(StrBytes::from_static_str));
    let loggers = AlterConfigsResource::default()
        .with_resource_type(LOGGER)
        .with_resource_name(OWN)
        .with_configs(vec![config]);
    let edit = IncrementalAlterConfigsRequest::default().with_resources(vec![loggers]);
    let answer = client.call(&edit, 1);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

fn levels(client: &mut Client) -> BTreeMap<String, String> {
    let loggers = DescribeConfigsResource::default()
        .with_resource_type(LOGGER)
        .with_resource_name(OWN);
    let describe = DescribeConfigsRequest::default().with_resources(vec![loggers]);
    let answer = client.call(&describe, 4);
    let configs = answer.results[0].configs.iter();
    let level = |value: &Option<StrBytes>| value.clone().unwrap_or_default().to_string();
    let levels = configs.map(|one| (one.name.to_string(), level(&one.value)));
    levels.collect()
}

/// Somebody who comes and goes: the address that the log would name.
fn visit(broker: &Broker) -> SocketAddr {
    let stream = TcpStream::connect(broker.address).expect("it listens");
    stream.local_addr().expect("an address")
}

/// Whether the log tells that this client has gone, which it does at DEBUG only.
fn tells_of(log: &str, client: SocketAddr) -> bool {
    let client = client.to_string();
    let mut lines = log.lines();
    lines.any(|line| line.contains("connection closed") && line.contains(&client))
}

#[test]
fn a_module_set_to_debug_says_more_until_it_is_set_back() {
    for format in ["text", "json"] {
        let scratch = Scratch::new("loggers");
        let data_dir = scratch.path("data");
        let flags = ["--cores", "2", "--allow-buffered", "--log-format", format];
        let broker = Broker::start(&data_dir, &flags);
        let mut admin = broker.connect();

        set(&mut admin, CONNECTIONS, Some("DEBUG"));
        let meanwhile = visit(&broker);
        wait_for("the second visitor is told of", || {
            tells_of(&broker.log(), meanwhile).then_some(())
        });
        set(&mut admin, CONNECTIONS, None);
        let after = visit(&broker);
        let levels = levels(&mut admin);
        assert_eq!(broker.stop().0, Some(0));

        let log = fs::read_to_string(data_dir.with_extension("log")).expect("a log");
        assert!(!tells_of(&log, after), "{log}");
        let told = format!("{CONNECTIONS} now logs DEBUG");
        assert!(log.contains(&told), "{log}");
        assert_eq!(levels[CONNECTIONS], "INFO");
    }
}

#[test]
fn loggers_begin_as_rust_log_says_and_again_after_a_restart() {
    let scratch = Scratch::new("loggers-begin");
    let data_dir = scratch.path("data");
    for _ in 0..2 {
        let mut command = serve(&data_dir, &["--cores", "1", "--allow-buffered"]);
        command.env("RUST_LOG", "warn,thalweg::shard=debug,elsewhere=off");
        let broker = Broker::start_command(&data_dir, command);
        let mut client = broker.connect();

        let found = levels(&mut client);
        set(&mut client, "root", Some("TRACE"));
        set(&mut client, "thalweg.shard", None);
        let changed = levels(&mut client);

        let check = |found: &BTreeMap<String, String>, expected: [&str; 5]| {
            let names = ["root", "thalweg", "thalweg.shard", CONNECTIONS, "elsewhere"];
            assert_eq!(names.map(|name| found[name].as_str()), expected);
        };
        check(&found, ["WARN", "WARN", "DEBUG", "DEBUG", "OFF"]);
        check(&changed, ["TRACE", "TRACE", "TRACE", "TRACE", "OFF"]);
        assert_eq!(broker.stop().0, Some(0));
    }
}
