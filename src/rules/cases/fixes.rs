//! Every fix of every rule: what is known about it, the one figure of a screen, and the list that is typed into real servers.

use std::collections::{BTreeMap, BTreeSet};

use super::super::remedies;
use super::*;

/// What INFO says of a version, and the servers that are told the same: what a fix depends on differs between these and no others.
const VERSIONS: &[(&str, &str)] = &[
    ("redis_version:6.2.14", "redis-6.2"),
    ("redis_version:8.0.6", "redis-7.0,redis-7.4,redis-8.0,redis-8.10"),
    ("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.1.1", "valkey-8.0,valkey-8.1,valkey-9.1"),
];

/// All findings of all cases with the servers that they are of: on each of these versions, or on the one that the case names. Made once.
fn all_findings() -> &'static [(String, Finding)] {
    static FOUND: std::sync::OnceLock<Vec<(String, Finding)>> = std::sync::OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Vec::new();
        for (id, expected, text) in cases() {
            if expected.is_none() {
                continue;
            }
            match text.split_once("redis_version:") {
                Some((_, version)) => {
                    let version = version.lines().next().unwrap_or_default().to_owned();
                    found.extend(found_by(id, text).map(|finding| (version, finding)));
                }
                None => found.extend(VERSIONS.iter().filter_map(|(version, servers)| {
                    Some(((*servers).to_owned(), found_by(id, &format!("{text}\n{version}"))?))
                })),
            }
        }
        found
    })
}

fn found_by(id: &str, text: &str) -> Option<Finding> {
    let mut finding = judged(id, text).ok()??;
    if finding.fix.is_empty() {
        finding.fix = by_id(id)?.fix.iter().map(|fix| (*fix).to_owned()).collect();
    }
    Some(finding)
}

#[test]
fn every_rule_has_a_fix_and_of_every_fix_it_is_known_what_it_does_costs_and_how_it_is_undone() {
    let mut unknown = BTreeSet::new();
    let mut check = |id: &str, fix: &str| {
        if remedies::known(fix).is_none() {
            unknown.insert(format!("{id}: {fix}"));
        } else {
            let remedy = remedies::of(fix, None);
            assert!(!remedy.does.is_empty() && !remedy.costs.is_empty() && !remedy.undo.is_empty(), "{remedy:?}");
        }
    };
    for rule in all() {
        assert!(!rule.fix.is_empty(), "{} has no fix", rule.id);
        rule.fix.iter().for_each(|fix| check(rule.id, fix));
    }
    for (_, finding) in all_findings() {
        finding.fix.iter().for_each(|fix| check(&finding.id, fix));
    }
    assert!(unknown.is_empty(), "nothing is known about:\n{}", unknown.into_iter().collect::<Vec<_>>().join("\n"));
}

/// `explain` knows no server: it says beforehand what a finding may tell to type.
#[test]
fn a_finding_tells_to_do_what_the_explanation_of_its_rule_does() {
    let mut missing = BTreeSet::new();
    for (_, finding) in all_findings() {
        let rule = by_id(&finding.id).expect("a rule");
        let words = |fix: &str| remedies::known(fix).map(std::ptr::from_ref);
        let explained: Vec<_> = rule.fix.iter().map(|fix| words(fix)).collect();
        // What a limit is raised or lowered by is another remedy of the same setting.
        let settings: Vec<_> = rule.fix.iter().filter_map(|fix| Some(remedies::setting(fix)?.0)).collect();
        for fix in &finding.fix {
            let same = remedies::setting(fix).is_some_and(|(name, _)| {
                settings.contains(&name)
                    || name.contains("-max-listpack-")
                    || name.contains("-slaves-")
                    || name.starts_with("slave-")
            });
            let instead =
                ["less data, or a larger machine", "fewer or smaller writes", "CLIENT LIST (names", "redis-cli --scan"];
            if !same && !explained.contains(&words(fix)) && !instead.iter().any(|text| fix.contains(text)) {
                missing.insert(format!("{}: {fix}", finding.id));
            }
        }
    }
    assert!(missing.is_empty(), "not in the rule's own fixes:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn one_screen_names_one_figure_for_a_setting() {
    // All that is wrong with memory, connections and replication at once.
    for text in [
        "maxmemory:1000000000\nused_memory:990000000\nused_memory_rss:990000000\nmaxmemory_policy:volatile-lru\ndb0:keys=10000,expires=0\nerrorstat_OOM:count=50\nbefore errorstat_OOM:count=1\nmem_clients_normal:300000000\nconnected_clients:10\nevicted_clients:5\nbefore evicted_clients:1",
        "maxclients:10000\nconnected_clients:9900\nrejected_connections:6\nbefore rejected_connections:5",
        "role:master\nconnected_slaves:1\nslave0:ip=10.0.0.2,port=6379,state=online,offset=1000,lag=0\nmaster_repl_offset:9000000\nbefore master_repl_offset:1000000\nrepl_backlog_size:1048576\nsync_full:9\nbefore sync_full:1",
        "total_system_memory:1000000000\nmaxmemory:800000000\nused_memory:790000000\nused_memory_rss:950000000\nmaxmemory_policy:noeviction\nrdb_last_cow_size:100000000",
    ] {
        let given = given(text);
        let judgement = examine(&given.snapshot, &Topic::ALL, &given.settings);
        let mut figures: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for fix in judgement.findings.iter().flat_map(|finding| &finding.fix) {
            if let Some((name, value)) = remedies::setting(fix) {
                figures.entry(name.to_owned()).or_default().insert(value.to_owned());
            }
        }
        assert!(!figures.is_empty(), "nothing to set: {text}");
        for (name, values) in figures {
            assert_eq!(values.len(), 1, "{name}: {values:?} for {text}");
        }
        for finding in &judgement.findings {
            assert_eq!(finding.remedies.len(), finding.fix.len(), "{}", finding.id);
        }
    }
}

#[test]
fn no_more_memory_is_asked_of_a_machine_that_has_none() {
    let given = given(
        "total_system_memory:1000000000\nmaxmemory:500000000\nused_memory:490000000\nused_memory_rss:900000000\nmaxmemory_policy:noeviction",
    );
    let judgement = examine(&given.snapshot, &[Topic::Memory], &given.settings);
    let all: Vec<&String> = judgement.findings.iter().flat_map(|finding| &finding.fix).collect();
    assert!(judgement.findings.iter().any(|finding| finding.id == "M01"), "{:?}", judgement.findings);
    assert!(!all.iter().any(|fix| fix.contains("CONFIG SET maxmemory 6")), "{all:?}");
    assert!(all.iter().any(|fix| fix.starts_with("less data, or a larger machine")), "{all:?}");
}

/// The list that `tests/it/diagnose/fixes.rs` types into the servers: rule, versions, fix. With `REDIS_OPS_WRITE_FIXES=1` this test writes it.
#[test]
fn the_list_of_all_fixes_is_up_to_date() {
    let mut lines: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let everywhere = || VERSIONS.iter().flat_map(|(_, servers)| servers.split(','));
    for (servers, finding) in all_findings() {
        // The name of this setting is that which the server has; the cases have the newer.
        let fixes = finding.fix.iter().filter(|fix| servers != "redis-6.2" || !fix.contains("-max-listpack-entries"));
        for fix in fixes {
            lines.entry((&finding.id, fix)).or_default().extend(servers.split(','));
        }
    }
    for rule in all() {
        for fix in rule.fix {
            lines.entry((rule.id, fix)).or_default().extend(everywhere());
        }
    }
    let mut text = String::new();
    for ((rule, fix), servers) in lines {
        let all = everywhere().all(|server| servers.contains(server));
        let servers = if all { "all".to_owned() } else { servers.into_iter().collect::<Vec<_>>().join(",") };
        text.push_str(&format!("{rule}\t{servers}\t{fix}\n"));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fixes.tsv");
    if std::env::var_os("REDIS_OPS_WRITE_FIXES").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "REDIS_OPS_WRITE_FIXES=1 writes {} anew", path.display());
}
