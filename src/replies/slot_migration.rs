//! CLUSTER MIGRATION STATUS (Redis 8.4) and CLUSTER GETSLOTMIGRATIONS (Valkey 9.0): slots that move as a whole.

use serde::{Deserialize, Serialize};

use super::Reply;

/// Seconds since 1970 have ten digits for the next two centuries; milliseconds have more.
const MOST_SECONDS: u64 = 100_000_000_000;

/// One migration, as the node that was asked sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlotMigration {
    /// Its name, 40 hexadecimal digits.
    pub id: String,
    /// `0-100`, several separated by blanks.
    pub slots: String,
    /// `import` or `export`, in lower case; Redis calls the second `migrate`.
    pub operation: String,
    /// The server's own word for how far it is.
    pub state: String,
    /// What went wrong last; empty if nothing did.
    pub error: String,
    /// When it was last known to go on, in Unix seconds: when it was begun, changed its state, or the other side answered.
    pub moved_at: u64,
}

impl SlotMigration {
    /// Parses an answer; what is no migration is skipped.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        reply.items().iter().filter_map(Self::parse).collect()
    }

    fn parse(entry: &Reply) -> Option<Self> {
        let pairs = entry.pairs();
        let text = |names: &[&str]| {
            let found = pairs.iter().find(|(name, _)| names.contains(&name.as_str()));
            found.and_then(|(_, value)| value.text()).unwrap_or_default()
        };
        let moments = pairs
            .iter()
            .filter(|(name, _)| {
                matches!(name.as_str(), "create_time" | "start_time" | "last_update_time" | "last_ack_time")
            })
            .filter_map(|(_, value)| u64::try_from(value.integer()?).ok());
        let seconds = |moment: u64| if moment > MOST_SECONDS { moment / 1000 } else { moment };
        let migration = Self {
            id: text(&["id", "name"]),
            slots: text(&["slots", "slot_ranges"]),
            operation: text(&["operation"]).to_ascii_lowercase(),
            state: text(&["state"]).to_ascii_lowercase(),
            error: text(&["last_error", "message"]),
            moved_at: moments.map(seconds).max().unwrap_or(0),
        };
        (!migration.state.is_empty() && migration.moved_at > 0).then_some(migration)
    }

    /// Whether it has come to an end, good or bad.
    pub fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "success" | "failed" | "canceled" | "cancelled")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, Reply)]) -> Reply {
        Reply::Array(pairs.iter().flat_map(|(name, value)| [Reply::from(*name), value.clone()]).collect())
    }

    #[test]
    fn both_servers_answers_are_read() {
        let redis = entry(&[
            ("id", "cae3".into()),
            ("slots", "0-100".into()),
            ("operation", "import".into()),
            ("state", "auth-reply".into()),
            ("last_error", "".into()),
            ("create_time", Reply::Integer(1_795_977_239_926)),
            ("start_time", Reply::Integer(1_795_977_240_926)),
            ("end_time", Reply::Integer(-1)),
        ]);
        let valkey = entry(&[
            ("name", "48e5".into()),
            ("operation", "EXPORT".into()),
            ("slot_ranges", "0-100".into()),
            ("create_time", Reply::Integer(1_795_977_237)),
            ("last_update_time", Reply::Integer(1_795_977_239)),
            ("last_ack_time", Reply::Integer(1_795_977_238)),
            ("state", "success".into()),
            ("message", "".into()),
        ]);
        let read = SlotMigration::parse_list(&Reply::Array(vec![redis, valkey, Reply::Nil]));
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].operation.as_str(), read[0].moved_at, read[0].has_ended()),
            ("import", 1_795_977_240, false)
        );
        assert_eq!(
            (read[1].operation.as_str(), read[1].moved_at, read[1].has_ended()),
            ("export", 1_795_977_239, true)
        );
        assert_eq!(read[1].slots, "0-100");
    }
}
