//! Persistence: failing, stale, absent.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::lab::{Diagnosis, apply, follow};
use super::{follow_primary, server};

#[test]
fn a_save_that_fails() {
    let Some(server) = server(&[]) else { return };
    server.ok(&["SET", "a", "1"]);
    // A folder where the file should be: a permission would not stop root.
    std::fs::create_dir(server.dir().join("dump.rdb")).expect("a folder");
    std::fs::write(server.dir().join("dump.rdb/full"), "x").expect("written");
    server.cli(&["BGSAVE"]);
    server.wait_for("it fails", |server| server.info("rdb_last_bgsave_status") == "err");
    let diagnosis = Diagnosis::of(&server, "persistence", &[]);
    let finding = diagnosis.first_is("P01");
    follow(finding, "ls -ld ");
    assert_eq!(finding["evidence"]["writes"], "taken", "without save points nothing is refused");
    assert_eq!(server.ok(&["SET", "a", "2"]), "OK");
    std::fs::remove_dir_all(server.dir().join("dump.rdb")).expect("removed");
    apply(&server, finding);
    server.wait_for("it is saved", |server| server.info("rdb_last_bgsave_status") == "ok");
    Diagnosis::of(&server, "persistence", &[]).has_gone("P01");
}

#[test]
fn a_save_that_fails_and_stops_writes() {
    let Some(server) = server(&[("save", "1 1")]) else { return };
    std::fs::create_dir(server.dir().join("dump.rdb")).expect("a folder");
    std::fs::write(server.dir().join("dump.rdb/full"), "x").expect("written");
    server.ok(&["SET", "a", "1"]);
    server.wait_for("it fails", |server| server.info("rdb_last_bgsave_status") == "err");
    let diagnosis = Diagnosis::of(&server, "all", &[]);
    let finding = diagnosis.first_is("P01");
    assert!(finding["evidence"]["writes"].as_str().is_some_and(|writes| writes.starts_with("refused")), "{finding:#}");
    assert!(server.cli(&["SET", "a", "2"]).contains("MISCONF"));
    // Nobody but us asks anything: our PINGs are refused, and no client's.
    diagnosis.is_silent("C25");
    let commands = diagnosis.json["facts"]["connections"]["commands_per_second"].as_f64();
    assert!(commands.is_none_or(|rate| rate < 1.0), "nobody sends commands: {commands:?}");
}

#[test]
fn a_folder_that_is_gone() {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let Some(server) = server(&[("dir", &folder.display().to_string())]) else { return };
    std::fs::remove_dir_all(&folder).expect("removed");
    server.cli(&["BGSAVE"]);
    server.wait_for("it fails", |server| server.info("rdb_last_bgsave_status") == "err");
    let diagnosis = Diagnosis::of(&server, "persistence", &[]);
    follow(diagnosis.first_is("P01"), "working folder was removed");
}

#[test]
fn a_stale_save() {
    const SOONER: &str = "diagnose: {thresholds: {P03: {warning: 1}}}\n";
    let Some(server) = server(&[("save", "1 100000")]) else { return };
    server.ok(&["SET", "a", "1"]);
    server.wait_for("three windows of a second to pass since the last save", |server| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        server.info("rdb_last_save_time").parse::<u64>().expect("a time") + 3 < now
    });
    let diagnosis = Diagnosis::with_settings(&server, "persistence", SOONER, &[]);
    let finding = diagnosis.first_is("P03");
    apply(&server, finding);
    server.wait_for("it is saved", |server| server.info("rdb_changes_since_last_save") == "0");
    Diagnosis::with_settings(&server, "persistence", SOONER, &[]).has_gone("P03");
}

#[test]
fn a_primary_that_keeps_nothing() {
    let (Some(primary), Some(replica)) = (server(&[]), server(&[])) else { return };
    primary.ok(&["SET", "a", "1"]);
    follow_primary(&replica, &primary);
    let diagnosis = Diagnosis::of(&primary, "persistence", &[]);
    let finding = diagnosis.first_is("P10");
    assert_eq!(finding["severity"], "critical");
    apply(&primary, finding);
    Diagnosis::of(&primary, "persistence", &[]).has_gone("P10");
}
