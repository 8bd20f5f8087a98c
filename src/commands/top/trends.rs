//! How the numbers of a server went while somebody watched it.

use std::collections::VecDeque;

use crate::commands::sparkline::height;
use crate::diagnose::Report;
use crate::introspection::Snapshot;

/// Looks that are remembered: more than the widest screen shows.
const REMEMBERED: usize = 240;

/// One number over time, oldest first; `None`: it was not known.
#[derive(Debug, Clone, Default)]
pub struct Trend(VecDeque<Option<f64>>);

impl Trend {
    fn push(&mut self, value: Option<f64>) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(value);
    }

    /// The last numbers as small bars, in so many columns; what was not known is a gap.
    pub fn drawn(&self, columns: usize, from: From) -> String {
        let shown: Vec<Option<f64>> = self.0.iter().skip(self.0.len().saturating_sub(columns)).copied().collect();
        let known = || shown.iter().flatten().copied();
        let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
        let low = match from {
            From::Zero => 0.0,
            // A hundredth of the number is the least that looks like a change.
            From::Least => least.min(most * 0.99),
        };
        let bars: String = shown.iter().map(|number| number.map_or(' ', |number| height(number, low, most))).collect();
        format!("{bars:>columns$}")
    }
}

/// Where the lowest bar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At zero: the height is the number.
    Zero,
    /// At the least number shown: the height is the change.
    Least,
}

/// The numbers that are followed.
#[derive(Debug, Clone, Default)]
pub struct Trends {
    pub memory: Trend,
    pub keys: Trend,
    pub commands: Trend,
    pub hits: Trend,
    pub evicted: Trend,
    pub clients: Trend,
    pub blocked: Trend,
    pub net_in: Trend,
    pub net_out: Trend,
    pub errors: Trend,
    pub slow: Trend,
    pub behind: Trend,
    pub answer: Trend,
}

impl Trends {
    /// Adds what a look has shown.
    pub fn add(&mut self, report: &Report) {
        let snapshot = &report.snapshot;
        let number = |name: &str| snapshot.info.u64(name).map(|number| number as f64);
        let (memory, clients, blocked) =
            (number("used_memory"), number("connected_clients"), number("blocked_clients"));
        self.memory.push(memory);
        self.keys.push(Some(snapshot.keys_and_expires().0 as f64));
        self.commands.push(rate(snapshot, "total_commands_processed"));
        self.hits.push(hit_ratio(snapshot));
        self.evicted.push(rate(snapshot, "evicted_keys"));
        self.clients.push(clients);
        self.blocked.push(blocked);
        self.net_in.push(rate(snapshot, "total_net_input_bytes"));
        self.net_out.push(rate(snapshot, "total_net_output_bytes"));
        self.errors.push(rate(snapshot, "total_error_replies"));
        self.slow.push(snapshot.slowlog_gained.got().map(|gained| *gained as f64));
        self.behind.push(bytes_behind(snapshot).map(|bytes| bytes as f64));
        self.answer.push(Some(snapshot.receipt.longest_wait_seconds));
    }

    /// A look that gave no answer leaves a gap.
    pub fn add_gap(&mut self) {
        let all = [
            &mut self.memory,
            &mut self.keys,
            &mut self.commands,
            &mut self.hits,
            &mut self.evicted,
            &mut self.clients,
            &mut self.blocked,
            &mut self.net_in,
            &mut self.net_out,
            &mut self.errors,
            &mut self.slow,
            &mut self.behind,
            &mut self.answer,
        ];
        all.into_iter().for_each(|trend| trend.push(None));
    }
}

/// The growth of a counter per second since the last look.
pub fn rate(snapshot: &Snapshot, counter: &str) -> Option<f64> {
    snapshot.delta(counter).ok().map(|delta| delta.rate())
}

/// Hits of all lookups since the last look; `None` where there were none.
pub fn hit_ratio(snapshot: &Snapshot) -> Option<f64> {
    let hits = snapshot.delta("keyspace_hits").ok()?.amount;
    let lookups = hits.saturating_add(snapshot.delta("keyspace_misses").ok()?.amount);
    (lookups > 0).then(|| hits as f64 / lookups as f64)
}

/// By how many bytes the replica that is furthest behind is behind; `None` without replicas.
pub fn bytes_behind(snapshot: &Snapshot) -> Option<u64> {
    let offset = snapshot.info.u64("master_repl_offset")?;
    let behind = |own: u64| offset.saturating_sub(own);
    snapshot.server.replicas.iter().filter_map(|replica| replica.offset.map(behind)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(numbers: &[Option<f64>], columns: usize, from: From, drawn: &str) {
        let mut trend = Trend::default();
        numbers.iter().for_each(|number| trend.push(*number));
        assert_eq!(trend.drawn(columns, from), drawn);
    }

    #[test]
    fn the_newest_number_stands_at_the_right_and_a_gap_is_blank() {
        check(&[], 4, From::Zero, "    ");
        check(&[Some(7.0), None, Some(3.0)], 4, From::Zero, " █ ▄");
        check(&[Some(900.0), Some(1.0), Some(2.0)], 2, From::Zero, "▅█");
        check(&[Some(0.0), Some(0.0)], 3, From::Zero, " ▁▁");
    }

    #[test]
    fn from_the_least_number_a_small_change_is_seen_and_noise_is_not() {
        check(&[Some(1000.0), Some(1100.0)], 2, From::Least, "▁█");
        // A thousandth is less than the hundredth that the scale has at least.
        check(&[Some(999.0), Some(1000.0)], 2, From::Least, "▇█");
    }

    #[test]
    fn no_more_is_remembered_than_the_widest_screen_shows() {
        let mut trend = Trend::default();
        (0..1000).for_each(|number| trend.push(Some(f64::from(number))));
        assert_eq!((trend.0.len(), trend.0.back().copied().flatten()), (REMEMBERED, Some(999.0)));
    }
}
