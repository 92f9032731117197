//! What a local Thalweg says of itself on its `/metrics`, at both ends of the measured part.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where the metrics are: http://HOST:PORT/PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsUrl {
    address: SocketAddr,
    path: String,
}

/// Every shard's counters at one moment, at most 0.1 s old.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsSample(BTreeMap<u16, Shard>);

/// Of one shard, since its start.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shard {
    longest_stall: f64,
    /// Upper bounds in seconds, and how many turns took at most that long.
    turns: Vec<(f64, f64)>,
    routed_own: f64,
    routed_mesh: f64,
    moved: f64,
    flushes: f64,
    groups: f64,
    group_bytes: f64,
}

/// One shard's longest turn of a measured part: nothing else of it was served meanwhile.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Stall {
    pub shard: u16,
    pub ms: f64,
    /// True if it is only known that it was no longer: it was not the process's longest.
    pub is_bound: bool,
}

/// What the shards did in the measured part.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ShardsReport {
    pub longest_stalls: Vec<Stall>,
    /// Of all requests for a leader or coordinator, those that came to its own shard.
    pub steered_share: Option<f64>,
    pub connections_moved: u64,
    /// Of the broker alone, unlike what its disk counts.
    pub flushes_per_acknowledgement: Option<f64>,
    /// What went to the disk in one write, padding included. None: nothing was written.
    #[serde(default)]
    pub mean_group_bytes: Option<f64>,
}

impl MetricsUrl {
    /// Reads an address as people write it; what is not said is `http` and `/metrics`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (host, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
        let mut found = host.to_socket_addrs().map_err(|e| format!("{text}: {e}"))?;
        let address = found
            .next()
            .ok_or_else(|| format!("{text}: no such host"))?;
        let path = if path.is_empty() { "metrics" } else { path };
        Ok(Self {
            address,
            path: path.to_owned(),
        })
    }

    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            path: "metrics".to_owned(),
        }
    }

    /// # Errors
    /// Words: nobody answers, not with 200, or not as a Thalweg does.
    pub fn read(&self) -> Result<MetricsSample, String> {
        let fail = |why: String| format!("http://{}/{}: {why}", self.address, self.path);
        let text = self.get().map_err(|error| fail(error.to_string()))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(fail(format!("HTTP status {status:?}")));
        }
        let sample = MetricsSample::parse(body);
        match sample.0.is_empty() {
            true => Err(fail("these are not the metrics of a Thalweg".to_owned())),
            false => Ok(sample),
        }
    }

    fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        // 1.0, so that the answer comes in one piece and the connection ends with it.
        let request = format!(
            "GET /{} HTTP/1.0\r\nHost: {}\r\n\r\n",
            self.path, self.address
        );
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl MetricsSample {
    /// From Prometheus' text; what is not of a shard is passed over.
    fn parse(text: &str) -> Self {
        let mut shards: BTreeMap<u16, Shard> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, labels, value)) = parts(line) else {
                continue;
            };
            let Some(Ok(id)) = label(labels, "shard").map(str::parse) else {
                continue;
            };
            let shard = shards.entry(id).or_default();
            match name {
                "thalweg_longest_stall_seconds" => shard.longest_stall = value,
                "thalweg_routed_own_total" => shard.routed_own = value,
                "thalweg_routed_mesh_total" => shard.routed_mesh = value,
                "thalweg_connections_moved_total" => shard.moved = value,
                "thalweg_journal_flushes_total" => shard.flushes = value,
                "thalweg_journal_groups_total" => shard.groups = value,
                "thalweg_journal_written_bytes_total" => shard.group_bytes = value,
                "thalweg_turn_seconds_bucket" => {
                    let bound = label(labels, "le").and_then(|le| le.parse().ok());
                    shard.turns.extend(bound.map(|bound: f64| (bound, value)));
                }
                _ => {}
            }
        }
        Self(shards)
    }
}

/// Name, labels and value of a sample.
fn parts(line: &str) -> Option<(&str, &str, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    Some((name, labels, value.trim().parse().ok()?))
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(own, _)| *own == name);
    found.map(|(_, value)| value.trim_matches('"'))
}

impl ShardsReport {
    /// Between two samples of one process.
    pub fn between(before: &MetricsSample, after: &MetricsSample, acknowledgements: f64) -> Self {
        let none = Shard::default();
        let pairs = || {
            let earlier = |id| before.0.get(id).unwrap_or(&none);
            after.0.iter().map(move |(id, own)| (*id, earlier(id), own))
        };
        let grown = |of: fn(&Shard) -> f64| -> f64 {
            pairs().map(|(_, earlier, own)| of(own) - of(earlier)).sum()
        };
        let (own, mesh) = (grown(|it| it.routed_own), grown(|it| it.routed_mesh));
        let routed = own + mesh;
        let flushes = grown(|it| it.flushes);
        let groups = grown(|it| it.groups);
        Self {
            longest_stalls: pairs()
                .map(|(shard, earlier, own)| Stall::between(shard, earlier, own))
                .collect(),
            steered_share: (routed > 0.0).then(|| own / routed),
            connections_moved: grown(|it| it.moved) as u64,
            flushes_per_acknowledgement: (acknowledgements > 0.0)
                .then(|| flushes / acknowledgements),
            mean_group_bytes: (groups > 0.0).then(|| grown(|it| it.group_bytes) / groups),
        }
    }

    /// The worst of them.
    pub fn longest_stall_ms(&self) -> Option<f64> {
        self.longest_stalls.iter().map(|it| it.ms).reduce(f64::max)
    }

    pub fn write(&self, out: &mut String) {
        let stalls = self.longest_stalls.iter().map(|it| {
            let most = if it.is_bound { "<= " } else { "" };
            format!("{most}{:.2} ms on {}", it.ms, it.shard)
        });
        let stalls: Vec<String> = stalls.collect();
        let _ = writeln!(out, "  its shards     longest stall {}", stalls.join(", "));
        if let Some(share) = self.steered_share {
            let _ = writeln!(
                out,
                "    steered      {:.1} % of requests to their own shard; {} connections moved",
                100.0 * share,
                self.connections_moved
            );
        }
        if let Some(flushes) = self.flushes_per_acknowledgement {
            let _ = writeln!(out, "    its flushes  {flushes:.3} per acknowledgement");
        }
        if let Some(bytes) = self.mean_group_bytes {
            let kib = bytes / 1024.0;
            let _ = writeln!(out, "    its writes   {kib:.1} KiB each, by the mean");
        }
    }
}

impl Stall {
    /// The process's longest, if it is of this part; otherwise the bound of the longest turns that
    /// were counted meanwhile, or the process's longest if that is less.
    fn between(shard: u16, before: &Shard, after: &Shard) -> Self {
        let ms = after.longest_stall * 1e3;
        if after.longest_stall > before.longest_stall {
            let is_bound = false;
            return Self {
                shard,
                ms,
                is_bound,
            };
        }
        let mut bound = 0.0;
        let mut below = 0.0;
        let earlier = before.turns.iter().map(|(_, count)| *count);
        for ((most, count), earlier) in after
            .turns
            .iter()
            .zip(earlier.chain(std::iter::repeat(0.0)))
        {
            let grown = count - earlier;
            if grown > below {
                (bound, below) = (*most, grown);
            }
        }
        Self {
            shard,
            ms: ms.min(bound * 1e3),
            is_bound: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// Two shards after so many seconds of load. Shard 0 stalled for 7 ms before the load began,
    /// shard 1 for 3 ms during it.
    fn page(load: u64) -> String {
        let (own, mesh) = (90 * load, 10 * load);
        let late = if load > 0 { 0.003 } else { 0.0002 };
        format!(
            "# HELP thalweg_longest_stall_seconds The longest.\n\
             # TYPE thalweg_longest_stall_seconds gauge\n\
             thalweg_longest_stall_seconds{{shard=\"0\"}} 0.007\n\
             thalweg_longest_stall_seconds{{shard=\"1\"}} {late}\n\
             thalweg_turn_seconds_bucket{{shard=\"0\",le=\"0.00005\"}} {own}\n\
             thalweg_turn_seconds_bucket{{shard=\"0\",le=\"0.001\"}} {}\n\
             thalweg_turn_seconds_bucket{{shard=\"0\",le=\"0.01\"}} {}\n\
             thalweg_turn_seconds_bucket{{shard=\"0\",le=\"+Inf\"}} {}\n\
             thalweg_requests_total{{shard=\"0\",api=\"Fetch\"}} 3\n\
             thalweg_routed_own_total{{shard=\"0\"}} {own}\n\
             thalweg_routed_mesh_total{{shard=\"1\"}} {mesh}\n\
             thalweg_connections_moved_total{{shard=\"1\"}} {}\n\
             thalweg_journal_flushes_total{{shard=\"0\"}} {}\n\
             thalweg_journal_groups_total{{shard=\"0\"}} {}\n\
             thalweg_journal_written_bytes_total{{shard=\"0\"}} {}\n\
             process_cpu_seconds_total 12\n",
            own + load,
            own + load + 1,
            own + load + 1,
            2 + load,
            5 + 20 * load,
            3 + 10 * load,
            4_096 + 245_760 * load
        )
    }

    /// Answers one request after the other with these, and returns where.
    fn stub(answers: Vec<String>) -> MetricsUrl {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = MetricsUrl::at(listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                assert_eq!(lines.next().unwrap(), "GET /metrics HTTP/1.0");
                // To the end: what is left unread would reset the connection.
                assert!(lines.any(|line| line.is_empty()));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        url
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n{body}")
    }

    #[test]
    fn stalls_and_the_steered_share_are_those_of_the_part_between_two_samples() {
        let url = stub(vec![ok(&page(0)), ok(&page(4))]);

        let (before, after) = (url.read().unwrap(), url.read().unwrap());
        let report = ShardsReport::between(&before, &after, 160.0);

        let stall = |shard, ms, is_bound| Stall {
            shard,
            ms,
            is_bound,
        };
        // Of the part itself it is known only that no turn of shard 0 took over a millisecond.
        let expected = [stall(0, 1.0, true), stall(1, 3.0, false)];
        assert_eq!(report.longest_stalls, expected);
        assert_eq!(report.longest_stall_ms(), Some(3.0));
        assert_eq!(report.steered_share, Some(0.9));
        assert_eq!(report.connections_moved, 4);
        assert_eq!(report.flushes_per_acknowledgement, Some(0.5));
        let mut text = String::new();
        report.write(&mut text);
        assert!(
            text.contains("longest stall <= 1.00 ms on 0, 3.00 ms on 1"),
            "{text}"
        );
        assert!(text.contains("90.0 % of requests"), "{text}");
        assert!(text.contains("0.500 per acknowledgement"), "{text}");
        assert!(text.contains("24.0 KiB each, by the mean"), "{text}");
        let json = serde_json::to_string(&report).unwrap();
        assert!(json.contains("\"steered_share\":0.9"), "{json}");
    }

    #[test]
    fn what_is_no_thalweg_is_refused_in_words() {
        let refused = "HTTP/1.0 404 Not Found\r\n\r\n".to_owned();
        let url = stub(vec![refused, ok("process_cpu_seconds_total 12\n")]);

        assert!(url.read().unwrap_err().contains("404"));
        assert!(
            url.read()
                .unwrap_err()
                .contains("not the metrics of a Thalweg")
        );
        let gone = url.read().unwrap_err();
        assert!(gone.starts_with("http://127.0.0.1:"), "{gone}");
    }

    #[test]
    fn an_address_may_be_short() {
        let whole = MetricsUrl::parse("http://127.0.0.1:9644/metrics").unwrap();

        for text in ["127.0.0.1:9644", "http://127.0.0.1:9644", "127.0.0.1:9644/"] {
            assert_eq!(MetricsUrl::parse(text).as_ref(), Ok(&whole));
        }
        assert!(MetricsUrl::parse("nowhere").is_err());
    }
}
