//! Serves metrics over HTTP, for a ServiceMonitor of Prometheus.
//!
//! `/metrics` asks anew each time; `/healthz` says only that this process serves: a supervisor that restarts it because the instance
//! is down would lose what reports that. A connection is good for one request, and every step of it has a limit, so that a slow
//! client holds one place for a while and nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::text::openmetrics;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What Prometheus says about how long it will wait, seconds.
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// The text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What Prometheus asks for first.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
/// A request has no body, and a head that is longer than this many bytes is none of Prometheus'.
const HEAD_BYTES: usize = 16 << 10;
/// After the system could not give us a connection (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// Where metrics come from.
pub trait Source: Send + Sync + 'static {
    /// The text, made anew in no more time than `within`. That the instance cannot be reached is part of the text.
    fn scrape(&self, within: Duration) -> impl Future<Output = String> + Send;
}

/// How much is done at the same time, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections; more of them wait to be accepted.
    pub connections: usize,
    /// Scrapes; more of them wait, and are answered with 503 when their time is over.
    pub scrapes: usize,
    /// For the head of a request.
    pub head: Duration,
    /// For a scrape, where Prometheus does not say less.
    pub scrape: Duration,
    /// For a connection from beginning to end.
    pub connection: Duration,
    /// For what is still under way when the end is asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            scrapes: 4,
            head: Duration::from_secs(5),
            // Below Prometheus' usual limit of 10 s: after that nobody hears that the instance is down.
            scrape: Duration::from_secs(9),
            connection: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}

struct Shared<S> {
    source: S,
    limits: Limits,
    scrapes: Semaphore,
}

/// Serves until `stop`; what is under way then is brought to its end, as far as [`Limits::drain`] allows.
pub async fn serve<S: Source>(listener: TcpListener, source: S, limits: Limits, stop: &CancellationToken) {
    let shared = Arc::new(Shared { source, limits, scrapes: Semaphore::new(limits.scrapes) });
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        connections.spawn(async move {
            let _place = place;
            attend(stream, shared, &stop).await;
        });
    }
    drop(listener);
    // What is not over by then is dropped with the set.
    let _ = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
}

async fn attend<S: Source>(stream: TcpStream, shared: Arc<Shared<S>>, stop: &CancellationToken) {
    let limits = shared.limits;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&request, &shared).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let whole = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    match timeout(limits.connection, whole).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client went away"),
        Err(_) => tracing::debug!("a client was too slow"),
    }
}

async fn answer<S: Source>(request: &Request<Incoming>, shared: &Shared<S>) -> Response<String> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are supported\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => {
            let scraped = metrics(shared, within(request.headers(), shared.limits.scrape)).await;
            if wants_openmetrics(request.headers()) { as_openmetrics(scraped) } else { scraped }
        }
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/" => text(StatusCode::OK, "redis-ops\n\n/metrics  for Prometheus\n/healthz  whether this process serves\n"),
        _ => text(StatusCode::NOT_FOUND, "not found: use /metrics or /healthz\n"),
    }
}

async fn metrics<S: Source>(shared: &Shared<S>, within: Duration) -> Response<String> {
    let begun = tokio::time::Instant::now();
    let Ok(_turn) = timeout(within, shared.scrapes.acquire()).await else {
        let mut busy = text(StatusCode::SERVICE_UNAVAILABLE, "other scrapes are under way\n");
        busy.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return busy;
    };
    let body = shared.source.scrape(within.saturating_sub(begun.elapsed())).await;
    with_type(Response::new(body), TEXT_FORMAT)
}

/// Whether the other side takes OpenMetrics.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("application/openmetrics-text"))
}

fn as_openmetrics(response: Response<String>) -> Response<String> {
    if response.status() != StatusCode::OK {
        return response;
    }
    with_type(response.map(|text| openmetrics(&text)), OPENMETRICS)
}

/// How long a scrape may take: a little less than Prometheus waits, if it says so.
fn within(headers: &HeaderMap, usual: Duration) -> Duration {
    let said = headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|said| !said.is_zero());
    said.map_or(usual, |said| usual.min(said.mul_f64(0.9)))
}

fn text(status: StatusCode, words: &'static str) -> Response<String> {
    let mut response = Response::new(words.to_owned());
    *response.status_mut() = status;
    with_type(response, PLAIN)
}

fn with_type(mut response: Response<String>, kind: &'static str) -> Response<String> {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
