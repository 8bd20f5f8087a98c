//! Telling a monitor that a job has begun or ended: one POST to a URL, as healthchecks.io and its kin take it.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use tokio::time::{sleep, timeout};
use url::Url;

/// How long one try may take.
const TRY: Duration = Duration::from_secs(5);
/// Pauses between the tries.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];
/// Most bytes of a report that are sent along.
const BODY: usize = 10_000;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The job begins: `/start`.
    Start,
    /// It went well: the URL itself.
    Success,
    /// It failed: `/fail`.
    Failure,
}

/// A URL of a monitor. The path is a secret: `Debug` and messages show the host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PingUrl(Url);

impl std::fmt::Debug for PingUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PingUrl({})", self.host())
    }
}

impl std::str::FromStr for PingUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("a URL with a user: redis-ops sends none; put what tells you apart into the path".to_owned())
            }
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Self(url)),
            _ => Err("not a URL: write `https://HOST/PATH`".to_owned()),
        }
    }
}

impl PingUrl {
    /// The host that is told, and its port if it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Tells the monitor, with the beginning of a report, and tries again where that may help. At most 19 seconds.
    ///
    /// # Errors
    /// Why it could not be told.
    pub async fn tell(&self, event: Event, report: &str) -> Result<(), String> {
        let mut url = self.0.clone();
        let path = url.path().trim_end_matches('/').to_owned();
        match event {
            Event::Start => url.set_path(&format!("{path}/start")),
            Event::Failure => url.set_path(&format!("{path}/fail")),
            Event::Success => {}
        }
        let body = &report[..report.floor_char_boundary(BODY.min(report.len()))];
        let mut pauses = PAUSES.into_iter();
        loop {
            let sent = match timeout(TRY, send(&url, body.to_owned())).await {
                Ok(sent) => sent,
                Err(_) => Err((format!("no answer within {} seconds", TRY.as_secs()), true)),
            };
            let (why, may_pass) = match sent {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match pauses.next() {
                Some(pause) if may_pass => sleep(pause).await,
                _ => return Err(why),
            }
        }
    }
}

/// Sends it once; why not, and whether that may pass.
async fn send(url: &Url, body: String) -> Result<(), (String, bool)> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let mut roots = RootCertStore::empty();
    if url.scheme() == "https" {
        let native = crate::blocking::run(rustls_native_certs::load_native_certs).await;
        roots.add_parsable_certificates(native.certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| (error.to_string(), false))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = hyper_rustls::HttpsConnectorBuilder::new();
    let https = https.with_tls_config(config).https_or_http().enable_http1().wrap_connector(http);
    let agent = concat!("redis-ops/", env!("CARGO_PKG_VERSION"));
    let request = Request::post(url.as_str())
        .header("user-agent", agent)
        .header("content-type", "text/plain; charset=utf-8")
        .body(body)
        .map_err(|error| (error.to_string(), false))?;
    let answer = Client::builder(TokioExecutor::new()).build(https).request(request).await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let status = answer.status();
            let more = if status.is_redirection() { " (redirects are not followed)" } else { "" };
            Err((format!("it answered {status}{more}"), status.is_server_error() || status.as_u16() == 429))
        }
        Err(error) => {
            let mut words = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                words = error.to_string();
                cause = error.source();
            }
            if words.contains("InvalidContentType") {
                words = "the server does not speak TLS on this port".to_owned();
            }
            Err((words, true))
        }
    }
}
