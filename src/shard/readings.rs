//! What a shard tells of itself in numbers.

use std::collections::BTreeMap;

use crate::base::{Metric, Reading, Span, Spread};
use crate::wire::ApiKey;

use super::machine::Shard;

static REQUESTS: Metric = Metric::counter(
    "thalweg_requests_total",
    "Requests that were understood, by API.",
);
static REQUEST_SECONDS: Metric = Metric::histogram(
    "thalweg_request_seconds",
    "From the last byte of a request to its reply's place in the queue, by API. Produce includes \
     the flush; Fetch, JoinGroup and SyncGroup include the wait that the client asked for.",
);
static RECEIVED: Metric = Metric::counter("thalweg_received_bytes_total", "Bytes from clients.");
static SENT: Metric = Metric::counter("thalweg_sent_bytes_total", "Bytes of replies to clients.");
static CONNECTIONS: Metric = Metric::gauge("thalweg_connections", "Connections that are open.");
static ROUTED_OWN: Metric = Metric::counter(
    "thalweg_routed_own_total",
    "Requests for a leader or coordinator that came to the shard that it is on.",
);
static ROUTED_MESH: Metric = Metric::counter(
    "thalweg_routed_mesh_total",
    "Requests for a leader or coordinator that were passed on to another shard.",
);
static ARRIVED: Metric = Metric::counter(
    "thalweg_connections_moved_total",
    "Connections that came from another shard.",
);
static PARTITIONS: Metric = Metric::gauge("thalweg_partitions", "Partitions that are here.");
static FAILED: Metric = Metric::gauge(
    "thalweg_journal_failed",
    "1: the journal's disk has failed, and its partitions have no leader until a restart.",
);

/// Requests of one API.
#[derive(Debug, Default)]
struct Requests {
    count: u64,
    took: Spread,
}

/// Counts of what clients asked of a shard.
#[derive(Debug, Default)]
pub struct Counts {
    requests: BTreeMap<i16, Requests>,
    received: u64,
    sent: u64,
}

impl Counts {
    pub fn asked(&mut self, api: ApiKey) {
        self.requests.entry(api as i16).or_default().count += 1;
    }

    pub fn answered(&mut self, api: ApiKey, took: Span, bytes: usize) {
        let requests = self.requests.entry(api as i16).or_default();
        requests.took.note(took);
        self.sent += bytes as u64;
    }

    pub fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    fn readings(&self, out: &mut Vec<Reading>) {
        for (key, requests) in &self.requests {
            let Ok(api) = ApiKey::try_from(*key) else {
                continue;
            };
            let name = format!("{api:?}");
            out.push(Reading::whole(&REQUESTS, requests.count).of("api", name.clone()));
            out.push(Reading::spread(&REQUEST_SECONDS, requests.took).of("api", name));
        }
        out.push(Reading::whole(&RECEIVED, self.received));
        out.push(Reading::whole(&SENT, self.sent));
    }
}

impl Shard {
    pub(super) fn tell_readings(&self, out: &mut Vec<Reading>) {
        self.counts.readings(out);
        let mut whole = |metric, value| out.push(Reading::whole(metric, value));
        whole(&CONNECTIONS, self.connections.count() as u64);
        whole(&ROUTED_OWN, self.steering.own);
        whole(&ROUTED_MESH, self.steering.over_mesh);
        whole(&ARRIVED, self.steering.arrived);
        whole(&PARTITIONS, self.owner.partitions.count() as u64);
        whole(&FAILED, u64::from(self.owner.has_failed()));
        self.owner.journal.readings(out);
    }
}
