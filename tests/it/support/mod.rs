//! What the tests are made with: real servers, a real S3 protocol server, faults, and the fixtures.

#![allow(dead_code)]

pub mod cluster;
pub mod fake_primary;
pub mod fixtures;
pub mod proxy;
pub mod pty;
pub mod redis_ops;
pub mod redis_server;
pub mod s3;
pub mod sample;
pub mod schema;
pub mod sentinel;
pub mod web;

/// Says that a test is skipped because something is missing on this machine, by name: `redis-server`, `s3`, `moto`,
/// `fixtures`. Where `REDIS_OPS_NO_SKIP` names it (a comma-separated list), a skip is a failure.
#[track_caller]
pub fn skip(what: &str) {
    let forbidden = std::env::var("REDIS_OPS_NO_SKIP").unwrap_or_default();
    assert!(
        !forbidden.split(',').any(|name| name.trim() == what),
        "{what} is missing, and REDIS_OPS_NO_SKIP={forbidden} forbids to skip"
    );
    eprintln!("skipped: no {what} on this machine");
}
