//! The way to the server: how long each phase of connecting took, and our own PINGs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wire {
    /// Name to address; `None` where the address was given, or over a Unix socket.
    pub dns_us: Option<u64>,
    /// TCP handshake: one round trip of the network, the server's event loop not involved.
    pub tcp_us: Option<u64>,
    pub tls_us: Option<u64>,
    /// HELLO, AUTH and what else a connection begins with.
    pub auth_us: Option<u64>,
    /// Times of PINGs in microseconds, ascending.
    pub pings_us: Vec<u64>,
    /// The same times without those in which we, and the server where it runs on our machine, waited for a processor.
    #[serde(default)]
    pub undelayed_us: Vec<u64>,
    /// How late we were woken between the PINGs, in microseconds, ascending: what this machine, not the server, adds to a PING.
    #[serde(default)]
    pub late_us: Vec<u64>,
    /// PINGs that were not answered in time.
    pub lost: u64,
}

impl Wire {
    /// Takes the times of PINGs in any order.
    pub fn set_pings(&mut self, times: &[Duration]) {
        self.pings_us = ascending(times);
    }

    /// Takes in any order what remains of the PINGs without waiting for a processor.
    pub fn set_undelayed(&mut self, times: &[Duration]) {
        self.undelayed_us = ascending(times);
    }

    /// Takes in any order how late we were woken.
    pub fn set_late(&mut self, times: &[Duration]) {
        self.late_us = ascending(times);
    }

    /// A percentile (0 to 100) of the PINGs by nearest rank; `None` without PINGs.
    pub fn percentile(&self, percentile: f64) -> Option<u64> {
        nearest_rank(&self.pings_us, percentile)
    }

    /// A percentile of the PINGs without what this machine has added to them; `None` without PINGs.
    pub fn percentile_of_the_rest(&self, percentile: f64) -> Option<u64> {
        let times = if self.undelayed_us.is_empty() { &self.pings_us } else { &self.undelayed_us };
        nearest_rank(times, percentile).map(|time| time.saturating_sub(self.late()))
    }

    /// The median of how late we were woken, in microseconds; 0 where that was not measured.
    pub fn late(&self) -> u64 {
        nearest_rank(&self.late_us, 50.0).unwrap_or(0)
    }
}

fn ascending(times: &[Duration]) -> Vec<u64> {
    let mut times: Vec<u64> = times.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).collect();
    times.sort_unstable();
    times
}

fn nearest_rank(ascending: &[u64], percentile: f64) -> Option<u64> {
    let count = ascending.len();
    let rank = (percentile / 100.0 * count as f64).ceil().clamp(1.0, count.max(1) as f64) as usize;
    ascending.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut wire = Wire::default();
        assert_eq!(wire.percentile(99.0), None);
        wire.set_pings(&(1..=100).rev().map(Duration::from_micros).collect::<Vec<_>>());
        assert_eq!(
            [0.0, 1.0, 50.0, 99.0, 100.0].map(|p| wire.percentile(p)),
            [Some(1), Some(1), Some(50), Some(99), Some(100)]
        );
        wire.set_pings(&[Duration::from_micros(7)]);
        assert_eq!((wire.percentile(50.0), wire.percentile(99.9)), (Some(7), Some(7)));
    }
}
