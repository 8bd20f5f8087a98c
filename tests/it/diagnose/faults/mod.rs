//! The fault lab: a real fault on a real server is the first finding, and the fix that it prints, followed, makes it go away.
//!
//! Commands of the server are typed as they are printed ([`lab::apply`], [`lab::apply_elsewhere`]). What is for a person or an
//! application ([`lab::follow`]) is done by the test just so.
//!
//! [`lab::apply`]: super::lab::apply
//! [`lab::apply_elsewhere`]: super::lab::apply_elsewhere
//! [`lab::follow`]: super::lab::follow

mod causes;
mod cluster;
mod connections;
mod keys;
mod memory;
mod newer;
mod persistence;
mod replication;

use std::time::Duration;

use crate::support::redis_server::RedisServer;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A server with settings.
fn server(settings: &[(&str, &str)]) -> Option<RedisServer> {
    settings.iter().fold(RedisServer::builder(), |builder, (name, value)| builder.arg(name, value)).start()
}

fn set(server: &RedisServer, count: usize, name: impl Fn(usize) -> String, ttl: Option<&str>) {
    let pairs: Vec<String> = (0..count).map(name).collect();
    server.pipe(pairs.iter().map(|key| {
        let mut words = vec![b"SET".as_slice(), key.as_bytes(), b"0123456789abcdef0123456789abcdef"];
        if let Some(seconds) = ttl {
            words.extend([b"EX".as_slice(), seconds.as_bytes()]);
        }
        words
    }));
}

/// Makes a server the replica of another, and waits until it is.
#[track_caller]
fn follow_primary(replica: &RedisServer, primary: &RedisServer) {
    replica.ok(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    replica.wait_for("it is in sync", |server| server.info("master_link_status") == "up");
}
