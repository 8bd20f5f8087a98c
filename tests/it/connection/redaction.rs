//! No password in anything that can be shown.

use redis_ops::connection::{Command, InstanceUrl, Node, replication};

use super::node_as;
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_server::RedisServer;

const PASSWORD: &str = "hunter2-do-not-print";

#[track_caller]
fn check(shown: &str) {
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_password_is_in_nothing_that_can_be_shown() {
    let Some(server) = RedisServer::builder().password("another").start() else { return };
    let wrong = node_as(&server.url(), &format!("ops:{PASSWORD}"));
    check(&format!("{wrong} {wrong:?} {wrong:#?}"));
    let url = InstanceUrl::parse(&format!("rediss://:{PASSWORD}@host/2")).expect("a URL");
    check(&format!("{url:?} {} {}", url.address, Node::from_url(url.clone())));

    let error = wrong.connect().await.expect_err("a wrong password");
    check(&format!("{error} {error:?}"));
    let options = replication::Options::default();
    let error = replication::full_resync(&wrong, &options).await.expect_err("a wrong password");
    check(&format!("{error} {error:?}"));

    let primary = FakePrimary::new().on("CONFIG", [Act::send("-ERR no\r\n")]).start();
    let right = node_as(&primary.url(), &format!("ops:{PASSWORD}"));
    let mut connection = right.connect().await.expect("a connection");
    check(&format!("{connection:?}"));
    let command = Command::of(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let error = connection.query(&command).await.expect_err("it is refused");
    assert_eq!(error.to_string(), "`CONFIG SET` failed: ERR no");
    check(&format!("{error} {error:?}"));
    let error = connection.query(&Command::of(&["AUTH", "ops", PASSWORD])).await;
    check(&format!("{error:?}"));
    // It did arrive.
    assert!(primary.heard().iter().any(|words| words == &["AUTH", "ops", PASSWORD]));
}
