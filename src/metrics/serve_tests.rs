//! How the server behaves to clients that are slow, many, or wrong; over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// Takes its time, and counts.
#[derive(Default)]
struct Slow {
    takes: Duration,
    at_once: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Source for Slow {
    async fn scrape(&self, within: Duration) -> String {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        sleep(self.takes.min(within)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        format!("redis_up {}\n", u8::from(self.takes <= within))
    }
}

struct Serving {
    at: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn serving(source: Slow, limits: Limits) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let token = stop.clone();
    Serving { at, stop, task: tokio::spawn(async move { serve(listener, source, limits, &token).await }) }
}

/// Sends these bytes and reads until the other side closes.
async fn ask(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

#[tokio::test]
async fn who_asks_for_openmetrics_gets_it() {
    let serving = serving(Slow::default(), Limits::default()).await;
    let answer =
        ask(serving.at, &get("/metrics", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"))
            .await;
    assert!(answer.contains("application/openmetrics-text; version=1.0.0") && answer.ends_with("# EOF\n"), "{answer}");
    let answer = ask(serving.at, &get("/metrics", "Accept: text/plain\r\n")).await;
    assert!(answer.contains("text/plain; version=0.0.4") && !answer.contains("EOF"), "{answer}");
    serving.stop.cancel();
}

#[tokio::test]
async fn a_request_is_answered_by_its_method_and_path() {
    let serving = serving(Slow::default(), Limits::default()).await;
    for (request, status, body) in [
        (get("/metrics", ""), "200 OK", "redis_up 1\n"),
        (get("/metrics?x=1", ""), "200 OK", "redis_up 1\n"),
        (get("/healthz", ""), "200 OK", "ok\n"),
        (get("/nothing", ""), "404 Not Found", "not found: use /metrics or /healthz\n"),
        ("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200 OK", ""),
        (
            "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "405 Method Not Allowed",
            "only GET and HEAD are supported\n",
        ),
        ("nonsense\r\n\r\n".to_owned(), "400 Bad Request", ""),
    ] {
        let answer = ask(serving.at, &request).await;
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {answer}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {head}");
        assert_eq!(rest, body, "{request}");
    }
    let head = ask(serving.at, &get("/metrics", "")).await.to_lowercase();
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
}

#[tokio::test]
async fn a_scrape_ends_before_prometheus_gives_up() {
    let serving = serving(Slow { takes: Duration::from_secs(600), ..Slow::default() }, Limits::default()).await;
    let begun = Instant::now();
    let answer = ask(serving.at, &get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.3\r\n")).await;
    assert!(answer.ends_with("redis_up 0\n"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn what_prometheus_says_of_its_patience_shortens_ours_and_never_lengthens_it() {
    for (said, expected) in [
        (None, 9.0),
        (Some("5"), 4.5),
        (Some("60"), 9.0),
        (Some("0"), 9.0),
        (Some("-1"), 9.0),
        (Some("nan"), 9.0),
        (Some("soon"), 9.0),
    ] {
        let headers = said.map(|said| (SCRAPE_TIMEOUT, HeaderValue::from_static(said))).into_iter().collect();
        assert_eq!(within(&headers, Duration::from_secs(9)), Duration::from_secs_f64(expected), "{said:?}");
    }
}

#[tokio::test]
async fn no_more_scrapes_than_allowed_run_at_once_and_the_rest_is_told_to_come_back() {
    let most = Arc::new(AtomicUsize::new(0));
    let source = Slow { takes: Duration::from_millis(400), most: Arc::clone(&most), ..Slow::default() };
    let limits = Limits { scrapes: 2, scrape: Duration::from_millis(600), ..Limits::default() };
    let serving = serving(source, limits).await;
    let asked: Vec<_> =
        (0..8).map(|_| tokio::spawn(async move { ask(serving.at, &get("/metrics", "")).await })).collect();
    let mut busy = 0;
    for answer in asked {
        busy += usize::from(answer.await.unwrap().starts_with("HTTP/1.1 503 "));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert!((1..=6).contains(&busy), "{busy} of 8");
}

#[tokio::test]
async fn clients_that_say_nothing_or_read_nothing_hold_their_places_for_a_while_only() {
    let limits = Limits { connections: 2, head: Duration::from_millis(300), ..Limits::default() };
    let serving = serving(Slow::default(), limits).await;
    let mut silent = TcpStream::connect(serving.at).await.unwrap();
    let mut halfway = TcpStream::connect(serving.at).await.unwrap();
    halfway.write_all(b"GET /metrics HTTP/1.1\r\nHost:").await.unwrap();
    let answer = timeout(Duration::from_secs(20), ask(serving.at, &get("/healthz", ""))).await;
    assert!(answer.expect("it is served").starts_with("HTTP/1.1 200 "));
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest).await;
    let _ = halfway.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_for_nobody_else() {
    let source = Slow { takes: Duration::from_millis(500), ..Slow::default() };
    let under_way = Arc::clone(&source.at_once);
    let serving = serving(source, Limits::default()).await;
    let _silent = TcpStream::connect(serving.at).await.unwrap();
    let asked = tokio::spawn(async move { ask(serving.at, &get("/metrics", "")).await });
    let begun = Instant::now();
    while under_way.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it was never asked");
        tokio::task::yield_now().await;
    }
    serving.stop.cancel();
    let answer = asked.await.unwrap();
    assert!(answer.ends_with("redis_up 1\n"), "{answer}");
    timeout(Duration::from_secs(3), serving.task).await.expect("the silent client is left").unwrap();
    assert!(TcpStream::connect(serving.at).await.is_err());
}
