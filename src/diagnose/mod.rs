//! Says what is wrong with a server, in one screen.
//!
//! [`live`] takes a snapshot of a server, [`of_info`] reads a pasted INFO, [`of_keys`] takes a profile of the keys of a backup;
//! the rules are the same. The result is a [`Report`]: findings, what was skipped and why, facts, and one sentence.

mod facts;
mod file;
mod history;
mod verdict;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};

pub use facts::{Fact, Shown, facts, object};
pub use file::profile_of_rdb;
pub use history::{History, Remembered};
pub use verdict::{plain, sentence, sentence_with};

use crate::connection::{Address, Connection, Node};
use crate::finding::Severity;
use crate::introspection::keyspace::{KeyspaceProfile, Pass};
use crate::introspection::{self, Earlier, Part, Path, Snapshot, Wanted, wire_of};
use crate::replies::Info;
use crate::rules::{self, Judgement, Profile, RuleSettings, Topic};
use crate::status::Status;

/// Keys drawn for a sample: a share of 1 % is then sure to within 0.3 %.
pub const SAMPLE: u64 = 5000;

/// How to diagnose.
#[derive(Debug, Clone)]
pub struct Options {
    /// What about.
    pub topics: Vec<Topic>,
    /// Between two readings of the counters; zero: one reading.
    pub window: Duration,
    /// Every key rather than a sample.
    pub full: bool,
    /// What a person says about the rules.
    pub rules: RuleSettings,
    /// The clock.
    pub now: DateTime<Utc>,
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// What was looked at.
    pub snapshot: Snapshot,
    /// What the rules say.
    pub judgement: Judgement,
    /// What the server is taken for, and whether somebody said so.
    pub profile: (Profile, bool),
    /// The topics.
    pub topics: Vec<Topic>,
}

impl Report {
    fn new(snapshot: Snapshot, options: &Options) -> Self {
        let judgement = rules::examine(&snapshot, &options.topics, &options.rules);
        let profile = (options.rules.profile_of(&snapshot), options.rules.profile.is_some());
        Self { snapshot, judgement, profile, topics: options.topics.clone() }
    }

    /// The worst finding as an answer; could not tell where no rule could be judged.
    pub fn status(&self) -> Status {
        match self.judgement.findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Status::Failed,
            Some(Severity::Warning) => Status::Warning,
            Some(Severity::Info) => Status::Ok,
            None if self.judgement.passed.is_empty() => Status::Unknown,
            None => Status::Ok,
        }
    }
}

/// Diagnoses a server. `remembered` is an earlier reading to compare with instead of that of the window; `backup_age` is how old
/// its last backup is in seconds, found out at the same time.
///
/// # Errors
///
/// There is no connection, it broke, or INFO is refused.
pub async fn live(
    node: &Node,
    options: &Options,
    remembered: Option<&Remembered>,
    backup_age: impl Future<Output = Part<Option<u64>>>,
) -> Result<Report> {
    let asked = async {
        let mut connection = node.connect_even_while_loading().await?;
        snapshot(&mut connection, node, options, remembered).await
    };
    let (mut snapshot, age) = tokio::try_join!(asked, async { Ok(backup_age.await) })?;
    snapshot.backup_age_seconds = age;
    Ok(Report::new(snapshot, options))
}

async fn snapshot(
    connection: &mut Connection,
    node: &Node,
    options: &Options,
    remembered: Option<&Remembered>,
) -> Result<Snapshot> {
    let phases = wire_of(connection.phases());
    let asking = introspection::Options {
        wanted: wanted(options),
        window: options.window,
        now: options.now,
        path: path_to(node),
    };
    let mut snapshot = introspection::take(connection, &asking, phases).await.context("take a snapshot")?;
    if let Some(remembered) = remembered {
        let seconds = (snapshot.taken_at - remembered.taken_at).num_milliseconds() as f64 / 1000.0;
        snapshot.earlier = Some(Earlier { seconds, info: remembered.info.clone() });
        // The slow log was not remembered; its gain is that of the window, and would be taken for that of hours.
        snapshot.slowlog_gained = Part::NotAsked;
    }
    Ok(snapshot)
}

/// What the topics need, and nothing more.
fn wanted(options: &Options) -> Wanted {
    let about = |topics: &[Topic]| topics.iter().any(|topic| options.topics.contains(topic));
    Wanted {
        clients: about(&[Topic::Memory, Topic::Connections, Topic::Patterns, Topic::Security]),
        slow: about(&[Topic::Connections]),
        memory: about(&[Topic::Memory]),
        users: about(&[Topic::Security]),
        refusals: about(&[Topic::Connections]),
        pings: about(&[Topic::Connections]),
        keys: about(&[Topic::Keyspace, Topic::Patterns]).then_some(if options.full {
            Pass::Full
        } else {
            Pass::Sample(SAMPLE)
        }),
    }
}

fn path_to(node: &Node) -> Path {
    let (local, private) = match &node.address {
        Address::Unix { .. } => (true, true),
        Address::Tcp { host, .. } => match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(ip)) => {
                (ip.is_loopback(), ip.is_loopback() || ip.is_private() || ip.is_link_local())
            }
            Ok(std::net::IpAddr::V6(ip)) => {
                (ip.is_loopback(), ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
            }
            // A name says little; one without a dot, or of a cluster's own zone, is not the internet's.
            Err(_) => {
                let inside = !host.contains('.')
                    || host.ends_with(".local")
                    || host.ends_with(".svc")
                    || host.ends_with(".internal");
                (host == "localhost", host == "localhost" || inside)
            }
        },
        Address::Sentinel { .. } => (false, true),
    };
    Path { local, private, tls: node.tls.is_some() }
}

/// Diagnoses a pasted INFO.
///
/// # Errors
///
/// The text holds no field of INFO.
pub fn of_info(text: &[u8], options: &Options) -> Result<Report> {
    let info = Info::from_bytes(text);
    ensure!(info.get("redis_version").is_some() || info.get("used_memory").is_some(), "this is no reply to INFO");
    // The moment it was taken, if it tells: ages are counted from there.
    let micros = info.i64("server_time_usec");
    let taken_at = micros.and_then(DateTime::from_timestamp_micros).unwrap_or(options.now);
    Ok(Report::new(Snapshot::from_info(info, taken_at), options))
}

/// Diagnoses the keys of a backup or a file.
pub fn of_keys(profile: KeyspaceProfile, options: &Options) -> Report {
    let mut snapshot = Snapshot::from_info(Info::default(), options.now);
    snapshot.keyspace = Part::Got(profile);
    Report::new(snapshot, options)
}
