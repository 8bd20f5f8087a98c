//! The rules before made-up snapshots: each has at least one case that fires and one near miss that does not. How a case is
//! written stands in [`given`].

mod causes;
mod connections;
mod declared;
mod fixes;
mod given;
mod healthy;
mod keyspace;
mod log;
mod memory;
mod others;
mod patterns;
mod replication;
mod several;
mod told;

use super::judged::Judged;
use super::*;
use crate::finding::Severity;
use crate::introspection::{Earlier, Ours};
use crate::replies::Info;
use given::{Given, given};
use healthy::now;

/// Expected: this severity, or nothing.
type Case_ = (&'static str, Option<Severity>, &'static str);

const I: Option<Severity> = Some(Severity::Info);
const W: Option<Severity> = Some(Severity::Warning);
const C: Option<Severity> = Some(Severity::Critical);
const QUIET: Option<Severity> = None;

fn cases() -> Vec<&'static Case_> {
    [
        memory::CASES,
        connections::CASES,
        keyspace::CASES,
        others::CASES,
        patterns::CASES,
        replication::CASES,
        log::CASES,
        told::CASES,
        causes::CASES,
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn judged(id: &str, text: &str) -> Judged {
    let given = given(text);
    let rule = by_id(id).unwrap_or_else(|| panic!("no rule {id}"));
    let profile = given.settings.profile_of(&given.snapshot);
    // `Case` borrows for as long as the settings live: they are leaked, a few bytes a case.
    let given: &'static Given = Box::leak(Box::new(given));
    (rule.examine)(&Case::new(&given.snapshot, rule.facts(), &given.settings, profile))
}

#[test]
fn every_case_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for (id, expected, text) in cases() {
        let judged = judged(id, text);
        let got = match &judged {
            Ok(finding) => Ok(finding.as_ref().map(|finding| finding.severity)),
            Err(Skipped(reason)) => Err(reason.clone()),
        };
        if got.as_ref() != Ok(expected) {
            let evidence = judged.ok().flatten().map(|finding| finding.evidence);
            wrong.push(format!(
                "{id}: expected {expected:?}, got {got:?} {evidence:?}\n    {}",
                text.trim().replace('\n', "\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_a_case_that_fires_and_a_near_miss() {
    for rule in all() {
        let of_rule: Vec<_> = cases().into_iter().filter(|(id, ..)| *id == rule.id).collect();
        assert!(of_rule.iter().any(|(_, expected, _)| expected.is_some()), "{} never fires", rule.id);
        assert!(of_rule.iter().any(|(_, expected, _)| expected.is_none()), "{} has no near miss", rule.id);
    }
}

#[test]
fn the_table_is_complete_and_consistent() {
    let mut seen = std::collections::BTreeSet::new();
    for rule in all() {
        assert!(seen.insert(rule.id), "{} twice", rule.id);
        let letter = match rule.topic {
            Topic::Memory => 'M',
            Topic::Connections => 'C',
            Topic::Keyspace => 'K',
            Topic::Persistence => 'P',
            Topic::Replication => 'R',
            Topic::Security => 'S',
            Topic::Patterns => 'A',
        };
        assert!(rule.id.starts_with(letter), "{} is of topic {:?}", rule.id, rule.topic);
        for text in [rule.title, rule.reads, rule.threshold, rule.why, rule.source] {
            assert!(!text.is_empty(), "{} says too little", rule.id);
        }
        for cause in rule.because_of {
            assert!(by_id(cause).is_some(), "{} follows {cause}, which does not exist", rule.id);
        }
        let text = RuleSettings::default().threshold_text(&rule.facts());
        assert!(!text.contains("%}") && !text.contains("B}"), "{}: a limit is not filled in: {text}", rule.id);
        for (name, _) in rule.limits {
            assert!(rule.threshold.contains(&format!("{{{name}")), "{}: the threshold does not tell `{name}`", rule.id);
        }
    }
    assert!(seen.len() > 90, "{}", seen.len());
}

#[test]
fn what_is_missing_is_skipped_and_never_passed() {
    // A server that answers INFO with next to nothing, and refuses all else.
    let snapshot = Snapshot::from_info(Info::parse("redis_version:7.0.0\nrole:master\n"), now());
    let judgement = examine(&snapshot, &Topic::ALL, &RuleSettings::default());
    let harmless = [
        "M21", "M18", "C23", "K09", "K15", "K16", "R09", "R13", "R14", "R27", "R28", "R01", "R02", "R03", "R07", "R08",
        "S07", "P02", "P07", "P08", "C30",
    ];
    for id in &judgement.passed {
        assert!(harmless.contains(id), "{id} passed without anything to judge by");
    }
    assert!(judgement.skipped.iter().all(|skipped| !skipped.reason.is_empty()));
}

#[test]
fn a_restart_and_a_reset_between_two_readings_are_noticed() {
    let reason = |text| judged("M15", text).expect_err("cannot be judged").0;
    assert!(reason("evicted_keys:5\nbefore run_id:other").contains("restarted"));
    assert!(reason("evicted_keys:5\nbefore evicted_keys:6").contains("reset"));
    // It went past what it was since: only what grows with everything tells.
    assert!(
        reason("evicted_keys:5\ntotal_commands_processed:9\nbefore evicted_keys:4\nbefore total_commands_processed:10")
            .contains("RESETSTAT")
    );
    assert!(reason("evicted_keys:5\none_reading").contains("only one reading"));
}

#[test]
fn limits_and_mutes_of_the_settings_hold() {
    let text = "maxmemory:100\nused_memory:75\nlimit M01 warning 0.7";
    assert!(judged("M01", text).expect("judged").is_some());
    let mut settings = RuleSettings::default();
    settings.limits.0.insert("M01".into(), [("wraning".to_owned(), 1.0)].into());
    assert!(settings.check().expect_err("a typing error").to_string().contains("it has: warning, critical"));
    settings.limits.0.clear();
    settings.mutes =
        vec![Mute { rule: "M01".into(), until: chrono::NaiveDate::from_ymd_opt(2027, 1, 15), reason: "known".into() }];
    assert!(settings.check().is_ok());
    let given = given("maxmemory:100\nused_memory:95");
    assert_eq!(now().date_naive().to_string(), "2027-01-15");
    let speaks = examine(&given.snapshot, &[Topic::Memory], &settings);
    assert!(speaks.muted.is_empty() && speaks.findings.iter().any(|finding| finding.id == "M01"), "the day has come");
    assert_eq!(speaks.mutes_ended, settings.mutes);
    settings.mutes[0].until = chrono::NaiveDate::from_ymd_opt(2027, 1, 16);
    let muted = examine(&given.snapshot, &[Topic::Memory], &settings);
    assert_eq!((muted.muted.len(), muted.mutes_ended.len()), (1, 0));
    assert!(muted.findings.iter().all(|finding| finding.id != "M01"));
}

#[test]
fn one_incident_is_told_cause_first() {
    let given = given(
        "maxmemory:100000000\nused_memory:99000000\nused_memory_rss:99000000\nmaxmemory_policy:volatile-lru\ndb0:keys=10000,expires=0\nerrorstat_OOM:count=50\nbefore errorstat_OOM:count=1",
    );
    let judgement = examine(&given.snapshot, &[Topic::Memory], &given.settings);
    let told: Vec<(&str, Option<&str>)> =
        judgement.findings.iter().map(|finding| (finding.id.as_str(), finding.caused_by.as_deref())).collect();
    assert_eq!(told[0], ("M17", None), "{told:?}");
    assert!(told.contains(&("M18", Some("M17"))), "{told:?}");
}

/// Both are critical: the commands of clients are why memory is full, and the large value that nobody reads can wait.
#[test]
fn what_is_under_way_stands_before_what_lies_there() {
    let lines = "maxmemory:20000000\nused_memory:19900000\nmaxmemory_policy:noeviction\nclients 10 qbuf=900000 qbuf-free=100000";
    let given = given(lines);
    let judgement = examine(&given.snapshot, &Topic::ALL, &given.settings);
    let told: Vec<(&str, Severity)> =
        judgement.findings.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect();
    assert_eq!(told[..2], [("C09", Severity::Critical), ("M01", Severity::Critical)], "{told:?}");
}

/// A note is named a note, whatever else is found; a fork of a large server that takes long is its own warning.
#[test]
fn a_note_does_not_explain_a_warning() {
    let given =
        given("thp always\nlatest_fork_usec:150000\nused_memory_rss:10000000000\ntotal_system_memory:64000000000");
    let judgement = examine(&given.snapshot, &Topic::ALL, &given.settings);
    let of = |id: &str| judgement.findings.iter().find(|finding| finding.id == id).expect(id);
    assert_eq!((of("M25").severity, of("P06").severity), (Severity::Info, Severity::Warning));
    assert_eq!(of("P06").caused_by, None);
    for finding in &judgement.findings {
        let cause = finding.caused_by.as_deref().map(of);
        assert!(cause.is_none_or(|cause| cause.severity >= finding.severity.min(Severity::Warning)), "{}", finding.id);
    }
}

/// Slow replies are what clients see of a trouble that has a name of its own.
#[test]
fn slow_replies_stand_behind_what_makes_them_slow() {
    let given = given("pings 25000 26000 27000 28000 29000\nclient flags=O cmd=monitor");
    let judgement = examine(&given.snapshot, &[Topic::Connections], &given.settings);
    let told: Vec<(&str, Option<&str>)> =
        judgement.findings.iter().map(|finding| (finding.id.as_str(), finding.caused_by.as_deref())).collect();
    assert_eq!(told[..2], [("C13", None), ("C15", Some("C13"))], "{told:?}");
}

#[test]
fn healthy_servers_of_every_version_have_nothing_to_warn_of() {
    for name in ["redis-6.2.14", "redis-7.0.15", "redis-8.0.6", "valkey-8.0.1", "valkey-8.1.1", "valkey-9.1.2"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/info/{name}.txt"));
        let info = Info::parse(&std::fs::read_to_string(path).expect("a captured INFO"));
        let mut snapshot = Snapshot::from_info(info.clone(), now());
        snapshot.earlier = Some(Earlier { seconds: 1.0, info, cluster: None, ours: Ours::default() });
        let judgement = examine(&snapshot, &Topic::ALL, &RuleSettings::default());
        let loud: Vec<_> = judgement.findings.iter().filter(|finding| finding.severity > Severity::Info).collect();
        assert!(loud.is_empty(), "{name}: {loud:#?}");
    }
}
