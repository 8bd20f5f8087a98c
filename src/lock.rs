//! A lock on a server, for any job: `SET key value NX PX`, renewed and released by scripts that compare the token first.
//!
//! A lock on one server excludes two jobs as long as that server keeps it: a failover may forget it. So a job that is ended when the lock
//! is lost is all that is promised here, and what must never happen twice needs the token checked where it is written.

use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Command, CommandError, Connection, Node};
use crate::explain::Result;
use crate::figures::span;

/// A lock is renewed so often within its time to live.
const RENEWALS: u32 = 3;

/// Renews a lock if the token is its own: 1, or 0.
const RENEW: &str = "local v = redis.call('GET', KEYS[1]) \
    if v and (v == ARGV[1] or string.sub(v, 1, #ARGV[1] + 1) == ARGV[1] .. ' ') then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
/// Removes a lock if the token is its own: 1; 0: it is another's; -1: there is none.
const RELEASE: &str = "local v = redis.call('GET', KEYS[1]) if not v then return -1 end \
    if v == ARGV[1] or string.sub(v, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then return redis.call('DEL', KEYS[1]) end return 0";

/// Whose lock it is: a random token, and for people what stands behind it in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key on the server.
    pub key: String,
    /// A random word, by which the holder recognises its own lock.
    pub token: String,
    /// How long the lock lives without a renewal.
    pub ttl: Duration,
}

/// A lock as it lies on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The token: the first word of the value.
    pub token: String,
    /// What the holder has said of itself, behind the token.
    pub holder: Option<String>,
    /// Until it lapses; `None`: never.
    pub left: Option<Duration>,
}

/// What came of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    Yes,
    /// The lock has another token.
    Another,
    /// There is no lock.
    Nothing,
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Takes the lock if nobody has it. Gives the moment before which the server has set its time to live.
///
/// # Errors
/// The server refuses, or does not answer.
pub async fn acquire(
    connection: &mut Connection,
    claim: &Claim,
    holder: &str,
) -> Result<Option<Instant>, CommandError> {
    let asked = Instant::now();
    let value = format!("{} {holder}", claim.token);
    let set = Command::new("SET").arg(&claim.key).arg(value).arg("NX").arg("PX").arg(milliseconds(claim.ttl));
    Ok(connection.query(&set).await?.text().map(|_| asked))
}

/// Who has the lock.
///
/// # Errors
/// The server refuses, does not answer, or the key is no string.
pub async fn look(connection: &mut Connection, key: &str) -> Result<Option<Found>, CommandError> {
    let Some(value) = connection.query(&Command::new("GET").arg(key)).await?.text() else { return Ok(None) };
    let left = connection.query(&Command::new("PTTL").arg(key)).await?.integer().unwrap_or(-1);
    let (token, holder) = match value.split_once(' ') {
        Some((token, holder)) => (token.to_owned(), Some(holder.to_owned())),
        None => (value, None),
    };
    Ok(Some(Found { token, holder, left: u64::try_from(left).ok().map(Duration::from_millis) }))
}

/// Removes the lock if it has this token.
///
/// # Errors
/// The server refuses, or does not answer.
pub async fn release(connection: &mut Connection, key: &str, token: &str) -> Result<Released, CommandError> {
    let script = Command::new("EVAL").arg(RELEASE).arg(1).arg(key).arg(token);
    Ok(match connection.query(&script).await?.integer() {
        Some(1) => Released::Yes,
        Some(-1) => Released::Nothing,
        _ => Released::Another,
    })
}

/// Renews the lock until that cannot be done any more, and says why. Returns so early that `grace` is left of the time to live: who was
/// started under the lock can be ended before another gets it. `since`: what [`acquire`] gave.
pub async fn keep(node: &Node, connection: Connection, claim: &Claim, since: Instant, grace: Duration) -> String {
    let (mut connection, mut since) = (Some(connection), since);
    let mut why = "the server does not answer".to_owned();
    let pause = claim.ttl / RENEWALS;
    loop {
        let end = since + claim.ttl.saturating_sub(grace);
        let now = Instant::now();
        if now >= end {
            // The answer to the last renewal was read too late.
            return stood_still(end, now, end, claim.ttl).unwrap_or(why);
        }
        let until = (Instant::now() + pause).min(end);
        tokio::time::sleep_until(until).await;
        let asked = Instant::now();
        if let Some(why) = stood_still(until, asked, end, claim.ttl) {
            return why;
        }
        let renewed = tokio::time::timeout_at(end, async {
            let open = match connection.take() {
                Some(open) => open,
                None => node.connect().await.map_err(|error| error.to_string())?,
            };
            let open = connection.insert(open);
            let script = Command::new("EVAL").arg(RENEW).arg(1).arg(&claim.key).arg(&claim.token);
            let reply = open.query(&script.arg(milliseconds(claim.ttl))).await.map_err(|error| error.to_string())?;
            Ok::<bool, String>(reply.integer() == Some(1))
        });
        match renewed.await {
            Ok(Ok(true)) => since = asked,
            Ok(Ok(false)) => return "another has it, or it was removed".to_owned(),
            Ok(Err(error)) => {
                why = error;
                connection = None;
            }
            Err(_) => return stood_still(end, Instant::now(), end, claim.ttl).unwrap_or(why),
        }
    }
}

/// Why a lock is lost that nobody could renew: this process, or the whole machine, did not run from `until` on, and now it is behind the
/// `end` of the lock.
fn stood_still(until: Instant, now: Instant, end: Instant, ttl: Duration) -> Option<String> {
    let late = now.saturating_duration_since(until);
    (now >= end && late > ttl / RENEWALS).then(|| {
        let (late, ttl) = (span(late), span(ttl));
        format!(
            "redis-ops itself, or the whole machine, was suspended or too busy for {late}; the lock expires after {ttl}"
        )
    })
}
