//! Which server a target is, and in which history of its data: whether it is still the one that took what was restored. A target that
//! was made a replica meanwhile (a failover, a `REPLICAOF` by hand) has put the data of its primary in place of what it had taken, and
//! nothing else of it says so.

use std::fmt;
use std::time::{Duration, Instant};

use crate::explain::Hint;
use crate::replies::Info;

/// A server that is up for so much longer than a look at it is old was not started since: it is another one. INFO counts whole seconds.
const OLDER: Duration = Duration::from_secs(5);

/// A server as one look has found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    run_id: Option<String>,
    /// The name of the history of its data; another one after a failover.
    replid: Option<String>,
    looked: Instant,
}

/// What became of a target since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// It was started anew: what it had not written to its disk is gone.
    Restarted,
    /// Another server answers at its address.
    Another,
    /// It replicates from this one, `host:port`.
    Replica(String),
    /// It was a replica meanwhile, and is a primary again.
    WasReplica,
}

impl Standing {
    /// The standing of a server, by its INFO.
    pub fn of(info: &Info) -> Self {
        Self::by(info.text("run_id"), info.text("master_replid"))
    }

    /// The standing of a server, by the run id and the replication id that its INFO names.
    pub fn by(run_id: Option<&str>, replid: Option<&str>) -> Self {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Self { run_id: text(run_id), replid: text(replid), looked: Instant::now() }
    }

    /// What became of the server, by its INFO now; `None`: it is as it was, as far as INFO says.
    pub fn turned(&self, now: &Info) -> Option<Turned> {
        if let (Some(then), Some(run_id)) = (&self.run_id, now.text("run_id"))
            && then != run_id
        {
            let up = now.u64("uptime_in_seconds").map(Duration::from_secs);
            let is_older = up.is_some_and(|up| up > self.looked.elapsed() + OLDER);
            return Some(if is_older { Turned::Another } else { Turned::Restarted });
        }
        if now.get("role") == Some("slave") {
            let part = |name| now.text(name).unwrap_or("?");
            return Some(Turned::Replica(format!("{}:{}", part("master_host"), part("master_port"))));
        }
        // A primary without replicas takes a new name as well when it lets go of its backlog (Redis `replication.c`,
        // `replicationCron`), and has no second one then: a replica that becomes a primary keeps that of its primary there.
        let is_second = |replid: &str| replid.bytes().any(|byte| byte != b'0');
        match (&self.replid, now.text("master_replid"), now.text("master_replid2")) {
            (Some(then), Some(replid), Some(second)) if then != replid && is_second(second) => Some(Turned::WasReplica),
            _ => None,
        }
    }
}

impl Turned {
    /// The stable name for JSON answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Another | Self::Replica(_) | Self::WasReplica => "role_changed",
        }
    }

    /// What may help, where beginning anew into the same address does not.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Restarted | Self::WasReplica => None,
            Self::Another | Self::Replica(_) => Some(Hint::words(
                "restore into the current primary; with Sentinel, `redis+sentinel://host:port/service` always finds it",
            )),
        }
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restarted => f.write_str("it was restarted since"),
            Self::Another => f.write_str("another server now answers at its address (with another run id)"),
            Self::Replica(of) => {
                write!(
                    f,
                    "it was made a replica of {of} since, and holds the data of that server instead of the restored data"
                )
            }
            Self::WasReplica => f.write_str(
                "it was made a replica of another server and then a primary again: the restored data may be gone",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_the_same_until_its_run_id_its_role_or_its_history_changes() {
        let none = "0000";
        let info = |run_id: &str, up: u64, role: &str, replid: &str, second: &str| {
            Info::parse(&format!(
                "run_id:{run_id}\nuptime_in_seconds:{up}\nrole:{role}\nmaster_host:h\nmaster_port:1\nmaster_replid:{replid}\n\
                 master_replid2:{second}\n"
            ))
        };
        let standing = Standing::of(&info("a", 100, "master", "r", none));
        for (now, expected) in [
            (info("a", 101, "master", "r", none), None),
            (info("b", 0, "master", "s", none), Some(Turned::Restarted)),
            (info("b", 100, "master", "s", "r"), Some(Turned::Another)),
            (info("a", 101, "slave", "s", none), Some(Turned::Replica("h:1".into()))),
            (info("a", 101, "master", "s", "t"), Some(Turned::WasReplica)),
            // An idle primary has let go of its backlog.
            (info("a", 4000, "master", "s", none), None),
            // A service that hides all of that.
            (Info::parse("role:master\n"), None),
        ] {
            assert_eq!(standing.turned(&now), expected, "{now:?}");
        }
        assert_eq!(Standing::by(None, None).turned(&info("a", 1, "master", "r", "t")), None);
    }
}
