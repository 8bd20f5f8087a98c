//! Replicating from a primary that misbehaves.

use std::time::Duration;

use redis_ops::connection::replication::{
    Framing, Options, Payload, ReplicationError, ReplicationFault, Transfer, full_resync,
};

use super::{node, node_as};
use crate::support::fake_primary::{
    Act, FakePrimary, MARK, REPLID, Script, counted, full_resync as full_resync_line, marked, tiny_rdb,
};

fn patient() -> Options {
    Options { silence: Duration::from_secs(30), ..Options::default() }
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, ReplicationError> {
    let mut all = Vec::new();
    while let Some(chunk) = payload.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

async fn all_of(primary: &FakePrimary) -> Result<Vec<u8>, ReplicationError> {
    read(full_resync(&node(&primary.url()), &patient()).await?).await
}

/// A primary that answers PSYNC with these bytes, one write each, and closes.
fn answers(pieces: &[&[u8]]) -> Script {
    let sends = pieces.iter().map(|piece| Act::send(*piece)).chain([Act::Close]);
    FakePrimary::new().on("PSYNC", sends)
}

#[tokio::test]
async fn both_framings_are_read_with_newlines_wherever_they_may_stand() {
    let (rdb, line) = (tiny_rdb(), full_resync_line(1234));
    let (counted, marked) = (counted(&rdb), marked(&rdb, &MARK));
    for pieces in [
        vec![line.as_slice(), &counted],
        vec![&line, &marked],
        vec![b"\n", b"\n", &line, &marked],
        vec![b"\n", &line, b"\n\n", b"\n", &counted],
        vec![&line, &marked, b"\n", b"\n"],
        vec![&line, &marked, b"*1\r\n$4\r\nPING\r\n"],
        vec![&line, &counted, b"*1\r\n$4\r\nPING\r\n"],
    ] {
        let primary = answers(&pieces).start();
        let payload = full_resync(&node(&primary.url()), &patient()).await.expect("a header");
        assert_eq!((payload.replid(), payload.offset()), (Some(REPLID), Some(1234)));
        assert!(payload.is_rdb_only());
        match payload.framing() {
            Framing::Counted(length) => assert_eq!((length, payload.length()), (18, Some(18))),
            Framing::Marked(mark) => assert_eq!((mark, payload.length()), (MARK, None)),
        }
        assert_eq!(read(payload).await.expect("an RDB"), rdb, "{pieces:?}");
    }
}

#[tokio::test]
async fn an_rdb_ends_at_its_mark_also_while_the_connection_stays_open() {
    let sends = [Act::send(full_resync_line(0)), Act::send(marked(&tiny_rdb(), &MARK)), Act::Silence];
    let primary = FakePrimary::new().on("PSYNC", sends).start();
    assert_eq!(all_of(&primary).await.expect("an RDB"), tiny_rdb());
}

#[tokio::test]
async fn a_replica_says_what_it_can_and_nothing_more() {
    for (transfer, capabilities) in
        [(Transfer::Diskless, "REPLCONF capa eof capa psync2"), (Transfer::Disk, "REPLCONF capa psync2")]
    {
        let primary = answers(&[&full_resync_line(0), &counted(&tiny_rdb())]).start();
        let options = Options { transfer, ..patient() };
        let payload = full_resync(&node(&primary.url()), &options).await.expect("a header");
        read(payload).await.expect("an RDB");
        let heard: Vec<String> = primary.heard().iter().map(|words| words.join(" ")).collect();
        let of_replication: Vec<&str> = heard
            .iter()
            .map(String::as_str)
            .filter(|line| line.contains("REPLCONF") || line.contains("SYNC"))
            .collect();
        assert_eq!(
            of_replication,
            ["REPLCONF ip-address ", capabilities, "REPLCONF version 9.1.0", "REPLCONF rdb-only 1", "PSYNC ? -1"]
        );
    }
}

#[tokio::test]
async fn an_old_server_may_refuse_every_option_and_psync() {
    let error = |text: &str| Act::send(format!("-ERR {text}\r\n"));
    let primary = FakePrimary::new()
        .on("REPLCONF", [error("Unrecognized REPLCONF option: x")])
        .on("PSYNC", [error("unknown command `PSYNC`, with args beginning with: ")])
        .on("SYNC", [Act::send(b"\n"), Act::send(counted(&tiny_rdb())), Act::Close])
        .start();
    let payload = full_resync(&node(&primary.url()), &patient()).await.expect("a header");
    assert_eq!((payload.replid(), payload.offset(), payload.is_rdb_only()), (None, None, false));
    assert_eq!(read(payload).await.expect("an RDB"), tiny_rdb());
}

#[tokio::test]
async fn errors_in_place_of_the_rdb_are_told_apart() {
    for (line, code, text) in [
        ("-LOADING Redis is loading the dataset in memory", "loading", "the server is loading its data set"),
        (
            "-NOMASTERLINK Can't SYNC while not connected with my master",
            "no_primary_link",
            "the replica has no link to its primary: Can't SYNC while not connected with my master",
        ),
        (
            "-ERR BGSAVE failed, replication can't continue",
            "snapshot_failed",
            "the server could not make a snapshot: BGSAVE failed, replication can't continue",
        ),
        (
            "-NOPERM User ops has no permissions to run the 'psync' command",
            "permission_denied",
            "no permission to run `PSYNC`: the ACL rule `+psync` is missing",
        ),
        ("-BUSY Redis is busy running a script.", "busy", "`PSYNC` failed: BUSY Redis is busy running a script."),
        ("-ERR try again later", "server_error", "`PSYNC` failed: ERR try again later"),
        ("+CONTINUE", "protocol_error", "unexpected reply while waiting for its snapshot: `+CONTINUE`"),
        ("+RDBCHANNELSYNC 1", "protocol_error", "unexpected reply while waiting for its snapshot: `+RDBCHANNELSYNC 1`"),
        ("$-1", "protocol_error", "unexpected reply while waiting for its snapshot: `$-1`"),
        ("$EOF:short", "protocol_error", "unexpected reply while waiting for its snapshot: `$EOF:short`"),
        ("*0", "protocol_error", "unexpected reply while waiting for its snapshot: `*0`"),
        ("\x1b[2J", "protocol_error", "unexpected reply while waiting for its snapshot: `\\x1b[2J`"),
    ] {
        // At once, and long after.
        for before in [b"".to_vec(), b"\n\n".to_vec(), [full_resync_line(0), b"\n".to_vec()].concat()] {
            let primary = answers(&[&before, format!("{line}\r\n").as_bytes()]).start();
            let error = all_of(&primary).await.expect_err(line);
            assert_eq!(
                (error.code(), error.to_string()),
                (code, format!("cannot replicate from 127.0.0.1:{}: {text}", primary.port()))
            );
        }
    }
}

#[tokio::test]
async fn the_right_that_is_missing_is_named() {
    let noperm = Act::send("-NOPERM this user has no permissions to run the 'replconf' command or its subcommand\r\n");
    let primary = FakePrimary::new().on("REPLCONF", [noperm]).start();
    let error = all_of(&primary).await.expect_err("it is forbidden");
    assert!(
        error.to_string().ends_with("no permission to run `REPLCONF`: the ACL rule `+replconf` is missing"),
        "{error}"
    );
    assert_eq!(error.code(), "permission_denied");
}

#[tokio::test]
async fn a_service_that_blocks_replication_is_named_as_such() {
    let primary = FakePrimary::new().start();
    let error = all_of(&primary).await.expect_err("it knows no PSYNC");
    assert_eq!(error.code(), "replication_unsupported", "{error}");
}

#[tokio::test]
async fn whatever_words_a_service_refuses_replication_in_mean_that_there_is_none_here() {
    for line in [
        "-ERR unknown command 'PSYNC', with args beginning with: '?' '-1' ",
        "-ERR unknown command",
        "-ERR command 'psync' not support for normal user",
        "-ERR unsupported command 'psync'",
        "-ERR Command is not available: 'Psync'. See https://redis.example/docs/compatibility for details",
        "-ERR This instance has disabled the command psync",
        "-ERR command is forbidden: PSYNC",
        "-ERR This command is not supported in serverless caches",
        "-READONLY You can't write against a read only replica.",
        "-ERR invalid command",
        "-Unauthorized command",
    ] {
        for both in [true, false] {
            let mut script = FakePrimary::new().on("PSYNC", [Act::send(format!("{line}\r\n"))]);
            if both {
                script = script.on("SYNC", [Act::send(format!("{line}\r\n"))]);
            }
            let primary = script.start();
            let error = all_of(&primary).await.expect_err(line);
            assert_eq!((error.code(), error.is_for_good()), ("replication_unsupported", true), "{line}: {error}");
            let words = line.trim_start_matches('-').trim_start_matches("ERR ").trim_end();
            assert!(error.to_string().contains(words), "{line}: {error}");
        }
    }
    // What PSYNC is refused for may not hold for SYNC.
    let primary = FakePrimary::new()
        .on("PSYNC", [Act::send("-ERR command 'psync' is disabled\r\n")])
        .on("SYNC", [Act::send(counted(&tiny_rdb())), Act::Close])
        .start();
    assert_eq!(all_of(&primary).await.expect("an RDB"), tiny_rdb());
}

#[tokio::test]
async fn what_is_of_the_moment_is_no_refusal_for_good() {
    for line in [
        "-LOADING Redis is loading the dataset in memory",
        "-NOMASTERLINK Can't SYNC while not connected with my master",
        "-NOMASTERLINK Can't SYNC while failing over",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "-BUSY Redis is busy running a script.",
        "-ERR BGSAVE failed, replication can't continue",
        "-ERR Background save already in progress",
        "-TRYAGAIN later",
        "-CLUSTERDOWN The cluster is down",
        "-NOAUTH Authentication required.",
        "-ERR max number of clients reached",
        "-ERR upstream is temporarily unavailable",
    ] {
        let error = all_of(&answers(&[format!("{line}\r\n").as_bytes()]).start()).await.expect_err(line);
        assert!(!error.is_for_good(), "{line}: {error}");
    }
    // Nor is anything that comes once the server has begun.
    for before in ["\n", "\n\n", std::str::from_utf8(&full_resync_line(0)).expect("text")] {
        let acts = [before.as_bytes(), b"-ERR something new\r\n"];
        let error = all_of(&answers(&acts).start()).await.expect_err("it broke off");
        assert_eq!((error.code(), error.is_for_good()), ("server_error", false), "{error}");
    }
}

#[tokio::test]
async fn signs_of_life_without_an_end_are_given_up() {
    let newlines = (0..20_000).flat_map(|_| [Act::send(b"\n"), Act::Pause(Duration::from_millis(1))]);
    let primary = FakePrimary::new().on("PSYNC", newlines).start();
    let options = Options { silence: Duration::from_millis(100), ..Options::default() };
    for attempt in 1.. {
        let error = full_resync(&node(&primary.url()), &options).await.expect_err("it never begins");
        // On a machine that is too busy a newline may come late.
        match error.fault {
            ReplicationFault::Silent { .. } if attempt < 5 => {}
            fault => return assert_eq!(fault, ReplicationFault::NeverBegins { waited: Duration::from_secs(6) }),
        }
    }
}

#[tokio::test]
async fn a_trickle_of_bytes_is_given_up() {
    let header = [full_resync_line(0), format!("$EOF:{}\r\n", String::from_utf8_lossy(&MARK)).into_bytes()].concat();
    let bytes = (0..20_000).flat_map(|_| [Act::send(b"x"), Act::Pause(Duration::from_millis(1))]);
    let primary = FakePrimary::new().on("PSYNC", [Act::Send(header)].into_iter().chain(bytes)).start();
    let options = Options { silence: Duration::from_secs(1), ..Options::default() };
    let payload = full_resync(&node(&primary.url()), &options).await.expect("a header");
    let error = read(payload).await.expect_err("it trickles");
    let ReplicationFault::Dribbles { n_bytes, waited, .. } = error.fault else { panic!("{error}") };
    assert!(n_bytes < 1024 && waited >= options.silence, "{n_bytes} in {waited:?}");
    // A line of the header is no better: a second is all it gets.
    let letters = (0..20_000).flat_map(|_| [Act::send(b"x"), Act::Pause(Duration::from_millis(1))]);
    let primary = FakePrimary::new().on("PSYNC", [Act::send("+")].into_iter().chain(letters)).start();
    let error = full_resync(&node(&primary.url()), &options).await.expect_err("a line without an end");
    assert!(matches!(error.fault, ReplicationFault::Silent { .. }), "{error}");
}

#[tokio::test]
async fn a_cut_anywhere_is_an_error() {
    for body in [counted(&tiny_rdb()), marked(&tiny_rdb(), &MARK)] {
        let stream = [full_resync_line(0), body].concat();
        // In the header, in the middle, one byte before the end.
        for length in 0..stream.len() {
            let primary = answers(&[&stream[..length]]).start();
            let error = all_of(&primary).await.expect_err("it was cut");
            // A server that hangs up without a byte of an answer, each time, offers no replication.
            let code = if length == 0 { "replication_unsupported" } else { "disconnected" };
            assert_eq!(error.code(), code, "{length}: {error}");
        }
    }
}

#[tokio::test]
async fn a_cut_says_where() {
    let stream = [full_resync_line(0), counted(&tiny_rdb())].concat();
    for (n_missing, expected) in [
        (1, "the connection was closed at byte 17 of its RDB, which has 18"),
        (18, "the connection was closed at byte 0 of its RDB, which has 18"),
        (19, "the connection was closed while waiting for its snapshot"),
    ] {
        let primary = answers(&[&stream[..stream.len() - n_missing]]).start();
        let error = all_of(&primary).await.expect_err("it was cut");
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn silence_is_an_error_that_says_how_long_and_where() {
    let rdb = counted(&tiny_rdb());
    for (pieces, expected) in [
        (vec![], "the server was silent for 100ms while waiting for its snapshot"),
        (vec![full_resync_line(0)], "the server was silent for 100ms while waiting for its snapshot"),
        (
            vec![full_resync_line(0), rdb[..rdb.len() - 3].to_vec()],
            "the server was silent for 100ms at byte 15 of its RDB",
        ),
    ] {
        let acts = pieces.into_iter().map(Act::Send).chain([Act::Silence]);
        let primary = FakePrimary::new().on("PSYNC", acts).start();
        let options = Options { silence: Duration::from_millis(100), ..Options::default() };
        let error = match full_resync(&node(&primary.url()), &options).await {
            Ok(payload) => read(payload).await.expect_err("it is silent"),
            Err(error) => error,
        };
        assert_eq!(error.code(), "timeout");
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn keepalives_are_signs_of_life() {
    // Together longer than the silence that is allowed; each pause is shorter.
    let mut acts = Vec::new();
    for _ in 0..8 {
        acts.extend([Act::Pause(Duration::from_millis(100)), Act::send(b"\n")]);
    }
    acts.extend([Act::send(full_resync_line(0)), Act::send(counted(&tiny_rdb())), Act::Close]);
    let primary = FakePrimary::new().on("PSYNC", acts).start();
    let options = Options { silence: Duration::from_millis(700), ..Options::default() };
    let payload = full_resync(&node(&primary.url()), &options).await.expect("a header");
    assert_eq!(read(payload).await.expect("an RDB"), tiny_rdb());
}

#[tokio::test]
async fn a_wrong_password_is_a_failure_to_connect() {
    let primary = FakePrimary::new()
        .on("AUTH", [Act::send("-WRONGPASS invalid username-password pair or user is disabled.\r\n")]);
    let primary = primary.start();
    let error = full_resync(&node_as(&primary.url(), "ops:no"), &patient()).await.expect_err("it is wrong");
    assert_eq!(error.code(), "authentication_failed");
    assert!(!primary.heard().iter().any(|words| words[0] == "PSYNC"));
}
