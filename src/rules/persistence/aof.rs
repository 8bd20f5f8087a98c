//! P02, P07, P08, P11: the append-only file.

use super::super::case::Case;
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::{P, latency_usec};
use crate::figures;
use crate::introspection::Question;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "P02",
        title: "writing the append-only file fails",
        reads: "aof_last_write_status, aof_last_bgrewrite_status",
        threshold: "the last write failed (critical), or the last rewrite failed",
        why: "after a failed write the server refuses all writes until one succeeds; after a failed rewrite the file keeps growing",
        fix: &["df -h (on the server's machine)", "BGREWRITEAOF"],
        source: "Zabbix",
        weight: 88,
        examine: aof_failed,
        ..P
    },
    Rule {
        id: "P07",
        title: "the disk is too slow for the append-only file",
        reads: "aof_delayed_fsync between two readings; the events `aof-*` of LATENCY LATEST where INFO is not available",
        asks: &[Question::Latency],
        limits: &[("critical", 1.0), ("event_ms", 100.0)],
        threshold: "aof_delayed_fsync grew between two readings (critical: by at least {critical} per second), or one of the events took at least {event_ms} ms",
        why: "a write waits for the disk, and all clients wait for the write",
        fix: &["CONFIG SET no-appendfsync-on-rewrite yes", "a faster disk"],
        source: "Redis documentation, latency",
        examine: late_fsync,
        ..P
    },
    Rule {
        id: "P08",
        title: "the append-only file is overdue for a rewrite",
        reads: "aof_current_size, aof_base_size, auto-aof-rewrite-percentage, auto-aof-rewrite-min-size",
        asks: &[Question::Config],
        limits: &[("floor", 67_108_864.0), ("critical", 3.0)],
        threshold: "the file is larger than the size that triggers a rewrite (at least {floorB}), and no rewrite is running; critical: {critical} times that size",
        why: "the file fills the disk and takes long to load",
        fix: &["BGREWRITEAOF"],
        because_of: &["P02"],
        examine: bloated,
        ..P
    },
    Rule {
        id: "P11",
        title: "every write waits for the disk",
        reads: "appendfsync",
        asks: &[Question::Config],
        threshold: "appendfsync is `always`",
        why: "`always` is the safest and slowest setting; `everysec` loses at most one second of writes",
        fix: &["CONFIG SET appendfsync everysec"],
        source: "latency.c, LATENCY DOCTOR",
        examine: fsync_always,
        ..P
    },
];

fn aof_failed(case: &Case<'_>) -> Judged {
    if case.number("aof_enabled")? == 0 {
        return Ok(None);
    }
    let (write, rewrite) = (case.text("aof_last_write_status")?, case.text("aof_last_bgrewrite_status")?);
    let finding = match (write, rewrite) {
        ("err", _) => case.critical().evidence("writes", "refused (MISCONF)"),
        (_, "err") => case.warning().evidence("writes", "taken"),
        _ => return Ok(None),
    };
    Ok(Some(finding.evidence("aof_last_write_status", write).evidence("aof_last_bgrewrite_status", rewrite)))
}

fn late_fsync(case: &Case<'_>) -> Judged {
    let enabled = match (case.number("aof_enabled"), latency_usec(case, "aof-")) {
        (Err(_), Some(usec)) => {
            let slow = usec as f64 >= case.limit("event_ms") * 1000.0;
            return Ok(slow.then(|| case.warning().evidence("aof_event_ms", usec / 1000)));
        }
        (enabled, _) => enabled?,
    };
    if enabled == 0 {
        return Ok(None);
    }
    let late = case.delta("aof_delayed_fsync")?;
    if late.amount == 0 {
        return Ok(None);
    }
    let finding =
        if late.rate() >= case.limit("critical") && late.amount > 1 { case.critical() } else { case.warning() };
    Ok(Some(
        finding
            .evidence("aof_delayed_fsync", late.amount)
            .evidence("pending", case.number_or_zero("aof_pending_bio_fsync")),
    ))
}

fn bloated(case: &Case<'_>) -> Judged {
    if case.number("aof_enabled")? == 0 || case.number_or_zero("aof_rewrite_in_progress") > 0 {
        return Ok(None);
    }
    let (now, base) = (case.number("aof_current_size")?, case.number("aof_base_size")?);
    let config = case.snapshot.answers.config.got();
    let growth = config.and_then(|config| config.u64("auto-aof-rewrite-percentage")).unwrap_or(100);
    let floor = config
        .and_then(|config| config.u64("auto-aof-rewrite-min-size"))
        .map_or(case.limit("floor"), |size| size as f64);
    // With 0 the server never rewrites by itself; twice the base is then as good a limit as its default.
    let due = (base as f64 * (1.0 + growth.max(100) as f64 / 100.0)).max(floor);
    if now as f64 <= due * 1.1 {
        return Ok(None);
    }
    let finding = if now as f64 >= due * case.limit("critical") { case.critical() } else { case.warning() };
    Ok(Some(
        finding
            .evidence("aof_current_size", figures::bytes(now))
            .evidence("aof_base_size", figures::bytes(base))
            .evidence("due_at", figures::bytes(due as u64)),
    ))
}

fn fsync_always(case: &Case<'_>) -> Judged {
    let config = case.config()?;
    let always = config.get("appendfsync") == Some("always") && config.flag("appendonly") == Some(true);
    Ok(always.then(|| case.info().evidence("appendfsync", "always")))
}
