//! Folders that may not be read, written or searched: which one, and what helps. Roots may do anything, so it is somebody else who asks.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::failure;
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;
use crate::support::skip;

fn allow(folder: &Path, mode: u32) {
    std::fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_without_rights_is_named_with_what_is_needed() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let backup = ["backup", "-i", &server.url(), "--name", "prod"].map(str::to_owned);
    for (mode, arguments, code) in [
        // It may be read, and not written to.
        (0o755, backup.to_vec(), 2),
        (0o755, [backup.as_slice(), &["--plan".to_owned()]].concat(), 2),
        // It may not even be read.
        (0o700, backup.to_vec(), 2),
        (0o700, [backup.as_slice(), &["--plan".to_owned()]].concat(), 2),
        (0o700, vec!["list".to_owned()], 3),
        (0o700, ["verify", "--backup-id", "latest"].map(str::to_owned).to_vec(), 3),
    ] {
        allow(folder.path(), mode);
        let Some(run) = RedisOps::as_nobody() else { return skip("another user") };
        let run = run.args(&arguments).args(["-r", &place, "--json"]).run();
        assert_eq!(failure(&run), (code, "access_denied".to_owned()), "{mode:o} {arguments:?}: {}", run.everything());
        let error = &run.json()["error"];
        assert!(error.to_string().contains(&place), "{mode:o} {arguments:?}: {error}");
        let hint = error["hint"].as_str().unwrap_or_default();
        // The right that is missing, and where.
        let missing = if mode == 0o755 { "write to" } else { "search" };
        assert!(hint.contains("uid 65534") && hint.contains(missing) && hint.contains(&place), "{arguments:?}: {hint}");
    }
}

#[test]
fn the_folder_of_an_instance_is_tried_by_the_plan_as_well() {
    let Some(server) = RedisServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    allow(folder.path(), 0o777);
    std::fs::create_dir(folder.path().join("prod")).unwrap();
    allow(&folder.path().join("prod"), 0o755);
    for (name, more, code) in
        [("prod", &["--plan"][..], 2), ("prod", &[], 2), ("other", &["--plan"], 0), ("other", &[], 0)]
    {
        let Some(run) = RedisOps::as_nobody() else { return skip("another user") };
        let line = ["backup", "-i", &server.url(), "--name", name, "-r", &place, "--json"];
        let run = run.args(line).args(more).run();
        assert_eq!(run.code, code, "{name} {more:?}: {}", run.everything());
        let error = &run.json()["error"];
        if code == 2 {
            assert_eq!(error["code"], "access_denied", "{name} {more:?}: {error}");
            assert!(error.to_string().contains(&format!("{place}/prod")), "{name} {more:?}: {error}");
        }
    }
    assert!(std::fs::read_dir(folder.path().join("prod")).unwrap().next().is_none(), "nothing is left");
}

#[test]
fn a_home_that_cannot_be_searched_is_named() {
    let folder = tempfile::tempdir().unwrap();
    allow(folder.path(), 0o700);
    let home = folder.path().join("home");
    let Some(run) = RedisOps::as_nobody() else { return skip("another user") };
    let run = run.args(["list", "-r", "/tmp", "--json"]).env("HOME", &home).run();
    assert_eq!(failure(&run), (3, "settings".to_owned()), "{}", run.everything());
    let error = &run.json()["error"];
    assert!(error["message"].as_str().is_some_and(|text| text.contains(&home.display().to_string())), "{error}");
    assert!(error["hint"].as_str().is_some_and(|hint| hint.contains("HOME")), "{error}");
}
