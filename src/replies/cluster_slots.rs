//! CLUSTER SLOTS: which primary serves which slots.

use super::Reply;

/// A range of slots, and the primary that serves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRange {
    /// The first slot.
    pub first: u16,
    /// The last slot, which belongs to the range.
    pub last: u16,
    /// Host of the primary; empty or `?` where it does not know its own.
    pub host: String,
    /// Port of the primary.
    pub port: u16,
    /// Node id of the primary; empty where the server does not say.
    pub id: String,
}

impl SlotRange {
    /// Parses an answer: ranges of a first slot, a last slot, and nodes, of which the first is the primary. What is no range is left
    /// out; `None`: the answer is no list.
    pub fn parse_list(reply: &Reply) -> Option<Vec<Self>> {
        let Reply::Array(ranges) = reply else { return None };
        let slot = |reply: &Reply| u16::try_from(reply.integer()?).ok();
        let range = |range: &Reply| {
            let [first, last, primary, ..] = range.items() else { return None };
            let [host, port, rest @ ..] = primary.items() else { return None };
            Some(Self {
                first: slot(first)?,
                last: slot(last)?,
                host: host.text().unwrap_or_default(),
                port: u16::try_from(port.integer()?).ok()?,
                id: rest.first().and_then(Reply::text).unwrap_or_default(),
            })
        };
        Some(ranges.iter().filter_map(range).collect())
    }

    /// How many slots they are.
    pub fn count(&self) -> u64 {
        if self.last < self.first { 0 } else { u64::from(self.last - self.first) + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_names_its_primary_and_what_is_no_range_is_left_out() {
        let node = |parts: Vec<Reply>| Reply::Array(parts);
        let reply = Reply::Array(vec![
            Reply::Array(vec![
                0.into(),
                5460.into(),
                node(vec!["10.0.0.1".into(), 7000.into(), "aa".into(), Reply::Array(vec![])]),
                node(vec!["10.0.0.2".into(), 7001.into(), "bb".into()]),
            ]),
            Reply::Array(vec![5461.into(), 5461.into(), node(vec![Reply::Nil, 7002.into()])]),
            Reply::Array(vec![5462.into(), 5470.into()]),
            Reply::Array(vec![5462.into(), 70_000.into(), node(vec!["x".into(), 1.into()])]),
            "odd".into(),
        ]);
        let ranges = SlotRange::parse_list(&reply).expect("a list");
        let seen: Vec<_> = ranges.iter().map(|r| (r.count(), r.host.as_str(), r.port, r.id.as_str())).collect();
        assert_eq!(seen, [(5461, "10.0.0.1", 7000, "aa"), (1, "", 7002, "")]);
        assert_eq!(SlotRange::parse_list(&Reply::Nil), None);
    }
}
