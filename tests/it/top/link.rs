//! A server that goes away, is busy, loads, or lets nobody in any more.

use super::{USUAL, UTF_8, top_of};
use crate::support::proxy::{Proxy, Way};
use crate::support::pty::Terminal;
use crate::support::redis_server::RedisServer;

/// `top` before a port of this machine.
fn top_of_port(port: &str, environment: &[(&str, &str)]) -> Option<Terminal> {
    let environment = [UTF_8, environment].concat();
    Terminal::controlling(USUAL, &["top", "-p", port, "--every", "1s", "--timeout", "2s"], &environment)
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let Some(mut server) = RedisServer::start() else { return };
    let proxy = Proxy::before(&format!("http://127.0.0.1:{}", server.port()));
    let port = proxy.endpoint().rsplit_once(':').expect("a port").1.to_owned();
    let Some(mut terminal) = top_of_port(&port, &[]) else { return };
    terminal.wait_for_screen("ok: no warnings");
    proxy.become_(Way::Cut);
    let screen = terminal.wait_for_screen("connection lost, trying again; last answer ");
    assert!(screen.contains(" UTC ("), "{screen}");
    assert!(screen.contains("FINDINGS"), "what was known last stays: {screen}");
    proxy.become_(Way::Open);
    terminal.wait_for_screen("ok: no warnings");
    // A server that answers nothing is not one that answers.
    proxy.become_(Way::Silent);
    terminal.wait_until("silence is told", |screen| {
        screen.contains("no answer for ") || screen.contains("connection lost, trying again")
    });
    proxy.become_(Way::Open);
    terminal.wait_for_screen("ok: no warnings");
    // This time it is gone for good: nobody knows what it is now.
    server.kill();
    terminal.wait_for_screen("connection lost, trying again");
    terminal.press("q");
    let (code, shown) = terminal.end();
    assert_eq!(code, 3, "{shown:?}");
    let end = shown.rsplit("\u{1b}[?1049l").next().unwrap_or_default();
    assert!(
        end.contains("no warnings: ") && end.contains("no connection to ") && end.contains("last answer: "),
        "{end}"
    );
}

#[test]
fn a_server_that_runs_a_script_is_busy_until_that_ends() {
    let Some(server) = RedisServer::builder().arg("lua-time-limit", "100").start() else { return };
    let Some(terminal) = top_of(&server, USUAL, &[]) else { return };
    terminal.wait_for_screen("ok: no warnings");
    let mut script = server.client();
    script.send(&[b"EVAL", b"while true do end", b"0"]).expect("a script");
    terminal.wait_for_screen("busy: the server runs a script or a function");
    // Whoever comes now sees that at once.
    let Some(second) = top_of(&server, USUAL, &[]) else { return };
    second.wait_for_screen("busy: the server runs a script or a function");
    let mut killer = server.client();
    killer.ask(&[b"SCRIPT", b"KILL"]).expect("an answer");
    for mut terminal in [terminal, second] {
        terminal.wait_until("the server is well again", |screen| {
            screen.contains("FINDINGS") && !screen.contains("busy: ") && !screen.contains("connection lost")
        });
        terminal.press("q");
        terminal.end();
    }
}

#[test]
fn a_server_that_loads_says_so() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(2000, 10);
    source.save();
    let builder = RedisServer::builder().dump(source.dir().join("dump.rdb")).arg("key-load-delay", "10000");
    let Some(server) = builder.arg("loading-process-events-interval-bytes", "1024").start_loading() else { return };
    let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
    let screen = terminal.wait_for_screen("FINDINGS");
    assert!(screen.contains("loading   "), "{screen}");
    terminal.press("q");
    terminal.end();
}

#[test]
fn a_refused_user_ends_it_with_the_usual_error() {
    let Some(server) = RedisServer::builder().password("secret-of-the-server").start() else { return };
    let port = server.port().to_string();
    let right = [("REDIS_OPS_PASSWORD", "secret-of-the-server")];
    let Some(wrong) = top_of_port(&port, &[("REDIS_OPS_PASSWORD", "wrong")]) else { return };
    let (code, shown) = wrong.end();
    assert_eq!(code, 3, "{shown:?}");
    assert!(shown.contains("error:") && !shown.contains("\u{1b}[?1049h"), "{shown:?}");

    let Some(terminal) = top_of_port(&port, &right) else { return };
    terminal.wait_for_screen("FINDINGS");
    server.ok(&["CONFIG", "SET", "requirepass", "another-secret-of-it"]);
    let mut admin = crate::support::redis_server::Client::unix(&server.socket()).expect("a client");
    admin.ask(&[b"AUTH", b"another-secret-of-it"]).expect("an answer");
    admin.ask(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"]).expect("an answer");
    let (code, shown) = terminal.end();
    assert_eq!(code, 3, "{shown:?}");
    let end = shown.rsplit("\u{1b}[?1049l").next().unwrap_or_default();
    assert!(end.contains("error:") && end.contains("hint:"), "{end:?}");
    assert!(!shown.contains("secret-of"), "{shown:?}");
}
