use std::collections::BTreeMap;

use super::*;
use crate::explain::Status;
use crate::introspection::ServerFacts;
use crate::rdb::ValueType;
use crate::replies::{Database, Info};
use crate::repository::manifest::DatabaseCount;
use crate::restore::clock::Clock;
use crate::restore::facts::{Counters, Expiries, Origin};
use crate::restore::options::{Asked, Existing};
use crate::restore::rate::Rate;
use crate::restore::survey::Survey;
use crate::restore::tally::FailedKey;
use crate::restore::target_format::Loss;

fn target(info: &str) -> TargetFacts {
    let info = Info::parse(info);
    TargetFacts {
        address: "127.0.0.1:7000".into(),
        server: ServerFacts::from_info(&info),
        databases: info.databases().into_iter().map(|(number, keys)| (u64::from(number), keys)).collect(),
        selects: Some(Ok(())),
        n_databases: Some(16),
        longest_bulk: Some(512 << 20),
        append_only: Some(false),
        saves: Some(false),
        min_replicas: Some(0),
        writes_stopped: false,
        host_memory: Some(8 << 30),
        host_free: Some(4 << 30),
        functions: Some([].into()),
        function_names: Default::default(),
        indexes: 0,
        may_have_indexes: false,
        user: Some("default".into()),
        forbidden: Some(Vec::new()),
        key_patterns: None,
        keys_refused: None,
        missing: Vec::new(),
        tells_commands: true,
        not_read_back: Vec::new(),
        lacks_certificate: false,
        watched: Some(false),
        slots: None,
        slot_ranges: Vec::new(),
        clock: Some(Clock::default()),
        names_held: None,
        function_sources: None,
        counters: Counters::default(),
    }
}

fn redis7(more: &str) -> TargetFacts {
    target(&format!("redis_version:7.0.15\nrole:master\nused_memory:1000000\nmaxmemory_policy:noeviction\n{more}"))
}

fn backup() -> BackupFacts {
    BackupFacts {
        name: "redis-prod/2024-01-01-01-00".into(),
        server: "redis 7.0.15".into(),
        rdb_version: 10,
        raw_bytes: Some(50 << 20),
        used_memory: Some(100 << 20),
        keys: Some(1000),
        databases: BTreeMap::from([(0, DatabaseCount { keys: 1000, expires: 0 })]),
        by_type: BTreeMap::from([("string".to_owned(), 1000)]),
        understood: true,
        origin: Origin::Captured,
        bytes_in_one_piece: Some(40 << 20),
        ..BackupFacts::default()
    }
}

/// The codes of what is refused, and of what is warned of.
#[track_caller]
fn check(backup: &BackupFacts, target: &TargetFacts, options: &Options, refused: &[&str], warned: &[&str]) {
    let plan = make(backup, target, options);
    let codes = |level| {
        let lines = plan.lines.iter().filter(move |line| line.level == level);
        lines.map(|line| line.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(Level::Refused), refused, "{:#?}", plan.lines);
    assert_eq!(codes(Level::Warning), warned, "{:#?}", plan.lines);
    assert_eq!(plan.refusal().is_some(), !refused.is_empty());
}

#[test]
fn an_empty_target_of_the_same_version_is_refused_nothing() {
    let plan = make(&backup(), &redis7(""), &Options::default());
    assert!(plan.refusal().is_none() && !plan.warns(), "{:#?}", plan.lines);
    assert_eq!((plan.method, plan.next_after_replica()), (Some(Method::Replica), Some(Method::Restore)));
    assert!(plan.methods[0].seconds < plan.methods[1].seconds);
}

#[test]
fn keys_in_the_target_are_refused_with_their_count_until_it_is_said_what_becomes_of_them() {
    let mut holds = redis7("");
    holds.databases =
        [(0, Database { keys: 2, ..Database::default() }), (3, Database { keys: 1, ..Database::default() })].into();
    let mut options = Options::default();
    check(&backup(), &holds, &options, &["target_not_empty"], &[]);
    let plan = make(&backup(), &holds, &options);
    assert_eq!(plan.refusal().unwrap().text, "the target holds 3 keys");
    for (existing, warned) in [(Existing::Fail, &[][..]), (Existing::Skip, &[]), (Existing::Replace, &["on_conflict"])]
    {
        options.existing = existing;
        check(&backup(), &holds, &options, &[], warned);
    }
    let options = Options { existing: Existing::ReplaceAll, ..Options::default() };
    check(&backup(), &holds, &options, &[], &["replace_all", "unavailable"]);
    assert_eq!(make(&backup(), &holds, &options).method, Some(Method::Replica));
}

#[test]
fn a_target_that_is_too_small_is_refused_whatever_its_policy() {
    for policy in ["noeviction", "allkeys-lru"] {
        let mut small = redis7("maxmemory:90000000\n");
        small.server.maxmemory_policy = policy.into();
        check(&backup(), &small, &Options::default(), &["target_too_small"], &[]);
    }
    check(&backup(), &redis7("maxmemory:200000000\n"), &Options::default(), &[], &[]);
    let mut host = redis7("");
    host.host_memory = Some(64 << 20);
    check(&backup(), &host, &Options::default(), &["host_too_small"], &[]);
    let mut unknown = backup();
    unknown.used_memory = None;
    let plan = make(&unknown, &redis7(""), &Options::default());
    assert!(plan.lines.iter().any(|line| line.level == Level::Unknown && line.code == "memory"));
}

#[test]
fn who_may_not_write_is_refused_and_whoever_cannot_be_asked_is_not_known() {
    check(&backup(), &redis7("loading:1\n"), &Options::default(), &["loading"], &[]);
    check(&backup(), &target("redis_version:7.0.15\nrole:slave\n"), &Options::default(), &["read_only"], &[]);
    let mut forbidden = redis7("");
    forbidden.forbidden = Some(vec!["restore".into()]);
    // The server may load the file itself, and typed commands need no RESTORE.
    check(&backup(), &forbidden, &Options::default(), &[], &[]);
    let only = |method| Options { method: Asked::Only(method), ..Options::default() };
    check(&backup(), &forbidden, &only(Method::Restore), &["permission_denied", "method"], &[]);
    let mut some = redis7("");
    (some.key_patterns, some.keys_refused) = (Some("~str:*".into()), Some(vec!["restore".into(), "set".into()]));
    check(&backup(), &some, &only(Method::Restore), &["permission_denied", "method"], &[]);
    check(&backup(), &some, &only(Method::Replica), &[], &[]);
    let chosen = |glob: &str| {
        let mut options = only(Method::Restore);
        options.choices.selection.keys = vec![crate::census::Glob::new(glob)];
        options
    };
    check(&backup(), &some, &chosen("str:1*"), &[], &[]);
    check(&backup(), &some, &chosen("other:*"), &["permission_denied", "method"], &[]);
    some.keys_refused = None;
    check(&backup(), &some, &only(Method::Restore), &["permission_denied", "method"], &[]);
    let by_restore = Options { method: Asked::Only(Method::Restore), ..Options::default() };
    let mut stopped = redis7("");
    (stopped.writes_stopped, stopped.min_replicas) = (true, Some(1));
    check(&backup(), &stopped, &by_restore, &["misconfigured", "no_replicas"], &[]);
    let mut cluster = redis7("redis_mode:cluster\n");
    cluster.slots = Some(5461);
    check(&backup(), &cluster, &Options::default(), &["cluster"], &[]);
    cluster.slots = Some(16384);
    check(&backup(), &cluster, &Options::default(), &[], &[]);
    assert_eq!(make(&backup(), &cluster, &Options::default()).method, Some(Method::Restore));
    let mut silent = redis7("");
    (silent.forbidden, silent.functions, silent.append_only, silent.host_free) = (None, None, None, None);
    let plan = make(&backup(), &silent, &Options::default());
    assert_eq!(plan.lines.iter().filter(|line| line.level == Level::Unknown).count(), 3, "{:#?}", plan.lines);
    assert!(plan.refusal().is_none());
}

#[test]
fn what_the_target_cannot_take_is_said_and_needs_to_be_accepted() {
    let survey = Survey {
        wanted: 1000,
        by_commands: 7,
        losses: [(Loss::FieldExpiry, 5), (Loss::Type, 2)].into(),
        ..Survey::default()
    };
    let lossy = BackupFacts { rdb_version: 12, survey: Some(survey), ..backup() };
    check(&lossy, &redis7(""), &Options::default(), &["field_expiry_lost", "unsupported_type"], &[]);
    let accepted = Options { accept_loss: true, ..Options::default() };
    check(&lossy, &redis7(""), &accepted, &[], &["field_expiry_lost", "unsupported_type"]);

    let mut modules = backup();
    modules.by_type = [("module:MBbloom--".to_owned(), 3), ("vectorset".to_owned(), 1)].into();
    check(&modules, &redis7(""), &Options::default(), &["module_missing", "module_missing"], &[]);

    modules.server = "redis 8.0.6".into();
    modules.by_type.remove("module:MBbloom--");
    check(&modules, &target("redis_version:8.0.2\nrole:master\n"), &Options::default(), &["module_missing"], &[]);
    check(&modules, &target("redis_version:8.0.6\nrole:master\n"), &Options::default(), &[], &[]);

    let mut functions = backup();
    functions.functions = 2;
    check(&functions, &target("redis_version:6.2.14\nrole:master\n"), &accepted, &[], &["functions_lost"]);
    let mut clash = redis7("");
    clash.functions = Some(["counter".to_owned()].into());
    check(&functions, &clash, &Options::default(), &["functions_exist"], &[]);

    let mut far = backup();
    far.databases = [(12, DatabaseCount::default())].into();
    let mut eight = redis7("");
    eight.n_databases = Some(8);
    check(&far, &eight, &Options::default(), &["database_out_of_range"], &[]);
    let mut moved = Options::default();
    moved.choices.moved = [(12, 0)].into();
    check(&far, &eight, &moved, &[], &[]);

    let mut long = backup();
    long.survey = Some(Survey {
        longest_string: Some((600 << 20, FailedKey::new(0, b"big", ""))),
        expired: 4,
        ..Survey::default()
    });
    let only = Options { method: Asked::Only(Method::Restore), ..Options::default() };
    check(&long, &redis7(""), &only, &["value_too_large"], &["expired"]);
}

#[test]
fn a_method_that_was_asked_for_and_cannot_be_used_is_refused() {
    let only = |method| Options { method: Asked::Only(method), ..Options::default() };
    check(&backup(), &redis7(""), &only(Method::Replica), &[], &[]);
    assert_eq!(make(&backup(), &redis7(""), &only(Method::Commands)).method, Some(Method::Commands));

    let mut filtered = only(Method::Replica);
    filtered.choices.moved = [(0, 3)].into();
    check(&backup(), &redis7(""), &filtered, &["method"], &[]);
    check(&backup(), &redis7(""), &Options { rate: Some(Rate::Bytes(1)), ..only(Method::Replica) }, &["method"], &[]);
    let replicas = redis7("connected_slaves:1\nslave0:ip=10.0.0.9,port=6379,state=online,offset=1,lag=0\n");
    check(&backup(), &replicas, &only(Method::Replica), &["method"], &[]);
    let plan = make(&backup(), &replicas, &only(Method::Replica));
    assert_eq!(plan.refusal().unwrap().flag, Some("--allow-replica-resync"));
    let allowed = Options { allow_replica_resync: true, ..only(Method::Replica) };
    check(&backup(), &replicas, &allowed, &[], &[]);
    let mut watched = redis7("");
    watched.watched = Some(true);
    check(&backup(), &watched, &only(Method::Replica), &["method"], &["sentinel"]);
    // Without a word about the method another one is used, and the plan says why.
    let plan = make(&backup(), &watched, &Options::default());
    assert_eq!((plan.method, plan.refusal()), (Some(Method::Restore), None));
    assert!(plan.why.contains("Sentinel"), "{}", plan.why);
}

#[test]
fn a_file_of_others_is_loaded_by_the_target_itself_only_when_it_was_looked_into() {
    let mut file = BackupFacts { origin: Origin::Foreign, ..backup() };
    let method = |file: &BackupFacts| make(file, &redis7(""), &Options::default()).method;
    assert!(needs_survey(&file, &redis7(""), &Options::default()));
    let mut survey = Survey { wanted: 1000, crc64: Some(1), ..Survey::default() };
    file.survey = Some(survey.clone());
    assert_eq!(method(&file), Some(Method::Restore), "nobody has looked for keys that stand there twice");
    survey.dangers.compared = true;
    file.survey = Some(survey.clone());
    assert_eq!(method(&file), Some(Method::Replica));
    file.survey = Some(Survey { crc64: None, ..survey.clone() });
    assert_eq!(method(&file), Some(Method::Restore), "nothing proves that it is the same file the second time");
    let mut danger = survey.clone();
    danger.dangers.module_aux.insert("graphdata".into());
    file.survey = Some(danger);
    assert_eq!(method(&file), Some(Method::Restore), "the target exits on it");
    let mut danger = survey.clone();
    danger.dangers.value_types.insert(ValueType(21));
    file.survey = Some(danger);
    assert_eq!(method(&file), Some(Method::Restore), "it does not know this type");
    file.survey = Some(survey);
    file.functions = 1;
    assert_eq!(method(&file), Some(Method::Restore), "it may not compile");
    assert!(!needs_survey(&backup(), &redis7(""), &Options::default()), "a server wrote it");
}

#[test]
fn a_string_that_no_command_can_write_leaves_the_target_to_load_it() {
    let mut long = backup();
    long.bytes_in_one_piece = Some(600 << 20);
    assert!(needs_survey(&long, &redis7(""), &Options::default()), "one string may be that long");
    let string = (600 << 20, FailedKey::new(0, b"big", ""));
    long.survey = Some(Survey { longest_string: Some(string), ..Survey::default() });
    let plan = make(&long, &redis7(""), &Options::default());
    assert_eq!((plan.method, plan.next_after_replica(), plan.refusal()), (Some(Method::Replica), None, None));
    let only = Options { method: Asked::Only(Method::Restore), ..Options::default() };
    let plan = make(&long, &redis7(""), &only);
    assert_eq!(plan.refusal().map(|line| (line.code, line.fix.len())), Some(("value_too_large", 2)), "with its undo");
    let mut watched = redis7("");
    watched.watched = Some(true);
    check(&long, &watched, &Options::default(), &["value_too_large"], &["sentinel"]);
}

#[test]
fn keys_that_stay_need_no_room_twice_and_keys_of_others_need_theirs() {
    let mut holds = redis7("maxmemory:130000000\n");
    (holds.databases, holds.server.used_memory) =
        ([(0, Database { keys: 900, ..Database::default() })].into(), 100 << 20);
    let options = Options { existing: Existing::Skip, ..Options::default() };
    assert!(names_decide(&backup(), &holds, &options));
    check(&backup(), &holds, &options, &["target_too_small"], &[]);
    for (names, refused) in [(900, &[][..]), (0, &["target_too_small"])] {
        holds.names_held = Some(names);
        check(&backup(), &holds, &options, refused, &[]);
    }
    holds.server.maxmemory = 0;
    assert!(!names_decide(&backup(), &holds, &options), "there is room for all of it");
    // What was written before it was interrupted need not be written again.
    holds.server.maxmemory = 130_000_000;
    let resumed = Options { resume: true, ..Options::default() };
    check(&backup(), &holds, &resumed, &[], &[]);
    assert!(room_for_missing(&backup(), 100 << 20, 100).unwrap() >= 110 << 20);
}

#[test]
fn what_has_expired_is_told_without_reading_a_large_backup() {
    let mut keys = crate::census::Expiry::new(1_000_000);
    let told = |now_ms, keys| {
        let expiries = Some(Expiries { now_ms, keys, fields: false });
        let plan = make(&BackupFacts { expiries, ..backup() }, &redis7(""), &Options::default());
        let line = plan.lines.iter().find(|line| line.code == expiries::EXPIRED).map(|line| line.text.clone());
        (line.unwrap_or_default(), plan.foreseen())
    };
    assert_eq!(told(1_000_000, Some(keys)), (String::new(), Status::Ok));
    for left in [10_000, 20_000, 30_000, 300_000] {
        keys.add(1_000_000 + left);
    }
    for (now, words) in [(1_005_000, ""), (1_015_000, "between 1 and 3 keys"), (1_060_000, "3 keys")] {
        let (text, status) = told(now, Some(keys));
        let expected = if words.is_empty() { Status::Ok } else { Status::Warning };
        assert!(text.starts_with(words) && status == expected, "{now}: {text}");
    }
    // Nobody has counted: that is not "none".
    assert!(told(1_060_000, None).0.starts_with("could not tell"), "{:?}", told(1_060_000, None));
}
