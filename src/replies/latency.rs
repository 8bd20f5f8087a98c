//! LATENCY LATEST: what held the server up, the last time of each kind.

use serde::{Deserialize, Serialize};

use super::Reply;

/// The last time that one kind of event took longer than `latency-monitor-threshold`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LatencyEvent {
    /// `command`, `fork`, `aof-fsync-always`, `expire-cycle`, …
    pub name: String,
    /// When the last one was, in Unix seconds.
    pub at: u64,
    /// How long the last one took.
    pub latest_ms: u64,
    /// How long the longest one took since the server looks.
    pub longest_ms: u64,
}

impl LatencyEvent {
    /// Parses an answer; entries without four parts are skipped, more parts (Redis 8) are left out.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        reply.items().iter().filter_map(Self::parse).collect()
    }

    fn parse(entry: &Reply) -> Option<Self> {
        let number =
            |at: usize| entry.items().get(at).and_then(Reply::integer).and_then(|number| u64::try_from(number).ok());
        Some(Self {
            name: entry.items().first()?.text()?,
            at: number(1)?,
            latest_ms: number(2)?,
            longest_ms: number(3)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_name_a_time_and_two_lengths() {
        let event = |parts: Vec<Reply>| Reply::Array(vec![Reply::Array(parts)]);
        let whole = event(vec!["fork".into(), Reply::Integer(1_800_000_000), Reply::Integer(250), Reply::Integer(900)]);
        let events = LatencyEvent::parse_list(&whole);
        assert_eq!((events[0].name.as_str(), events[0].latest_ms, events[0].longest_ms), ("fork", 250, 900));
        assert!(LatencyEvent::parse_list(&event(vec!["fork".into()])).is_empty());
        assert!(LatencyEvent::parse_list(&Reply::Nil).is_empty());
    }
}
