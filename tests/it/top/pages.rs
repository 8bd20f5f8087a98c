//! What stands on the screen, page by page.

use super::{USUAL, top_of, versions};
use crate::support::redis_ops::RedisOps;
use crate::support::redis_server::{RedisServer, on_each};
use crate::support::sentinel::Sentinel;

#[test]
fn the_first_screen_tells_what_the_server_is_and_every_key_leads_to_its_page() {
    on_each(&versions(), |installed| {
        let builder = RedisServer::builder().version(installed).arg("maxmemory", "100mb");
        let Some(server) = builder.arg("slowlog-log-slower-than", "0").start() else { return };
        server.fill(1000, 10);
        let mut client = server.client();
        client.ask(&[b"CLIENT", b"SETNAME", b"billing-worker"]).expect("a name");
        client.ask(&[b"STRLEN", b"the-slow-one"]).expect("a length");
        let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
        // The second look tells rates.
        let screen = terminal.wait_until("rates", |screen| screen.contains("FINDINGS") && screen.contains("/s"));
        let version = match installed.is("valkey") {
            true => server.info("valkey_version"),
            false => server.info("redis_version"),
        };
        assert!(screen.contains(&format!(" {version}  primary  up ")), "{version}: {screen}");
        assert!(screen.contains(&format!("127.0.0.1:{}", server.port())), "{screen}");
        assert!(screen.contains("of 100.0 MiB"), "{screen}");
        assert!(screen.contains("keys      1,000, 0% expire"), "{screen}");
        assert!(screen.contains("c clients  s slow log  k keys  f fix  q quit"), "{screen}");

        terminal.press("c");
        terminal.wait_for_screen("billing-worker");
        terminal.press("s");
        terminal.wait_for_screen("STRLEN the-slow-one");
        terminal.press("k");
        let screen = terminal.wait_for_screen("random keys of 1,000");
        assert!(screen.contains("PREFIX"), "{screen}");
        terminal.press("\u{1b}");
        terminal.wait_for_screen("FINDINGS");
        terminal.press("f");
        let screen = terminal.wait_for_screen("redis-ops never runs a fix");
        assert!(screen.contains("fix: "), "{screen}");
        terminal.press("?");
        terminal.wait_for_screen("q or Ctrl-C  quit, and print the last verdict");
        terminal.press("\u{1b}");
        terminal.wait_for_screen("FINDINGS");
        terminal.press("q");
        let (code, shown) = terminal.end();
        let verdict = shown.rsplit("\u{1b}[?1049l").next().unwrap_or_default();
        let word = ["ok:", "warning:", "critical:"].get(usize::try_from(code).expect("an exit code"));
        assert!(word.is_some_and(|word| verdict.contains(word)), "{code}: {verdict:?}");
    });
}

#[test]
fn arrows_mark_the_finding_whose_fix_is_shown() {
    let Some(server) = RedisServer::start() else { return };
    let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
    let marked = |screen: &str| {
        let row = screen.lines().find(|line| line.starts_with("> ")).unwrap_or_default();
        row.split_whitespace().nth(2).unwrap_or_default().to_owned()
    };
    let screen = terminal.wait_until("a finding", |screen| !marked(screen).is_empty());
    let first = marked(&screen);
    terminal.press("\u{1b}[B");
    let screen = terminal.wait_until("another finding", |screen| !["", &first].contains(&marked(screen).as_str()));
    let second = marked(&screen);
    terminal.press("f");
    let screen = terminal.wait_for_screen("redis-ops never runs a fix");
    assert!(screen.contains(&format!(" {second} ")), "{second}: {screen}");
    terminal.press("q");
    terminal.end();
}

#[test]
fn what_clients_write_cannot_drive_the_terminal() {
    let Some(server) = RedisServer::start() else { return };
    server.client().ask(&[b"SET", b"a\x1b[31mred\x1b]0;title\x07", b"1"]).expect("an answer");
    let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
    terminal.wait_for_screen("FINDINGS");
    terminal.press("k");
    terminal.wait_for_screen("\\x1b[31mred\\x1b]0;title\\x07");
    terminal.press("q");
    let (_, shown) = terminal.end();
    assert!(!shown.contains("\u{1b}[31mred") && !shown.contains('\u{7}'), "{shown:?}");
}

#[test]
fn hidden_keys_are_on_no_page() {
    let Some(server) = RedisServer::builder().arg("slowlog-log-slower-than", "0").start() else { return };
    for n in 0..50 {
        server.ok(&["SET", &format!("secret-{n}:account"), "1"]);
    }
    let Some(mut terminal) = top_of(&server, USUAL, &["--hide-keys"]) else { return };
    terminal.wait_for_screen("FINDINGS");
    terminal.press("s");
    terminal.wait_until("the slow log", |screen| screen.contains("SLOW LOG") && screen.contains("SET "));
    terminal.press("k");
    terminal.wait_until("hashes of keys", |screen| screen.contains("random keys of 50") && screen.contains("sha256:"));
    terminal.press("q");
    let (_, shown) = terminal.end();
    assert!(!shown.contains("secret-"), "{shown:?}");
}

#[test]
fn a_node_of_a_cluster_says_so() {
    let Some(server) = RedisServer::builder().arg("cluster-enabled", "yes").start() else { return };
    let Some(mut terminal) = top_of(&server, USUAL, &[]) else { return };
    // It serves no slot.
    let screen = terminal.wait_for_screen("FINDINGS");
    assert!(screen.contains("  primary  cluster fail  up "), "{screen}");
    assert!(screen.contains("critical:"), "{screen}");
    terminal.press("q");
    assert_eq!(terminal.end().0, 2);
}

#[test]
fn a_sentinel_says_what_it_watches_and_shows_no_screen() {
    let Some(server) = RedisServer::start() else { return };
    let Some(sentinel) = Sentinel::of(&server, 1) else { return };
    let url = format!("redis://127.0.0.1:{}", sentinel.port());
    let Some(terminal) = crate::support::pty::Terminal::controlling(USUAL, &["top", "-i", &url], &[]) else { return };
    let (code, shown) = terminal.end();
    assert_eq!(code, 3, "{shown:?}");
    assert!(shown.contains("is a Sentinel, which holds no data") && shown.contains("/mymaster"), "{shown:?}");
    assert!(!shown.contains("\u{1b}[?1049h"), "{shown:?}");
}

#[test]
fn without_a_terminal_the_hint_names_what_to_type() {
    let Some(server) = RedisServer::start() else { return };
    RedisOps::new()
        .args(["top", "-i", &server.url()])
        .stderr(
            "error: `top` needs a terminal, on stdin and on stdout\n\n\
             hint: `redis-ops diagnose all --watch 5s` repeats a diagnosis without a terminal\n",
        )
        .exit(3);
    let run = RedisOps::new().args(["top", "--every", "100ms"]).run();
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("use at least `--every 1s`"), "{}", run.stderr);
}
