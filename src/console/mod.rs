//! Console: HTTP on a thread of its own, for metrics and health.
//!
//! Knows: HTTP, Prometheus' text format, the readings that shards publish.
//! Must not know: any room's insides; how a reading comes about.
//! May use: `base`, `runtime` (its published readings). Used by: `cli`.
//!
//! `/metrics` has every shard's readings. `/livez` answers while the process does. `/readyz` is 200
//! while every shard serves, and says what is missing otherwise.
//! Begin at `serve`.

mod health;
mod text;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;

use crate::runtime::real::Stats;

/// Prometheus' text format, by its version.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until the process ends, on a thread of its own. Returns where it listens.
///
/// An error when the socket refuses, or no thread can be started.
pub fn serve(listener: TcpListener, stats: Arc<Stats>) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    stats.will_be_read();
    let thread = std::thread::Builder::new().name("console".to_owned());
    thread.spawn(move || {
        let ended = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes(stats)).await
        });
        if let Err(error) = ended {
            tracing::error!(%error, "metrics and health are no longer served");
        }
    })?;
    Ok(address)
}

fn routes(stats: Arc<Stats>) -> Router {
    Router::new()
        .route("/", get(|| async { "/metrics\n/livez\n/readyz\n" }))
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(stats)
}

async fn metrics(State(stats): State<Arc<Stats>>) -> ([(HeaderName, &'static str); 1], String) {
    let shards = stats.all().map(|(id, stats)| (id, stats.readings()));
    let text = text::of(&shards.collect::<Vec<_>>());
    ([(CONTENT_TYPE, TEXT_FORMAT)], text)
}

async fn ready(State(stats): State<Arc<Stats>>) -> (StatusCode, String) {
    let shards = stats
        .all()
        .map(|(id, stats)| (id, stats.phase(), stats.readings()));
    let missing = health::missing(shards);
    match missing.is_empty() {
        true => (StatusCode::OK, "ready\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
    }
}
