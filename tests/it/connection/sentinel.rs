//! Finding the primary of a group through its Sentinels.

use super::{node, node_as};
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_server::{RedisServer, free_port};

/// A Sentinel that knows the group `mymaster`, and no passwords.
fn sentinel_for(port: u16) -> FakePrimary {
    let address = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.to_string().len());
    FakePrimary::new()
        .on(
            "AUTH",
            [Act::send("-ERR AUTH <password> called without any password configured for the default user.\r\n")],
        )
        .on("SENTINEL", [Act::send("*-1\r\n")])
        .on("SENTINEL GET-MASTER-ADDR-BY-NAME mymaster", [Act::send(address)])
        .start()
}

#[tokio::test]
async fn the_first_sentinel_that_knows_the_group_decides() {
    let Some(server) = RedisServer::builder().password("right").start() else { return };
    let (sentinel, nobody) = (sentinel_for(server.port()), free_port());
    let url = format!("redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{}/mymaster", sentinel.port());
    let mut connection = node_as(&url, ":right").connect().await.expect("a connection");
    connection.query(redis::cmd("SET").arg("a").arg("1")).await.expect("it is written");
    assert_eq!(server.ok(&["GET", "a"]), "1");
}

#[tokio::test]
async fn a_group_that_no_sentinel_knows_is_an_error_that_names_each_of_them() {
    let (sentinel, nobody) = (sentinel_for(1), free_port());
    let url = format!("redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{}/other", sentinel.port());
    let error = node(&url).connect().await.expect_err("nobody knows it");
    assert_eq!(error.code(), "sentinel_failed");
    let expected =
        format!("127.0.0.1:{nobody}: connection refused; 127.0.0.1:{}: it knows no group `other`", sentinel.port());
    assert!(error.to_string().ends_with(&expected), "{error}");
}
