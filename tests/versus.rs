//! `loadgen versus` against brokers that run already: who is asked when, and what is told.

mod support;

#[path = "readme/loadgen.rs"]
mod loadgen;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use support::{Broker, Client, Scratch};
use thalweg::wire::messages::MetadataRequest;

const THALWEG: &str = env!("CARGO_BIN_EXE_thalweg");

/// Larger than any reply but one that carries records.
const RECORDS_BYTES: usize = 20_000;

/// One broker id, so that whoever asks it stays where it asked; it buffers where it must.
fn start(scratch: &Scratch, name: &str) -> Broker {
    Broker::start(&scratch.path(name), &["--cores", "1", "--allow-buffered"])
}

fn versus(scratch: &Scratch, own: &str, against: &str) -> Output {
    let file = |name: &str| scratch.path(name).display().to_string();
    let mut command = Command::new(loadgen::program());
    command
        .args([
            "versus",
            "--preset",
            "two-million",
            "--smoke",
            "--repeats",
            "2",
        ])
        .args([
            "--kafka-warm-up",
            "0.1",
            "--self",
            own,
            "--against",
            against,
        ])
        .args([
            "--hgrm",
            &file("run.hgrm"),
            "--plot",
            &file("run"),
            "--svg-only",
        ]);
    command.output().expect("it was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn topics(at: SocketAddr) -> usize {
    let mut client = Client::try_connect(at).expect("it runs");
    let of_all = MetadataRequest::default().with_topics(None);
    client.call(&of_all, 9).topics.len()
}

/// The lines of a figure in the summary.
fn of_figure<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let (_, rest) = said.split_once(&format!("\n{name}\n")).unwrap_or_default();
    rest.lines().take_while(|it| it.starts_with("  ")).collect()
}

/// Passes everything on to `broker`, but for one bit of the first reply that carries records on
/// each connection.
fn lying_link(broker: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(broker).expect("it runs");
            let (mut asks, mut asked) = (
                near.try_clone().expect("a socket"),
                far.try_clone().expect("a socket"),
            );
            thread::spawn(move || {
                let _ = std::io::copy(&mut asks, &mut asked);
                let _ = asked.shutdown(std::net::Shutdown::Write);
            });
            thread::spawn(move || replies(far, near));
        }
    });
    address
}

fn replies(mut far: TcpStream, mut near: TcpStream) -> Option<()> {
    let mut has_lied = false;
    loop {
        let mut length = [0; 4];
        far.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        far.read_exact(&mut frame).ok()?;
        if frame.len() > RECORDS_BYTES && !has_lied {
            let middle = frame.len() / 2;
            frame[middle] ^= 1;
            has_lied = true;
        }
        near.write_all(&length).ok()?;
        near.write_all(&frame).ok()?;
    }
}

#[test]
fn two_brokers_that_run_already_take_turns_and_nothing_is_left_on_them() {
    let scratch = Scratch::new("versus");
    let (own, other) = (start(&scratch, "own"), start(&scratch, "other"));
    let local = format!("{},pid={}", own.address, own.pid());

    let output = versus(&scratch, &local, &format!("other={}", other.address));

    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    let turns: Vec<&str> = errors
        .lines()
        .filter(|it| it.starts_with("round "))
        .collect();
    let expected = [
        "1 of 2: thalweg",
        "1 of 2: other",
        "2 of 2: thalweg",
        "2 of 2: other",
    ];
    assert_eq!(turns, expected.map(|it| format!("round {it}")), "{errors}");
    assert!(
        errors.contains("topics named loadgen-* are made there and deleted"),
        "{errors}"
    );
    let rates = of_figure(&said, "records/s");
    assert_eq!(rates.len(), 3, "both, and their ratio: {said}");
    assert!(
        rates[2].contains("thalweg / other") && rates[2].contains(" x ["),
        "{said}"
    );
    // Nobody said what process the other is.
    for figure in ["broker CPU s/GB", "broker MiB resident"] {
        let lines = of_figure(&said, figure);
        assert_eq!(lines.len(), 1, "{figure}: {said}");
        assert!(lines[0].starts_with("  thalweg "), "{figure}: {said}");
    }
    for run in ["thalweg-1", "thalweg-2", "other-1", "other-2"] {
        let percentiles = fs::read_to_string(scratch.path(&format!("run-{run}.hgrm")));
        assert!(
            percentiles.is_ok_and(|it| it.contains("Total count")),
            "{run}"
        );
    }
    assert!(scratch.path("run-latency.svg").exists());
    assert_eq!((topics(own.address), topics(other.address)), (0, 0));
}

#[test]
fn where_one_side_loses_what_it_was_given_there_is_no_ratio_and_no_chart() {
    let scratch = Scratch::new("versus");
    let (own, other) = (start(&scratch, "own"), start(&scratch, "other"));
    let liar = lying_link(other.address);

    let output = versus(&scratch, &own.address.to_string(), &format!("liar={liar}"));

    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("liar: 2 of 2 runs do not hold: no figures of it, and no ratio"),
        "{said}"
    );
    assert!(!said.contains(" x ["), "{said}");
    assert_eq!(
        of_figure(&said, "records/s").len(),
        1,
        "the own side's: {said}"
    );
    assert!(
        errors.contains("2 of 4 runs do not hold: no ratio with them, and no chart"),
        "{errors}"
    );
    assert!(!scratch.path("run-latency.svg").exists());
    assert!(scratch.path("run-thalweg-1.hgrm").exists());
    assert!(!scratch.path("run-liar-1.hgrm").exists());
    assert_eq!((topics(own.address), topics(other.address)), (0, 0));
}
