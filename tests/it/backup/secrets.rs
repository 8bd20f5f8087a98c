//! The password is in no output, no process list and no stored object.

use super::{Folder, backup};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::RedisServer;

const PASSWORD: &str = "hunter2-do-not-print";

#[test]
fn the_password_is_nowhere() {
    let Some(server) = RedisServer::builder().password(PASSWORD).start() else { return };
    server.fill(100, 10);
    let folder = Folder::new();
    let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port());
    let wrong = format!("redis://:{PASSWORD}-no@127.0.0.1:{}", server.port());
    let nowhere = format!("redis://:{PASSWORD}@127.0.0.1:{}", crate::support::redis_server::free_port());
    for url in
        [&url, &wrong, &nowhere, &format!("redis://:{PASSWORD}@[::1:6379"), &format!("redis://:{PASSWORD}@host:x")]
    {
        for more in [&["-vvv"] as &[&str], &["-vvv", "--json"], &["-vvv", "--progress", "plain"]] {
            let everything = backup(url, &folder.text(), more).run().everything();
            assert!(!everything.contains(PASSWORD), "{everything}");
        }
    }
    for arguments in [&["list"] as &[&str], &["show", "latest"], &["verify", "--backup-id", "latest"]] {
        let run = RedisOps::new().args(arguments).args(["-vvv", "-r", &folder.text(), "-i", &url]).run();
        assert!(!run.everything().contains(PASSWORD), "{}", run.everything());
    }
    let files = folder.files();
    assert!(files.iter().any(|file| file.ends_with("manifest.json")), "{files:?}");
    for file in files {
        let bytes = std::fs::read(folder.path().join(&file)).unwrap();
        assert!(!bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes()), "{file}");
    }
}

#[test]
fn the_process_list_does_not_show_a_password_from_the_environment() {
    let Some(server) = RedisServer::builder().password(PASSWORD).start() else { return };
    server.fill(10, 10);
    let folder = Folder::new();
    let running = backup(&server.url(), &folder.text(), &[]).env("REDIS_OPS_PASSWORD", PASSWORD).spawn();
    let line = std::fs::read(format!("/proc/{}/cmdline", running.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&line).contains(PASSWORD));
    assert_eq!(running.wait().code, 0);
}
