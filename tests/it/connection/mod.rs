//! Connecting and replicating, with real servers and with one that misbehaves on request.

mod connect;
mod faults;
mod redaction;
mod replicate;
mod sentinel;
mod tls;

use redis_ops::connection::{InstanceUrl, Node, Retry};

/// A node at a URL, which is tried once: what a test provokes does not pass.
#[track_caller]
fn node(url: &str) -> Node {
    Node { retry: Retry::never(), ..Node::from_url(InstanceUrl::parse(url).expect("a good URL")) }
}

/// A node at a URL with a user and a password.
#[track_caller]
fn node_as(url: &str, user_and_password: &str) -> Node {
    node(&url.replace("://", &format!("://{user_and_password}@")))
}
