//! BACKUP STATUS (Redis 8.10): the backup that the server itself keeps on its disk.

use serde::{Deserialize, Serialize};

use super::Reply;

/// The server's own backup.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerBackup {
    /// `idle`, `incrementing`, `sealed`, or another of the server's words.
    pub state: String,
    /// Why it failed; empty if it did not.
    pub error: String,
    /// When it was begun, in Unix seconds; 0 where there is none.
    pub started_at: u64,
    /// When it was sealed, in Unix seconds; 0 before that.
    pub ended_at: u64,
}

impl ServerBackup {
    /// Parses an answer; `None` where it has no state.
    pub fn parse(reply: &Reply) -> Option<Self> {
        let pairs = reply.pairs();
        let value = |name: &str| pairs.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
        let text = |name: &str| value(name).and_then(Reply::text).unwrap_or_default();
        let number = |name: &str| value(name).and_then(Reply::integer).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let state = text("state");
        (!state.is_empty()).then(|| Self {
            state,
            error: text("error"),
            started_at: number("start_time"),
            ended_at: number("end_time"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_8_10_is_read() {
        let pairs = ["state".into(), "sealed".into(), "error".into(), "".into(), "start_time".into(), 7.into()];
        let end: [Reply; 2] = ["end_time".into(), 9.into()];
        let backup = ServerBackup::parse(&Reply::Array(pairs.into_iter().chain(end).collect())).expect("a state");
        assert_eq!((backup.state.as_str(), backup.started_at, backup.ended_at), ("sealed", 7, 9));
        assert_eq!(ServerBackup::parse(&Reply::Nil), None);
    }
}
