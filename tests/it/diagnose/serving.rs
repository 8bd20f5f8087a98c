//! `metrics --listen` as Prometheus sees it, and what is told of backups.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::redis_ops::{RedisOps, Running};
use crate::support::redis_server::RedisServer;

/// A process that serves metrics, and where.
struct Serving {
    running: Running,
    address: String,
}

#[track_caller]
fn serve(instance: &str, more: &[&str]) -> Serving {
    let mut running = RedisOps::new().args(["metrics", "--listen", "0", "-i", instance]).args(more).spawn();
    let said = running.wait_until_it_says("/metrics");
    let (_, rest) = said.split_once("on http://").expect("an address");
    let (address, _) = rest.split_once("/metrics").expect("an address");
    assert!(address.starts_with("127.0.0.1:"), "loopback unless an address is given: {address}");
    Serving { address: address.to_owned(), running }
}

impl Serving {
    /// Status line and body.
    #[track_caller]
    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    #[track_caller]
    fn metrics(&self) -> String {
        let (status, body) = self.get("/metrics");
        assert_eq!(status, "HTTP/1.1 200 OK");
        body
    }
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "no `{line}` in\n{text}");
}

/// The value of a metric without labels.
#[track_caller]
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
}

#[test]
fn each_scrape_asks_anew_and_an_instance_that_goes_away_is_down_until_it_is_back() {
    let Some(server) = RedisServer::start() else { return };
    let mut serving = serve(&server.url(), &[]);
    has(&serving.metrics(), "redis_up 1");
    server.ok(&["SET", "a", "1"]);
    let text = serving.metrics();
    has(&text, "redis_db_keys{db=\"db0\"} 1");
    has(&text, "redis_exporter_last_scrape_error{err=\"\"} 0");
    assert_eq!(serving.get("/healthz"), ("HTTP/1.1 200 OK".into(), "ok\n".into()));
    drop(server);
    let text = serving.metrics();
    has(&text, "redis_up 0");
    has(&text, "redis_exporter_last_scrape_error{err=\"connection_refused\"} 1");
    assert!(!text.contains("redis_connected_clients"), "{text}");
    assert_eq!(serving.get("/healthz").0, "HTTP/1.1 200 OK", "the exporter is well");
    serving.metrics();
    let said = serving.running.wait_until_it_says("down: ");
    assert_eq!(said.matches("down: ").count(), 1, "said once: {said}");
}

#[test]
fn a_server_that_hangs_is_down_before_prometheus_gives_up() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://{}", hanging.local_addr().expect("an address"));
    let serving = serve(&url, &["--timeout", "400ms"]);
    let begun = Instant::now();
    let text = serving.metrics();
    has(&text, "redis_up 0");
    has(&text, "redis_exporter_last_scrape_error{err=\"timeout\"} 1");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_signal_ends_it_in_order() {
    let Some(server) = RedisServer::start() else { return };
    for signal in ["INT", "TERM"] {
        let serving = serve(&server.url(), &[]);
        has(&serving.metrics(), "redis_up 1");
        // One that says nothing does not hold it up.
        let _silent = TcpStream::connect(&serving.address).expect("it listens");
        serving.running.signal(signal);
        let run = serving.running.wait();
        assert_eq!(run.code, 0, "a signal is how serving ends: {}", run.stderr);
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn an_address_that_is_taken_is_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    RedisOps::new()
        .args(["metrics", "--listen", &port.to_string()])
        .stderr(format!(
            "error: cannot listen on 127.0.0.1:{port}\n  Caused by: Address already in use (os error 98)\n\n\
             hint: another program already listens there: choose another port\n"
        ))
        .exit(3);
}

#[test]
fn what_is_told_of_backups_comes_from_the_repository() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().join("repository");
    std::fs::create_dir(&repository).expect("a folder");
    let repository = repository.display().to_string();
    for key in ["a", "b", "c"] {
        server.ok(&["SET", key, "1"]);
    }
    let metrics = |expected: i32| {
        let run = RedisOps::new().args(["metrics", "-i", &server.url(), "-r", &repository]).run();
        assert_eq!(run.code, expected, "{}", run.stderr);
        (run.text().to_owned(), run.stderr)
    };
    let (text, _) = metrics(0);
    assert_eq!(value(&text, "redis_ops_repository_up"), 1.0);
    assert!(!text.contains("redis_ops_last_backup_timestamp_seconds"), "there is none");
    has(&text, "redis_ops_finding{rule=\"P12\",severity=\"info\"} 1");

    let run = RedisOps::new().args(["backup", "--json", "-i", &server.url(), "-r", &repository]).run();
    let manifest = run.json()["backup"].clone();
    let (text, _) = metrics(0);
    let created_at: chrono::DateTime<chrono::Utc> =
        manifest["created_at"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(value(&text, "redis_ops_last_backup_timestamp_seconds"), created_at.timestamp() as f64);
    assert_eq!(value(&text, "redis_ops_last_backup_keys"), 3.0);
    let stored = manifest["shards"][0]["stored_bytes"].as_f64().expect("bytes");
    assert_eq!(value(&text, "redis_ops_last_backup_stored_bytes"), stored);
    assert_eq!(value(&text, "redis_ops_last_backup_raw_bytes"), manifest["shards"][0]["raw_bytes"].as_f64().unwrap());
    assert!((0.0..60.0).contains(&value(&text, "redis_ops_last_backup_duration_seconds")));
    assert!(!text.contains("redis_ops_last_verified_timestamp_seconds"), "never verified");
    assert!(!text.contains("rule=\"P12\""), "{text}");

    let before = chrono::Utc::now().timestamp() as f64;
    let run = RedisOps::new().args(["verify", "-r", &repository, "--backup-id", "latest"]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let (text, _) = metrics(0);
    assert!(value(&text, "redis_ops_last_verified_timestamp_seconds") >= before);

    std::fs::rename(folder.path().join("repository"), folder.path().join("elsewhere")).expect("moved");
    let (text, said) = metrics(1);
    assert_eq!(value(&text, "redis_ops_repository_up"), 0.0);
    has(&text, "redis_up 1");
    assert!(said.starts_with("warning: cannot read the backups: "), "{said}");
}

#[test]
fn the_age_of_the_last_backup_is_judged_where_a_repository_is_named() {
    let Some(server) = RedisServer::start() else { return };
    server.ok(&["SET", "a", "1"]);
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().display().to_string();
    let diagnose = |settings: &str, more: &[&str]| {
        let run = RedisOps::new()
            .file("redis-ops.yaml", settings)
            .args(["diagnose", "persistence", "--json", "--window", "50ms", "-i", &server.url()])
            .args(more);
        super::lab::Diagnosis::of_run(&run.run())
    };
    let skipped = |diagnosis: &super::lab::Diagnosis| {
        let skipped = diagnosis.json["skipped"].as_array().expect("skipped").clone();
        skipped.iter().find(|skipped| skipped["id"] == "P12").map(|skipped| skipped["reason"].to_string())
    };
    let without = diagnose("", &[]);
    assert!(skipped(&without).expect("skipped").contains("no repository was given"));
    let expected = "diagnose: {expect: {backup: true}}\n";
    assert_eq!(diagnose(expected, &["-r", &repository]).loud(), ["P12"]);
    let run = RedisOps::new().args(["backup", "-i", &server.url(), "-r", &repository]).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let after = diagnose(expected, &["-r", &repository]);
    assert_eq!((after.loud(), skipped(&after)), (vec![], None));
    let unreachable = diagnose(expected, &["-r", "/nowhere/at/all"]);
    assert!(skipped(&unreachable).expect("skipped").contains("the repository: denied"), "{:#}", unreachable.json);
}

#[test]
fn tls_files_that_cannot_be_used_are_our_trouble_and_not_the_servers() {
    let Some(server) = RedisServer::start() else { return };
    let url = format!("rediss://127.0.0.1:{}", server.port());
    for more in [&[][..], &["--listen", "0"]] {
        let run = RedisOps::new().args(["metrics", "-i", &url, "--tls-ca", "/nowhere/ca.pem"]).args(more).run();
        assert_eq!(run.code, 3, "{more:?}: {}", run.everything());
        assert!(!run.text().contains("redis_up"), "{more:?}: {}", run.text());
        assert!(run.stderr.contains("/nowhere/ca.pem"), "{more:?}: {}", run.stderr);
    }
}

#[test]
fn a_repository_with_backups_of_other_names_says_so() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().display().to_string();
    let run = RedisOps::new().args(["backup", "-i", &server.url(), "-r", &repository, "--name", "prod"]).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    let run = RedisOps::new().args(["metrics", "-i", &server.url(), "-r", &repository]).run();
    assert!(run.stderr.contains("no backup metrics") && run.stderr.contains("only of prod"), "{}", run.stderr);
    let settings = format!("instances: {{prod: {{url: \"{}\"}}}}\n", server.url());
    let run =
        RedisOps::new().file("redis-ops.yaml", &settings).args(["metrics", "-i", "prod", "-r", &repository]).run();
    assert!(!run.stderr.contains("no backup metrics"), "{}", run.stderr);
    assert!(run.text().contains("redis_ops_last_backup_timestamp_seconds"), "{}", run.text());
}

#[test]
fn the_names_that_dashboards_use_are_there() {
    let Some(server) = RedisServer::builder().arg("cluster-enabled", "yes").start() else { return };
    let text = RedisOps::new().args(["metrics", "-i", &server.url()]).run().text().to_owned();
    has(&text, "redis_cluster_state 0");
    has(&text, "redis_cluster_slots_fail 0");
    has(&text, "redis_cluster_slots_pfail 0");
    for name in [
        "redis_start_time_seconds",
        "redis_slowlog_length",
        "redis_slowlog_last_id",
        "redis_last_slow_execution_duration_seconds",
        "redis_config_maxmemory",
        "redis_tracking_total_keys",
        "redis_allocator_active_bytes",
        "redis_allocator_resident_bytes",
        "redis_defrag_hits",
        "redis_exporter_last_scrape_duration_seconds",
        "redis_cluster_messages_sent_total",
    ] {
        assert!(value(&text, name) >= 0.0, "{name}");
    }
    let (Some(primary), Some(replica)) = (RedisServer::start(), RedisServer::start()) else { return };
    let port = primary.port().to_string();
    replica.ok(&["REPLICAOF", "127.0.0.1", &port]);
    replica.wait_for("the link is up", |server| server.info("master_link_status") == "up");
    let text = RedisOps::new().args(["metrics", "-i", &replica.url()]).run().text().to_owned();
    has(&text, &format!("redis_master_link_up{{master_host=\"127.0.0.1\",master_port=\"{port}\"}} 1"));
    has(&text, &format!("redis_slave_info{{master_host=\"127.0.0.1\",master_port=\"{port}\",read_only=\"1\"}} 1"));
}
