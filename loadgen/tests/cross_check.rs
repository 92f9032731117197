//! What `loadgen/cross-check` makes of what the tools say: its functions, without the tools.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a line of shell says that has the script's functions.
fn said(line: &str, input: &str) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cross-check");
    let mut shell = Command::new("bash")
        .args(["-c", &format!("source '{script}'; {line}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a bash");
    let mut stdin = shell.stdin.take().expect("piped");
    // A function that asks for nothing may be gone by now.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = shell.wait_with_output().expect("ours");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn figures_are_found_in_what_each_tool_says() {
    for (text, figures) in [
        (
            "200000 records sent, 19936.2 records/sec (1.90 MB/sec), 5.16 ms avg latency, \
             470.00 ms max latency, 5 ms 50th, 11 ms 95th, 16 ms 99th, 26 ms 99.9th.",
            "19936.2 5\n",
        ),
        (
            "% 200000 messages produced (20000000 bytes), 200000 delivered (offset 3, 0 failed) in \
             10275ms: 19464 msgs/s and 1.95 MB/s\nlatency p50 3.20 ms p99 5.10 ms",
            "19464 3.2\n",
        ),
        (
            "  produced       20,000 records/s, 2.2 MB/s\n    latency      p50 315 us p90 5.16 ms\n\
             of the rate    100.0 % of 30,000 records/s",
            "20000 0.315\n",
        ),
        (
            "Avg latency: 0.9 ms\nPercentiles: 50th = 1, 99th = 6, 99.9th = 11",
            "- 1\n",
        ),
        (
            "5000440 records read, 1055167.7569 records/sec (100.6286 MB/sec)",
            "1055167.7569 -\n",
        ),
    ] {
        let found = said("figures", text);

        let as_number = |it: &str| it.parse::<f64>().map_err(|_| it.to_string());
        let numbers = |line: &str| line.split_whitespace().map(as_number).collect::<Vec<_>>();
        // awk writes six digits of a number that is no whole one.
        for (one, other) in numbers(&found).into_iter().zip(numbers(figures)) {
            match (one, other) {
                (Ok(one), Ok(other)) => assert!((one / other - 1.0).abs() < 1e-4, "{found}"),
                (one, other) => assert_eq!(one, other, "{text}: {found}"),
            }
        }
    }
}

#[test]
fn rates_agree_or_it_is_said_which_side_is_the_limit() {
    for (figures, verdict) in [
        (
            "19500 0.5 0.3 20000 0.1 0.2",
            "tool: the rates agree within 2.5 %",
        ),
        // The client uses its core, and the broker idles.
        (
            "500000 1.38 0.45 1500000 0.16 0.98",
            "tool is 3.0 times slower than loadgen; its client is the limit: that uses 1.38 cores, \
             the broker 0.45",
        ),
        (
            "500000 0.50 0.95 1500000 0.16 0.98",
            "tool is 3.0 times slower than loadgen; the broker is the limit: it uses 0.95 cores, \
             beside the other client 0.98",
        ),
        // We would be the limit, and it must say so.
        (
            "3000000 0.50 0.95 1500000 1.20 0.40",
            "loadgen is 2.0 times slower than tool; its client is the limit: that uses 1.20 cores, \
             the broker 0.40",
        ),
        (
            "500000 0.50 0.45 1500000 0.16 0.98",
            "neither client (0.50 cores) nor broker (0.45) is at a limit: DISAGREES",
        ),
        (
            "- 0.50 0.45 1500000 0.16 0.98",
            "no rate to compare: DISAGREES",
        ),
    ] {
        let found = said(&format!("verdict_of_rates tool {figures}"), "");

        assert!(found.contains(verdict), "{figures}: {found}");
    }
}

#[test]
fn medians_agree_within_what_is_allowed() {
    for (figures, verdict) in [
        (
            "5 1.2 3.15 2.5 why",
            "1.85 ms apart, agrees within 2.5 (why)",
        ),
        (
            "6 0.5 3.15 2.5 why",
            "2.85 ms apart, DISAGREES by more than 2.5 (why); its client uses 0.50 cores",
        ),
        (
            "6 1.2 3.15 2.5 why",
            "more than 2.5; its client is the limit: that uses 1.20 cores",
        ),
        // A client that sees less is no client that is in the way.
        (
            "1 1.2 3.15 1 why",
            "2.15 ms apart, DISAGREES by more than 1.0 (why)",
        ),
        ("- 1.2 3.15 1 why", "no median to compare: DISAGREES"),
    ] {
        let found = said(&format!("verdict_of_medians tool {figures}"), "");

        assert!(found.contains(verdict), "{figures}: {found}");
    }
}

#[test]
fn in_the_committed_run_every_tool_agrees_or_it_is_said_what_was_at_its_limit() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/results/cross-check.txt");
    let text = std::fs::read_to_string(file).expect("it is committed");
    let verdicts = text.lines().filter_map(|it| it.strip_prefix("  verdict: "));
    let verdicts: Vec<&str> = verdicts.collect();

    assert!(text.starts_with("Apache Kafka 4.1.1 driven by "), "{text}");
    for tool in [
        "Apache's tool: the rates agree",
        "Apache's tool: p50 ",
        "Apache's tool, end to end: p50 ",
        "Apache's consumer ",
        "librdkafka: the rates agree",
        "librdkafka: p50 ",
        "librdkafka's consumer ",
    ] {
        let is_judged = verdicts.iter().any(|it| it.starts_with(tool));
        assert!(is_judged, "nothing of {tool}");
    }
    for verdict in verdicts {
        assert!(!verdict.contains("DISAGREES"), "{verdict}");
    }
}
