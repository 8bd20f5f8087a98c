//! Whether writes are paused, on servers that do not say it (before Valkey 8.1, and every Redis so far): a client that is blocked in a
//! command that never waits gives it away.

use super::Reason;
use crate::connection::Node;
use crate::figures::counted;
use crate::replies::{Client, Info};

/// CLIENT LIST of some ten thousand connections is no longer, in bytes.
const ANSWER_LIMIT: usize = 8 << 20;

/// Looks at the clients where some are blocked. Without the right to, or with more than that, nothing is known.
pub(super) async fn look(node: &Node, info: &Info) -> Option<Reason> {
    if info.get("paused_actions").is_some() || info.u64("blocked_clients").unwrap_or(0) == 0 {
        return None;
    }
    let (answers, _) = node.ask_at_once(&[&["CLIENT", "LIST"]], ANSWER_LIMIT).await.ok()?;
    let clients = Client::parse_list(answers.into_iter().next()?.ok()?.as_slice());
    let held = clients.iter().filter(|client| client.is_held()).count() as u64;
    let text = format!("{} waiting: writes are paused (`CLIENT PAUSE`, a failover)", counted(held, "write"));
    (held > 0).then_some(Reason { code: "paused", text })
}
