//! A sample that grows a few keys at a time: for somebody who watches a server and must not load it.

use std::collections::BTreeMap;

use super::asking::{Look, compact_limits, crashes_of_sizes};
use super::profiler::Profiler;
use super::{Basis, KeyspaceProfile};
use crate::explain::Result;
use crate::introspection::gate::{Ask, Gate};
use crate::introspection::ours::Ours;
use crate::replies::{Config, Database, Info};

/// Keys that were drawn at random, more of them with every round.
#[derive(Debug)]
pub struct GrowingSample {
    profiler: Profiler,
    /// Keys drawn from each database.
    drawn: BTreeMap<u32, u64>,
    /// The database that the connection is in.
    selected: Option<u32>,
    names: usize,
    name_bytes: usize,
    /// Keys there are.
    total: u64,
}

impl GrowingSample {
    /// A sample of no key. `now_ms` is Unix time in milliseconds.
    pub fn new(now_ms: u64, config: Option<&Config>) -> Self {
        Self {
            profiler: Profiler::new(now_ms, compact_limits(config)),
            drawn: BTreeMap::new(),
            selected: None,
            names: 0,
            name_bytes: 0,
            total: 0,
        }
    }

    /// Draws so many keys more; what that added to the server's counters. `info` says what databases there are.
    ///
    /// # Errors
    ///
    /// The connection broke, or the user may not draw keys or ask for their type.
    pub async fn grow(&mut self, asker: &mut dyn Ask, info: &Info, keys: usize) -> Result<Ours> {
        let databases = info.databases();
        self.total = databases.values().map(|database| database.keys).fold(0, u64::saturating_add);
        let mut gate = Gate::new(asker);
        let Some((index, database)) = self.furthest_behind(&databases) else { return Ok(gate.ours()) };
        let mut look = Look {
            gate: &mut gate,
            profiler: &mut self.profiler,
            met: &|_| {},
            // Groups of streams would take a command for each.
            streams: &mut Vec::new(),
            database: self.selected.unwrap_or(index),
            // Three commands of a key tell where the memory is. How long a key was not used would take a fourth.
            used: None,
            expires: database.expires > 0,
            sizes_later: crashes_of_sizes(info),
            name_bytes: self.name_bytes,
            // Nothing was met on this connection: its database is not known.
            names: if self.selected.is_some() { self.names } else { 0 },
            sizes_lack: None,
        };
        let drawn = look.draw_from(index, &database, keys).await;
        (self.names, self.name_bytes) = (look.names, look.name_bytes);
        self.selected = drawn.is_ok().then_some(index);
        drawn?;
        *self.drawn.entry(index).or_default() += keys as u64;
        Ok(gate.ours())
    }

    /// The connection is another one from now on.
    pub fn on_another_connection(&mut self) {
        self.selected = None;
    }

    /// What the keys drawn so far look like.
    pub fn profile(&self) -> KeyspaceProfile {
        self.profiler.clone().finish(Basis::Sample, self.total)
    }

    /// The database of which the fewest keys were drawn, measured by how many it has.
    fn furthest_behind(&self, databases: &BTreeMap<u32, Database>) -> Option<(u32, Database)> {
        let share = |(index, database): &(&u32, &Database)| {
            let drawn = self.drawn.get(*index).copied().unwrap_or(0);
            drawn as f64 / database.keys.max(1) as f64
        };
        let there = databases.iter().filter(|(_, database)| database.keys > 0);
        let behind = there.min_by(|one, other| share(one).total_cmp(&share(other)))?;
        Some((*behind.0, *behind.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_gives_as_many_keys_as_its_share() {
        let info = Info::parse("db0:keys=300,expires=0,avg_ttl=0\ndb4:keys=100,expires=0,avg_ttl=0\n");
        let mut sample = GrowingSample::new(0, None);
        for _ in 0..40 {
            let (index, _) = sample.furthest_behind(&info.databases()).expect("there are keys");
            *sample.drawn.entry(index).or_default() += 2;
        }
        assert_eq!(sample.drawn, BTreeMap::from([(0, 60), (4, 20)]));
    }

    #[test]
    fn an_empty_server_gives_no_key() {
        assert!(GrowingSample::new(0, None).furthest_behind(&BTreeMap::new()).is_none());
    }
}
