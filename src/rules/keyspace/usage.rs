//! K07, K14 and K17: which keys are used, and which are not.

use super::super::case::{Case, percent, skip};
use super::super::judged::Judged;
use super::super::rule::Rule;
use super::{K, quoted};
use crate::figures;
use crate::finding::Finding;
use crate::introspection::Question;
use crate::introspection::keyspace::escaped;
use crate::replies::HotKeys;

/// Days without use from which a key is cold; the look at the keys counts by it.
const COLD_DAYS: f64 = crate::introspection::keyspace::COLD_DAYS as f64;

/// One read of the key each second instead of thousands.
const CACHE: &str = "cache the value in the application for a second or two";
/// The work for one key becomes work for several, which need not lie on one node.
const COPIES: &str = "store copies under several names, and read one at random";

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "K07",
        title: "one key takes a large part of the work",
        reads: "HOTKEYS GET (Redis 8.6, after HOTKEYS START); else OBJECT FREQ of the keys looked at, under an LFU policy; else CLUSTER SLOT-STATS with processor time; else OBJECT IDLETIME of the keys looked at, compared with the commands a second",
        asks: &[Question::Slots, Question::HotKeys],
        limits: &[
            ("warning", 0.20),
            ("critical", 0.50),
            ("usec", 100_000.0),
            ("uses", 1000.0),
            ("rate", 1000.0),
            ("in_use", 2.0),
        ],
        threshold: "one key takes {warning%} (critical: {critical%}) of the processor time or network bytes (at least {usec} µs) \
                    or of the estimated accesses (at least {uses}), or one slot takes that share of a node's processor time; \
                    warning: {rate} commands a second go to at most {in_use} keys, of at least a hundred",
        why: "one thread serves this key: neither a cluster nor a larger machine helps",
        fix: &[CACHE, COPIES, "CLUSTER GETKEYSINSLOT <slot> 10 (in a cluster, where only the slot is known)"],
        source: "Redis documentation, HOTKEYS; redis#15375 on why not to switch to LFU to find out",
        weight: 59,
        examine: hot_key,
        ..K
    },
    Rule {
        id: "K14",
        title: "much memory holds unused keys",
        reads: "OBJECT IDLETIME of the keys looked at (not under an LFU policy)",
        limits: &[("share", 0.30), ("keys", 100.0), ("floor", 10_485_760.0)],
        threshold: "{share%} of the bytes of at least {keys} keys, and {floorB}, were not accessed for seven days",
        why: "this memory can be freed at no cost",
        fix: &[
            "redis-ops diagnose keyspace --full",
            "give such keys a time to live, or UNLINK them",
            "EXPIRE <key> 604800 (and others like it)",
            "in the application: set a time to live when writing",
        ],
        source: "rma#64",
        examine: cold,
        ..K
    },
    Rule {
        id: "K17",
        title: "the average time to live in INFO is misleading",
        reads: "INFO keyspace avg_ttl, PTTL of the keys looked at",
        limits: &[("times", 2.0), ("keys", 100.0)],
        threshold: "avg_ttl differs by a factor of {times} from the average of at least {keys} keys looked at; info only",
        why: "each expiry cycle moves avg_ttl by a fiftieth towards the keys it sees: after a change it stays wrong for a long time",
        fix: &["trust the time to live of the keys looked at: redis-ops diagnose keyspace --full"],
        source: "expire.c: avg_ttl = avg_ttl / 50 * 49 + ttl / 50",
        examine: average,
        ..K
    },
];

fn hot_key(case: &Case<'_>) -> Judged {
    if let Some(hot) = case.snapshot.answers.hot_keys.got() {
        return Ok(from_hot_keys(case, hot));
    }
    let by_use = from_frequencies(case);
    if let Some(judged) = by_use {
        return Ok(judged);
    }
    if let Some(judged) = from_slots(case) {
        return Ok(judged);
    }
    if let Some(judged) = from_idle_times(case) {
        return Ok(judged);
    }
    skip(
        "the server counts no key accesses: HOTKEYS START METRICS 2 CPU NET DURATION 10 (Redis 8.6), an LFU policy that is there already, or cluster-slot-stats-enabled yes",
    )
}

/// What helps where the key is known.
fn with_known_key(finding: Finding) -> Finding {
    finding.fix(CACHE).fix(COPIES)
}

fn from_hot_keys(case: &Case<'_>, hot: &HotKeys) -> Option<Finding> {
    let share = |list: &[(Vec<u8>, u64)], total: u64| {
        let (key, amount) = list.iter().max_by_key(|(_, amount)| *amount)?;
        Some((*amount as f64 / total.max(1) as f64, escaped(key), *amount))
    };
    let cpu = share(&hot.by_cpu, hot.cpu_usec).filter(|_| hot.cpu_usec as f64 >= case.limit("usec"));
    let network = share(&hot.by_network, hot.network_bytes)
        .filter(|_| hot.cpu_usec as f64 >= case.limit("usec") || hot.cpu_usec == 0);
    let (of, (share, key, amount)) = match (cpu, network) {
        (Some(cpu), Some(network)) if network.0 > cpu.0 => ("network bytes", network),
        (Some(cpu), _) => ("processor µs", cpu),
        (None, Some(network)) => ("network bytes", network),
        (None, None) => return None,
    };
    case.grade(share).map(with_known_key).map(|finding| {
        finding
            .evidence("key", key)
            .evidence("share", percent(share))
            .evidence("of", of)
            .evidence("amount", amount)
            .evidence("milliseconds", hot.duration_ms)
    })
}

/// From the counters of an LFU policy; `None` where there are none.
fn from_frequencies(case: &Case<'_>) -> Option<Option<Finding>> {
    let keyspace = case.snapshot.keyspace.got()?;
    let (hottest, all) = (keyspace.hottest.as_ref()?, keyspace.uses?);
    // What was not looked at has been used as well.
    let all = all * keyspace.total.max(keyspace.seen) as f64 / keyspace.seen.max(1) as f64;
    let share = hottest.uses / all.max(1.0);
    let finding = if hottest.uses >= case.limit("uses") { case.grade(share) } else { None };
    Some(finding.map(with_known_key).map(|finding| {
        finding
            .evidence("key", hottest.key.as_str())
            .evidence("share", percent(share))
            .evidence("of", "estimated uses")
            .evidence("frequency", hottest.frequency)
            .evidence("looked_at", keyspace.confidence())
    }))
}

/// From when keys were last used: all that is asked goes to one or two of them. `None` where that is not known.
fn from_idle_times(case: &Case<'_>) -> Option<Option<Finding>> {
    let keyspace = case.snapshot.keyspace.got()?;
    let idle = keyspace.idle.as_ref().filter(|idle| idle.keys >= 100)?;
    let rate = case.delta("total_commands_processed").ok()?.rate();
    // Of a sample only those in use that were met are known: the others are as many as their share.
    let in_use = idle.just_used_keys as f64 * keyspace.total.max(idle.keys) as f64 / idle.keys as f64;
    let hot = rate >= case.limit("rate") && in_use >= 1.0 && in_use <= case.limit("in_use");
    Some(hot.then(|| {
        with_known_key(case.warning())
            .evidence("key", idle.just_used.join(" "))
            .evidence("commands_per_second", rate.round())
            .evidence("of", "the keys that were used within the last second")
            .evidence("looked_at", keyspace.confidence())
    }))
}

/// From the processor time of slots; `None` where they do not tell.
fn from_slots(case: &Case<'_>) -> Option<Option<Finding>> {
    let slots = case.snapshot.answers.slots.got()?;
    let total = figures::sum(slots.iter().map(|slot| slot.cpu_usec).collect::<Option<Vec<u64>>>()?);
    let hottest = slots.iter().max_by_key(|slot| slot.cpu_usec)?;
    let usec = hottest.cpu_usec?;
    let share = usec as f64 / total.max(1) as f64;
    let finding = if total as f64 >= case.limit("usec") && slots.len() > 1 { case.grade(share) } else { None };
    Some(finding.map(|finding| {
        finding
            .evidence("slot", hottest.slot)
            .evidence("share", percent(share))
            .evidence("of", "processor µs of this node")
            .evidence("keys_in_slot", hottest.keys)
            .fix(format!("CLUSTER GETKEYSINSLOT {} 10", hottest.slot))
            .fix(CACHE)
    }))
}

fn cold(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let Some(idle) = &keyspace.idle else {
        return skip("idle times are unknown: they are asked only for a sample, and not under an LFU policy");
    };
    // A live server forgets at a restart when its keys were used, unless its policy is LRU.
    let uptime = case.snapshot.info.u64("uptime_in_seconds");
    if idle.cold_keys == 0 && uptime.is_some_and(|seconds| (seconds as f64) < COLD_DAYS * 86_400.0) {
        return skip("the server is up for less than seven days: nothing can be idle for longer");
    }
    let share = idle.cold_bytes as f64 / idle.bytes.max(1) as f64;
    let enough = idle.keys as f64 >= case.limit("keys") && idle.bytes as f64 >= case.limit("floor");
    if !enough || share < case.limit("share") {
        return Ok(None);
    }
    let finding = case
        .warning()
        .evidence("of_the_bytes", percent(share))
        .evidence("keys", idle.cold_keys)
        .evidence("bytes", idle.cold_bytes)
        .evidence("example", idle.example.clone())
        .evidence("looked_at", keyspace.confidence());
    Ok(Some(match &idle.example {
        Some(example) => finding
            .fix(format!("EXPIRE {} 604800 (and others like it)", quoted(example)))
            .fix("in the application: set a time to live when writing"),
        None => finding,
    }))
}

fn average(case: &Case<'_>) -> Judged {
    let keyspace = case.keyspace()?;
    let databases = case.snapshot.info.databases();
    let expires = figures::sum(databases.values().map(|database| database.expires));
    if expires == 0 {
        return Ok(None);
    }
    // 0 is what a server says that has not looked yet.
    let told: f64 =
        databases.values().map(|database| database.avg_ttl_ms as f64 * database.expires as f64).sum::<f64>()
            / expires as f64;
    let with_ttl = keyspace.seen - keyspace.without_ttl.min(keyspace.seen);
    if (with_ttl as f64) < case.limit("keys") || told <= 0.0 {
        return Ok(None);
    }
    let seen = keyspace.ttl_sum_ms / with_ttl as f64;
    let times = (told / seen.max(1.0)).max(seen / told);
    Ok((times >= case.limit("times")).then(|| {
        case.info()
            .evidence("avg_ttl_seconds", (told / 1000.0).round())
            .evidence("seen_seconds", (seen / 1000.0).round())
            .evidence("looked_at", keyspace.confidence())
    }))
}
