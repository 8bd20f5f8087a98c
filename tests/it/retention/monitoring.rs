//! The alert rules and the dashboard of `scripts/monitoring/` against what `metrics` prints.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::days_ago;
use crate::backup::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/monitoring").join(name))
        .expect("a file")
}

/// The alerts by their names, with their expressions.
fn alerts() -> BTreeMap<String, String> {
    let rules: Value = serde_saphyr::from_str(&file("alerts.yml")).expect("YAML");
    let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_else(|| panic!("{key} in {rule}")).to_owned();
    let groups = rules["groups"].as_array().expect("groups");
    let all = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    all.map(|rule| {
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(), "{rule}");
        (text(rule, "alert"), text(rule, "expr"))
    })
    .collect()
}

/// The names of our metrics in an expression.
fn names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("redis_")).map(str::to_owned).collect()
}

/// Whether an expression gives anything: the forms that the rules have, and no other.
fn fires(expression: &str, samples: &BTreeMap<String, f64>) -> bool {
    if let Some(name) = expression.strip_prefix("absent(").and_then(|rest| rest.strip_suffix(')')) {
        return !samples.contains_key(name);
    }
    if let Some((name, without)) = expression.split_once(" unless on (instance, repository) ") {
        return samples.contains_key(name) && !samples.contains_key(without);
    }
    let words: Vec<&str> = expression.split(' ').collect();
    let [name, operator, limit] = words[..] else { panic!("`{expression}` has another form") };
    let limit: f64 = limit.parse().expect("a number");
    let holds = |value: &f64| match operator {
        ">" => *value > limit,
        "<" => *value < limit,
        "==" => (*value - limit).abs() < f64::EPSILON,
        other => panic!("`{other}` in `{expression}`"),
    };
    match name.strip_prefix('-') {
        Some(name) => samples.get(name).is_some_and(|value| holds(&-value)),
        None => samples.get(name).is_some_and(holds),
    }
}

/// What `metrics` prints of a server and its backups, without labels.
fn samples(server: &RedisServer, folder: &Folder) -> BTreeMap<String, f64> {
    let settings = format!(
        "instances: {{ prod: {{ url: \"{}\" }} }}\nbackup: {{ schedule: \"{}\", destination: \"{}\" }}\n",
        server.url(),
        (chrono::Utc::now() - chrono::TimeDelta::hours(2)).format("%M %H * * *"),
        folder.text()
    );
    let run = RedisOps::new().file("redis-ops.yaml", settings).args(["metrics", "-i", "prod"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let samples = run.text().lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.split('{').next()?.to_owned(), value.parse().ok()?))
    });
    samples.collect()
}

fn firing(server: &RedisServer, folder: &Folder) -> Vec<String> {
    let samples = samples(server, folder);
    alerts().into_iter().filter(|(_, expression)| fires(expression, &samples)).map(|(name, _)| name).collect()
}

#[test]
fn the_alerts_fire_for_a_backup_that_did_not_run_and_one_that_was_never_verified() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    if days_ago(3, "prod", &folder.text()).is_none() {
        return crate::support::skip("clock that can be shifted");
    }
    assert_eq!(firing(&server, &folder), ["RedisBackupMissing", "RedisBackupNeverVerified", "RedisBackupTooOld"]);
    let verified = RedisOps::new().args(["verify", "prod/latest", "-r", &folder.text()]).run();
    assert!(verified.code <= 1, "{}", verified.everything());
    assert_eq!(firing(&server, &folder), ["RedisBackupMissing", "RedisBackupTooOld"]);
    let run = crate::backup::backup(&server.url(), &folder.text(), &[]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert_eq!(firing(&server, &folder), Vec::<String>::new());
    assert_eq!(firing(&server, &Folder::new()), ["RedisBackupMissing", "RedisBackupNone"]);
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_are_printed() {
    let Some(server) = RedisServer::start() else { return };
    let folder = Folder::new();
    let run = crate::backup::backup(&server.url(), &folder.text(), &[]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).expect("JSON");
    let mut expressions: Vec<String> = alerts().into_values().collect();
    for panel in dashboard["panels"].as_array().expect("panels") {
        let targets = panel["targets"].as_array().expect("targets");
        expressions.extend(targets.iter().map(|target| target["expr"].as_str().expect("an expression").to_owned()));
    }
    // What is printed only once something was verified, drilled or found stands in the sources.
    let sources = [include_str!("../../../src/metrics/backups.rs"), include_str!("../../../src/metrics.rs")].concat();
    let printed = samples(&server, &folder);
    for expression in &expressions {
        let named = names(expression);
        assert!(!named.is_empty(), "{expression}");
        for name in named {
            assert!(
                printed.contains_key(&name) || sources.contains(&format!("\"{name}\"")),
                "{name} in `{expression}`"
            );
        }
    }
    assert!(expressions.len() > 15, "{}", expressions.len());
}
