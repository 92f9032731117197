//! Addresses that do not lead to the broker.

use std::net::TcpListener;

use super::support::{Broker, Scratch};
use super::{ask, doctor, free_port};

fn flags_of(fix: &str) -> Vec<&str> {
    let flags = fix.strip_prefix("thalweg serve ").expect("a way to start");
    flags.split(' ').collect()
}

#[test]
fn a_closed_port_in_the_advertised_address_is_found_and_the_fix_names_the_open_one() {
    let scratch = Scratch::new("doctor-closed");
    let data_dir = scratch.path("data");
    let listen = format!("127.0.0.1:{}", free_port());
    let closed = format!("127.0.0.1:{}", free_port());

    let said = ask(doctor(
        &data_dir,
        &["--listen", &listen, "--advertise", &closed],
    ));

    let fix = said.problem("advertised", "is closed");
    let mended = ask(doctor(&data_dir, &flags_of(&fix)));
    assert_eq!(mended.state("advertised"), "ok", "after {fix}");
}

#[test]
fn an_advertised_address_where_somebody_else_listens_is_found() {
    let scratch = Scratch::new("doctor-other");
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = other.local_addr().expect("bound").to_string();

    let said = ask(doctor(&scratch.path("data"), &["--advertise", &other]));

    said.problem("advertised", "something else listens");
}

#[test]
fn names_that_nobody_knows_and_wildcards_are_no_addresses_for_clients() {
    let scratch = Scratch::new("doctor-names");
    for (told, words) in [
        ("no-such-host.invalid:9092", "can not resolve"),
        ("0.0.0.0:9092", "no address that a client"),
    ] {
        let said = ask(doctor(&scratch.path("data"), &["--advertise", told]));
        let fix = said.problem("advertised", words);
        assert!(fix.contains("--advertise"), "{fix}");
    }
}

#[test]
fn a_listener_for_all_that_tells_clients_nothing_or_localhost_is_advised_against() {
    let scratch = Scratch::new("doctor-wildcard");
    let data_dir = scratch.path("data");
    let listen = format!("0.0.0.0:{}", free_port());

    let silent = ask(doctor(&data_dir, &["--listen", &listen]));
    assert_eq!(silent.state("advertised"), "advice");

    let local = listen.replace("0.0.0.0", "127.0.0.1");
    let said = ask(doctor(
        &data_dir,
        &["--listen", &listen, "--advertise", &local],
    ));
    assert_eq!(said.state("advertised"), "advice");
}

#[test]
fn a_port_held_by_something_else_is_found_and_so_is_an_address_of_another_machine() {
    let scratch = Scratch::new("doctor-held");
    let data_dir = scratch.path("data");
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = held.local_addr().expect("bound").to_string();
    // It closes at once what connects, as something that is no broker may.
    std::thread::spawn(move || held.incoming().for_each(drop));

    let said = ask(doctor(&data_dir, &["--listen", &address]));
    said.problem("listen", "something else");

    let said = ask(doctor(&data_dir, &["--listen", "192.0.2.1:9092"]));
    said.problem("listen", "not an address of this machine");
}

#[test]
fn a_shards_port_that_somebody_has_is_found_and_the_fix_goes_around_it() {
    let scratch = Scratch::new("doctor-ports");
    let data_dir = scratch.path("data");
    let (first, held) = with_neighbour();
    let listen = format!("127.0.0.1:{first}");
    let ports = ["--listener-layout", "ports", "--shards", "3", "--listen"];

    let said = ask(doctor(&data_dir, &[&ports[..], &[&listen]].concat()));
    assert_eq!(said.state("listen"), "ok");
    let fix = said.problem("ports of shards", "something listens");
    assert!(fix.contains("--listener-layout ports"), "{fix}");
    let beyond = ask(doctor(
        &data_dir,
        &[&ports[..], &["127.0.0.1:65534"]].concat(),
    ));
    beyond.problem("ports of shards", "65535");
    drop(held);

    let broker = Broker::start(&data_dir, &[&ports[..4], &["--allow-buffered"]].concat());
    let address = broker.address.to_string();
    let said = ask(doctor(&data_dir, &[&ports[..], &[&address]].concat()));
    let findings = said.json["findings"].as_array().expect("an array");
    let listed = findings
        .iter()
        .filter(|own| own["what"] == "listed to clients");
    assert!(listed.clone().all(|own| own["state"] == "ok"));
    assert_eq!(listed.count(), 3);
}

/// A port that is free, and a holder of the one after it.
fn with_neighbour() -> (u16, TcpListener) {
    super::support::wait_for("two ports in a row", || {
        let first = free_port();
        let held = TcpListener::bind(("127.0.0.1", first.checked_add(1)?)).ok()?;
        Some((first, held))
    })
}

#[test]
fn a_running_broker_is_asked_and_what_it_tells_clients_is_tried() {
    let scratch = Scratch::new("doctor-running");
    let data_dir = scratch.path("data");
    let broker = Broker::start(&data_dir, &["--cores", "1", "--allow-buffered"]);
    let address = broker.address.to_string();

    let said = ask(doctor(&data_dir, &["--listen", &address]));

    assert!(said.finding("listen").1.contains("a broker answers"));
    assert!(said.finding("access").1.contains("in use by a broker"));
    assert_eq!(said.state("advertised"), "ok");
    assert_eq!(said.state("listed to clients"), "ok");
}

#[test]
fn a_running_broker_that_tells_clients_a_closed_port_is_found_out() {
    let scratch = Scratch::new("doctor-tells");
    let data_dir = scratch.path("data");
    let closed = format!("127.0.0.1:{}", free_port());
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_thalweg"));
    command.args([
        "serve",
        "--cores",
        "1",
        "--allow-buffered",
        "--listen",
        &listen,
    ]);
    command
        .args(["--advertise", &closed, "--data-dir"])
        .arg(&data_dir);
    super::system::die_with_parent(&mut command);
    let _broker = Broker::start_at(&data_dir, command, listen.parse().ok());

    let said = ask(doctor(&data_dir, &["--listen", &listen]));

    said.problem("listed to clients", &closed);
}
