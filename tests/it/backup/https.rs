//! A store behind TLS whose certificate an authority of one's own has signed.

use super::Folder;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{Certificates, RedisServer};
use crate::support::s3::S3Server;

/// Any command, with what it needs to reach the store but for the authority.
fn with(store: &S3Server, arguments: &[&str]) -> RedisOps {
    let run = RedisOps::new().args(arguments).args(["-r", &store.location("redis"), "--progress", "none"]);
    store.env().into_iter().fold(run, |run, (name, value)| run.env(&name, value))
}

#[test]
fn backups_go_there_and_come_back_if_the_authority_is_named() {
    let (Some(server), Some(target)) = (RedisServer::start(), RedisServer::start()) else { return };
    server.fill(20_000, 1000);
    let certificates = Certificates::new();
    let store = S3Server::start_tls(&certificates);
    let folder = Folder::new();
    certificates.write_to(folder.path());
    let ca = folder.path().join("ca.pem");
    let settings = format!("s3: {{ ca: {} }}\n", ca.display());

    // Once by the variable that the AWS tools know, and once by the settings.
    let run = with(&store, &["backup", "-i", &server.url(), "--name", "prod", "--compression", "none"]);
    let run = run.env("AWS_CA_BUNDLE", &ca).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert!(store.count("UploadPart") >= 2, "20 MB go in parts");
    let (code, list) = with(&store, &["list"]).file("redis-ops.yaml", &settings).json();
    assert_eq!((code, &list["backups"][0]["keys"]), (0, &20_000.into()));
    let (code, verified) = with(&store, &["verify", "--backup-id", "latest"]).file("redis-ops.yaml", &settings).json();
    assert_eq!((code, &verified["checked"]["keys"]), (0, &20_000.into()), "{verified}");
    let run = with(&store, &["restore", "--backup-id", "prod/latest", "--target-instance", &target.url()]);
    let run = run.file("redis-ops.yaml", &settings).run();
    assert_eq!(run.code, 0, "{}", run.everything());
    assert_eq!(target.ok(&["DBSIZE"]), "20000");
}

/// As `openssl req -x509` makes one: the store is its own authority, and is trusted by its very certificate.
#[test]
fn a_store_that_is_its_own_authority_is_trusted_by_the_certificate_that_was_given() {
    let Some(server) = RedisServer::start() else { return };
    server.fill(20_000, 1000);
    let backup = ["backup", "-i", &server.url(), "--name", "prod", "--compression", "none"];
    for (names, good) in [(&["localhost", "127.0.0.1"][..], true), (&["another.example"], false)] {
        let certificates = Certificates::own(names);
        let store = S3Server::start_tls(&certificates);
        let folder = Folder::new();
        certificates.write_to(folder.path());
        let ca = folder.path().join("ca.pem");
        let run = with(&store, &backup).env("AWS_CA_BUNDLE", &ca).run();
        assert_eq!(run.code, if good { 0 } else { 2 }, "{names:?}: {}", run.everything());
        assert_eq!(store.count("UploadPart") >= 2, good, "{names:?}");
        if good {
            let (code, verified) = with(&store, &["verify", "--backup-id", "latest"]).env("AWS_CA_BUNDLE", &ca).json();
            assert_eq!((code, &verified["checked"]["keys"]), (0, &20_000.into()), "{verified}");
        }
        // Another one of the same name is not the one that was given.
        Certificates::own(names).write_to(folder.path());
        let run = with(&store, &["list", "--json"]).env("AWS_CA_BUNDLE", &ca).run();
        assert!(run.code == 3 && run.text().contains("certificate"), "{names:?}: {}", run.everything());
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_an_error_that_says_so() {
    let Some(server) = RedisServer::start() else { return };
    let store = S3Server::start_tls(&Certificates::new());
    let folder = Folder::new();
    // Another authority.
    Certificates::new().write_to(folder.path());
    let arguments = ["backup", "-i", &server.url(), "--name", "prod"];
    for run in [with(&store, &arguments), with(&store, &arguments).env("AWS_CA_BUNDLE", folder.path().join("ca.pem"))] {
        let run = run.arg("--json").run();
        let error = &run.json()["error"];
        assert_eq!((run.code, &error["code"]), (2, &"storage_unavailable".into()), "{}", run.everything());
        let said = format!("{} {}", error["message"], error["causes"]);
        assert!(said.contains("certificate"), "{said}");
        let hint = error["hint"].as_str().expect("a hint");
        assert!(hint.contains("AWS_CA_BUNDLE") && hint.contains("s3.ca"), "{hint}");
    }
    assert_eq!(store.count("PutObject"), 0);
}

#[test]
fn an_expired_certificate_is_named_and_not_waited_for() {
    let Some(server) = RedisServer::start() else { return };
    let certificates = Certificates::expired();
    let store = S3Server::start_tls(&certificates);
    let folder = Folder::new();
    certificates.write_to(folder.path());
    for (arguments, code) in [(&["list"][..], 3), (&["backup", "-i", &server.url(), "--name", "prod"], 2)] {
        let begun = std::time::Instant::now();
        let run = with(&store, arguments).env("AWS_CA_BUNDLE", folder.path().join("ca.pem")).arg("--json").run();
        let error = &run.json()["error"];
        assert_eq!((run.code, &error["code"]), (code, &"storage_unavailable".into()), "{}", run.everything());
        assert!(error.to_string().contains(&format!("certificate of {}", store.endpoint())), "{error}");
        assert!(error.to_string().contains("has expired"), "{error}");
        assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("clock")), "{error}");
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_ca_file_that_is_none_is_refused_before_anything_is_asked() {
    let store = S3Server::start_tls(&Certificates::new());
    let folder = Folder::new();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "no certificate").expect("written");
    let run = with(&store, &["list"]).env("AWS_CA_BUNDLE", &file).arg("--json").run();
    assert_eq!(run.code, 3, "{}", run.everything());
    let said = run.json()["error"]["causes"].to_string();
    assert!(said.contains("it contains no PEM certificate"), "{said}");
}
