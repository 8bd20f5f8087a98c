//! A server that is shut down while it sends us its data: it must not wait for us.

use super::{Folder, backup, failure};
use crate::support::redis_server::{RedisServer, servers};

/// As long as a server here would wait for its replicas, in seconds: nothing is as slow as that by itself.
const SHUTDOWN_TIMEOUT: &str = "120";

#[test]
fn a_transfer_does_not_keep_a_server_from_shutting_down() {
    // Since 7.0 a server waits at all.
    for installed in servers().into_iter().filter(|installed| !installed.is("6.2")) {
        for transfer in ["diskless", "disk"] {
            let builder = RedisServer::builder().version(&installed).arg("shutdown-timeout", SHUTDOWN_TIMEOUT);
            let Some(mut server) = builder.start() else { return };
            // Two minutes at the rate that is asked for below.
            server.fill(60, 1 << 20);
            let folder = Folder::new();
            let line = ["--json", "--rate", "500KB", "--transfer", transfer];
            let running = backup(&server.url(), &folder.text(), &line).spawn();
            server.wait_for("the transfer", |server| server.info("slave0").contains("state="));
            // A replica that has nothing to acknowledge is not waited for.
            server.ok(&["SET", "written", "meanwhile"]);
            let begun = std::time::Instant::now();
            server.shut_down();
            let waited = begun.elapsed();
            let log = server.log();
            let run = running.wait();
            assert_eq!(failure(&run), (2, "shutting_down".to_owned()), "{}: {}", installed.name, run.everything());
            assert!(run.text().contains("redis-ops closed the connection"), "{}", run.text());
            assert_eq!(folder.files(), Vec::<String>::new(), "{}", installed.name);
            assert!(log.contains("Waiting for replicas before shutting down"), "{}: {log}", installed.name);
            // Its own words where the time runs out; and the time, generously.
            assert!(!log.contains("replicas are in sync when shutting down"), "{}: {log}", installed.name);
            assert!(waited.as_secs() < 60, "{}: {waited:?}: {log}", installed.name);
        }
    }
}
