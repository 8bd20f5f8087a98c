//! What stands in the way to a store, or in its place: credentials that are none, proxies that are gone, web servers, classes of storage
//! that nobody has. Each is named for what it is, with what names it, before anything is sent.

use std::net::TcpListener;

use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::s3::{Fault, S3Server};
use crate::support::web::{Answer, Web};

/// A port at which nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn list(endpoint: &str) -> RedisOps {
    RedisOps::new()
        .args(["list", "-r", "s3://bucket/redis", "--json", "--timeout", "2s", "--s3-endpoint", endpoint])
        .env("AWS_REGION", "us-east-1")
}

#[track_caller]
fn check(run: RedisOps, code: &str, words: &[&str], hint: &[&str]) {
    let run = run.run();
    let answer = run.json();
    let error = &answer["error"];
    let causes = format!("{} {}", error["message"], error["causes"]);
    let told = error["hint"].as_str().unwrap_or_default();
    assert_eq!((run.code, &error["code"]), (3, &code.into()), "{words:?}: {}", run.everything());
    for word in words {
        assert!(causes.contains(word), "no `{word}` in {causes}");
    }
    for word in hint {
        assert!(told.contains(word), "no `{word}` in the hint {told}");
    }
    assert!(!run.everything().contains("hunter2"), "{}", run.everything());
}

#[test]
fn credentials_that_are_none_are_told_as_what_they_are() {
    let web = Web::start(|_| Answer { status: 403, headers: vec![], body: String::new() });
    let endpoint = web.endpoint();
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    let denied = "access_denied";
    check(list(&endpoint).env(id, "AKIA"), denied, &["AWS_SECRET_ACCESS_KEY is not"], &["set AWS_SECRET_ACCESS_KEY"]);
    check(list(&endpoint).env(secret, "hunter2"), denied, &["AWS_ACCESS_KEY_ID is not"], &["set AWS_ACCESS_KEY_ID"]);
    check(list(&endpoint).env("AWS_PROFILE", "nope"), denied, &["no profile `nope`", ".aws/config"], &["AWS_PROFILE"]);
    let half = "[half]\naws_access_key_id = AKIA\n[default]\naws_secret_access_key = hunter2\n";
    let with_half = |endpoint: &str| list(endpoint).file(".aws/credentials", half);
    check(
        with_half(&endpoint).env("AWS_PROFILE", "half"),
        denied,
        &["the profile `half` has no `aws_secret_access_key`"],
        &["write `aws_secret_access_key`"],
    );
    check(with_half(&endpoint), denied, &["the profile `default` has no `aws_access_key_id`"], &["aws_access_key_id"]);
    check(with_half(&endpoint).env("AWS_PROFILE", "other"), denied, &["no profile `other`"], &["AWS_PROFILE"]);
    let token = |run: RedisOps| run.env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    check(token(list(&endpoint)), denied, &["AWS_ROLE_ARN is not"], &["AWS_ROLE_ARN"]);
    check(
        token(list(&endpoint)).env("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        denied,
        &["cannot read its token /nowhere/token"],
        &["AWS_WEB_IDENTITY_TOKEN_FILE"],
    );
    let imds = list(&endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", web.endpoint());
    check(imds, denied, &["IMDS"], &["attach a role"]);
    let container = list(&endpoint).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/x", web.endpoint()));
    check(container, denied, &["AWS_CONTAINER_CREDENTIALS_FULL_URI"], &["AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
}

fn with_key(run: RedisOps) -> RedisOps {
    run.env("AWS_ACCESS_KEY_ID", "AKIA").env("AWS_SECRET_ACCESS_KEY", "hunter2")
}

#[test]
fn a_proxy_that_is_gone_is_named_and_not_the_store() {
    let dead = nobody();
    for (name, endpoint) in [
        ("HTTP_PROXY", "http://store.invalid:9000"),
        ("ALL_PROXY", "http://store.invalid:9000"),
        ("HTTPS_PROXY", "https://store.invalid:9000"),
        ("ALL_PROXY", "https://store.invalid:9000"),
    ] {
        let run = with_key(list(endpoint)).env(name, format!("http://user:hunter2@127.0.0.1:{dead}"));
        let proxy = format!("no server listens at the proxy http://127.0.0.1:{dead} ({name})");
        check(run, "storage_unavailable", &[&proxy, endpoint], &[name, "NO_PROXY"]);
    }
    let run = with_key(list("http://127.0.0.1:9")).env("HTTP_PROXY", "http://no-such-proxy.invalid:3128");
    check(run, "storage_unavailable", &["the host of the proxy http://no-such-proxy.invalid:3128"], &["HTTP_PROXY"]);
}

#[test]
fn a_web_server_that_has_everything_is_no_store() {
    let web = Web::start(|_| {
        Answer::page(200).header("ETag", "\"1\"").header("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")
    });
    let Some(server) = RedisServer::start() else { return };
    for line in [
        &["backup", "-i", &server.url(), "--name", "prod"][..],
        &["backup", "-i", &server.url(), "--name", "prod", "--plan"],
        &["verify", "--backup-id", "prod/latest"],
    ] {
        let run = with_key(RedisOps::new().args(line)).args([
            "-r",
            "s3://bucket/redis",
            "--json",
            "--s3-endpoint",
            &web.endpoint(),
        ]);
        let run = run.env("AWS_REGION", "us-east-1").run();
        let error = &run.json()["error"];
        assert_eq!(error["code"], "not_a_store", "{line:?}: {}", run.everything());
        assert!(!error.to_string().contains("damaged"), "{line:?}: {error}");
    }
    assert!(web.asked().len() < 60, "{}", web.asked().len());
}

#[test]
fn a_storage_class_that_the_store_has_not_is_met_before_the_transfer() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(20_000, 1000);
    for more in [&["--plan"][..], &[]] {
        let store = S3Server::start();
        store.inject("?uploads", 10, Fault::Answer("InvalidStorageClass"));
        let line = ["backup", "-i", &server.url(), "--name", "prod", "-r", &store.location("redis"), "--json"];
        let run = RedisOps::new().args(line).args(more).file("redis-ops.yaml", "s3:\n  storage_class: COLD\n");
        let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value)).run();
        let error = &run.json()["error"];
        assert_eq!(run.code, 2, "{more:?}: {}", run.everything());
        assert!(
            error.to_string().contains("InvalidStorageClass") && error["hint"].to_string().contains("s3.storage_class"),
            "{error}"
        );
        assert_eq!(store.count("UploadPart"), 0, "{more:?}");
    }
}

#[test]
fn a_plan_asks_whether_the_store_encrypts() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(10, 10);
    let store = S3Server::start();
    let backup = |more: &[&str], settings: &str| {
        let line = ["backup", "-i", &server.url(), "--name", "prod", "-r", &store.location("redis"), "--json"];
        let run = RedisOps::new().args(line).args(more).file("redis-ops.yaml", settings);
        let run = store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value)).run();
        (run.code, run.json()["error"]["code"].as_str().map(str::to_owned))
    };
    assert_eq!(backup(&[], ""), (0, None));
    let asked = "s3:\n  sse: AES256\n";
    let refused = (2, Some("not_encrypted".to_owned()));
    assert_eq!((backup(&["--plan"], asked), backup(&[], asked)), (refused.clone(), refused));
    // The marker is there still, and the next backup without encryption goes through.
    assert_eq!((backup(&["--plan"], ""), backup(&[], "")), ((0, None), (0, None)));
}

#[test]
fn a_link_that_leads_nowhere_is_named_with_where_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (link, gone) = (folder.path().join("link"), folder.path().join("gone/deep"));
    std::os::unix::fs::symlink(&gone, &link).unwrap();
    let words = format!("{} is a symbolic link to {}, which does not exist", link.display(), gone.display());
    let source = RedisServer::start();
    for place in [link.clone(), link.join("sub")] {
        let place = place.display().to_string();
        let mut lines = vec![vec!["init".to_owned(), "-r".to_owned(), place.clone()]];
        if let Some(source) = &source {
            let url = source.url();
            for more in [&[][..], &["--plan"]] {
                let line = [&["backup", "-i", &url, "--name", "prod", "-r", &place][..], more].concat();
                lines.push(line.into_iter().map(str::to_owned).collect());
            }
        }
        for line in lines {
            let (code, answer) = RedisOps::new().args(&line).json();
            let error = &answer["error"];
            assert!(code == 2 && error.to_string().contains(&words), "{line:?}: {answer:#}");
            let hint = format!("create {}, remove the link, or name another folder", gone.display());
            assert_eq!(error["hint"], hint, "{line:?}: {answer:#}");
        }
        for command in ["list", "status"] {
            let (code, answer) = RedisOps::new().args([command, "-r", &place]).json();
            assert!(code == 3 && answer["error"].to_string().contains(&words), "{command}: {answer:#}");
        }
    }
    // What the hint says leads through.
    std::fs::create_dir_all(&gone).unwrap();
    let place = link.join("sub").display().to_string();
    assert_eq!(RedisOps::new().args(["init", "-r", &place]).run().code, 0);
    assert!(gone.join("sub/redis-ops-repository.json").exists());
}

#[test]
fn a_folder_in_the_place_of_the_marker_is_named_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("redis-ops-repository.json");
    std::fs::create_dir(&marker).unwrap();
    let place = folder.path().display().to_string();
    let (code, answer) = RedisOps::new().args(["init", "-r", &place]).json();
    let error = answer["error"].to_string();
    assert!(code == 2 && error.contains("redis-ops-repository.json is a folder"), "{answer:#}");
    assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.starts_with("remove or rename it")), "{answer:#}");
    std::fs::remove_dir(&marker).unwrap();
    assert_eq!(RedisOps::new().args(["init", "-r", &place]).run().code, 0);
}
