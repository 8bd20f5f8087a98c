//! A server that an interrupted restore left as a replica of nobody: told by what it says of itself, without a secret and without
//! anything that the restore has written down.

use super::topology::{NodeRole, ServerFacts};

/// How the replication ids begin that a restore gives to a target: `redis-ops` in hexadecimal digits.
pub const REPLID_MARK: &str = "72656469732d6f7073";
/// Ports that a system gives to who asks for any (Linux `ip_local_port_range`): hardly those of a primary.
const FIRST_FREE_PORT: u16 = 32_768;

/// A replica whose primary was a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptedRestore {
    /// Host of the primary that is gone.
    pub host: String,
    /// The port at which the tool played the primary.
    pub port: u16,
    /// Whether the replica has loaded what a restore sent, and says so; else it only looks so: its primary was never reached,
    /// at a port that no primary is likely to have.
    pub certain: bool,
}

impl InterruptedRestore {
    /// Looks for the marks. A server that is being restored at this moment may look the same until its transfer begins: whether
    /// somebody listens at [`host`](Self::host) and [`port`](Self::port) tells the difference.
    pub fn of(server: &ServerFacts) -> Option<Self> {
        let link =
            server.primary.as_ref().filter(|link| server.role == NodeRole::Replica && !link.up && !link.syncing)?;
        let certain = server.replid.starts_with(REPLID_MARK);
        let looks_like_one = link.down_seconds.is_none() && link.port >= FIRST_FREE_PORT;
        (certain || looks_like_one).then(|| Self { host: link.host.clone(), port: link.port, certain })
    }

    /// What happened, in words.
    pub fn words(&self) -> String {
        let Self { host, port, certain } = self;
        if *certain {
            format!("an interrupted restore left this server a replica of {host}:{port}")
        } else {
            format!(
                "this server never reached its primary {host}:{port}: the primary is down or cannot be reached from here, or an interrupted restore left this server like that"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replies::Info;

    #[track_caller]
    fn check(changes: &str, expected: Option<bool>) {
        // The last of two fields with one name does not count.
        let info = Info::parse(&format!(
            "{changes}\nrole:slave\nmaster_host:10.0.0.1\nmaster_port:41234\nmaster_link_status:down\nmaster_sync_in_progress:0\n\
             master_link_down_since_seconds:-1\nmaster_replid:0123456789012345678901234567890123456789\n"
        ));
        let found = InterruptedRestore::of(&ServerFacts::from_info(&info));
        assert_eq!(found.map(|found| found.certain), expected, "{changes}");
    }

    #[test]
    fn only_a_replica_of_nobody_is_taken_for_what_a_restore_left() {
        let marked = format!("master_replid:{REPLID_MARK}0123456789012345678901");
        check("", Some(false));
        check("role:master", None);
        check("master_link_status:up", None);
        check("master_sync_in_progress:1", None);
        check("master_port:6379", None);
        check("master_link_down_since_seconds:5", None);
        check(&format!("master_link_down_since_seconds:5\nmaster_port:7000\n{marked}"), Some(true));
        check(&format!("master_link_status:up\n{marked}"), None);
        check(&format!("role:master\n{marked}"), None);
    }
}
