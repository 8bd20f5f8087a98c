use super::*;
use crate::commands::diagnose::render::tests::report;
use crate::introspection::ServerFacts;
use crate::rules::Topic;

/// A server with other fields of INFO, and the words of one of its figures.
fn figure_of(label: &str, changes: &[(&str, &str)]) -> Option<(String, Option<Severity>)> {
    let mut report = report(&Topic::ALL);
    let changes: Vec<(&str, Option<&str>)> = changes.iter().map(|(name, value)| (*name, Some(*value))).collect();
    report.snapshot.info = report.snapshot.info.with(&changes);
    report.snapshot.server = ServerFacts::from_info(&report.snapshot.info);
    let trends = Trends::default();
    let rows = rows(&report, &trends);
    let found = rows.into_iter().flatten().find(|figure| figure.label == label)?;
    Some((found.value, found.severity))
}

#[track_caller]
fn check(label: &str, changes: &[(&str, &str)], value: &str, severity: Option<Severity>) {
    assert_eq!(figure_of(label, changes), Some((value.to_owned(), severity)));
}

#[test]
fn the_limit_gets_louder_as_memory_fills_up() {
    let limit = ("maxmemory", "1000");
    check("limit", &[limit, ("used_memory", "899"), ("mem_not_counted_for_evict", "0")], "90% used, noeviction", None);
    let nearly = [limit, ("used_memory", "950"), ("mem_not_counted_for_evict", "0")];
    check("limit", &nearly, "95% used, noeviction", Some(Severity::Warning));
    let full = [limit, ("used_memory", "1000"), ("mem_not_counted_for_evict", "0")];
    check("limit", &full, "100% used, noeviction", Some(Severity::Critical));
    check("limit", &[("maxmemory", "0")], "none", None);
}

#[test]
fn a_primary_tells_how_far_its_replicas_are_behind() {
    let primary = [
        ("role", "master"),
        ("master_repl_offset", "5000"),
        ("connected_slaves", "2"),
        ("slave0", "ip=10.0.0.2,port=6379,state=online,offset=5000,lag=0"),
        ("slave1", "ip=10.0.0.3,port=6379,state=online,offset=2952,lag=3"),
    ];
    check("replicas", &primary, "2, lag 3 s, 2.0 KiB", None);
}

#[test]
fn a_replica_tells_of_its_link() {
    let replica = [("role", "slave"), ("master_host", "10.0.0.1"), ("master_port", "6379")];
    let up = [("master_link_status", "up"), ("master_last_io_seconds_ago", "2"), ("master_sync_in_progress", "0")];
    check("primary", &[&replica[..], &up].concat(), "link up, heard 2 s ago", None);
    let down =
        [("master_link_status", "down"), ("master_link_down_since_seconds", "75"), ("master_sync_in_progress", "0")];
    check("primary", &[&replica[..], &down].concat(), "link down for 1 min", Some(Severity::Critical));
    let syncing = [("master_link_status", "down"), ("master_sync_in_progress", "1")];
    check("primary", &[&replica[..], &syncing].concat(), "full sync runs", Some(Severity::Warning));
}

#[test]
fn a_server_that_loads_says_how_far_it_is() {
    let loading = [("loading", "1"), ("loading_loaded_perc", "34.20"), ("loading_eta_seconds", "12")];
    check("loading", &loading, "34%, 12 seconds left", Some(Severity::Warning));
    check("loading", &[("loading", "1")], "runs", Some(Severity::Warning));
}

#[test]
fn rates_take_two_looks() {
    let mut report = report(&Topic::ALL);
    report.snapshot.earlier = None;
    let trends = Trends::default();
    let rows = rows(&report, &trends);
    for label in ["commands", "net in", "hit ratio", "errors"] {
        let figure = rows.iter().flatten().find(|figure| figure.label == label).expect(label);
        assert_eq!(figure.value, "-", "{label}");
    }
}
