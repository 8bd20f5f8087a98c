//! What a retention policy says, and what it comes to for a list of backups. Nothing here asks a store or a clock: a list and a policy go
//! in, a verdict and its reasons for each backup come out.
//!
//! The keep rules are restic's: each looks at the backups from the newest to the oldest and keeps the newest of each hour, day, week
//! (ISO 8601), month or year, until it has kept as many as it may; a rule that has not kept as many by then keeps the oldest as well.
//! `keep_within` counts back from the newest backup, not from today, so that an instance that is no longer backed up loses nothing.
//! All times are UTC, in which no hour comes twice.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};

use super::span::Span;
use crate::figures::span;
use crate::repository::{BackupId, BegunBy, State};

/// So long a safety backup lives, unless the policy says another time: seven days.
pub const SAFETY: Duration = Duration::from_secs(7 * 24 * 3600);

/// A rule that keeps as many as there are.
pub const UNLIMITED: u64 = u64::MAX;

/// Which backups of an instance are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The newest so many; [`UNLIMITED`] of this and the next are all.
    pub last: u64,
    /// The newest of each of so many hours that have one, and so on.
    pub hourly: u64,
    pub daily: u64,
    /// Weeks begin on Monday.
    pub weekly: u64,
    pub monthly: u64,
    pub yearly: u64,
    /// All that are younger than the newest by no more than this.
    pub within: Option<Span>,
    /// How long a safety backup lives.
    pub safety: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: None, safety: SAFETY }
    }
}

/// A rule of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    Last,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
    Within,
}

impl Rule {
    /// The rules that count, in the order in which reasons are given.
    const COUNTING: [Self; 6] = [Self::Last, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// The word of the rule, as in `keep_daily`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
            Self::Within => "within",
        }
    }

    /// What two backups have in common of which only one is kept; `place` is where the backup stands, the newest first.
    fn bucket(self, time: DateTime<Utc>, place: usize) -> (i32, u32) {
        match self {
            Self::Last | Self::Within => (0, u32::try_from(place).unwrap_or(u32::MAX)),
            Self::Hourly => (time.year(), time.ordinal() * 24 + time.hour()),
            Self::Daily => (time.year(), time.ordinal()),
            Self::Weekly => (time.iso_week().year(), time.iso_week().week()),
            Self::Monthly => (time.year(), time.month()),
            Self::Yearly => (time.year(), 0),
        }
    }
}

impl Policy {
    /// How many a counting rule keeps.
    pub fn count(&self, rule: Rule) -> u64 {
        match rule {
            Rule::Last => self.last,
            Rule::Hourly => self.hourly,
            Rule::Daily => self.daily,
            Rule::Weekly => self.weekly,
            Rule::Monthly => self.monthly,
            Rule::Yearly => self.yearly,
            Rule::Within => 0,
        }
    }

    /// Whether no rule keeps anything: that is no policy, but a typing error.
    pub fn keeps_nothing(&self) -> bool {
        self.within.is_none_or(|within| within.is_zero())
            && Rule::COUNTING.into_iter().all(|rule| self.count(rule) == 0)
    }
}

/// `last 3, daily 7, within 2 days; safety backups for 7 d`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = Rule::COUNTING.into_iter().filter(|rule| self.count(*rule) > 0);
        let mut words: Vec<String> = counted
            .map(|rule| match self.count(rule) {
                UNLIMITED => format!("{} unlimited", rule.name()),
                count => format!("{} {count}", rule.name()),
            })
            .collect();
        words.extend(self.within.map(|within| format!("within {within}")));
        write!(f, "{}; safety backups for {}", words.join(", "), span(self.safety))
    }
}

/// A backup as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub id: BackupId,
    /// What is in it.
    pub state: State,
    /// A safety backup: it counts for no rule.
    pub safety: bool,
    /// The slots of a backup that holds a part of a cluster only, and whether it is of no one moment: such a backup stands for no
    /// other. Empty: the whole, at one moment.
    pub part: String,
    /// A verification has found it good.
    pub verified: bool,
    /// Who holds it.
    pub holds: Vec<Hold>,
}

/// Who holds a backup, whatever a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// A pin, by its name.
    Pinned(String),
    /// A running restore.
    BeingRead(BegunBy),
    /// A restore that was killed within the last day: it may be resumed. Who names the backup may have it removed all the same.
    Interrupted(BegunBy),
    /// Something that cannot do without it, in its own words.
    NeededBy(String),
    /// The way to it goes over a symbolic link.
    Elsewhere,
    /// This name in its folder is a symbolic link: what is behind it may be the only copy, and of another backup as well.
    Linked(String),
    /// Its manifest is that of another backup, which it names.
    OfAnother(String),
    /// Another backup was published under its id after the plan was made.
    Replaced,
    /// Nothing proves that a backup was begun in the folder.
    Foreign,
    /// It lacks nothing but its manifest.
    Complete,
    /// A process is at work on it.
    AtWork,
    /// A receipt or a pin of it cannot be read: nobody knows whether it is the one that was verified.
    Unread,
}

impl Hold {
    /// Whether nobody knows, for this reason, that the backup has bytes of its own that are good.
    fn is_doubt(&self) -> bool {
        matches!(self, Self::Unread | Self::Linked(_))
    }
}

/// In a few words.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(name) => write!(f, "pinned ({name})"),
            // The mark was gone when it was to be read.
            Self::BeingRead(by) if by.pid == 0 => f.write_str("being read a moment ago"),
            Self::BeingRead(by) => write!(f, "being read by pid {} on {}", by.pid, by.host),
            Self::Interrupted(by) => {
                write!(
                    f,
                    "read by an interrupted restore (pid {} on {}): kept for a day for `--resume`",
                    by.pid, by.host
                )
            }
            Self::NeededBy(what) => write!(f, "needed by {what}"),
            Self::Elsewhere => f.write_str("behind a symbolic link"),
            Self::Linked(name) => write!(f, "held: `{name}` in its folder is a symbolic link"),
            Self::OfAnother(other) => write!(f, "in the folder of another backup: its manifest is that of {other}"),
            Self::Replaced => f.write_str("another backup was published under this id meanwhile"),
            Self::Foreign => f.write_str("may not be from redis-ops: it has no matching begun.json"),
            Self::AtWork => f.write_str("in use: another process is working on it"),
            Self::Unread => f.write_str("kept: a receipt or pin of this backup cannot be read"),
            Self::Complete => {
                f.write_str("complete except for its manifest: it may be the only copy; `delete ID --last` removes it")
            }
        }
    }
}

/// Why a backup is kept or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A rule keeps it.
    Rule(Rule),
    /// A rule that may keep more than there are keeps the oldest.
    Oldest(Rule),
    /// A safety backup that is young enough.
    YoungSafety,
    /// Somebody or something holds it.
    Held(Hold),
    /// None that was proven good is newer.
    NewestVerified,
    /// None whose structure is sound is newer.
    NewestSound,
    /// It is the newest of its instance, and without it there would be none.
    Last,
    /// It is known to be damaged, and may be the only copy.
    Damaged,
    /// Its manifest cannot be read just now.
    Unreadable,
    /// The clock that named it was ahead: nobody knows how old it is.
    OfTheFuture,
    /// No rule keeps it.
    NoRule,
    /// A safety backup that has had its time.
    OldSafety,
}

impl Why {
    /// Whether the backup stays for this reason.
    pub fn keeps(&self) -> bool {
        !matches!(self, Self::NoRule | Self::OldSafety)
    }

    /// Whether it must not be removed for this reason, even by somebody who names it.
    pub fn forbids(&self) -> bool {
        if matches!(self, Self::Held(Hold::Interrupted(_))) {
            return false;
        }
        matches!(self, Self::Held(_) | Self::NewestVerified | Self::NewestSound | Self::Last)
    }

    /// Whether the removal of other backups rests on it that the backup stays for this reason: without it another one would stay.
    pub fn stands_for_others(&self) -> bool {
        match self {
            Self::Rule(_) | Self::Oldest(_) | Self::NewestVerified | Self::NewestSound | Self::Last => true,
            Self::YoungSafety
            | Self::Held(_)
            | Self::Damaged
            | Self::Unreadable
            | Self::OfTheFuture
            | Self::NoRule
            | Self::OldSafety => false,
        }
    }

    /// Whether who names the backup may have it removed all the same.
    pub fn may_be_overruled(&self) -> bool {
        !matches!(self, Self::Held(hold) if *hold != Hold::Unread)
    }
}

/// In a few words, as tables and JSON show it.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => f.write_str(rule.name()),
            Self::Oldest(rule) => write!(f, "oldest {}", rule.name()),
            Self::YoungSafety => f.write_str("recent safety backup"),
            Self::Held(hold) => hold.fmt(f),
            Self::NewestVerified => f.write_str("newest verified"),
            Self::NewestSound => f.write_str("newest sound"),
            Self::Last => f.write_str("last of its instance"),
            Self::Damaged => f.write_str("damaged, and it may be the only copy"),
            Self::Unreadable => f.write_str("manifest unreadable"),
            Self::OfTheFuture => f.write_str("dated in the future"),
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::OldSafety => f.write_str("old safety backup"),
        }
    }
}

/// What becomes of a backup: it is kept if one of the reasons keeps it. There is always one reason at least.
pub type Verdict = Vec<Why>;

/// Whether a backup with these reasons is kept.
pub fn keeps(verdict: &[Why]) -> bool {
    verdict.iter().any(Why::keeps)
}

/// Judges the backups of one instance, in any order: a verdict for each, in the same order. `now` decides how old safety backups are, and
/// which backups are dated in the future.
pub fn judge(backups: &[Candidate], policy: &Policy, now: DateTime<Utc>) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = vec![Vec::new(); backups.len()];
    let mut parts = BTreeMap::<&str, Vec<usize>>::new();
    for (at, backup) in backups.iter().enumerate() {
        verdicts[at].extend(backup.holds.iter().cloned().map(Why::Held));
        if backup.holds.iter().any(Hold::is_doubt) || backup.state == State::Unclear {
            // What was found of it last cannot be read, or its bytes are another's: it stands for no other.
        } else if backup.state == State::Damaged {
            verdicts[at].push(Why::Damaged);
        } else if backup.state == State::Unreadable {
            verdicts[at].push(Why::Unreadable);
        } else if backup.id.is_ahead(now) {
            verdicts[at].push(Why::OfTheFuture);
        } else {
            parts.entry(&backup.part).or_default().push(at);
        }
    }
    // Where none is known to be good, the newest may be the only copy.
    if parts.is_empty()
        && let Some(newest) = (0..backups.len()).max_by_key(|at| backups[*at].id)
    {
        verdicts[newest].push(Why::Last);
    }
    for mut part in parts.into_values() {
        part.sort_by(|a, b| backups[*b].id.cmp(&backups[*a].id));
        let (safety, counted): (Vec<usize>, Vec<usize>) = part.into_iter().partition(|at| backups[*at].safety);
        by_rules(backups, &counted, policy, &mut verdicts);
        // What must be there whatever the rules say; a safety backup stands in where there is nothing else.
        let newest =
            |good: &dyn Fn(&Candidate) -> bool| counted.iter().chain(&safety).copied().find(|at| good(&backups[*at]));
        let never: [(Why, Option<usize>); 3] = [
            (Why::NewestVerified, newest(&|backup| backup.verified)),
            (Why::NewestSound, newest(&|backup| backup.state == State::Sound)),
            (Why::Last, newest(&|_| true)),
        ];
        for (why, at) in never {
            if let Some(at) = at {
                verdicts[at].push(why);
            }
        }
        for at in safety {
            let age = now.signed_duration_since(backups[at].id.minute());
            let is_young = age < TimeDelta::from_std(policy.safety).unwrap_or(TimeDelta::MAX);
            verdicts[at].push(if is_young { Why::YoungSafety } else { Why::OldSafety });
        }
        for at in counted.into_iter().filter(|at| verdicts[*at].is_empty()).collect::<Vec<_>>() {
            verdicts[at].push(Why::NoRule);
        }
    }
    for verdict in &mut verdicts {
        if keeps(verdict) {
            verdict.retain(Why::keeps);
        }
    }
    verdicts
}

/// What a rule may still keep.
struct Quota {
    rule: Rule,
    left: u64,
    /// Of the backup that it has kept last.
    last: Option<(i32, u32)>,
}

/// Adds what the rules keep of these backups, the newest first.
fn by_rules(backups: &[Candidate], newest_first: &[usize], policy: &Policy, verdicts: &mut [Verdict]) {
    let Some(newest) = newest_first.first().map(|at| backups[*at].id.minute()) else { return };
    let mut quotas: Vec<Quota> =
        Rule::COUNTING.into_iter().map(|rule| Quota { rule, left: policy.count(rule), last: None }).collect();
    let since = policy.within.map(|within| within.before(newest));
    for (place, at) in newest_first.iter().copied().enumerate() {
        let time = backups[at].id.minute();
        for quota in quotas.iter_mut().filter(|quota| quota.left > 0) {
            let bucket = quota.rule.bucket(time, place);
            let is_new = quota.last != Some(bucket);
            let is_oldest = place + 1 == newest_first.len();
            if is_new || is_oldest {
                verdicts[at].push(if is_new { Why::Rule(quota.rule) } else { Why::Oldest(quota.rule) });
                quota.last = Some(bucket);
                quota.left = if quota.left == UNLIMITED { UNLIMITED } else { quota.left - 1 };
            }
        }
        if since.is_some_and(|since| time > since) {
            verdicts[at].push(Why::Rule(Rule::Within));
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
