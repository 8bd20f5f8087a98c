//! Diagnose's rules: a table of facts about each, and one pure function each from a snapshot to a finding.
//!
//! The contract: counters are judged by how far they went between two readings; ratios need bytes or counts beside them;
//! what cannot be judged is skipped with a reason, never passed; what is found carries its evidence, its limit, its reason,
//! and commands that mend it, which are printed and never run.

mod case;
mod facts;
mod judged;
mod remedies;
mod rule;
mod settings;

mod connections;
mod keyspace;
mod log;
mod memory;
mod patterns;
mod persistence;
mod products;
mod replication;
mod security;

#[cfg(test)]
mod cases;

pub use case::{Case, NO_LOG};
pub use judged::Skipped;
pub use rule::{Rule, Topic};
pub use settings::{Expect, Limits, Mute, Profile, RuleSettings};

use serde::Serialize;

use crate::finding::{Finding, Severity};
use crate::introspection::Snapshot;

/// Every rule, in the order of their numbers; those that read a log behind the others.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        memory::RULES,
        connections::RULES,
        keyspace::RULES,
        persistence::RULES,
        replication::RULES,
        security::RULES,
        patterns::RULES,
        log::RULES,
    ]
    .into_iter()
    .flatten()
    .copied()
    .flatten()
}

/// A rule by its name, in any case.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

/// What the rules of some topics say of a snapshot.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Judgement {
    /// Worst first; a symptom directly behind its cause.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged.
    pub skipped: Vec<SkippedRule>,
    /// Rules that found nothing wrong.
    pub passed: Vec<&'static str>,
    /// Findings that are muted.
    pub muted: Vec<Muted>,
    /// Mutes that have ended, of rules that found something: they explain why the rule speaks again.
    pub mutes_ended: Vec<Mute>,
}

/// A rule that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedRule {
    pub id: &'static str,
    pub reason: String,
}

/// A finding that the settings mute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Muted {
    pub finding: Finding,
    /// Why it is muted.
    pub reason: String,
    /// Until which day, `2027-01-01`.
    pub until: Option<String>,
}

/// Judges a snapshot by the rules of these topics.
pub fn examine(snapshot: &Snapshot, topics: &[Topic], settings: &RuleSettings) -> Judgement {
    let mut judgement = Judgement::default();
    let profile = settings.profile_of(snapshot);
    for rule in all().filter(|rule| topics.contains(&rule.topic)) {
        let case = Case::new(snapshot, rule.facts(), settings, profile);
        if let Some(why) = products::does_not_fit(rule.id, &snapshot.server.name) {
            judgement.skipped.push(SkippedRule { id: rule.id, reason: why.to_owned() });
            continue;
        }
        match (rule.examine)(&case) {
            Ok(None) => judgement.passed.push(rule.id),
            Err(Skipped(reason)) => judgement.skipped.push(SkippedRule { id: rule.id, reason }),
            Ok(Some(mut finding)) => {
                if finding.fix.is_empty() {
                    finding.fix = rule.fix.iter().map(|command| (*command).to_owned()).collect();
                }
                match settings.mute_of(rule.id, snapshot.taken_at) {
                    Some(mute) => judgement.muted.push(Muted {
                        finding,
                        reason: mute.reason.clone(),
                        until: mute.until.map(|day| day.to_string()),
                    }),
                    None => judgement.findings.push(finding),
                }
            }
        }
    }
    let speaks = |mute: &&Mute| judgement.findings.iter().any(|finding| finding.id == mute.rule);
    judgement.mutes_ended = settings.ended(snapshot.taken_at).filter(speaks).cloned().collect();
    judgement.findings = causes_first(judgement.findings);
    one_figure(&mut judgement.findings);
    let config = snapshot.answers.config.got();
    for finding in judgement.findings.iter_mut().chain(judgement.muted.iter_mut().map(|muted| &mut muted.finding)) {
        finding.remedies = finding.fix.iter().map(|fix| remedies::of(fix, config)).collect();
    }
    judgement
}

/// One screen names one figure for one setting of one server: that of the finding which stands first.
fn one_figure(findings: &mut [Finding]) {
    let mut said: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    for fix in findings.iter_mut().flat_map(|finding| &mut finding.fix) {
        let Some((name, value)) = remedies::setting(fix) else { continue };
        // Elsewhere it may be another; and the classes of one setting are several.
        let where_to = fix.split("CONFIG SET").next().unwrap_or_default();
        let class = value.strip_prefix('"').and_then(|value| value.split(' ').next()).unwrap_or_default();
        let key = format!("{where_to}{name} {class}");
        match said.get(&key) {
            Some(first) => fix.clone_from(first),
            None => drop(said.insert(key, fix.clone())),
        }
    }
}

/// Sorts by severity and puts each symptom behind the cause that was found, too; an incident is as bad as its worst part.
fn causes_first(mut findings: Vec<Finding>) -> Vec<Finding> {
    let found: Vec<(String, Severity)> =
        findings.iter().map(|finding| (finding.id.clone(), finding.severity)).collect();
    for finding in &mut findings {
        let causes = by_id(&finding.id).map_or(&[] as &[&str], |rule| rule.because_of);
        // What is only worth knowing explains no warning: the incident would be called a warning by the name of a note.
        let explains = |cause: &&&str| {
            let is = |(id, severity): &(String, Severity)| {
                id == **cause && *severity >= finding.severity.min(Severity::Warning)
            };
            found.iter().any(is)
        };
        finding.caused_by = causes.iter().find(explains).map(|cause| (*cause).to_owned());
    }
    // A cause may itself be a symptom; the first of the chain stands for the incident.
    let parent: std::collections::HashMap<String, Option<String>> =
        findings.iter().map(|finding| (finding.id.clone(), finding.caused_by.clone())).collect();
    let root_of = |id: &str| {
        let mut root = id.to_owned();
        for _ in 0..findings.len() {
            match parent.get(&root).cloned().flatten() {
                Some(cause) => root = cause,
                None => break,
            }
        }
        root
    };
    let mut worst: std::collections::HashMap<String, Severity> = std::collections::HashMap::new();
    for finding in &findings {
        let entry = worst.entry(root_of(&finding.id)).or_insert(finding.severity);
        *entry = (*entry).max(finding.severity);
    }
    let mut keyed: Vec<_> = findings
        .iter()
        .enumerate()
        .map(|(at, finding)| {
            let root = root_of(&finding.id);
            let weight = by_id(&root).map_or(0, |rule| rule.weight);
            let place = (std::cmp::Reverse(worst[&root]), std::cmp::Reverse(weight), root.clone(), finding.id != root);
            (place, std::cmp::Reverse(finding.severity), at)
        })
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, _, at)| findings[at].clone()).collect()
}
