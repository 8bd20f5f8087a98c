//! Says what is wrong with a server, in one screen.
//!
//! [`live`] takes a snapshot of a server, [`of_text`] reads what a person pasted, [`of_keys`] takes a profile of the keys of a backup;
//! the rules are the same. The result is a [`Report`]: findings, what was skipped and why, facts, and one sentence.

mod facts;
mod grounds;
mod history;
mod others;
mod verdict;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use facts::{Fact, Shown, facts, object};
pub use history::{History, Remembered};
pub use verdict::{plain, sentence, sentence_with};
pub use watch::Watch;

use crate::connection::{Address, Connection, Node};
use crate::explain::{Context as _, Fault, Result, Status};
use crate::finding::Severity;
use crate::introspection::keyspace::{KeyspaceProfile, Pass};
use crate::introspection::{
    self, Earlier, LeftBehind, Mode, NodeRole, Ours, Part, Path, Question, Record, SentinelMet, Snapshot, wire_of,
};
use crate::pasted::{self, NotUnderstood, Unreadable};
use crate::progress::{Progress, Unit};
use crate::replies::Info;
use crate::rules::{self, Judgement, Profile, RuleSettings, Topic};

/// Keys drawn for a sample at most, where sizes differ so much that no fewer are sure.
pub const SAMPLE: u64 = 10_000;

/// How to diagnose.
#[derive(Debug, Clone)]
pub struct Options {
    pub topics: Vec<Topic>,
    /// Between two readings of the counters; zero: one reading.
    pub window: Duration,
    /// Every key rather than a sample.
    pub full: bool,
    /// What a person says about the rules.
    pub rules: RuleSettings,
    pub now: DateTime<Utc>,
    /// Where restores write down what they change on a target.
    pub restores: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was looked at.
    pub snapshot: Snapshot,
    /// What the rules say.
    pub judgement: Judgement,
    /// What the server is taken for, and whether somebody said so.
    pub profile: (Profile, bool),
    pub topics: Vec<Topic>,
    /// Where the snapshot was read from a text: what that text held.
    pub text: Option<OfText>,
}

/// What a text held of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct OfText {
    /// Where the server is, if the text tells.
    pub address: Option<String>,
    /// The answers that were read: `INFO (memory)`, `CLIENT LIST of 40`.
    pub read: Vec<String>,
    /// Lines of the whole text that nobody understood.
    pub not_understood: NotUnderstood,
    /// Most of the text was not understood: nothing in it is good on the strength of the rest.
    pub mostly_dark: bool,
    /// Topics that the text does not tell enough of, and what is missing for each.
    pub not_looked_at: Vec<(Topic, String)>,
}

impl Report {
    fn new(snapshot: Snapshot, options: &Options) -> Self {
        let judgement = rules::examine(&snapshot, &options.topics, &options.rules);
        let profile = (options.rules.profile_of(&snapshot), options.rules.profile.is_some());
        Self { snapshot, judgement, profile, topics: options.topics.clone(), text: None }
    }

    /// The worst finding as an answer; could not tell where no rule could be judged.
    pub fn status(&self) -> Status {
        match self.judgement.findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Status::Failed,
            Some(Severity::Warning) => Status::Warning,
            _ if !self.is_enough() => Status::Unknown,
            Some(Severity::Info) => Status::Ok,
            None if self.judgement.passed.is_empty() => Status::Unknown,
            None => Status::Ok,
        }
    }

    /// Why no key could be looked at, where all that was asked is about keys.
    pub(super) fn keys_denied(&self) -> Option<&str> {
        match &self.snapshot.keyspace {
            Part::Denied(why) if self.topics.iter().all(|topic| topic.looks_at_keys()) => Some(why),
            _ => None,
        }
    }

    /// Whether an all-clear has something to rest on.
    fn is_enough(&self) -> bool {
        self.keys_denied().is_none()
            && self.text.as_ref().is_none_or(|text| !text.mostly_dark && text.not_looked_at.len() < self.topics.len())
    }
}

/// Diagnoses a server. `past` is what earlier runs saw; `keys` is what its keys look like, where somebody has looked already;
/// `backup_age` is how old its last backup is in seconds, found out at the same time; `tell` hears what looking at the keys will
/// cost, before it is done, and `progress` how far it is.
///
/// # Errors
///
/// There is no connection, it broke, or INFO is refused.
pub async fn live(
    node: &Node,
    options: &Options,
    past: &Past<'_>,
    keys: Option<KeyspaceProfile>,
    backup_age: impl Future<Output = Part<Option<u64>>>,
    tell: &(dyn Fn(Forecast) + Send + Sync),
    progress: &dyn Progress,
) -> Result<Report> {
    let asked = async {
        // Before we queue up ourselves: what waits now waits because the server does not come round to it.
        let waiting = waiting(node);
        let mut connection = node.connect_even_while_loading().await?;
        let mut snapshot = snapshot(&mut connection, node, options, past).await?;
        if let Part::Got(host) = &mut snapshot.host {
            host.waiting_connections = waiting.max(self::waiting(node));
        }
        let server = &snapshot.server;
        // One topic judges Sentinels themselves. An all-clear of the others would be none of the server that was meant.
        if let Some(met) = SentinelMet::of(node, server).filter(|_| options.topics != [Topic::Replication]) {
            return Err(met.into());
        }
        if let Some(restores) = &options.restores {
            snapshot.restore = Record::running(restores, &server.run_id).await;
        }
        let server = &snapshot.server;
        snapshot.left_behind = Part::Got(LeftBehind::recognise(server, options.restores.as_deref()).await);
        // In a cluster a replica sends everybody who asks for a key to its primary.
        if snapshot.server.mode == Mode::Cluster && snapshot.server.role == NodeRole::Replica && pass(options).is_some()
        {
            connection = Node { reads_replica: true, ..node.clone() }.connect_even_while_loading().await?;
        }
        Ok::<_, Fault>((connection, snapshot))
    };
    let ((mut connection, mut snapshot), age) = tokio::try_join!(asked, async { Ok(backup_age.await) })?;
    snapshot.backup_age_seconds = age;
    match (keys, pass(options)) {
        (Some(keys), _) => snapshot.keyspace = Part::Got(keys),
        (None, Some(pass)) => {
            tell(Forecast::of(pass, &snapshot));
            if pass == Pass::Full {
                progress.phase("looking at keys", Unit::Keys, Some(snapshot.keys_and_expires().0));
            }
            introspection::look_at_keys(&mut connection, pass, &mut snapshot, &|keys| progress.advance(keys)).await;
        }
        (None, None) => {}
    }
    others::ask(node, &options.topics, &mut snapshot).await;
    Ok(Report::new(snapshot, options))
}

/// Diagnoses a server by one look at it: without its past, and without asking other servers.
///
/// # Errors
///
/// As [`live`].
pub async fn alone(
    node: &Node,
    options: &Options,
    backup_age: impl Future<Output = Part<Option<u64>>>,
) -> Result<Report> {
    let mut connection = node.connect_even_while_loading().await?;
    let mut snapshot = snapshot(&mut connection, node, options, &Past::default()).await?;
    snapshot.backup_age_seconds = backup_age.await;
    Ok(Report::new(snapshot, options))
}

/// Connections that wait at the port of a server on this machine.
fn waiting(node: &Node) -> Option<u64> {
    let Address::Tcp { port, .. } = &node.address else { return None };
    path_to(node).local.then(|| introspection::waiting_at(*port)).flatten()
}

/// How the keys are looked at, if a topic needs that.
fn pass(options: &Options) -> Option<Pass> {
    let wanted = options.topics.iter().any(|topic| topic.looks_at_keys());
    wanted.then_some(if options.full { Pass::Full } else { Pass::Sample(SAMPLE) })
}

/// What looking at the keys will cost the server, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Keys to be looked at.
    pub keys: u64,
    /// Keyspace hits that this adds to its statistics.
    pub keyspace_hits: u64,
}

impl Forecast {
    /// TYPE, OBJECT IDLETIME and PTTL of each key, and length and encoding of collections.
    const HITS_OF_A_KEY: u64 = 5;

    fn of(pass: Pass, snapshot: &Snapshot) -> Self {
        let (total, _) = snapshot.keys_and_expires();
        let keys = match pass {
            Pass::Sample(most) => total.min(most),
            Pass::Full => total,
        };
        Self { keys, keyspace_hits: keys.saturating_mul(Self::HITS_OF_A_KEY) }
    }
}

/// What earlier runs saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past<'a> {
    /// The run whose counters are compared with, instead of a reading before the window.
    pub compared: Option<&'a Remembered>,
    /// All runs, oldest first.
    pub runs: &'a [Remembered],
}

async fn snapshot(connection: &mut Connection, node: &Node, options: &Options, past: &Past<'_>) -> Result<Snapshot> {
    let phases = wire_of(connection.phases());
    let about_connections = options.topics.contains(&Topic::Connections);
    let asking = introspection::Options {
        questions: questions(&options.topics),
        pings: about_connections,
        pauses: options.full && path_to(node).local && about_connections,
        window: options.window,
        now: options.now,
        path: path_to(node),
    };
    let mut snapshot =
        introspection::take(connection, &asking, phases).await.context("cannot read the state of the server")?;
    let before = past.runs.iter().filter_map(|run| run.prefixes_before(snapshot.taken_at)).collect::<Vec<_>>();
    snapshot.prefixes_before = if before.is_empty() { Part::NotAsked } else { Part::Got(before) };
    if let Some(remembered) = past.compared {
        let seconds = (snapshot.taken_at - remembered.taken_at).num_milliseconds() as f64 / 1000.0;
        snapshot.earlier = Some(Earlier {
            seconds,
            info: remembered.info.clone(),
            cluster: remembered.cluster.clone(),
            ours: Ours::default(),
        });
        // The slow log was not remembered; its gain is that of the window, and would be taken for that of hours.
        snapshot.slowlog_gained = Part::NotAsked;
    }
    Ok(snapshot)
}

/// What the rules of the topics need, and nothing more.
fn questions(topics: &[Topic]) -> Vec<Question> {
    rules::all().filter(|rule| topics.contains(&rule.topic)).flat_map(|rule| rule.asks).copied().collect()
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

/// Diagnoses what a person pasted: a report for each server in it.
///
/// # Errors
///
/// The text is too long, or nothing in it was understood.
pub fn of_text<B: AsRef<[u8]>>(texts: &[B], options: &Options) -> Result<Vec<Report>, Unreadable> {
    let pasted = pasted::read(texts, options.now)?;
    let mostly_dark = pasted.not_understood.lines > pasted.understood;
    let report = |server: pasted::Server| {
        let mut report = Report::new(server.snapshot, options);
        report.text = Some(OfText {
            address: server.address,
            read: server.read,
            not_understood: pasted.not_understood.clone(),
            mostly_dark,
            not_looked_at: grounds::not_looked_at(&report.snapshot, &options.topics),
        });
        report
    };
    Ok(pasted.servers.into_iter().map(report).collect())
}

/// Diagnoses the keys of a backup or a file. `info` is what INFO would have said, as far as is known.
pub fn of_keys(profile: KeyspaceProfile, info: Info, options: &Options) -> Report {
    let mut snapshot = Snapshot::from_info(info, options.now);
    snapshot.keyspace = Part::Got(profile);
    Report::new(snapshot, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What no server says, and what one that counts for long enough may.
    const WILD: [&str; 9] = [
        "",
        "-1",
        "9223372036854775808",
        "18446744073709551615",
        "99999999999999999999999",
        "nan",
        "-inf",
        "keys=18446744073709551615,expires=18446744073709551615,avg_ttl=-1",
        "\u{202e}\u{1b}[2J=,=,",
    ];

    /// Judges two readings, and says all that there is to say.
    fn everything(before: &Info, now: &Info) {
        let options = Options {
            topics: Topic::ALL.to_vec(),
            window: Duration::ZERO,
            full: false,
            rules: RuleSettings::default(),
            now: DateTime::from_timestamp(1_800_000_000, 0).expect("a moment"),
            restores: None,
        };
        let mut snapshot = Snapshot::from_info(now.clone(), options.now);
        snapshot.earlier = Some(Earlier { seconds: 1.0, info: before.clone(), cluster: None, ours: Ours::default() });
        let report = Report::new(snapshot, &options);
        for topic in Topic::ALL {
            let _ = object(&facts(&report.snapshot, topic));
        }
        assert!(!sentence(&report).is_empty());
        assert_eq!(
            report.judgement.findings.len() + report.judgement.passed.len() + report.judgement.skipped.len(),
            rules::all().count(),
            "each rule has spoken once"
        );
    }

    #[test]
    fn a_topic_asks_what_its_rules_read_and_nothing_more() {
        use std::collections::BTreeSet;
        for (topic, expected) in [
            (Topic::Memory, &[Question::Clients, Question::Config] as &[_]),
            (
                Topic::Connections,
                &[
                    Question::Config,
                    Question::Clients,
                    Question::Slowlog,
                    Question::Latency,
                    Question::LargeReplies,
                    Question::Denied,
                ],
            ),
            (
                Topic::Keyspace,
                &[Question::Slowlog, Question::Nodes, Question::KeysAtSlots, Question::Slots, Question::HotKeys],
            ),
            (Topic::Persistence, &[Question::Config, Question::Latency, Question::Backup]),
            (Topic::Replication, &[Question::Config, Question::Cluster, Question::Nodes, Question::Migrations]),
            (Topic::Security, &[Question::Config, Question::Clients, Question::DefaultUser]),
            (Topic::Patterns, &[Question::Config, Question::Clients]),
        ] {
            let asked: BTreeSet<Question> = questions(&[topic]).into_iter().collect();
            assert_eq!(asked, expected.iter().copied().collect(), "{topic:?}");
        }
    }

    #[test]
    fn no_line_of_any_versions_info_is_needed_or_trusted() {
        for (name, each_line) in [
            ("redis-6.2.14", true),
            ("redis-7.0.15", false),
            ("redis-8.0.6", true),
            ("valkey-8.0.1", false),
            ("valkey-8.1.1", false),
            ("valkey-9.1.2", true),
        ] {
            let file = format!("{}/tests/fixtures/info/{name}.txt", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(file).expect("a captured INFO");
            let whole = Info::parse(&text);
            let lines: Vec<&str> = text.lines().collect();
            // What the versions between them have, one of these has too.
            for (at, line) in lines.iter().enumerate().filter(|_| each_line) {
                let Some((field, _)) = line.split_once(':') else { continue };
                let wild = WILD[at % WILD.len()];
                let replaced = |with: Option<String>| {
                    let others = lines.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, line)| *line);
                    Info::parse(&with.iter().map(String::as_str).chain(others).collect::<Vec<_>>().join("\n"))
                };
                let (without, wild) = (replaced(None), replaced(Some(format!("{field}:{wild}"))));
                everything(&whole, &without);
                everything(&without, &whole);
                everything(&whole, &wild);
                everything(&wild, &whole);
            }
            // All of them at once, one wild value after the other.
            for wild in WILD {
                let all: Vec<String> =
                    lines.iter().filter_map(|line| Some(format!("{}:{wild}", line.split_once(':')?.0))).collect();
                let all = Info::parse(&all.join("\n"));
                everything(&whole, &all);
                everything(&all, &whole);
                everything(&all, &all);
            }
        }
    }
}
