//! Single values as they are typed: times, sizes, labels, databases; and the names of every choice.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::capture::source::ReadFrom;
use crate::commands::bars::Mode;
use crate::commands::list::Since;
use crate::commands::{Format, backup, diagnose, verify};
use crate::printer::ColorChoice;
use crate::restore::replica::Advertise;
use crate::restore::{Asked, Existing, Method};
use crate::retention::{Span, UNLIMITED};
use crate::rules::Topic;

/// A span of time: `5s`, `100ms`, `26h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "a span of time is a number and a unit, such as 5s, 100ms, 26h or 7d".into())
}

/// A span of the calendar, in restic's spelling: `2y5m7d3h`.
pub fn span(text: &str) -> Result<Span, String> {
    text.parse()
}

/// From when on: a span of time before now, a day, or a moment: `7d`, `2026-11-01`, `2026-11-01T13:00:00Z`.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = humantime::parse_duration(text) {
        let begins = TimeDelta::from_std(time).ok().and_then(|time| Utc::now().checked_sub_signed(time));
        if begins.is_none() {
            return Err("the span is too long; use a shorter span, such as 7d".into());
        }
        return Ok(Since::Ago(time));
    }
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let moment = text.parse::<DateTime<Utc>>().ok().or_else(day);
    moment
        .map(Since::At)
        .ok_or_else(|| "write a span of time (7d), a day (2026-11-01) or a moment (2026-11-01T13:00:00Z)".into())
}

/// A moment: `2026-11-01T13:00:00Z`.
pub fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse().map_err(|_| "a moment is a date and a time with a zone, such as 2026-11-01T13:00:00Z".to_owned())
}

/// A replication id, or how one begins: hexadecimal digits.
pub fn replid(text: &str) -> Result<String, String> {
    let is_one = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "a replication id has 40 hexadecimal digits; its first ones are enough".to_owned())
}

/// A number of bytes: `4096`, `10MB` (decimal), `512KiB` or `512K` (binary); `/s` may follow where a rate is meant.
pub fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number and a unit, such as 4096, 10MB, 512KiB or 1.5GiB".to_owned();
    let size = text.trim().trim_end_matches("/s");
    let unit_at = size.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(size.len());
    let (number, unit) = size.split_at(unit_at);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor;
    // 2^53: up to here every whole number of bytes is exact.
    if bytes <= 9_007_199_254_740_992.0 { Ok(bytes.round() as u64) } else { Err("that is more than 8 PiB".into()) }
}

/// The lowest rate, bytes a second: a gigabyte takes 11 days by it.
const SLOWEST: u64 = 1000;

/// A rate in bytes per second, at least 1 kB.
pub fn rate(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("the rate must be more than 0".into()),
        // `50` was meant as something else.
        1..SLOWEST if text.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("the lowest rate is 1kB a second; with a unit: {0}MB, {0}MiB or {0}kB a second", text.trim()))
        }
        1..SLOWEST => Err("the lowest rate is 1kB a second".to_owned()),
        rate => Ok(rate),
    }
}

/// How many backups a rule keeps: a number, or `unlimited`.
pub fn keep(text: &str) -> Result<u64, String> {
    match text.trim() {
        "unlimited" => Ok(UNLIMITED),
        number => number.parse().map_err(|_| "expected a whole number or `unlimited`".to_owned()),
    }
}

/// A label, `K=V`.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write a label as NAME=VALUE".into()),
    }
}

/// A database of a backup, and the one of the target that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseMap {
    /// Its number in the backup.
    pub from: u32,
    /// Its number in the target.
    pub to: u32,
}

/// A database, or one and where it goes to: `3`, `3:0`.
pub fn database(text: &str) -> Result<DatabaseMap, String> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| "a database is a number, `3`, or two, `3:0`".to_owned());
    match text.split_once(':') {
        Some((from, to)) => Ok(DatabaseMap { from: number(from)?, to: number(to)? }),
        None => number(text).map(|from| DatabaseMap { from, to: from }),
    }
}

/// Where to listen: `10.0.0.5`, `10.0.0.5:7000`, `[::1]:7000`; without a port any free one.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<SocketAddr>().ok().or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, 0)));
    address.ok_or_else(|| "write an IP address, `10.0.0.5`, or an IP address and a port, `10.0.0.5:7000`".to_owned())
}

/// Where a target reaches us: `host`, `host:port`, `[::1]:7000`.
pub fn advertise(text: &str) -> Result<Advertise, String> {
    let wrong = || "write a host, `backup.example`, or a host and a port, `backup.example:7000`".to_owned();
    let (host, port) = match (text.parse::<IpAddr>(), text.rsplit_once(':')) {
        (Ok(address), _) => (address.to_string(), None),
        (Err(_), Some((host, port))) => {
            (host.trim_start_matches('[').trim_end_matches(']').to_owned(), Some(port.parse().map_err(|_| wrong())?))
        }
        (Err(_), None) => (text.to_owned(), None),
    };
    if host.is_empty() || port == Some(0) || host.chars().any(char::is_whitespace) {
        return Err(wrong());
    }
    Ok(Advertise { host, port })
}

/// How many of all backups are looked at: `10`, or `5%`.
pub fn sample(text: &str) -> Result<verify::Sample, String> {
    let wrong = || "use a number of backups from 1, such as `10`, or a share from 1% to 100%, such as `5%`".to_owned();
    let sample = match text.strip_suffix('%') {
        Some(share) => match share.trim().parse::<f64>() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => verify::Sample::Percent(percent),
            _ => return Err(wrong()),
        },
        None => match text.parse::<u64>() {
            Ok(number) if number > 0 => verify::Sample::Count(number),
            _ => return Err(wrong()),
        },
    };
    Ok(sample)
}

macro_rules! choices {
    ($($choice:ty $(where $nobody_types:ident)? { $($variant:ident = $name:literal, $help:literal;)* })*) => {
        $(impl ValueEnum for $choice {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }
            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($name).help($help),)*
                    $(Self::$nobody_types => return None,)?
                })
            }
        })*
    };
}

// What a command understands is the command's; what it is called on the command line is said here.
choices! {
    Format {
        Table = "table", "for people";
        Json = "json", "one JSON object";
        Ndjson = "ndjson", "one JSON object per line";
        Nagios = "nagios", "one line for Nagios and compatible monitors";
        Prometheus = "prometheus", "text format of Prometheus";
        Junit = "junit", "JUnit XML";
    }
    Mode {
        Auto = "auto", "a bar on a terminal, otherwise a line every ten seconds";
        Bar = "bar", "a bar";
        Plain = "plain", "a line every ten seconds";
        Json = "json", "one JSON object per line, every second";
        None = "none", "nothing";
    }
    ColorChoice {
        Auto = "auto", "on a terminal";
        Always = "always", "even into a pipe";
        Never = "never", "no colour";
    }
    crate::backup::Method {
        Auto = "auto", "replication, or scan if replication is not allowed";
        Replication = "replication", "full resync: the data is from a single moment";
        Scan = "scan", "key by key while clients write: the data is not from a single moment";
    }
    crate::backup::cluster::Consistent {
        Auto = "auto", "one moment if the servers allow it, otherwise one for each shard";
        Barrier = "barrier", "one moment, or no backup";
        None = "none", "a moment for each shard";
    }
    ReadFrom where Itself {
        Auto = "auto", "a replica if one is up to date, otherwise the primary";
        Replica = "replica", "a replica only";
        Primary = "primary", "the primary";
    }
    backup::Transfer {
        Auto = "auto", "as the server is configured";
        Disk = "disk", "the server writes an RDB file to its disk first, then sends the file";
        Diskless = "diskless", "the server streams from memory";
    }
    crate::restore::Ttl {
        Keep = "keep", "as in the backup";
        Shift = "shift", "later by the age of the backup";
        Strip = "strip", "no expiry";
    }
    verify::Level {
        Manifest = "manifest", "every object exists and has the right size";
        Checksum = "checksum", "manifest, and every object has the right checksum";
        Structure = "structure", "checksum, and the RDB is sound to its end and has the right key counts";
        Drill = "drill", "structure, and a throwaway server loads the backup";
    }
    verify::FailOn {
        Missing = "missing", "keys that exist only in the backup";
        Different = "different", "keys whose type, value or expiry differs, and functions";
        Extra = "extra", "keys that exist only on the other side";
        Any = "any", "any difference";
    }
    diagnose::FailOn {
        Warning = "warning", "exit 1 for a warning, 2 for a critical finding";
        Critical = "critical", "exit 2 for a critical finding, 0 for a warning";
        Never = "never", "exit 0 for every finding";
    }
    diagnose::Via {
        Commands = "commands", "a sample, or every key with --full";
        Replication = "replication", "every key, as a replica receives them";
    }
    diagnose::Sort {
        Clients = "clients", "clients with the most connections";
        Memory = "memory", "connections or key prefixes that use the most memory";
        Idle = "idle", "connections that have been idle longest";
        Output = "output", "connections with the largest output buffers";
        Time = "time", "slow commands by total time";
        Count = "count", "slow commands by number";
        Keys = "keys", "key prefixes with the most keys";
    }
    crate::health::Level {
        Live = "live", "answers PING";
        Ready = "ready", "live, not loading, persistence works, and a replica is linked to its primary";
        Writable = "writable", "ready, and accepts writes";
    }
}

impl ValueEnum for Asked {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Auto => "the fastest method that the plan allows",
            Self::Only(Method::Restore) => "pipelined RESTORE commands",
            Self::Only(Method::Replica) => "the target loads the RDB as a replica of redis-ops",
            Self::Only(Method::Commands) => "SET, HSET, … for an older target",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

/// What may stand behind `--on-conflict`. The other two are no words of it: the one is that nothing was typed, the other `--replace-all`.
impl ValueEnum for Existing {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::BY_KEY
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Fail => "refuse, and write nothing",
            Self::Skip => "keep the key in the target",
            Self::Replace => "overwrite the key in the target",
            Self::MustBeEmpty | Self::ReplaceAll => return None,
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for diagnose::Topic {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [diagnose::Topic; Topic::ALL.len() + 1] = {
            let mut all = [diagnose::Topic::All; Topic::ALL.len() + 1];
            let mut at = 0;
            while at < Topic::ALL.len() {
                all[at] = diagnose::Topic::One(Topic::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::One(Topic::Memory) => "memory use and waste",
            Self::One(Topic::Connections) => "clients, buffers and limits",
            Self::One(Topic::Keyspace) => "types, sizes, expiry, largest keys",
            Self::One(Topic::Persistence) => "RDB and AOF",
            Self::One(Topic::Replication) => "links, lag, backlog",
            Self::One(Topic::Security) => "users, passwords, exposure",
            Self::One(Topic::Patterns) => "locks, sessions, caches, queues, key names",
            Self::All => "everything",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_a_port_and_without() {
        for (text, host, port) in [
            ("backup.example", "backup.example", None),
            ("backup.example:7000", "backup.example", Some(7000)),
            ("10.0.0.5:7000", "10.0.0.5", Some(7000)),
            ("[::1]:7000", "::1", Some(7000)),
            ("::1", "::1", None),
        ] {
            assert_eq!(advertise(text), Ok(Advertise { host: host.into(), port }), "{text}");
        }
        assert!(["", ":7000", "host:", "host:0", "host:x", "a b"].iter().all(|text| advertise(text).is_err()));
        assert_eq!(listen("10.0.0.5").map(|address| address.to_string()), Ok("10.0.0.5:0".into()));
        assert_eq!(listen("[::1]:7000").map(|address| address.to_string()), Ok("[::1]:7000".into()));
        assert!(listen("backup.example").is_err());
    }

    #[test]
    fn sizes_are_read_in_every_usual_unit() {
        for (text, number) in [
            ("4096", 4096),
            ("10MB", 10_000_000),
            ("512KiB", 524_288),
            ("512K", 524_288),
            ("1.5GiB", 1_610_612_736),
            ("10 mb", 10_000_000),
            ("10MB/s", 10_000_000),
            ("0", 0),
        ] {
            assert_eq!(bytes(text), Ok(number), "{text}");
        }
        for text in ["", "MB", "-1", "1e3", "10XB", "1.2.3", "99999TiB", "nan", "inf"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(rate("0").is_err());
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(duration("26h"), Ok(Duration::from_secs(93_600)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert!(duration("5").is_err() && duration("5 parsecs").is_err() && duration("").is_err());
    }

    #[test]
    fn a_database_may_be_mapped() {
        assert_eq!(database("3"), Ok(DatabaseMap { from: 3, to: 3 }));
        assert_eq!(database("3:0"), Ok(DatabaseMap { from: 3, to: 0 }));
        assert!(database("a").is_err() && database("1:").is_err() && database("1:2:3").is_err());
    }

    #[test]
    fn labels_and_samples() {
        assert_eq!(label("reason=before=upgrade"), Ok(("reason".into(), "before=upgrade".into())));
        assert!(label("reason").is_err() && label("=x").is_err());
        assert_eq!(sample("10"), Ok(verify::Sample::Count(10)));
        assert_eq!(sample("5%"), Ok(verify::Sample::Percent(5.0)));
        assert!(sample("0").is_err() && sample("101%").is_err() && sample("-1%").is_err() && sample("x").is_err());
    }
}
