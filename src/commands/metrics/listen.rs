//! `metrics --listen`: asks the instance whenever Prometheus asks us.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::Utc;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Collected, Repository, Settings, TLS_SETTINGS, collect, text};
use crate::commands::{Context, Outcome};
use crate::connection::Retry;
use crate::explain::{Context as _, Failure, Result, Status};
use crate::metrics::{Limits, Source, serve};
use crate::printer::Printer;
use crate::rules::RuleSettings;

/// The port of redis_exporter, which dashboards and firewalls know.
const USUAL_PORT: u16 = 9121;
/// Where nobody says otherwise: what a server tells about itself is not for everybody.
const USUAL_HOST: &str = "127.0.0.1";
/// How long is waited for an answer before anybody has asked us.
const TRIED_FOR: Duration = Duration::from_millis(300);
/// Backups are made once a day or once an hour; a store bills every listing.
const ASK_REPOSITORY_EVERY: Duration = Duration::from_secs(60);

/// Where to listen: `9121` and `:9121` are of the loopback address, `0.0.0.0` and `0.0.0.0:9121` are of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// An address or a name, an IPv6 address without brackets.
    pub host: String,
    /// 0: any that is free.
    pub port: u16,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write the address to listen on as a port, `9121`, or as an address and a port, `0.0.0.0:9121`".to_owned()
        };
        let port = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let host = |host: &str| if host.is_empty() { USUAL_HOST.to_owned() } else { host.to_owned() };
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self { host: host(""), port: port(text)? });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or_else(wrong)?;
            inside.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            let after = after.strip_prefix(':').map(port).transpose()?;
            return Ok(Self { host: inside.to_owned(), port: after.unwrap_or(USUAL_PORT) });
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Ok(Self { host: text.to_owned(), port: USUAL_PORT });
        }
        let (name, number) = match text.rsplit_once(':') {
            Some((name, number)) => (name, port(number)?),
            None => (text, USUAL_PORT),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || !name.chars().all(good) {
            return Err(wrong());
        }
        Ok(Self { host: host(name), port: number })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Serves until a signal comes.
///
/// # Errors
/// The address cannot be listened on; TLS files cannot be used.
pub(super) async fn run(
    address: &Listen,
    settings: &Settings,
    rules: RuleSettings,
    context: &Context,
) -> Result<Outcome> {
    // Files that cannot be used are known before anything is sent, and will not become better.
    let tried = collect(settings, &rules, &Repository::None, Utc::now());
    if let Ok(Collected { error: Some(error), .. }) = timeout(TRIED_FOR, tried).await
        && error.code() == TLS_SETTINGS
    {
        return Err(error);
    }
    let listener = TcpListener::bind((address.host.as_str(), address.port))
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let at = listener.local_addr().context("cannot read the listening address")?;
    context.printer.say(&format!("serving {} on http://{at}/metrics", settings.server.instance));
    let mut settings = settings.clone();
    // Prometheus asks again soon enough; until then it shall know that it is down.
    settings.server.node.retry = Retry::never();
    let source = Live {
        settings,
        rules,
        repository: Mutex::new((None, Repository::None)),
        trouble: Mutex::new(None),
        printer: context.printer.clone(),
    };
    serve(listener, source, Limits::default(), &context.cancel).await;
    // A signal is how serving ends.
    Ok(Outcome::new(Status::Ok))
}

/// An instance, asked anew each time, and its repository, asked now and then.
struct Live {
    settings: Settings,
    rules: RuleSettings,
    /// When it was asked last, and what it said.
    repository: Mutex<(Option<Instant>, Repository)>,
    /// Why the instance was down when it was asked last.
    trouble: Mutex<Option<String>>,
    printer: Printer,
}

impl Source for Live {
    async fn scrape(&self, within: Duration) -> String {
        let begun = Instant::now();
        // The instance must have time left, whatever the repository does.
        let repository = self.repository(within / 2).await;
        let left = within.saturating_sub(begun.elapsed());
        let asked = collect(&self.settings, &self.rules, &repository, Utc::now());
        let collected = timeout(left, asked).await.unwrap_or_else(|_| Collected {
            text: text(Err("timeout"), &repository, &self.settings, Utc::now()),
            error: Some(Failure::new("timeout", format!("no answer within {:.1} s", left.as_secs_f64())).into()),
        });
        self.tell(collected.error.map(|error| format!("{error:#}"))).await;
        collected.text
    }
}

impl Live {
    async fn repository(&self, within: Duration) -> Repository {
        let Ok(mut known) = timeout(within, self.repository.lock()).await else {
            return Repository::Unreachable { before: None, error: "another scrape waits for it".to_owned() };
        };
        if known.0.is_some_and(|asked| asked.elapsed() < ASK_REPOSITORY_EVERY) {
            return known.1.clone();
        }
        let asked = timeout(within, Repository::ask(&self.settings)).await.unwrap_or_else(|_| {
            Repository::Unreachable { before: None, error: format!("no answer within {:.1} s", within.as_secs_f64()) }
        });
        let now = match asked {
            Repository::Unreachable { error, .. } => {
                self.printer.say(&format!("warning: cannot update the backup metrics: {error}"));
                Repository::Unreachable { before: known.1.newest().cloned(), error }
            }
            other => other,
        };
        if known.0.is_none()
            && let Some(note) = now.of_other_names(&self.settings.server.instance)
        {
            self.printer.say(&note);
        }
        *known = (Some(Instant::now()), now.clone());
        now
    }

    /// Says when it goes down and when it comes back, not at every scrape in between.
    async fn tell(&self, trouble: Option<String>) {
        let mut before = self.trouble.lock().await;
        match (&*before, &trouble) {
            (None, Some(reason)) => self.printer.say(&format!("down: {reason}")),
            (Some(_), None) => self.printer.say("up again"),
            _ => {}
        }
        *before = trouble;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_loopback_unless_it_says_otherwise() {
        for (text, expected) in [
            ("9121", "127.0.0.1:9121"),
            (":9400", "127.0.0.1:9400"),
            ("0", "127.0.0.1:0"),
            ("0.0.0.0", "0.0.0.0:9121"),
            ("0.0.0.0:9400", "0.0.0.0:9400"),
            ("localhost:9400", "localhost:9400"),
            ("::", "[::]:9121"),
            ("[::1]:9400", "[::1]:9400"),
            ("[::1]", "[::1]:9121"),
        ] {
            assert_eq!(text.parse::<Listen>().map(|listen| listen.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for text in ["", "70000", "host:", "host:x", "[::1", "[x]:1", "a b:1", "http://x:1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
