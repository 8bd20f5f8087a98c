//! HOTKEYS GET (Redis 8.6): what somebody who said HOTKEYS START has learnt. To start it is not ours to do.

use serde::{Deserialize, Serialize};

use super::Reply;

/// The keys that took the most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HotKeys {
    /// Names with microseconds of processor time, most first.
    pub by_cpu: Vec<(Vec<u8>, u64)>,
    /// Microseconds of all commands.
    pub cpu_usec: u64,
    /// Names with bytes on the network, most first.
    pub by_network: Vec<(Vec<u8>, u64)>,
    /// Bytes of all commands.
    pub network_bytes: u64,
    /// How long was looked, in milliseconds.
    pub duration_ms: u64,
}

impl HotKeys {
    /// Parses an answer; `None` where nobody has started a session.
    pub fn parse(reply: &Reply) -> Option<Self> {
        // Some versions put the pairs into an array of their own.
        let inner = match reply.items() {
            [one @ (Reply::Array(_) | Reply::Map(_))] => one,
            _ => reply,
        };
        let pairs = inner.pairs();
        if pairs.is_empty() {
            return None;
        }
        let number = |wanted: &[&str]| {
            let found = wanted.iter().find_map(|name| pairs.iter().find(|(own, _)| own == name));
            found.and_then(|(_, value)| u64::try_from(value.integer()?).ok()).unwrap_or(0)
        };
        let list = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| name == wanted);
            let entry =
                |(name, count): (&Reply, &Reply)| Some((name.bytes()?.to_vec(), u64::try_from(count.integer()?).ok()?));
            match found.map(|(_, value)| *value) {
                Some(Reply::Map(entries)) => entries.iter().filter_map(|(name, count)| entry((name, count))).collect(),
                Some(Reply::Array(items)) => {
                    items.chunks_exact(2).filter_map(|pair| entry((&pair[0], &pair[1]))).collect()
                }
                _ => Vec::new(),
            }
        };
        Some(Self {
            by_cpu: list("by-cpu-time-us"),
            // With a sample ratio the keys' numbers are those of the commands that were sampled.
            cpu_usec: number(&["sampled-commands-selected-slots-us", "all-commands-all-slots-us"]),
            by_network: list("by-net-bytes"),
            network_bytes: number(&["net-bytes-sampled-commands-selected-slots", "net-bytes-all-commands-all-slots"]),
            duration_ms: number(&["collection-duration-ms"]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the command's documentation.
    fn documented() -> Reply {
        let keys = ["x", "y", "z"].into_iter().zip([104, 98, 18]);
        let keys = keys.flat_map(|(name, usec)| [Reply::from(name), Reply::from(usec)]).collect();
        Reply::Array(vec![
            "tracking-active".into(),
            1.into(),
            "sample-ratio".into(),
            1.into(),
            "selected-slots".into(),
            Reply::Array(vec![]),
            "all-commands-all-slots-us".into(),
            220.into(),
            "net-bytes-all-commands-all-slots".into(),
            200.into(),
            "collection-duration-ms".into(),
            6408.into(),
            "by-cpu-time-us".into(),
            Reply::Array(keys),
        ])
    }

    #[test]
    fn the_documented_answer_is_read() {
        for reply in [documented(), Reply::Array(vec![documented()])] {
            let hot = HotKeys::parse(&reply).expect("an answer");
            assert_eq!((hot.by_cpu[0].clone(), hot.cpu_usec, hot.duration_ms), ((b"x".to_vec(), 104), 220, 6408));
            assert_eq!((hot.by_network.len(), hot.network_bytes), (0, 200));
        }
        assert_eq!(HotKeys::parse(&Reply::Nil), None, "nobody has started it");
    }
}
