//! A store that is away, silent or no store at all, seen from the command line; with a real server that is written to and drops a
//! replica that takes nothing.

use std::time::{Duration, Instant};

use super::failure;
use crate::support::proxy::{Proxy, Way};
use crate::support::redis_ops::{RedisOps, Run};
use crate::support::redis_server::RedisServer;
use crate::support::s3::S3Server;
use crate::support::web::{Answer, Web};

const SECOND: Duration = Duration::from_secs(1);

/// A command against the store behind this endpoint.
fn with(store: &S3Server, endpoint: &str, arguments: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
    let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value));
    run.env("AWS_ENDPOINT_URL_S3", endpoint)
}

/// A backup of so many KB while others write; the store is away for this time from the first part on.
fn backup_meanwhile(keys: usize, away: Duration, way: Way, more: &[&str]) -> Option<(RedisServer, S3Server, Run)> {
    let server = RedisServer::start()?;
    server.fill(keys, 1000);
    server.ok(&["CONFIG", "SET", "repl-timeout", "3"]);
    let store = S3Server::start();
    let proxy = Proxy::before(&store.endpoint());
    let run =
        with(&store, &proxy.endpoint(), &["backup", "-i", &server.url(), "--name", "prod", "--compression", "none"])
            .args(more)
            .spawn();
    let begun = Instant::now();
    while store.count("UploadPart") == 0 && begun.elapsed() < 60 * SECOND {
        std::thread::sleep(Duration::from_millis(5));
    }
    proxy.become_(way);
    let until = Instant::now() + away;
    let mut number = 0;
    while Instant::now() < until {
        server.ok(&["SET", &format!("meanwhile:{number}"), "x"]);
        number += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    proxy.become_(Way::Open);
    let run = run.wait();
    Some((server, store, run))
}

#[test]
fn a_store_that_is_away_costs_no_backup_and_no_link() {
    for (away, more) in [
        (SECOND, vec![]),
        (5 * SECOND, vec![]),
        // Hardly anything may wait: the link is read just so much that the server does not drop it.
        (8 * SECOND, vec!["--spool-limit", "16MB"]),
    ] {
        let more: Vec<&str> = more.into_iter().chain(["--rate", "20MB"]).collect();
        let Some((server, store, run)) = backup_meanwhile(60_000, away, Way::Cut, &more) else { return };
        assert_eq!(run.code, 0, "{away:?}: {}", run.everything());
        assert!(run.stderr.contains("retrying"), "{away:?}: {}", run.stderr);
        assert!(run.stderr.contains("answering again"), "{away:?}: {}", run.stderr);
        assert!(run.stderr.lines().all(|line| !line.contains("Z  WARN") && !line.contains("{")), "{}", run.stderr);
        assert!(!server.log().contains("Disconnecting timedout replica"), "{}", server.log());
        let (code, verified) = with(&store, &store.endpoint(), &["verify", "--backup-id", "latest"]).json();
        assert_eq!((code, &verified["checked"]["keys"]), (0, &60_000.into()), "{verified}");
    }
}

#[test]
fn what_cannot_wait_any_longer_ends_with_that_reason() {
    let more = ["--spool-limit", "0", "--json"];
    let Some((_server, _store, run)) = backup_meanwhile(120_000, 25 * SECOND, Way::Silent, &more) else { return };
    assert_eq!(failure(&run), (2, "spool_full".to_owned()), "{}", run.everything());
}

#[test]
fn a_silent_store_costs_list_plan_and_backup_ten_seconds() {
    let Some(server) = RedisServer::start() else { return };
    let store = S3Server::start();
    let proxy = Proxy::before(&store.endpoint());
    proxy.become_(Way::Silent);
    for (arguments, code) in [
        (vec!["list"], 3),
        (vec!["show", "latest"], 3),
        (vec!["backup", "-i", &server.url(), "--name", "prod"], 2),
        (vec!["backup", "-i", &server.url(), "--name", "prod", "--plan"], 2),
    ] {
        let begun = Instant::now();
        let run = with(&store, &proxy.endpoint(), &arguments).args(["--timeout", "2s", "--json"]).run();
        assert_eq!(failure(&run), (code, "storage_unavailable".to_owned()), "{arguments:?}: {}", run.everything());
        assert!(begun.elapsed() < 60 * SECOND, "{arguments:?}: {:?}", begun.elapsed());
        assert!(run.everything().contains(&proxy.endpoint()), "{}", run.everything());
        assert!(run.everything().contains("AWS_ENDPOINT_URL_S3"), "{}", run.everything());
    }
}

#[test]
fn a_store_that_falls_silent_for_good_ends_the_backup_after_the_retry_time() {
    let begun = Instant::now();
    let more = ["--store-retry", "3s", "--timeout", "1s", "--rate", "20MB", "--json"];
    let Some((_server, _store, run)) = backup_meanwhile(60_000, 40 * SECOND, Way::Silent, &more) else { return };
    assert_eq!(failure(&run), (2, "storage_unavailable".to_owned()), "{}", run.everything());
    let took = run.json()["duration_seconds"].as_f64().unwrap();
    assert!(took < 120.0, "{took} s of {:?}", begun.elapsed());
}

/// The store was asked and has answered: there is no backup yet.
fn reached(run: &Run) -> bool {
    run.code == 3 && run.stderr.contains("no repository at s3://")
}

#[test]
fn variables_of_aws_that_end_with_a_line_break_are_trimmed_and_named() {
    let store = S3Server::start();
    let run = store
        .env()
        .into_iter()
        .fold(RedisOps::new().args(["list", "-r", &store.location("redis")]), |run, (name, value)| {
            run.env(&name, if name.starts_with("AWS_") { format!("{value}\n") } else { value })
        });
    let run = run.run();
    assert!(reached(&run), "{}", run.everything());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL_S3"] {
        assert!(run.stderr.contains(name), "{name}: {}", run.stderr);
    }
    assert!(run.stderr.contains("line break") && !run.stderr.contains("hunter2"), "{}", run.stderr);
    // A profile's keys that no header can hold are an error, and no panic.
    let run = RedisOps::new()
        .args(["list", "-r", "s3://backups/redis", "--s3-endpoint", &store.endpoint(), "--json"])
        .file("credentials", "[default]\naws_access_key_id = AKIA\u{1}X\naws_secret_access_key = hunter2\n")
        .env("AWS_SHARED_CREDENTIALS_FILE", "credentials")
        .run();
    assert_eq!(failure(&run), (3, "access_denied".to_owned()), "{}", run.everything());
}

/// The SDK itself reads these, and nobody can trim them on the way.
#[test]
fn variables_that_the_sdk_reads_may_end_with_a_line_break_too() {
    let store = S3Server::start();
    let key = |wanted: &str| store.env().into_iter().find(|(name, _)| name == wanted).unwrap().1;
    let (id, secret) = (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"));
    let list = || {
        RedisOps::new()
            .args(["list", "-r", &store.location("redis"), "--s3-region", "us-east-1"])
            .env("AWS_ENDPOINT_URL_S3", store.endpoint())
    };
    // A profile in files of one's own.
    let run = list()
        .file("keys", format!("[work]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))
        .file("config", "[profile work]\nregion = us-east-1\n")
        .env("AWS_PROFILE", "work\n")
        .env("AWS_CONFIG_FILE", "config\n")
        .env("AWS_SHARED_CREDENTIALS_FILE", "keys\n")
        .run();
    assert!(reached(&run), "{}", run.everything());
    let warned = run.stderr.lines().find(|line| line.contains("line break")).expect("a line that says so");
    for name in ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        assert!(warned.contains(name), "{warned}");
    }
    // A role by web identity, as Kubernetes gives it.
    let answer = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let sts = Web::start(move |_| Answer {
        status: 200,
        headers: vec![("Content-Type", "text/xml".into())],
        body: answer.clone(),
    });
    let run = list()
        .file("token", "a.b.c")
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r\n")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "token\n")
        .env("AWS_ROLE_SESSION_NAME", "s\n")
        .env("AWS_ENDPOINT_URL_STS", format!("{}\n", sts.endpoint()))
        .env("AWS_CONFIG_FILE", "/dev/null\n")
        .run();
    assert!(reached(&run), "{}", run.everything());
    assert_eq!(sts.asked().len(), 1, "{:?}", sts.asked());
    assert!(run.stderr.contains("AWS_ROLE_ARN"), "{}", run.stderr);
}

/// A store that restarts while the nightly backup begins.
#[test]
fn a_store_that_is_away_for_four_seconds_before_the_first_byte_costs_no_backup() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let store = S3Server::start();
    for way in [Way::Cut, Way::Silent] {
        let proxy = Proxy::before(&store.endpoint());
        proxy.become_(way);
        let run = with(&store, &proxy.endpoint(), &["backup", "-i", &server.url(), "--name", "prod"]).spawn();
        std::thread::sleep(4 * SECOND);
        proxy.become_(Way::Open);
        let run = run.wait();
        assert_eq!(run.code, 0, "{way:?}: {}", run.everything());
    }
    // Nobody listens, then the store is back.
    let target = store.endpoint();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run =
        with(&store, &format!("http://127.0.0.1:{port}"), &["backup", "-i", &server.url(), "--name", "prod"]).spawn();
    std::thread::sleep(4 * SECOND);
    let _proxy = Proxy::at(port, &target);
    let run = run.wait();
    assert_eq!(run.code, 0, "{}", run.everything());
    // Who asks hears soon that nobody listens.
    let begun = Instant::now();
    let run = with(&store, "http://127.0.0.1:9", &["list", "--json"]).run();
    assert_eq!(failure(&run), (3, "storage_unavailable".to_owned()), "{}", run.everything());
    assert!(begun.elapsed() < 60 * SECOND, "{:?}", begun.elapsed());
}

#[test]
fn what_is_wrong_with_the_credentials_is_named_with_what_helps() {
    let sts = Web::start(|_| Answer {
        status: 403,
        headers: vec![("Content-Type", "text/xml".into())],
        body: "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform \
               sts:AssumeRole</Message></Error></ErrorResponse>"
            .into(),
    });
    for (row, config, more, words, hint) in [
        ("none", "", vec![], "no credentials for S3 were found", "AWS_ACCESS_KEY_ID"),
        (
            "a profile without any",
            "[profile odd]\nregion = eu-west-1\n",
            vec![("AWS_PROFILE", "odd".to_owned())],
            "odd",
            "AWS_PROFILE",
        ),
        (
            "SSO",
            "[profile work]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = \
             eu-west-1\nsso_start_url = https://x.awsapps.com/start\n",
            vec![("AWS_PROFILE", "work".to_owned())],
            "SSO",
            "aws sso login --profile work",
        ),
        ("a program", "[default]\ncredential_process = /bin/false\n", vec![], "credential_process", "by hand"),
        (
            "a role",
            "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\nregion = eu-west-1\n[profile \
             base]\naws_access_key_id = AKIA\naws_secret_access_key = hunter2\n",
            vec![("AWS_ENDPOINT_URL_STS", sts.endpoint())],
            "role",
            "trust policy",
        ),
        (
            "a web identity",
            "",
            vec![
                ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r".to_owned()),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/token".to_owned()),
                ("AWS_ROLE_SESSION_NAME", "s".to_owned()),
            ],
            "",
            "AWS_ROLE_ARN",
        ),
    ] {
        let run = RedisOps::new()
            .args([
                "list",
                "-r",
                "s3://backups/redis",
                "--s3-endpoint",
                "http://127.0.0.1:9",
                "--s3-region",
                "us-east-1",
                "--json",
            ])
            .file("config", config)
            .env("AWS_CONFIG_FILE", "config");
        let run = more.iter().fold(run, |run, (name, value)| run.env(name, value)).run();
        assert_eq!(failure(&run), (3, "access_denied".to_owned()), "{row}: {}", run.everything());
        let error = &run.json()["error"];
        assert!(error.to_string().contains(words), "{row}: {error}");
        assert!(error["hint"].as_str().unwrap_or_default().contains(hint), "{row}: {error}");
        assert!(!run.everything().contains("hunter2"), "{row}: {}", run.everything());
    }
}

#[test]
fn a_proxy_that_is_none_is_not_passed_over() {
    for (variable, endpoint) in
        [("HTTPS_PROXY", None), ("HTTP_PROXY", Some("http://store.example")), ("ALL_PROXY", None)]
    {
        let run = RedisOps::new()
            .args(["list", "-r", "s3://backups/redis", "--json"])
            .args(endpoint.into_iter().flat_map(|endpoint| ["--s3-endpoint", endpoint]))
            .env("AWS_ACCESS_KEY_ID", "AKIA")
            .env("AWS_SECRET_ACCESS_KEY", "hunter2")
            .env(variable, "http://user:hunter2@:bad")
            .run();
        assert_eq!(failure(&run), (3, "storage_unavailable".to_owned()), "{}", run.everything());
        let error = run.json()["error"].to_string();
        assert!(error.contains(variable) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_is_no_repository_is_told_at_once() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").display().to_string();
    std::fs::write(&file, "x").unwrap();
    let page = Web::start(|_| Answer::page(200));
    let store = S3Server::start();
    for place in [file.as_str(), "/dev/null", "s3"] {
        for (command, code) in [(vec!["backup", "-i", &server.url(), "--name", "prod"], 2), (vec!["list"], 3)] {
            let begun = Instant::now();
            let run = match place {
                "s3" => with(&store, &page.endpoint(), &command),
                place => RedisOps::new().args(&command).args(["-r", place]),
            };
            let run = run.arg("--json").run();
            assert_eq!(failure(&run), (code, "not_a_store".to_owned()), "{place}: {}", run.everything());
            assert!(begun.elapsed() < 60 * SECOND, "{place}: {:?}", begun.elapsed());
        }
    }
    assert!(page.asked().len() <= 8, "{:?}", page.asked());
}
