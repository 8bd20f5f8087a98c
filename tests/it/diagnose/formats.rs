//! One fault in every form that people copy it in: programs' dictionaries, tables, logs with prefixes, what other tools say.

use serde_json::json;

use super::lab::Diagnosis;
use crate::support::redis_ops::RedisOps;

/// A server without room, as far as INFO tells.
const FULL: &[(&str, &str)] = &[
    ("redis_version", "7.0.15"),
    ("role", "master"),
    ("used_memory", "3221224472"),
    ("used_memory_rss", "3335973836"),
    ("maxmemory", "3221225472"),
    ("maxmemory_policy", "noeviction"),
    ("total_system_memory", "17179869184"),
    ("db0", "keys=9,expires=0"),
];

fn lines(one: impl Fn(&str, &str) -> String) -> String {
    FULL.iter().map(|(name, value)| one(name, value)).collect()
}

fn info(end: &str) -> String {
    format!("# Memory{end}") + &lines(|name, value| format!("{name}:{value}{end}"))
}

fn joined(between: &str, one: impl Fn(&str, &str) -> String) -> String {
    FULL.iter().map(|(name, value)| one(name, value)).collect::<Vec<_>>().join(between)
}

/// The line protocol has no fields with commas in them.
fn influx() -> String {
    let number = |value: &str| value.bytes().all(|byte| byte.is_ascii_digit());
    let field = |name: &str, value: &str| match number(value) {
        true => format!("{name}={value}i"),
        false => format!("{name}=\"{value}\""),
    };
    let fields = FULL.iter().filter(|(_, value)| !value.contains(','));
    fields.map(|(name, value)| field(name, value)).collect::<Vec<_>>().join(",")
}

/// The same server as redis_exporter tells it.
const SCRAPE: &str = "# HELP redis_up Information about the Redis instance\n# TYPE redis_up gauge\nredis_up 1\n\
    redis_memory_used_bytes 3.221224472e+09\nredis_memory_used_rss_bytes 3.335973836e+09\n\
    redis_memory_max_bytes 3.221225472e+09\nredis_config_maxmemory 3.221225472e+09\n\
    redis_total_system_memory_bytes 1.7179869184e+10\nredis_db_keys{db=\"db0\"} 9\nredis_db_keys_expiring{db=\"db0\"} 0\n\
    redis_instance_info{maxmemory_policy=\"noeviction\",redis_version=\"7.0.15\",role=\"master\"} 1\ngo_goroutines 9\n";

/// The same server in every form.
fn forms() -> Vec<(&'static str, String)> {
    let pairs = |quote: &str, between: &str| {
        let pairs: Vec<String> =
            FULL.iter().map(|(name, value)| format!("{quote}{name}{quote}{between}{quote}{value}{quote}")).collect();
        pairs.join(", ")
    };
    let memory: serde_json::Map<String, serde_json::Value> =
        FULL.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    vec![
        ("Slack", format!("*alice*  3:02 AM\nall writes fail :fire:\n{}", info("\n").replace('\n', "\n> "))),
        ("Python", format!("{{{}}}\n", pairs("'", ": "))),
        ("IPython", format!("In [3]: r.info()\nOut[3]: {{{}}}\n", pairs("'", ": "))),
        ("Ruby", format!("irb(main):003:0> redis.info\n=> {{{}}}\n", pairs("\"", "=>"))),
        ("Node", format!("{{\n{}}}\n", lines(|name, value| format!("  {name}: '{value}',\n")))),
        ("PHP", format!("Array\n(\n{})\n", lines(|name, value| format!("    [{name}] => {value}\n")))),
        (
            "Markdown",
            format!("| Metric | Value |\n|---|---|\n{}", lines(|name, value| format!("| {name} | {value} |\n"))),
        ),
        ("CSV", format!("metric,value\n{}", lines(|name, value| format!("{name},{value}\n")))),
        ("a spreadsheet", lines(|name, value| format!("{name}\t{value}\n"))),
        ("JSON of a text", json!({"info": info("\r\n")}).to_string()),
        ("JSON of a tool", format!("{:#}\n", json!({"status": 0, "output": info("\n")}))),
        ("JSON of a shipper", json!({"@timestamp": "2026-11-28", "redis": {"info": {"memory": memory}}}).to_string()),
        (
            "Ansible",
            format!(
                "ok: [redis1] => {{\n    \"out.stdout_lines\": [\n{}    ]\n}}\n",
                lines(|name, value| format!("        \"{name}:{value}\",\n"))
            ),
        ),
        (
            "kubectl logs",
            lines(|name, value| format!("[pod/redis-0/redis] 2026-11-28T02:10:00.123456789Z {name}:{value}\n")),
        ),
        ("Go", format!("2026/11/28 02:10:00 redis: map[{}]\n", joined(" ", |name, value| format!("{name}:{value}")))),
        ("Go, %#v", format!("map[string]string{{{}}}\n", pairs("\"", ":"))),
        ("Java", format!("Properties: {{{}}}\n", joined(", ", |name, value| format!("{name}={value}")))),
        ("InfluxDB", format!("redis,port=6379 {} 1788000000\n", influx())),
        ("a scrape", SCRAPE.to_owned()),
        (
            "a scrape of Prometheus",
            SCRAPE.replace("redis_memory_used_bytes ", "redis_memory_used_bytes{job=\"redis\"} "),
        ),
        ("C#", lines(|name, value| format!("  {{\"Key\":\"{name}\",\"Value\":\"{value}\"}},\n"))),
        ("a text in quotes", format!("'{}'\n", info("\\r\\n"))),
        ("bytes in Python", format!("b'{}'\n", info("\\r\\n"))),
        ("a page", format!("<pre><code>{}</code></pre>\n", info("<br>"))),
        ("a table of a page", lines(|name, value| format!("<tr><td>{name}</td><td>{value}</td></tr>\n"))),
        (
            "a table with numbers",
            format!(
                "| # | field | value |\n|---|---|---|\n{}",
                lines(|name, value| format!("| 1 | `{name}` | {value} |\n"))
            ),
        ),
        ("stern", lines(|name, value| format!("redis-0 redis {name}:{value}\n"))),
        ("the end of a screen", format!("mory_human:3.00G\n{}used_mem", info("\n"))),
    ]
}

#[track_caller]
fn read(text: &str) -> Diagnosis {
    Diagnosis::of_run(&RedisOps::new().args(["diagnose", "all", "--json", "--from", "-"]).stdin(text).run())
}

#[test]
fn one_cause_is_found_in_every_form() {
    let mut wrong = Vec::new();
    for (form, text) in forms() {
        let Diagnosis { json, code } = read(&text);
        let first = &json["findings"][0];
        if (first["id"].as_str(), code) != (Some("M01"), 2) {
            wrong.push(format!("{form}: exit {code}, {first:#}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{} forms:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_nodes_of_a_cluster_in_one_dictionary_are_told_apart() {
    let of = |used: u64| {
        json!({"redis_version": "7.0.15", "role": "master", "used_memory": used, "used_memory_rss": used + 1_000_000,
               "maxmemory": 3_221_225_472_u64, "maxmemory_policy": "noeviction"})
    };
    let text = json!({"10.0.0.1:7000": of(1_000_000_000), "10.0.0.2:7000": of(3_221_224_472)}).to_string();
    let diagnosis = read(&text);
    let servers = diagnosis.json["servers"].as_array().expect("servers");
    let names: Vec<&str> = servers.iter().filter_map(|server| server["instance"].as_str()).collect();
    assert_eq!(names, ["10.0.0.1:7000 in standard input", "10.0.0.2:7000 in standard input"]);
    assert_eq!(diagnosis.json["instance"], "10.0.0.2:7000 in standard input");
    diagnosis.first_is("M01");
}

#[test]
fn the_hosts_that_a_tool_has_asked_are_told_apart() {
    let healthy = "# Memory\nused_memory:1000000\nmaxmemory:3221225472\nmaxmemory_policy:noeviction\n";
    let text = format!("redis-a | CHANGED | rc=0 >>\n{healthy}\nredis-b | CHANGED | rc=0 >>\n{}", info("\n"));
    let diagnosis = read(&text);
    assert_eq!(diagnosis.json["instance"], "redis-b in standard input");
    assert_eq!(diagnosis.json["servers"].as_array().map(Vec::len), Some(2));
    assert_eq!(diagnosis.json["not_understood"]["lines"], 0);
    diagnosis.first_is("M01");
}

/// What stands in logs and in the answers of other tools, with the rule that says it first.
const SAID: &[(&str, &str)] = &[
    (
        "P22",
        "[pod/redis-master-0/redis] 2026-11-28T02:10:00.131456789Z 1:M 28 Nov 2026 02:10:00.131 # Can't save in background: fork: Cannot allocate memory\n",
    ),
    (
        "M30",
        "[812345.123456] redis-server invoked oom-killer: gfp_mask=0x100cca, order=0, oom_score_adj=0\n[812345.223456] Out of memory: Killed process 812 (redis-server) total-vm:18273644kB, anon-rss:15984332kB\n",
    ),
    ("M30", "    Last State:     Terminated\n      Reason:       OOMKilled\n      Exit Code:    137\n"),
    (
        "M31",
        "[2026-11-28 02:10:00,123: ERROR/MainProcess] Task shop.mail raised unexpected: ResponseError(\"OOM command not allowed when used memory > 'maxmemory'.\")\n",
    ),
    (
        "P24",
        "web_1    | redis.exceptions.ResponseError: MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.\n",
    ),
    (
        "R20",
        "Nov 28 02:11:31 db1 redis-server[812]: 812:M 28 Nov 2026 02:11:31.020 # Client id=992 addr=10.0.0.7:49202 fd=12 name= age=91 idle=91 flags=S db=0 omem=278528000 cmd=psync scheduled to be closed ASAP for overcoming of output buffer limits.\n",
    ),
    (
        "R21",
        "{\"log\": \"1:S 28 Nov 2026 02:10:00.103 # Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair\\n\", \"stream\": \"stdout\"}\n",
    ),
    (
        "R24",
        "$ redis-cli --cluster check 10.0.0.1:6379\n10.0.0.1:6379 (1a2b3c4d...) -> 12012 keys | 5461 slots | 1 slaves.\n[OK] 23902 keys in 2 masters.\n>>> Check slots coverage...\n[ERR] Not all 16384 slots are covered by nodes.\n",
    ),
    (
        "M38",
        "Sam, I detected a few issues in this Redis instance memory implants:\n\n * High total RSS: This instance has a memory fragmentation and RSS overhead greater than 1.4 (this means that the Resident Set Size of the Redis process is much larger than the sum of the logical allocations Redis performed).\n\nI'm here to keep you safe, Sam. I want to help you.\n",
    ),
    ("P06", "1) 1) \"fork\"\n   2) (integer) 1795000000\n   3) (integer) 480\n   4) (integer) 912\n"),
    ("P07", "1) 1) \"aof-fsync-always\"\n   2) (integer) 1795000010\n   3) (integer) 210\n   4) (integer) 2100\n"),
    (
        "C21",
        "1) 1) (integer) 900\n   2) (integer) 1795000000\n   3) (integer) 1250000\n   4) 1) \"KEYS\"\n      2) \"session:*\"\n   5) \"10.0.4.1:51234\"\n   6) \"report-worker\"\n",
    ),
    (
        "C08",
        "[{'id': '3', 'addr': '10.0.0.3:40003', 'name': 'dash', 'age': '5000', 'idle': '0', 'flags': 'N', 'omem': '780000000', 'cmd': 'lrange'}]\n",
    ),
    (
        "M35",
        "> CONFIG GET maxmemory*\n1) \"maxmemory\"\n2) \"34359738368\"\n3) \"maxmemory-policy\"\n4) \"allkeys-lru\"\n\n> INFO memory\nused_memory:4294967296\nused_memory_rss:4509715660\ntotal_system_memory:17179869184\n",
    ),
    (
        "R01",
        "10.0.0.7:6379> info replication\nrole:slave\nmaster_host:10.0.0.6\nmaster_port:6379\nmaster_link_status:down\nmaster_link_down_since_seconds:4210\n",
    ),
];

#[test]
fn what_logs_and_other_tools_say_is_said_first() {
    let mut wrong = Vec::new();
    for (rule, text) in SAID {
        let diagnosis = read(text);
        let said = diagnosis.rules();
        if said.first() != Some(rule) || diagnosis.code == 0 {
            wrong.push(format!("{rule}: exit {}, {said:?}, {}\n{text}", diagnosis.code, diagnosis.json["verdict"]));
        }
        // A line is not understood once.
        let dark = diagnosis.json["not_understood"]["lines"].as_u64().unwrap_or(0);
        assert!(dark <= text.lines().count() as u64, "{text}: {dark}");
    }
    assert!(wrong.is_empty(), "{} texts:\n{}", wrong.len(), wrong.join("\n"));
}
