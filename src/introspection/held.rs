//! Writes that a server holds back, on servers that do not say it (before Valkey 8.1, and every Redis so far): a client that is blocked
//! in a command that never waits gives it away.

use crate::connection::Node;
use crate::replies::{Client, Info};

/// CLIENT LIST of some ten thousand connections is no longer, in bytes.
const ANSWER_LIMIT: usize = 8 << 20;

/// How many writes wait, by the clients where some are blocked. Without the right to ask, or with more clients than that, nothing is
/// known, and 0 is told.
pub async fn held_writes(node: &Node, info: &Info) -> u64 {
    if info.get("paused_actions").is_some() || info.u64("blocked_clients").unwrap_or(0) == 0 {
        return 0;
    }
    let Ok((answers, _)) = node.ask_at_once(&[&["CLIENT", "LIST"]], ANSWER_LIMIT).await else { return 0 };
    let Some(Ok(list)) = answers.into_iter().next() else { return 0 };
    Client::parse_list(&list).iter().filter(|client| client.is_held()).count() as u64
}
