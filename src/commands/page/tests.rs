//! What a page must hold whatever the answer is: it is safe, it asks for nothing, it can be read by everybody.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

/// What a server, a key or a manifest may hold.
const EVIL: &str = "<script>alert(\"1\")</script>&'\u{1b}[2J\u{202e}";
/// The same as a page may show it.
const TAMED: &str = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;'\\x1b[2J\\u{202e}";

fn rendered(answer: &Value, list: &[Value]) -> String {
    let Value::Object(object) = answer else { panic!("no object") };
    let list: Vec<Box<str>> = list.iter().map(|one| one.to_string().into_boxed_str()).collect();
    let headline = Headline { sentence: format!("a sentence about {EVIL}"), place: Some(format!("s3://{EVIL}")) };
    page(&Answer { object, list: &list, headline: Some(&headline) })
}

fn answer(command: &str, fields: Value) -> Value {
    let mut answer = json!({
        "schema_version": 1, "command": command, "status": "warning", "tool_version": "9.9.9",
        "started_at": "2026-11-30T01:00:00.000Z", "duration_seconds": 1.5,
    });
    if let (Value::Object(answer), Value::Object(fields)) = (&mut answer, fields) {
        answer.extend(fields);
    }
    answer
}

fn finding() -> Value {
    json!({
        "id": "M01", "severity": "critical", "title": EVIL, "evidence": {EVIL: EVIL, "used_memory": 2048, "first": [{"key": EVIL}]},
        "threshold": EVIL, "why": EVIL, "fix": [EVIL, "CONFIG REWRITE"], "source": EVIL, "caused_by": "M01",
        "remedies": [{"command": EVIL, "does": EVIL, "costs": "little", "undo": "nothing"}],
    })
}

fn diagnosed() -> Value {
    json!({
        "instance": EVIL, "server": {"name": EVIL, "version": "8", "role": "primary"}, "profile": {"name": EVIL, "guessed": true},
        "verdict": EVIL, "findings": [finding(), finding()], "skipped": [{"id": "M02", "reason": EVIL}],
        "muted": [{"finding": finding(), "reason": EVIL, "until": null}], "passed": ["M03"],
        "facts": {
            "memory": {"used_memory": 2048, "maxmemory_policy": EVIL},
            "keyspace": {
                "keys_seen": 100, "bytes_seen": 10_000, "streams": [],
                "prefixes": [
                    {"name": EVIL, "keys": 60, "bytes": 6000, "without_ttl": 30, "types": {EVIL: 60}},
                    {"name": "b:", "keys": 40, "bytes": 3000, "without_ttl": 0, "types": {"hash": 40}},
                ],
                "largest": [{"database": 0, "key": EVIL, "kind": EVIL, "bytes": 6000, "length": 3, "ttl_ms": null}],
            },
            "connections": {"clients": [{"owner": EVIL, "clients": 3, "memory_bytes": 2048}]},
        },
        "probe": {"commands": 3, "pings": 2, "seconds": 0.1, "keyspace_hits_added": 0}, "added_later": EVIL,
    })
}

fn shown() -> Value {
    let census = json!({
        "keys": 10, "expires": 4, "by_database": {"0": {"keys": 10, "expires": 4}}, "by_type": {EVIL: 10}, "bytes_by_type": {EVIL: 2048},
        "functions": 0, "digest": EVIL, "expiry": {"within": {"expired": 0, "1m": 3, "10m": 1, "longer": 0}},
        "largest": [{"key": EVIL, "database": 0, "type": "hash", "bytes": 2048, "elements": 3}],
    });
    json!({
        "backup": {
            "id": "2026-11-30-01-00", "instance": EVIL, "created_at": "2026-11-30T01:00:00.000Z", "labels": {EVIL: EVIL},
            "server": {"name": EVIL, "version": EVIL}, "encryption": EVIL, "added_later": {"tail": EVIL},
            "shards": [{"index": 0, "node": EVIL, "aux": {EVIL: EVIL}, "tail": {"object": EVIL}}],
            "findings": [{"id": "x", "title": EVIL, "count": 1, "shard": 0, "places": [{"offset": 3, "database": 0, "key": EVIL}]}],
        },
        "census": census, "objects": [{"key": EVIL, "length": 2048}], "missing_objects": [EVIL],
        "changed_objects": [{"key": EVIL, "expected_length": 1, "length": 2}],
        "receipts": [{"kind": "verify", "at": "2026-11-30T02:00:00.000Z", "status": "failed", "level": "drill", "found": [EVIL]}],
        "pins": [{"name": EVIL, "reason": EVIL}], "keeps_conditions": false,
        "keys": [{"database": 0, "key": EVIL, "type": "string", "bytes": 3, "value": EVIL, "expires_at": null}], "matched": 7,
    })
}

fn verified() -> Value {
    let drill = json!({
        "server": EVIL, "version": "8", "shards": 1, "keys": 10, "expired": 1, "seconds": {"fetch": 1.0, "load": 2.0, "compare": 5.0},
        "rto_seconds": 3.0, "peak_memory_bytes": 2048, "peak_rss_bytes": 4096,
    });
    let comparison = json!({
        "is_equal": false, "equal": 8, "missing": 1, "extra": 0, "different": 1, "expired": 0, "not_compared": EVIL,
        "by_key": [{"database": 0, "key": EVIL, "difference": "value"}],
    });
    json!({
        "backup_id": "2026-11-30-01-00", "instance": EVIL, "level": "drill", "checked": {"keys": 10}, "findings": [finding()],
        "drill": drill, "comparison": comparison, "needs": {"modules": [EVIL]}, "slots": EVIL, "stale": true,
        "backups": [{"backup_id": "2026-11-30-01-00", "instance": EVIL, "status": "failed", "summary": EVIL}],
        "ages": [{"instance": EVIL, "newest_good_age_seconds": 7200, "status": "ok"}], "added_later": EVIL,
    })
}

fn state() -> Value {
    json!({
        "instances": [{
            "instance": EVIL, "status": "failed", "reasons": [EVIL], "backups": 3, "stored_bytes": 2048,
            "last_good": {"backup_id": "2026-11-30-01-00", "at": "2026-11-30T01:00:00.000Z", "age_seconds": 7200, "keys": 10, "raw_bytes": 2048, "stored_bytes": 1024},
            "doubtful": {"backup_id": "2026-11-30-02-00", "why": EVIL}, "holes": [EVIL], "running": [{"backup_id": "x", "host": EVIL, "pid": 3}],
            "lock": {"state": "held", "host": EVIL, "pid": 3, "command": EVIL, "since": "2026-11-30T01:00:00.000Z"}, "left": 1,
            "growth": {"since": "2026-11-29T01:00:00.000Z", "raw_bytes": -2048.0}, "added_later": EVIL,
        }],
        "stored_bytes": 2048, "max_age_seconds": 93600, "max_unverified_seconds": null,
    })
}

/// A backup of a day of November 2026.
fn backup(day: usize, instance: &str) -> Value {
    json!({
        "id": format!("2026-11-{day:02}-01-00"), "instance": instance, "created_at": format!("2026-11-{day:02}T01:00:00.000Z"),
        "age_seconds": 7200, "purpose": "scheduled", "status": "published", "reason": EVIL, "keys": 10, "raw_bytes": 2048, "stored_bytes": 1024,
        "server_version": EVIL, "verified_status": "warning", "verified_at": null, "verified_found": [EVIL], "pins": [],
    })
}

/// A page of every command, and one without an answer.
fn pages() -> Vec<(&'static str, String)> {
    let error = json!({"error": {"code": "connection_refused", "message": EVIL, "causes": [EVIL], "hint": EVIL}});
    let several = json!({"servers": [diagnosed(), diagnosed()]});
    let mut worst = diagnosed();
    worst["servers"] = several["servers"].clone();
    let days: Vec<Value> = [24, 25, 26, 28, 29, 30].into_iter().rev().map(|day| backup(day, EVIL)).collect();
    vec![
        ("diagnose", rendered(&answer("diagnose", diagnosed()), &[])),
        ("several servers", rendered(&answer("diagnose", worst), &[])),
        ("show", rendered(&answer("show", shown()), &[])),
        ("verify", rendered(&answer("verify", verified()), &[])),
        (
            "list",
            rendered(
                &answer("list", json!({"unreadable_folders": [EVIL], "unfinished_uploads": 2, "left_out": 3})),
                &days,
            ),
        ),
        ("status", rendered(&answer("status", state()), &[])),
        ("error of status", rendered(&answer("status", error.clone()), &[])),
        ("error of list", rendered(&answer("list", error.clone()), &[])),
        ("error of show", rendered(&answer("show", error.clone()), &[])),
        ("error of verify", rendered(&answer("verify", error.clone()), &[])),
        ("error of diagnose", rendered(&answer("diagnose", error), &[])),
    ]
}

/// What stands between two texts, each time.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap_or_default()).collect()
}

#[test]
fn foreign_text_is_shown_and_cannot_do_anything() {
    for (name, page) in pages() {
        assert!(page.contains(TAMED), "{name}: {page}");
        let is_safe = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
        assert!(page.chars().all(is_safe), "{name}");
        // The markup is ours: outside of it no letter of a foreign text opens a tag or ends an attribute.
        assert!(!page.contains("<script") && !page.contains("alert(\"1\")"), "{name}");
    }
}

#[test]
fn a_page_runs_nothing_and_asks_for_nothing() {
    for (name, page) in pages() {
        for forbidden in [
            "<script", "<iframe", "<object", "<embed", "<img", "<form", "@import", "url(", " src=", " onload",
            " onclick", "srcset",
        ] {
            assert!(!page.contains(forbidden), "{name}: {forbidden}");
        }
        for link in between(&page, "href=\"", "\"") {
            assert!(link.starts_with('#') || link == "data:,", "{name}: {link}");
        }
        assert_eq!(between(&page, "Content-Security-Policy\" content=\"", "\""), [POLICY], "{name}");
    }
}

#[test]
fn headings_come_in_order_and_names_are_given_once() {
    for (name, page) in pages() {
        let levels: Vec<u32> =
            page.match_indices("<h").filter_map(|(at, _)| page[at + 2..].chars().next()?.to_digit(10)).collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{name}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{name}: {levels:?}");
        let mut ids = between(&page, " id=\"", "\"");
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: {ids:?}");
        for link in between(&page, "href=\"#", "\"") {
            assert!(ids.contains(&link), "{name}: #{link} leads nowhere");
        }
    }
}

#[test]
fn tables_and_drawings_can_be_read_without_eyes() {
    for (name, page) in pages() {
        for table in between(&page, "<table", "</table>") {
            assert!(table.contains("<caption>"), "{name}: {table}");
            assert!(
                between(table, "<th", ">").iter().all(|head| head.contains("scope=") || head.starts_with("ead")),
                "{name}: {table}"
            );
        }
        for drawing in between(&page, "<svg", ">") {
            let is_told = drawing.contains("role=\"img\"") && drawing.contains("aria-label=");
            // What lies in a drawing that is told.
            let is_inside = drawing.contains(" x=\"");
            assert!(is_told || is_inside || drawing.contains("aria-hidden"), "{name}: <svg{drawing}>");
        }
        assert!(page.contains("<html lang=\"en\">"), "{name}");
    }
}

#[test]
fn a_finding_has_its_evidence_its_reason_and_its_fixes() {
    let page = rendered(&answer("diagnose", diagnosed()), &[]);
    for part in [
        format!("<strong>warning</strong>: a sentence about {TAMED}"),
        "<dt>used memory</dt><dd>2.0 KiB</dd>".to_owned(),
        format!("<strong>Why: </strong>{TAMED}"),
        format!(
            "<code>{TAMED}</code><dl class=\"pairs remedy\"><dt>does</dt><dd>{TAMED}</dd><dt>may cost</dt><dd>little</dd>"
        ),
        "<code>CONFIG REWRITE</code></li>".to_owned(),
        "href=\"#finding-1\"".to_owned(),
        // 1,000 of the bytes that were seen are in neither prefix.
        "all other prefixes: 1000 B, 10.0 %".to_owned(),
        format!("<dt>added later</dt><dd>{TAMED}</dd>"),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
}

#[test]
fn a_drill_is_a_line_of_time_with_its_seconds() {
    let page = rendered(&answer("verify", verified()), &[]);
    // 1, 2 and 5 of 8 seconds, and 3 seconds until the server answered.
    for (name, took, x, width) in [
        ("fetch", "1.0 s", "0%", "12.5%"),
        ("load", "2.0 s", "12.5%", "25%"),
        ("compare", "5.0 s", "37.5%", "62.5%"),
        ("RTO", "3.0 s", "0%", "37.5%"),
    ] {
        let row = page
            .split("<tr>")
            .find(|row| row.contains(&format!(">{name}<")) && row.contains("<rect"))
            .unwrap_or_else(|| panic!("no {name}"));
        assert!(row.contains(took), "{row}");
        assert!(row.contains(&format!("x=\"{x}\" y=\"3\" width=\"{width}\"")), "{row}");
    }
}

#[test]
fn a_day_without_a_backup_is_named() {
    let (_, page) = pages().into_iter().find(|(name, _)| *name == "list").expect("a list");
    assert!(page.contains("<strong>1 day without a backup: </strong>2026-11-27."), "{page}");
    assert!(page.contains("Missing: 1. Jumps: 0."), "{page}");
}

#[test]
fn a_long_list_shows_the_newest_and_counts_the_others() {
    let many: Vec<Value> = (0..10_000).map(|at| backup(30 - at % 28, &format!("instance-{}", at % 7))).collect();
    let page = rendered(&answer("list", json!({})), &many);
    assert_eq!(page.matches("<th scope=\"row\">instance-").count(), 500);
    assert!(page.contains("9,500 more, older backups are not shown"), "the rest is counted");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn an_error_has_its_causes_its_hint_and_its_code() {
    let (_, page) = pages().into_iter().find(|(name, _)| *name == "error of status").expect("a page");
    for part in [
        format!("<strong>{TAMED}</strong>"),
        format!("Caused by: {TAMED}"),
        format!("<strong>Hint </strong>{TAMED}"),
        "<code>connection_refused</code>".to_owned(),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
}

/// The colours of a block of the style, by name.
fn colours(block: &str) -> BTreeMap<&str, [f64; 3]> {
    let pairs = between(block, "--", ";").into_iter().filter_map(|pair| pair.split_once(": #"));
    let channel = |digits: &str, at: usize| match digits.len() {
        3 => f64::from(u8::from_str_radix(&digits[at..=at].repeat(2), 16).expect("hexadecimal")),
        _ => f64::from(u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).expect("hexadecimal")),
    };
    pairs.map(|(name, digits)| (name, [0, 1, 2].map(|at| channel(digits, at)))).collect()
}

/// The contrast of two colours (WCAG 2.1, relative luminance).
fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let luminance = |colour: [f64; 3]| {
        let linear = colour.map(|channel| {
            let share = channel / 255.0;
            if share <= 0.03928 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn letters_and_drawings_stand_out_in_light_and_dark_and_on_paper() {
    let blocks = between(STYLE, ":root {", "}");
    assert_eq!(blocks.len(), 3, "light, dark, paper");
    for block in blocks {
        let colours = colours(block);
        let check = |one: &str, other: &str, least: f64| {
            let found = contrast(colours[one], colours[other]);
            assert!(found >= least, "{one} on {other}: {found:.2}, in {block}");
        };
        for ground in ["ground", "raised", "code"] {
            check("ink", ground, 4.5);
        }
        for (letters, ground) in [("dim", "ground"), ("dim", "raised"), ("link", "ground"), ("link", "raised")] {
            check(letters, ground, 4.5);
        }
        for status in ["ok", "warning", "failed", "unknown", "info"] {
            check(status, &format!("{status}-ground"), 4.5);
        }
        for tile in ["tile-0", "tile-1", "tile-2", "tile-3", "tile-4", "tile-5", "tile-rest"] {
            check("ink", tile, 4.5);
        }
        for bar in ["bar", "bar-jump", "bar-gap", "bar-sum"] {
            check(bar, "ground", 3.0);
        }
    }
}
