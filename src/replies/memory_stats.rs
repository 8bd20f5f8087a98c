//! MEMORY STATS: where the memory goes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Reply;

/// Its numbers by name (`overhead.total`, `db.0.overhead.hashtable.main`), in bytes or as ratios.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MemoryStats {
    values: BTreeMap<String, f64>,
}

impl MemoryStats {
    /// Parses an answer; what is no number is skipped, and databases get their name before their fields.
    pub fn parse(reply: &Reply) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in reply.pairs() {
            if let Some(number) = value.double() {
                values.insert(name, number);
                continue;
            }
            for (inner, value) in value.pairs() {
                if let Some(number) = value.double() {
                    values.insert(format!("{name}.{inner}"), number);
                }
            }
        }
        Self { values }
    }

    /// A number by name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// Bytes of the hash tables of all databases: keys and expiries.
    pub fn hash_tables(&self) -> u64 {
        let tables =
            self.values.iter().filter(|(name, _)| name.starts_with("db.") && name.contains(".overhead.hashtable."));
        tables.map(|(_, bytes)| bytes.max(0.0) as u64).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_read_in_both_protocols() {
        let database = vec!["overhead.hashtable.main".into(), 48.into(), "overhead.hashtable.expires".into(), 8.into()];
        let reply = Reply::Array(vec![
            "peak.allocated".into(),
            100.into(),
            "db.0".into(),
            Reply::Array(database),
            "fragmentation".into(),
            "1.25".into(),
            "odd".into(),
            Reply::Nil,
        ]);
        let stats = MemoryStats::parse(&reply);
        assert_eq!(stats.hash_tables(), 56);
        assert_eq!(stats.get("fragmentation"), Some(1.25));
        assert_eq!(stats.get("odd"), None);
    }
}
