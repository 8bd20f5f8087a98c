//! Screens of a server in trouble, of plain data with fixed numbers: what a rule says is the rules' business.

use super::*;
use crate::commands::{Printer, screens};
use crate::introspection::keyspace::{Basis, CompactLimits, KeySeen, KeyspaceProfile, Profiler};
use crate::introspection::{Earlier, Ours, Part, Receipt, Snapshot, Wire};
use crate::replies::{Client, Info, SlowEntry};
use crate::rules::{Judgement, Muted, Profile, SkippedRule};

pub(in crate::commands) const LONG_KEY: &str =
    "report:2026:monthly:aggregated:customer-facing-dashboard:with-a-very-long-name:and-more";

fn snapshot() -> Snapshot {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info/redis-7.0.15.txt");
    let text = std::fs::read_to_string(file).unwrap();
    // Of two fields with one name the first counts.
    let now = "uptime_in_seconds:363600\nused_memory:3006477107\nmaxmemory:3221225472\nmaxmemory_policy:noeviction\n\
               used_memory_rss:3865470566\nused_memory_peak:3113851289\nused_memory_dataset:2791728742\n\
               mem_fragmentation_ratio:1.29\nmem_fragmentation_bytes:858993459\nmem_clients_normal:12582912\n\
               total_system_memory:8589934592\nconnected_clients:3120\nmaxclients:4064\nblocked_clients:2\n\
               evicted_keys:0\nexpired_keys:5120\nkeyspace_hits:9000\nkeyspace_misses:1000\n\
               total_connections_received:90100\ntotal_commands_processed:5000000\ntotal_error_replies:320\n\
               rejected_connections:17\n";
    let then = "expired_keys:5000\nkeyspace_hits:0\nkeyspace_misses:0\ntotal_connections_received:90000\n\
                total_commands_processed:4990000\ntotal_error_replies:0\n";
    let at = "2026-11-23T03:00:00Z".parse().unwrap();
    let mut snapshot = Snapshot::from_info(Info::parse(&format!("{now}{text}")), at);
    let earlier = Info::parse(&format!("{then}{now}{text}"));
    snapshot.earlier = Some(Earlier { seconds: 1.0, info: earlier, cluster: None, ours: Ours::default() });
    snapshot.receipt =
        Receipt { commands: 9, pings: 46, seconds: 1.04, keyspace_hits_added: 0, longest_wait_seconds: 0.0 };
    snapshot
}

fn clients() -> Vec<Client> {
    let groups = [
        ("billing-worker-with-a-rather-long-name-eu-west-1a", "app", "10.0.12.7", 2048, 93_600, 0, "client|setname"),
        ("billing-worker-with-a-rather-long-name-eu-west-1b", "app", "10.0.12.9", 1040, 12, 20_000_000, "hgetall"),
        ("", "default", "10.0.0.5", 30, 61, 0, "NULL"),
        ("evil\u{1b}[31m\u{202e}name", "default", "10.0.0.5", 1, 1, 0, "get"),
    ];
    let mut clients = Vec::new();
    for (name, user, ip, count, idle, omem, cmd) in groups {
        for port in 0..count {
            clients.push(Client {
                name: name.to_owned(),
                user: user.to_owned(),
                addr: format!("{ip}:{}", 30_000 + port),
                flags: "N".to_owned(),
                idle,
                omem,
                tot_mem: 2048 + omem,
                cmd: cmd.to_owned(),
                ..Client::default()
            });
        }
    }
    clients
}

fn slow_log() -> Vec<SlowEntry> {
    let entry = |usec, command: &str, arguments: &[&str], name: &str| SlowEntry {
        id: usec,
        at: 1_795_000_000,
        usec,
        command: command.to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        addr: "10.0.12.7:30001".to_owned(),
        name: name.to_owned(),
    };
    vec![
        entry(812_400, "KEYS", &["*"], "nightly-report"),
        entry(790_100, "KEYS", &["*"], "nightly-report"),
        entry(104_000, "SMEMBERS", &[LONG_KEY], ""),
        entry(30_500, "EVAL", &["for i=1,20000 do redis.call('RPUSH','queue:mail','message') end", "0"], ""),
    ]
}

pub(in crate::commands) fn keyspace(basis: Basis) -> KeyspaceProfile {
    let mut profiler = Profiler::new(0, CompactLimits::default());
    let mut note = |key: &str, kind: &str, ttl_ms, bytes, length| {
        let (bytes, length) = (Some(bytes), Some(length));
        profiler.note(&KeySeen { key: key.as_bytes(), kind, ttl_ms, bytes, length, ..KeySeen::default() });
    };
    note(LONG_KEY, "string", None, 1_288_490_188, 1_288_490_000);
    note("queue:mail", "list", None, 104_857_600, 2_406_800);
    for at in 0..400_u64 {
        note(&format!("session:{at}"), "string", None, 568, 500);
        note(&format!("user:{at}"), "hash", Some(86_400_000), 120, 3);
    }
    profiler.finish(basis, if basis == Basis::Everything { 802 } else { 5_000_000 })
}

fn findings() -> Vec<Finding> {
    let mut refused = Finding::new(Severity::Critical, "M18", "writes are refused for lack of memory")
        .evidence("refused_per_second", 189.5)
        .evidence("maxmemory_policy", "noeviction");
    refused.caused_by = Some("M01".to_owned());
    vec![
        Finding::new(Severity::Warning, "M01", "memory is nearly full")
            .evidence("used", "93.3%")
            .evidence("used_memory", 3_006_477_107_u64)
            .evidence("maxmemory", 3_221_225_472_u64)
            .fix("CONFIG SET maxmemory 4gb")
            .fix("redis-ops diagnose keyspace"),
        refused,
        Finding::new(Severity::Warning, "K04", "a string is very large")
            .evidence("key", LONG_KEY)
            .evidence("bytes", 1_288_490_188_u64)
            .fix(format!("UNLINK {LONG_KEY} (once nobody needs it), or store it in parts")),
        Finding::new(Severity::Info, "P10", "nothing is written to disk")
            .evidence("save", "")
            .evidence("appendonly", "no")
            .fix("CONFIG SET save \"3600 1 300 100 60 10000\""),
    ]
}

pub(in crate::commands) fn report(topics: &[Topic]) -> Report {
    let mut snapshot = snapshot();
    snapshot.answers.clients = Part::Got(clients());
    snapshot.answers.slowlog = Part::Got(slow_log());
    snapshot.keyspace = Part::Got(keyspace(Basis::Everything));
    snapshot.wire = Part::Got(Wire {
        dns_us: Some(412),
        tcp_us: Some(230),
        tls_us: Some(1800),
        auth_us: Some(310),
        pings_us: vec![280, 300, 310, 1050],
        undelayed_us: Vec::new(),
        late_us: Vec::new(),
        lost: 0,
    });
    let skipped = |id, reason: &str| SkippedRule { id, reason: reason.to_owned() };
    let muted = Muted {
        finding: Finding::new(Severity::Warning, "C06", "connections are anonymous"),
        reason: "legacy clients; they go with the old shop".to_owned(),
        until: Some("2027-01-01".to_owned()),
    };
    let judgement = Judgement {
        findings: findings(),
        skipped: vec![
            skipped("M22", "the server does not report `mem_overhead_db_hashtable_rehashing`"),
            skipped(
                "M24",
                "the two readings are too close together to see growth; `--since` compares with the last run",
            ),
            skipped("K06", "the server does not report `mem_overhead_db_hashtable_rehashing`"),
        ],
        passed: vec!["M02", "M03"],
        muted: vec![muted],
        mutes_ended: vec![crate::rules::Mute {
            rule: "K04".to_owned(),
            until: chrono::NaiveDate::from_ymd_opt(2026, 11, 1),
            reason: "the monthly report is cut in parts in October".to_owned(),
        }],
    };
    Report { snapshot, judgement, profile: (Profile::Store, false), topics: topics.to_vec(), text: None }
}

fn check(name: &str, topics: &[Topic]) {
    check_report(name, &report(topics));
}

/// What a screen shows where nothing else is asked for.
fn view(printer: &Printer) -> View<'_> {
    View { printer, subject: "redis-prod", top: 10, sort: None, trend: &[], since: None, verbose: false }
}

fn check_report(name: &str, report: &Report) {
    let trend = [2_000_000_000, 2_200_000_000, 2_300_000_000, 2_900_000_000, 3_006_477_107];
    screens::check(name, |printer| {
        let view = View { trend: &trend, since: Some(93_600.0), ..view(printer) };
        render(report, report.status(), &view)
    });
}

#[test]
fn the_screen_about_memory() {
    check("diagnose-memory", &[Topic::Memory]);
}

#[test]
fn the_screen_about_connections() {
    check("diagnose-connections", &[Topic::Connections]);
}

#[test]
fn the_screen_about_keys() {
    check("diagnose-keyspace", &[Topic::Keyspace]);
}

#[test]
fn the_screen_about_a_sample_of_the_keys() {
    let mut report = report(&[Topic::Keyspace]);
    report.snapshot.keyspace = Part::Got(keyspace(Basis::Sample));
    check_report("diagnose-sample", &report);
}

#[test]
fn the_screen_about_everything() {
    check("diagnose-all", &Topic::ALL);
}

#[test]
fn a_topic_without_lists_fits_24_lines_and_everything_40() {
    for (topics, width, most) in [
        (&[Topic::Memory][..], 80, 24),
        (&[Topic::Persistence], 80, 24),
        (&[Topic::Replication], 80, 24),
        (&Topic::ALL, 100, 40),
    ] {
        let mut report = report(topics);
        // What is muted is said whole: nobody has it by chance.
        report.judgement.muted.clear();
        report.judgement.mutes_ended.clear();
        let printer = screens::printer(Some(width));
        let of = |verbose| {
            let view = View { verbose, ..view(&printer) };
            render(&report, report.status(), &view)
        };
        let text = of(false);
        assert!(text.lines().count() <= most, "{topics:?}: {} lines\n{text}", text.lines().count());
        let finding = text.find("M01").expect("the finding");
        let facts = text.find(&topics[0].name().to_uppercase()).unwrap_or(usize::MAX);
        assert!(finding < facts, "findings first: {text}");
        assert!(
            text.lines()
                .any(|line| line.starts_with("warning: ")
                    || line.starts_with("critical: 1 critical, 1 warning; worst: ")),
            "{text}"
        );
        assert_eq!(text.matches("skipped: ").count(), 1, "{text}");
        assert!(of(true).lines().count() > text.lines().count(), "-v tells more");
    }
}

/// More findings than a screen has lines: the worst stand on it, the rest is counted, and the verdict is its last line.
#[test]
fn with_many_findings_the_screen_is_full_and_the_verdict_its_last_line() {
    for (topics, width, most) in [
        (&[Topic::Memory][..], 80, 24),
        (&[Topic::Connections], 80, 24),
        (&[Topic::Keyspace], 80, 24),
        (&[Topic::Persistence], 80, 24),
        (&[Topic::Replication], 80, 24),
        (&Topic::ALL, 100, 40),
    ] {
        for n_more in [2, 5, 10, 40] {
            let mut report = report(topics);
            report.judgement.muted.clear();
            report.judgement.mutes_ended.clear();
            let more = (0..n_more).map(|n| {
                Finding::new(Severity::Warning, format!("X{n:02}"), "connections are closed because of their buffers")
                    .evidence("client", "billing-worker-with-a-rather-long-name-eu-west-1a")
                    .fix("CONFIG SET client-output-buffer-limit \"normal 536870912 134217728 60\" (undo: normal 0 0 0)")
                    .fix("redis-ops diagnose connections --sort output")
            });
            report.judgement.findings.extend(more);
            let printer = screens::printer(Some(width));
            let view = |verbose| View { verbose, ..view(&printer) };
            let text = render(&report, report.status(), &view(false));
            assert!(text.lines().count() < most, "{topics:?}, {n_more}: {} lines\n{text}", text.lines().count());
            assert!(text.contains("CRITICAL  M01"), "the worst is there: {text}");
            let (_, verdict) = text.rsplit_once("\n\n").expect("parts");
            assert!(verdict.starts_with("critical: "), "{text}");
            let shown = text.lines().filter(|line| line.starts_with("WARNING ")).count();
            let hidden = n_more + 1 - shown;
            assert!(hidden == 0 || text.contains(&format!("… {hidden} more: -v\n")), "{hidden}: {text}");
            let verbose = render(&report, report.status(), &view(true));
            assert_eq!(verbose.matches("\nWARNING").count(), n_more + 1, "-v shows all: {verbose}");
        }
    }
}

#[test]
fn a_terminal_with_more_rows_shows_more() {
    let report = report(&[Topic::Connections]);
    let lines = |height| {
        let choices = crate::printer::Choices { width: Some(80), height, ..crate::printer::Choices::plain() };
        let printer = Printer::over(choices, Box::new(std::io::sink()), Box::new(std::io::sink()));
        let text = render(&report, report.status(), &view(&printer));
        assert!(text.lines().count() < usize::from(height.unwrap_or(24).max(24)), "{height:?}: {text}");
        text
    };
    assert!(!lines(Some(24)).contains("SLOW COMMANDS"));
    assert_eq!(lines(None), lines(Some(10)), "less than the usual rows is not asked of it");
    let tall = lines(Some(60));
    assert!(tall.contains("SLOW COMMANDS") && tall.contains("CLIENTS"), "{tall}");
}

#[test]
fn ten_keys_of_one_size_are_one_line() {
    let mut profiler = Profiler::new(0, CompactLimits::default());
    let names: Vec<String> = (0..20).map(|at| format!("session:{at}")).collect();
    for name in &names {
        let (bytes, length) = (Some(568), Some(500));
        profiler.note(&KeySeen { key: name.as_bytes(), kind: "string", bytes, length, ..KeySeen::default() });
    }
    let mut report = report(&[Topic::Keyspace]);
    report.snapshot.keyspace = Part::Got(profiler.finish(Basis::Everything, 20));
    let printer = screens::printer(None);
    let view = View { verbose: true, ..view(&printer) };
    let text = render(&report, report.status(), &view);
    assert!(text.contains("largest keys: 10 of type string, 568 B each"), "{text}");
    assert_eq!(text.matches("568 B").count(), 1, "{text}");
}

#[test]
fn colour_adds_nothing_but_colour() {
    let report = report(&Topic::ALL);
    let text = |color_out| {
        let choices = crate::printer::Choices { width: Some(80), color_out, ..crate::printer::Choices::plain() };
        let printer = Printer::over(choices, Box::new(std::io::sink()), Box::new(std::io::sink()));
        render(&report, report.status(), &view(&printer))
    };
    let (plain, mut colored) = (text(false), text(true));
    assert!(colored.contains("\u{1b}[1;31mCRITICAL\u{1b}[0m  M01"), "{colored}");
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[1;31m"] {
        colored = colored.replace(code, "");
    }
    assert_eq!(colored, plain);
}
