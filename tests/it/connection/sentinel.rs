//! Finding the primary of a group through its Sentinels.

use redis_ops::connection::Command;

use super::{node, node_as};
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, free_port};
use crate::support::sentinel::Sentinel;

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
    connection.query(&Command::new("SET").arg("a").arg("1")).await.expect("it is written");
    assert_eq!(server.ok(&["GET", "a"]), "1");
}

#[tokio::test]
async fn a_group_that_no_sentinel_knows_is_an_error_that_names_each_of_them() {
    let (sentinel, nobody) = (sentinel_for(1), free_port());
    let url = format!("redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{}/other", sentinel.port());
    let error = node(&url).connect().await.expect_err("nobody knows it");
    assert_eq!(error.code(), "sentinel_failed");
    let expected = format!(
        "127.0.0.1:{nobody}: connection refused; 127.0.0.1:{}: it does not know the group `other`",
        sentinel.port()
    );
    assert!(error.to_string().ends_with(&expected), "{error}");
}

/// A run of `health` on what a real Sentinel names, with these variables and options.
fn health(sentinel: &Sentinel, variables: &[(&str, &str)], more: &[&str]) -> (i32, serde_json::Value) {
    let url = format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port());
    let mut run = RedisOps::new().args(["health", "-i", &url]).args(more).file("password", "of-sentinel\n");
    for (name, value) in variables {
        run = run.env(name, value);
    }
    run.json()
}

#[test]
fn a_sentinel_may_have_a_user_and_a_password_of_its_own() {
    let Some(server) = RedisServer::builder().password("of-the-server").start() else { return };
    let settings = "requirepass of-sentinel\nsentinel auth-pass mymaster of-the-server\nuser watcher on >of-sentinel allcommands\n";
    let Some(sentinel) = Sentinel::with_settings(&server, 1, settings) else { return };
    let of_server = ("REDIS_OPS_PASSWORD", "of-the-server");
    let of_sentinel = ("REDIS_OPS_SENTINEL_PASSWORD", "of-sentinel");
    let watcher = ("REDIS_OPS_SENTINEL_USERNAME", "watcher");
    for (variables, more) in [
        (&[of_server, of_sentinel][..], &[][..]),
        (&[of_server, of_sentinel, watcher], &[]),
        (&[of_server], &["--sentinel-password-file", "password"]),
        (&[of_server], &["--sentinel-password-file", "password", "--sentinel-username", "watcher"]),
    ] {
        let (code, answer) = health(&sentinel, variables, more);
        assert_eq!((code, &answer["role"]), (0, &"primary".into()), "{variables:?} {more:?}: {answer}");
    }
    for (variables, more) in [
        (&[of_server][..], &[][..]),
        (&[of_server, ("REDIS_OPS_SENTINEL_PASSWORD", "wrong")], &[]),
        (&[of_server, of_sentinel], &["--sentinel-username", "nobody"]),
    ] {
        let (code, answer) = health(&sentinel, variables, more);
        assert_eq!((code, &answer["reasons"][0]["code"]), (2, &"sentinel_failed".into()), "{answer}");
    }
    // The settings, with a block of their own.
    let block = format!(
        "instances:\n  prod:\n    url: redis+sentinel://127.0.0.1:{}/mymaster\n    password: of-the-server\n    \
         sentinel: {{ username: watcher, password_file: password }}\n",
        sentinel.port()
    );
    let run =
        RedisOps::new().args(["health", "-i", "prod"]).file("redis-ops.yaml", &block).file("password", "of-sentinel\n");
    let (code, answer) = run.json();
    assert_eq!((code, &answer["role"]), (0, &"primary".into()), "{answer}");
    // Where no Sentinel is asked, nobody needs to be told.
    let (code, answer) = RedisOps::new().args(["health", "-i", &server.url(), "--sentinel-username", "x"]).json();
    assert_eq!((code, &answer["error"]["code"]), (3, &"usage".into()), "{answer}");
}

#[test]
fn health_says_that_it_was_asked_of_a_sentinel() {
    let Some(server) = RedisServer::start() else { return };
    let Some(sentinel) = Sentinel::of(&server, 1) else { return };
    let url = format!("redis://127.0.0.1:{}", sentinel.port());
    let (code, answer) = RedisOps::new().args(["health", "-i", &url]).json();
    assert_eq!((code, &answer["health"], &answer["role"]), (2, &"down".into(), &"sentinel".into()), "{answer}");
    assert_eq!(answer["reasons"][0]["code"], "sentinel");
    let text = answer["reasons"][0]["text"].as_str().unwrap_or_default();
    assert!(text.contains(&format!("mymaster at 127.0.0.1:{}", server.port())), "{text}");
    let (code, answer) = RedisOps::new().args(["health", "-i", &url, "--require", "live"]).json();
    assert_eq!((code, &answer["health"], &answer["role"]), (0, &"up".into(), &"sentinel".into()), "{answer}");
}
