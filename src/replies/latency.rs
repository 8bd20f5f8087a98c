//! LATENCY LATEST: the spikes the server noticed itself, if it was told to watch.

use serde::{Deserialize, Serialize};

use super::Reply;

/// One kind of spike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyEvent {
    /// `command`, `fork`, `aof-fsync-always`, `expire-cycle`, …
    pub name: String,
    /// Unix seconds of the last one.
    pub at: u64,
    /// Its length in milliseconds.
    pub latest_ms: u64,
    /// The longest since the last reset, in milliseconds.
    pub max_ms: u64,
}

impl LatencyEvent {
    /// Parses an answer; entries with fewer than four fields are skipped (Valkey adds sum and count).
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        let number = |reply: &Reply| reply.integer().and_then(|number| u64::try_from(number).ok());
        reply
            .items()
            .iter()
            .filter_map(|event| match event.items() {
                [name, at, latest, max, ..] => {
                    Some(Self { name: name.text()?, at: number(at)?, latest_ms: number(latest)?, max_ms: number(max)? })
                }
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_and_damaged_ones_skipped() {
        let event = |fields: Vec<Reply>| Reply::Array(fields);
        let reply = Reply::Array(vec![
            event(vec!["fork".into(), 1_700_000_000.into(), 120.into(), 340.into()]),
            event(vec!["command".into(), 1.into(), 2.into(), 3.into(), 4.into(), 5.into()]),
            event(vec!["short".into()]),
            Reply::Nil,
        ]);
        let events = LatencyEvent::parse_list(&reply);
        assert_eq!(events.len(), 2);
        assert_eq!((events[0].latest_ms, events[0].max_ms), (120, 340));
    }
}
