//! `schedule`: what cron, systemd and Kubernetes are told, tried on them where they are.

use std::path::Path;
use std::process::Command;

use crate::backup::{Folder, failure};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

fn settings(url: &str, destination: &str, more: &str) -> String {
    format!("instances: {{ redis-prod: {{ url: \"{url}\" }} }}\nbackup:\n  destination: \"{destination}\"\n{more}")
}

const NIGHTLY: &str = "  schedule: \"0 1 * * *\"\n  retention: { keep_last: 3, keep_daily: 7 }\n";

fn schedule(text: &str, more: &[&str]) -> RedisOps {
    RedisOps::new().file("redis-ops.yaml", text).args(["schedule", "-i", "redis-prod"]).args(more)
}

#[test]
fn the_next_times_are_named_with_their_zone() {
    let text = settings("redis://127.0.0.1:1", "/nowhere", NIGHTLY);
    let (code, answer) = schedule(&text, &["--as", "cron", "--jitter", "10m"]).json();
    assert_eq!(
        (code, &answer["schedule"], &answer["time_zone"]),
        (0, &"0 1 * * *".into(), &"UTC".into()),
        "{answer:#}"
    );
    let next = answer["next"].as_array().unwrap();
    assert!(
        next.len() == 5 && next.iter().all(|time| time.as_str().unwrap().ends_with("T01:00:00.000Z")),
        "{answer:#}"
    );
    let file = answer["files"][0]["text"].as_str().unwrap();
    assert!(file.contains("CRON_TZ=UTC\n0 1 * * * root /"), "{file}");
    assert!(
        file.contains(" backup -c /") && file.contains(" --if-due ") && file.contains(" --prune --yes --jitter 600s\n"),
        "{file}"
    );
    let run = schedule(&text, &["--as", "cron"]).run();
    assert!(run.code == 0 && run.stderr.contains("`0 1 * * *` in UTC; next: "), "{}", run.everything());
    assert!(run.text().contains(" --prune --yes\n"), "{}", run.text());
}

#[test]
fn a_line_of_the_crontab_takes_a_backup() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    let home = tempfile::tempdir().unwrap();
    // A percent sign ends the command of a crontab unless it is escaped.
    let path = home.path().join("50%/with blanks/redis-ops.yaml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, settings(&server.url(), &folder.text(), "  schedule: \"@yearly\"\n")).unwrap();
    let line = ["schedule", "--as", "cron", "-i", "redis-prod", "-c", path.to_str().unwrap()];
    let text = RedisOps::new().args(line).run().text().to_owned();
    let command =
        text.lines().find_map(|line| line.strip_prefix("0 0 1 1 * root ")).unwrap_or_else(|| panic!("{text}"));
    for due in [true, false] {
        let ran = Command::new("/bin/sh").args(["-c", &command.replace("\\%", "%")]).env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(
            ran.status.success() && said.contains("not due") != due,
            "{command}: {said}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let text = settings("redis://127.0.0.1:1", "/nowhere", "  schedule: \"30 3 13 * 5\"\n");
    let to = folder.path().to_str().unwrap();
    let run = schedule(&text, &["--as", "systemd", "--jitter", "5m", "--to-dir", to]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let timer = std::fs::read_to_string(folder.path().join("redis-ops-redis-prod.timer")).unwrap();
    assert!(
        timer.contains("OnCalendar=*-*-13 03:30:00 UTC\nOnCalendar=Fri *-*-* 03:30:00 UTC\nRandomizedDelaySec=300s\n"),
        "{timer}"
    );
    let service = folder.path().join("redis-ops-redis-prod.service");
    assert!(std::fs::read_to_string(&service).unwrap().contains("backup -c /"), "the service");
    let units = [service, folder.path().join("redis-ops-redis-prod.timer")];
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(verified) => {
            let said = String::from_utf8_lossy(&verified.stderr).into_owned();
            assert!(verified.status.success(), "{said}");
        }
        Err(_) => crate::support::skip("systemd-analyze"),
    }
}

#[test]
fn the_cron_job_is_the_one_in_scripts() {
    let text = settings("redis://127.0.0.1:1", "s3://backups/redis", NIGHTLY);
    let run = schedule(&text, &["--as", "kubernetes"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/k8s/cronjob.yaml");
    if std::env::var_os("REDIS_OPS_WRITE_K8S").is_some() {
        std::fs::write(&path, run.text()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(run.text(), kept, "write it anew with REDIS_OPS_WRITE_K8S=1");
    let job: serde_json::Value = serde_saphyr::from_str(run.text()).expect("YAML");
    assert_eq!(
        (&job["kind"], &job["spec"]["schedule"], &job["spec"]["timeZone"]),
        (&"CronJob".into(), &"0 1 * * *".into(), &"Etc/UTC".into())
    );
    let container = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let line: Vec<&str> = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    // What the container runs can be typed.
    let text = settings(
        "redis://127.0.0.1:1",
        "/nowhere",
        "  enabled: false\n  schedule: \"0 1 * * *\"\n  retention: { keep_last: 3 }\n",
    );
    let run = RedisOps::new()
        .file("c.yaml", &text)
        .args(line.iter().map(|word| if word.starts_with("/etc/") { "c.yaml" } else { word }))
        .run();
    assert!(run.code == 0 && run.text().contains("`backup.enabled: false`"), "{}", run.everything());
}

/// What a template gives with the values of the chart: those that it names, and conditions that hold.
fn rendered(template: &str, values: &serde_json::Value) -> String {
    let mut text = String::new();
    for line in template.lines().filter(|line| !line.starts_with("{{- ")) {
        let mut rest = line;
        while let Some((before, behind)) = rest.split_once("{{ .Values.") {
            let (name, after) = behind.split_once(" }}").expect("an end of what is put in");
            let (name, is_quoted) = name.strip_suffix(" | quote").map_or((name, false), |name| (name, true));
            let value = name.split('.').fold(values, |value, part| &value[part]).as_str().expect("a value").to_owned();
            text.push_str(before);
            text.push_str(&if is_quoted { serde_json::Value::from(value).to_string() } else { value });
            rest = after;
        }
        text.push_str(rest);
        text.push('\n');
    }
    text
}

#[test]
fn the_helm_chart_gives_the_same_cron_job() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("a file of the chart");
    let values: serde_json::Value = serde_saphyr::from_str(&read("helm/redis-ops/values.yaml")).expect("YAML");
    let text = rendered(&read("helm/redis-ops/templates/cronjob.yaml"), &values);
    assert_eq!(text, read("k8s/cronjob.yaml"));
    // Its values are settings as they stand.
    let settings =
        serde_json::json!({ "instances": values["instances"], "backup": values["backup"], "s3": values["s3"] });
    let run = RedisOps::new()
        .file("redis-ops.yaml", settings.to_string())
        .args(["schedule", "-i", "redis-prod", "--as", "kubernetes"])
        .run();
    assert_eq!((run.code, run.text()), (0, text.as_str()), "{}", run.stderr);
}

#[test]
fn what_is_switched_off_wrong_or_missing_is_said() {
    let off = settings("redis://127.0.0.1:1", "/nowhere", "  enabled: false\n  schedule: \"0 1 * * *\"\n");
    let run = schedule(&off, &["--as", "cron"]).run();
    assert_eq!((run.code, run.text()), (0, ""), "{}", run.everything());
    assert!(run.stderr.contains("`backup.enabled: false`"), "{}", run.stderr);
    for (more, says) in [
        ("  schedule: \"61 1 * * *\"\n", "redis-ops.yaml:4:13: `backup.schedule`: `61` is no minute"),
        ("  schedule: \"every night\"\n", "five fields"),
        ("  schedule: \"0 0 31 2 *\"\n", "never comes"),
        ("", "no schedule"),
    ] {
        let line = ["--as", "systemd", "--json"];
        let run = schedule(&settings("redis://127.0.0.1:1", "/nowhere", more), &line).run();
        assert_eq!(run.code, 3, "{}", run.everything());
        let message = run.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{says}: {message}");
    }
    let run = RedisOps::new()
        .args(["schedule", "--as", "cron", "-i", "redis://u:secret@127.0.0.1:1", "-r", "/x", "--json"])
        .run();
    assert_eq!(failure(&run), (3, "usage".to_owned()), "{}", run.text());
    assert!(!run.everything().contains("secret"));
}

#[test]
fn where_the_clock_shows_another_zone_cron_asks_often_and_the_schedule_decides() {
    let text = settings("redis://127.0.0.1:1", "/nowhere", NIGHTLY);
    // Without an hour of summer time, with one, and one that is UTC in winter.
    for (zone, line) in [("UTC", "0 1 * * *"), ("Asia/Kolkata", "*/10 * * * *"), ("Europe/London", "*/10 * * * *")] {
        if !Path::new("/usr/share/zoneinfo").join(zone).exists() {
            crate::support::skip("the zones of the world");
            return;
        }
        let run = schedule(&text, &["--as", "cron"]).env("TZ", zone).run();
        assert!(run.text().contains(&format!("\n{line} root /")), "{zone}: {}", run.everything());
    }
}

#[test]
fn every_instance_has_a_name_of_its_own_that_the_scheduler_takes() {
    let names = ["redis-prod", "redis_prod", "redis.prod", "Redis-prod", "_prod"];
    let entries: Vec<String> =
        names.iter().map(|name| format!("  \"{name}\": {{ url: \"redis://127.0.0.1:1\" }}\n")).collect();
    let text = format!("instances:\n{}backup:\n  destination: /nowhere\n  schedule: \"0 1 * * *\"\n", entries.concat());
    let folder = tempfile::tempdir().unwrap();
    for form in ["cron", "systemd", "kubernetes"] {
        let mut files = std::collections::BTreeSet::new();
        for name in names {
            let instance = format!("--instance={name}");
            let line = ["schedule", "--as", form, &instance, "--to-dir", folder.path().to_str().unwrap()];
            let (code, answer) = RedisOps::new().file("redis-ops.yaml", &text).args(line).json();
            assert_eq!(code, 0, "{answer:#}");
            for file in answer["files"].as_array().unwrap() {
                let file = file["name"].as_str().unwrap();
                let stem = file.split('.').next().unwrap();
                let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) && (form == "systemd" || c != '.');
                assert!(stem.chars().all(good) && file.starts_with("redis-ops-"), "{file}");
                assert!(files.insert(file.to_owned()), "{file} twice");
            }
        }
        assert!(files.iter().any(|file| file.split('.').next() == Some("redis-ops-redis-prod")), "{files:?}");
    }
    // What no backup can be called gets no schedule that would fail each night.
    let text = text.replace("_prod", "my prod's %x");
    let line = ["schedule", "--as", "cron", "-i", "my prod's %x", "--json"];
    let run = RedisOps::new().file("redis-ops.yaml", &text).args(line).run();
    assert_eq!(failure(&run), (3, "usage".to_owned()), "{}", run.text());
}

#[test]
fn an_instance_that_is_followed_has_a_unit_for_that_too() {
    let text = settings("redis://127.0.0.1:1", "/nowhere", "  schedule: \"0 1 * * *\"\n  type: aof\n");
    let run = schedule(&text, &["--as", "cron"]).run();
    assert!(run.text().contains("\n0 * * * * root /") && run.text().contains(" --for 59m\n"), "{}", run.everything());
    let (_, answer) = schedule(&text, &["--as", "systemd"]).json();
    let files = answer["files"].as_array().unwrap();
    assert_eq!((files.len(), &files[2]["name"]), (3, &"redis-ops-redis-prod-archive.service".into()));
    let (_, answer) = schedule(&text, &["--as", "kubernetes"]).json();
    let deployment: serde_json::Value =
        serde_saphyr::from_str(answer["files"][1]["text"].as_str().unwrap()).expect("YAML");
    assert_eq!((&deployment["kind"], &deployment["spec"]["replicas"]), (&"Deployment".into(), &1.into()));
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let words: Vec<&str> = container["args"].as_array().unwrap().iter().filter_map(|word| word.as_str()).collect();
    // It can be typed: nobody listens there, which is all that it says.
    let run = RedisOps::new()
        .file("c.yaml", &text)
        .args(words.iter().map(|word| if word.starts_with("/etc/") { "c.yaml" } else { word }))
        .args(["--for", "1s"])
        .run();
    assert!(run.code == 2 && run.stderr.contains("127.0.0.1:1"), "{}", run.everything());
}

#[test]
fn a_repository_that_is_typed_is_not_passed_over() {
    let text = settings("redis://127.0.0.1:1", "/nowhere", NIGHTLY);
    for more in [["-r", "/elsewhere"], ["--s3-endpoint", "http://e:1"]] {
        let run = schedule(&text, &["--as", "cron", "--json"]).args(more).run();
        assert_eq!(failure(&run), (3, "usage".to_owned()), "{}", run.everything());
    }
}

#[test]
fn what_a_run_needs_of_the_environment_is_asked_for_where_none_is_given() {
    let Some(server) = RedisServer::builder().password("s3cret-of-the-night").start() else { return };
    let folder = Folder::new();
    let home = tempfile::tempdir().unwrap();
    let url = format!("redis://127.0.0.1:{}\", password: \"${{NIGHT_PW}}", server.port());
    let path = home.path().join("redis-ops.yaml");
    std::fs::write(&path, settings(&url, &folder.text(), NIGHTLY)).unwrap();
    let printed = |form: &str| {
        let line = ["schedule", "--as", form, "-i", "redis-prod", "-c", path.to_str().unwrap()];
        RedisOps::new().env("NIGHT_PW", "s3cret-of-the-night").args(line).run()
    };
    let cron = printed("cron");
    assert_eq!(cron.code, 0, "{}", cron.everything());
    assert!(cron.text().contains("\n#NIGHT_PW=\n") && !cron.text().contains("s3cret"), "{}", cron.text());
    // As it is printed it fails; with the line that it asks for it backs up.
    let mut lines = cron.text().lines().filter(|line| !line.starts_with('#'));
    let command = lines.find_map(|line| Some(line.split_once(" root ")?.1.to_owned())).expect("a line");
    let ran = |value: Option<&str>| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command.replace("\\%", "%")]).env_clear();
        if let Some(value) = value {
            shell.env("NIGHT_PW", value);
        }
        shell.output().unwrap().status.code()
    };
    assert_eq!((ran(None), ran(Some("s3cret-of-the-night"))), (Some(3), Some(0)));
    let systemd = printed("systemd");
    let line = "EnvironmentFile=/etc/redis-ops/redis-ops-redis-prod.env\n";
    assert!(systemd.text().contains(line) && systemd.text().contains("sets NIGHT_PW:"), "{}", systemd.text());
    // What needs none is not asked for any.
    let plain = settings("redis://127.0.0.1:1", "/nowhere", NIGHTLY);
    assert!(!schedule(&plain, &["--as", "systemd"]).run().text().contains("EnvironmentFile"));
}
