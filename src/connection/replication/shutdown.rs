//! Whether the server that sends us its data set is to shut down.
//!
//! Since 7.0 `SHUTDOWN` waits up to `shutdown-timeout` (10 s) for its replicas to have everything, whatever state they are in: a
//! transfer of its RDB, which will never acknowledge anything, holds it up to the end. Its `INFO server` then has the field
//! `shutdown_in_milliseconds` (Redis `server.c`, `genRedisInfoString`).

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

use crate::connection::{Command, CommandFault, Node, Retry, Stream};
use crate::replies::Reply;

/// How often it is looked. The first look, and the connection for it, come after as long: most small transfers are over by then.
const PERIOD: Duration = Duration::from_millis(500);

/// The field that says so.
const FIELD: &[u8] = b"shutdown_in_milliseconds:";

/// A link that is to be cut.
type Link = Mutex<Option<Stream>>;

/// A task that watches whether the server is to shut down. Ends when dropped.
pub(super) struct Watch {
    seen: watch::Receiver<bool>,
    link: watch::Sender<Option<Weak<Link>>>,
    looking: Option<AbortHandle>,
}

impl Watch {
    /// Begins to watch a server. What keeps us from it (one client too many, no right to `INFO`) keeps nobody from the data.
    pub(super) fn over(node: &Node) -> Self {
        let node = Node { retry: Retry::never(), ..node.clone() };
        let (saw, seen) = watch::channel(false);
        let (link, cut) = watch::channel(None);
        let looking = tokio::spawn(async move {
            if !look(&node).await {
                return;
            }
            tracing::debug!("{node} is about to shut down");
            saw.send_replace(true);
            // Whoever is reading hangs up; while nobody is (a rate that was asked for, a store that is slow), it is done here.
            let link: Option<Arc<Link>> = cut.borrow().as_ref().and_then(Weak::upgrade);
            if let Some(link) = link {
                link.lock().await.take();
            }
            // Stays, so that what it saw can be asked for.
            std::future::pending::<()>().await;
        });
        Self { seen, link, looking: Some(looking.abort_handle()) }
    }

    /// A link whose server nobody watches.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self { seen: watch::channel(false).1, link: watch::channel(None).0, looking: None }
    }

    /// What is to be cut, also while nobody reads from it.
    pub(super) fn hang_up(&mut self, link: &Arc<Link>) {
        self.link.send_replace(Some(Arc::downgrade(link)));
    }

    /// Returns once the server is to shut down, and never if nobody can tell.
    pub(super) async fn shutting_down(&mut self) {
        if self.seen.wait_for(|seen| *seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
    }
}

/// Looks until the server is to shut down; `false`: it cannot be seen, or the server would not wait for anybody.
async fn look(node: &Node) -> bool {
    let question = Command::of(&["INFO", "server"]);
    loop {
        tokio::time::sleep(PERIOD).await;
        let mut connection = match node.connect_even_while_loading().await {
            Ok(connection) => connection,
            Err(error) if error.fault.may_pass() => continue,
            Err(error) => {
                tracing::debug!("cannot watch for a shutdown of {node}: {error}");
                return false;
            }
        };
        loop {
            let text = match connection.query(&question).await {
                Ok(Reply::Bytes(text)) => text,
                Err(error)
                    if matches!(error.fault, CommandFault::Disconnected { .. } | CommandFault::Timeout { .. }) =>
                {
                    break;
                }
                answer => {
                    tracing::debug!("cannot watch for a shutdown of {node}: {answer:?}");
                    return false;
                }
            };
            if memchr::memmem::find(&text, FIELD).is_some() {
                return true;
            }
            if never_waits(&text) {
                return false;
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// Before 7.0 a server shuts down at once.
fn never_waits(info: &[u8]) -> bool {
    let info = crate::replies::Info::parse(&String::from_utf8_lossy(info));
    let version = info.get("redis_version").unwrap_or_default();
    version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 7)
}
