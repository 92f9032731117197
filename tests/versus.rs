//! `loadgen versus`, `scale` and `results` against brokers that run already: who is asked when, and
//! what is told.

mod support;

#[path = "readme/loadgen.rs"]
mod loadgen;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
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

/// Broker and partitions of each point, in order, of a report that says where it comes from.
fn points(file: &std::path::Path, command: &str) -> Vec<(String, u64)> {
    let report = fs::read_to_string(file).expect("it was written");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["machine"]["cores"].as_u64() > Some(0), "{report}");
    let date = report["date"].as_str();
    assert!(date.is_some_and(|it| it.ends_with(" UTC")), "{report}");
    // Null where no git is.
    assert!(report.get("commit").is_some(), "{report}");
    assert_eq!(report["command"][0], command);
    let points = report["points"].as_array().expect("a list");
    let runs = report["reports"].as_array().expect("a list");
    let point = |point: &Value| {
        let (name, partitions) = (&point["broker_name"], &point["partitions"]);
        let run = format!("partitions-{partitions}");
        let mut runs = runs.iter();
        let run = runs.find(|it| it["name"] == *run && it["broker_name"] == *name);
        let rate = &run.expect("its run")["produced"]["records_per_second"];
        assert_eq!(&point["records_per_second"], rate, "{point}");
        let of_best = point["of_best"].as_f64().expect("a part");
        assert!(of_best > 0.0 && of_best <= 1.0, "{point}");
        let name = name.as_str().expect("a name");
        (name.to_owned(), partitions.as_u64().expect("a count"))
    };
    points.iter().map(point).collect()
}

#[test]
fn a_scaling_run_writes_its_points_with_where_they_come_from() {
    let scratch = Scratch::new("scale");
    let (own, other) = (start(&scratch, "own"), start(&scratch, "other"));
    let check = |words: &[&str], file: &str, expected: &[(&str, u64)]| {
        let run = Command::new(loadgen::program())
            .args(words)
            .args(["--smoke", "--steps", "1,10", "--kafka-warm-up", "0.1"])
            .args(["--self", &own.address.to_string()])
            .args(["--against", &format!("kafka={}", other.address)])
            .output();
        let output = run.expect("it was built");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{said}");
        let found = points(&scratch.path(file), words[0]);
        let found: Vec<_> = found.iter().map(|it| (it.0.as_str(), it.1)).collect();
        assert_eq!(found, expected, "{said}");
    };
    let file = scratch.path("scale.json").display().to_string();
    let page = scratch.path("page").display().to_string();

    check(
        &["scale", "--rivals-up-to", "9", "--json", &file],
        "scale.json",
        &[("thalweg", 1), ("thalweg", 10), ("kafka", 1)],
    );
    check(
        &["results", "--presets", "partitions-scaling", "--out", &page],
        "page/partitions-scaling.json",
        &[("thalweg", 1), ("thalweg", 10), ("kafka", 1), ("kafka", 10)],
    );

    let page = fs::read_to_string(scratch.path("page/README.md")).expect("it was written");
    assert!(
        page.contains("![scaling](partitions-scaling.svg)"),
        "{page}"
    );
    assert!(page.contains("10 partitions "), "{page}");
    let chart = fs::read_to_string(scratch.path("page/partitions-scaling.svg"));
    let chart = chart.expect("it was written");
    assert!(
        chart.contains("thalweg") && chart.contains("kafka"),
        "{chart}"
    );
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
