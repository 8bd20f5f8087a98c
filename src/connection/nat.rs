//! Addresses that stand for those that servers announce: between us and a cluster or a Sentinel group there may be a translation of
//! addresses (NAT, port forwarding) of which the servers know nothing.

use std::str::FromStr;
use std::sync::Arc;

use super::Address;

/// Which address is reached in place of an announced one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NatMap(Arc<[NatEntry]>);

/// A host, or one port of it, and what stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatEntry {
    from: (String, Option<u16>),
    to: (String, Option<u16>),
}

impl NatMap {
    /// A map of these entries; of two that fit the first counts.
    pub fn of(entries: Vec<NatEntry>) -> Self {
        Self(entries.into())
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where a server is reached that announces this address. An entry with a port is for that port alone; one without keeps the port.
    pub fn translated(&self, host: &str, port: u16) -> Address {
        let fits = |entry: &&NatEntry| {
            entry.from.0.eq_ignore_ascii_case(host) && entry.from.1.is_none_or(|announced| announced == port)
        };
        match self.0.iter().find(fits) {
            Some(NatEntry { to: (host, at), .. }) => Address::tcp(host.clone(), at.unwrap_or(port)),
            None => Address::tcp(host, port),
        }
    }

    /// The entries as they are typed.
    pub fn typed(&self) -> Vec<String> {
        let place = |(host, port): &(String, Option<u16>)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            port.map_or(host.clone(), |port| format!("{host}:{port}"))
        };
        self.0.iter().map(|entry| format!("{}={}", place(&entry.from), place(&entry.to))).collect()
    }
}

impl FromStr for NatEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "an entry is ANNOUNCED=REACHED, such as 10.0.0.1:7000=203.0.113.5:17000 or 10.0.0.1=203.0.113.5".to_owned()
        };
        let (from, to) = text.split_once('=').ok_or_else(wrong)?;
        let entry = Self { from: place(from).ok_or_else(wrong)?, to: place(to).ok_or_else(wrong)? };
        // A whole host behind one port would be one server only.
        if entry.from.1.is_none() && entry.to.1.is_some() { Err(wrong()) } else { Ok(entry) }
    }
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`.
fn place(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(|port| port.parse::<u16>()).transpose().ok()?;
    (!host.is_empty() && port != Some(0)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_address_becomes_the_one_that_can_be_reached() {
        let entries = ["10.0.0.1:7000=203.0.113.5:17000", "10.0.0.2=b.example", "[fd00::1]:7000=[::1]:7001"];
        let map = NatMap::of(entries.iter().map(|entry| entry.parse().expect("an entry")).collect());
        for (host, port, expected) in [
            ("10.0.0.1", 7000, "203.0.113.5:17000"),
            ("10.0.0.1", 7001, "10.0.0.1:7001"),
            ("10.0.0.2", 7002, "b.example:7002"),
            ("fd00::1", 7000, "[::1]:7001"),
        ] {
            assert_eq!(map.translated(host, port).to_string(), expected);
        }
        assert_eq!(map.typed(), entries);
        for wrong in ["", "a", "a=", "=b", "a:x=b", "a:0=b:1", "a=b:1", "[::1=b"] {
            assert!(wrong.parse::<NatEntry>().is_err(), "{wrong}");
        }
    }
}
