//! Whether a server would take a write. Nothing is written: a server decides about that when a command is put into a transaction, and
//! ours is discarded (Redis and Valkey `server.c`, `processCommand`, where the queue comes last).

use std::time::Duration;

use super::{Reason, cluster};
use crate::connection::{ConnectFault, Node, ServerError};

/// A server that has answered a PING a moment ago answers this as soon, or holds writes back.
const LIMIT: Duration = Duration::from_secs(2);
/// An answer is no longer, in bytes.
const ANSWER_LIMIT: usize = 64 << 10;
/// A key that nobody has; it is not written.
const KEY: &str = "redis-ops:health";

/// Why a write would not be taken; `None`: it would, or nobody can tell (we have no right to `MULTI` and `SET`; a proxy knows neither).
/// `slots`: of a node of a cluster, those that it serves.
pub(super) async fn refused(node: &Node, slots: Option<&[(u16, u16)]>) -> Option<Reason> {
    let node = Node { timeout: node.timeout.min(LIMIT), ..node.clone() };
    let key = slots.and_then(|slots| cluster::key_in(slots, KEY)).unwrap_or_else(|| KEY.to_owned());
    let write = ["SET", key.as_str(), "1"];
    match node.ask_at_once(&[&["MULTI"], &write, &["DISCARD"]], ANSWER_LIMIT).await {
        Ok((answers, _)) => match answers.as_slice() {
            [Ok(_), Err(error), _] => judge(error),
            _ => None,
        },
        Err(error) => Some(match &error.fault {
            ConnectFault::Timeout { .. } => Reason {
                code: "paused",
                text: format!(
                    "a write gets no reply within {}, but PING does: writes are paused (`CLIENT PAUSE`, a failover), or the server stalls",
                    humantime::format_duration(node.timeout)
                ),
            },
            fault => Reason { code: fault.code(), text: error.to_string() },
        }),
    }
}

fn judge(error: &ServerError) -> Option<Reason> {
    let code = match error.code.as_str() {
        "OOM" => "out_of_memory",
        "NOREPLICAS" => "no_replicas",
        "MISCONF" => "misconf",
        "READONLY" => "read_only",
        "MASTERDOWN" => "master_down",
        "CLUSTERDOWN" => "cluster_down",
        "LOADING" => "loading",
        // Of our rights, or of where the key lies: nothing about the server.
        "NOPERM" | "MOVED" | "ASK" | "TRYAGAIN" => return None,
        _ if error.text.contains("unknown command") => return None,
        _ => "write_refused",
    };
    Some(Reason { code, text: format!("a write is refused: {error}") })
}
