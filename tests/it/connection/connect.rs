//! Connecting to real servers, and how it fails.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis_ops::connection::{Address, AuthenticationFault, Command, CommandFault, ConnectFault, Node, Phase, Retry};
use redis_ops::replies::Reply;

use super::{node, node_as};
use crate::support::fake_primary::{Act, FakePrimary};
use crate::support::redis_server::{RedisServer, free_port, on_each_async, servers};

#[test]
fn every_server_is_greeted_and_answers() {
    on_each_async(&servers(), async |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        let mut connection = node(&format!("{}/5", server.url())).connect().await.expect("a connection");
        connection.query(&Command::new("SET").arg("a").arg("1")).await.expect("it is written");
        assert_eq!(
            server.ok(&["INFO", "keyspace"]).lines().nth(1).map(|line| &line[..4]),
            Some("db5:"),
            "{}",
            installed.name
        );
        let list = server.ok(&["CLIENT", "LIST"]);
        let ours = list.lines().find(|line| line.contains("name=redis-ops")).unwrap_or_else(|| panic!("{list}"));
        // `e`: not to be evicted (7.0). `T`: leaves idle times alone (7.2).
        let flags = ours.split("flags=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        if !installed.is("6.2") {
            assert!(flags.contains('e'), "{}: {ours}", installed.name);
        }
        if ["8.", "9."].iter().any(|version| installed.is(version)) {
            assert!(flags.contains('T') && ours.contains("lib-name=redis-ops"), "{}: {ours}", installed.name);
        }
    });
}

#[tokio::test]
async fn every_answer_of_a_pipeline_belongs_to_its_command() {
    let Some(server) = RedisServer::start() else { return };
    let mut connection = node(&server.url()).connect().await.expect("a connection");
    let commands: Vec<_> = (0..1000)
        .map(|index| match index % 3 {
            0 => Command::new("ECHO").arg(index),
            1 => Command::new("NOSUCHCOMMAND").arg(index),
            _ => Command::new("INCRBY").arg("n").arg("not a number"),
        })
        .collect();
    let answers = connection.pipeline(&commands).await.expect("all answers");
    assert_eq!(answers.len(), 1000);
    for (index, answer) in answers.iter().enumerate() {
        match (index % 3, answer) {
            (0, Ok(value)) => assert_eq!(*value, Reply::Bytes(index.to_string().into_bytes())),
            (1, Err(error)) => assert_eq!(error.fault("NOSUCHCOMMAND").code(), "unknown_command"),
            (2, Err(error)) => assert_eq!(error.to_string(), "ERR value is not an integer or out of range"),
            _ => panic!("{index}: {answer:?}"),
        }
    }
    assert!(connection.pipeline(&[]).await.expect("nothing asked").is_empty());
}

#[tokio::test]
async fn a_unix_socket_is_as_good_as_a_port() {
    let Some(server) = RedisServer::start() else { return };
    let node = node(&format!("unix://{}?db=3", server.socket().display()));
    let mut connection = node.connect().await.expect("a connection");
    connection.query(&Command::new("SET").arg("a").arg("1")).await.expect("it is written");
    assert_eq!(connection.phases().dns, None);
    assert!(node.open().await.expect("a stream").local_addr().is_none());

    let missing = Node::new(Address::Unix { path: "/nonexistent/redis.sock".into() });
    let error = Node { retry: Retry::never(), ..missing }.connect().await.expect_err("there is none");
    assert_eq!(error.to_string(), "cannot connect to unix:/nonexistent/redis.sock: no such file or directory");
}

#[tokio::test]
async fn a_stream_knows_our_own_address() {
    let Some(server) = RedisServer::start() else { return };
    let stream = node(&server.url()).open_authenticated().await.expect("a stream");
    assert_eq!(stream.local_addr().expect("an address").ip().to_string(), "127.0.0.1");
    assert_eq!(stream.peer_addr().expect("an address").port(), server.port());
}

#[tokio::test]
async fn the_server_says_what_is_wrong_with_our_credentials() {
    use AuthenticationFault::{NoPasswordConfigured, PasswordMissing, PasswordRequired, Rejected};
    for installed in servers() {
        let builder = RedisServer::builder().version(&installed).password("right");
        let Some(server) = builder.start() else { return };
        server.ok(&["ACL", "SETUSER", "ops", "on", ">ops-pw", "+@all", "~*"]);
        server.ok(&["ACL", "SETUSER", "anybody", "on", "nopass", "+ping"]);
        let Some(open) = RedisServer::builder().version(&installed).start() else { return };
        for (url, who, expected) in [
            (server.url(), ":wrong", Some(Rejected)),
            (server.url(), "nobody:right", Some(Rejected)),
            (server.url(), "ops:wrong", Some(Rejected)),
            (server.url(), "ops", Some(PasswordMissing)),
            (server.url(), "", Some(PasswordRequired)),
            (open.url(), ":right", Some(NoPasswordConfigured)),
            (server.url(), ":right", None),
            (server.url(), "default:right", None),
            (server.url(), "ops:ops-pw", None),
            (server.url(), "anybody:", None),
            (server.url(), "anybody:whatever", None),
        ] {
            let node = Node { retry: Retry::default(), ..node_as(&url, who) };
            match (node.connect().await, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    assert!(
                        matches!(&error.fault, ConnectFault::Authentication { fault, .. } if *fault == expected),
                        "{} {who}: {error:?}",
                        installed.name
                    );
                    assert_eq!((error.code(), error.attempts), ("authentication_failed", 1), "never a second time");
                }
                (result, _) => panic!("{} {who}: {result:?}", installed.name),
            }
        }
    }
}

#[tokio::test]
async fn a_server_before_6_0_knows_no_users() {
    let wrong_number = Act::send("-ERR wrong number of arguments for 'auth' command\r\n");
    let primary = FakePrimary::new().on("AUTH", [wrong_number]).start();
    let error = node_as(&primary.url(), "ops:pw").connect().await.expect_err("it knows no users");
    assert!(
        matches!(error.fault, ConnectFault::Authentication { fault: AuthenticationFault::UsersUnknown, .. }),
        "{error:?}"
    );
}

#[test]
fn what_the_acl_does_not_grant_is_named() {
    on_each_async(&servers(), async |installed| {
        let Some(server) = RedisServer::builder().version(installed).start() else { return };
        server.ok(&["ACL", "SETUSER", "little", "on", ">pw", "+get", "~mine:*"]);
        // Neither PING nor CLIENT are granted, and neither is needed.
        let mut connection = node_as(&server.url(), "little:pw").connect().await.expect("a connection");
        for (command, expected) in [
            (Command::new("CONFIG").arg("GET").arg("dir"), if installed.is("6.2") { "+config" } else { "+config|get" }),
            (Command::new("PSYNC").arg("?").arg("-1"), "+psync"),
            (Command::new("GET").arg("other"), "~*"),
        ] {
            let error = connection.query(&command).await.expect_err("it is forbidden");
            assert_eq!(error.code(), "permission_denied");
            let CommandFault::NoPermission { rule, .. } = &error.fault else { panic!("{error:?}") };
            assert_eq!(rule, expected, "{}", installed.name);
        }
        let error = node_as(&format!("{}/1", server.url()), "little:pw").connect().await.expect_err("no SELECT");
        assert!(
            error.to_string().ends_with("no permission to run `SELECT`: the ACL rule `+select` is missing"),
            "{error}"
        );
    });
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_no_connection() {
    let Some(server) = RedisServer::start() else { return };
    let error = node(&format!("{}/99", server.url())).connect().await.expect_err("there are 16");
    assert_eq!(error.code(), "server_error");
    assert!(error.to_string().ends_with("`SELECT` failed: ERR DB index is out of range"), "{error}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_tried_three_times() {
    let port = free_port();
    let node = Node::new(Address::tcp("127.0.0.1", port));
    let error = node.connect().await.expect_err("nobody is there");
    assert_eq!((&error.fault, error.code()), (&ConnectFault::Refused, "connection_refused"));
    assert_eq!(error.to_string(), format!("cannot connect to 127.0.0.1:{port}: connection refused (3 attempts)"));
}

#[tokio::test]
async fn connecting_is_tried_until_it_succeeds_and_no_longer() {
    let quick = Retry { initial: Duration::from_millis(1), ..Retry::default() };
    for (n_hangups, good) in [(0, true), (2, true), (3, false)] {
        let primary = FakePrimary::new().hang_up_on_the_first(n_hangups).start();
        let node = Node { retry: quick, ..node(&primary.url()) };
        let result = node.connect().await;
        assert_eq!(result.is_ok(), good, "{n_hangups}: {result:?}");
        // Once all has failed, one look more tells whether it is a port that wants TLS.
        assert_eq!(primary.n_connections(), 3.min(n_hangups + 1) + usize::from(!good));
        if let Err(error) = result {
            assert_eq!((error.code(), error.attempts), ("disconnected", 3));
        }
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_a_dns_failure() {
    let node = Node { timeout: Duration::from_secs(30), ..node("redis://no-such-host.invalid") };
    let error = node.connect().await.expect_err("`.invalid` is never there");
    assert_eq!(error.code(), "dns_failed", "{error}");
    assert!(error.to_string().contains("no address for `no-such-host.invalid`: "), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_on_time() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let timeout = Duration::from_millis(200);
    let with_password = Node { timeout, ..node(&format!("redis://:secret@127.0.0.1:{port}")) };
    let node = Node { timeout, ..node(&format!("redis://127.0.0.1:{port}")) };
    let begun = Instant::now();
    let error = node.connect().await.expect_err("nobody answers");
    assert_eq!(error.fault, ConnectFault::Timeout { phase: Phase::Handshake, after: node.timeout });
    assert!(error.to_string().ends_with("no answer within 200ms while in the handshake"), "{error}");
    let error = with_password.connect().await.expect_err("nobody answers");
    assert!(error.to_string().ends_with("no answer within 200ms while authenticating"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_command_without_an_answer_is_given_up_and_not_sent_again() {
    let primary = FakePrimary::new().on("INCR", [Act::Silence]).start();
    let mut connection = node(&primary.url()).connect().await.expect("a connection");
    connection.set_timeout(Duration::from_millis(100));
    let error = connection.query(&Command::new("INCR").arg("secret-key")).await.expect_err("no answer");
    assert_eq!(error.to_string(), "`INCR` failed: no answer within 100ms");
    let n_sent = primary.heard().iter().filter(|command| command[0] == "INCR").count();
    assert_eq!((n_sent, primary.n_connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_breaks_says_so() {
    let primary = FakePrimary::new().on("INCR", [Act::Close]).start();
    let mut connection = node(&primary.url()).connect().await.expect("a connection");
    for _ in 0..2 {
        let error = connection.query(&Command::new("INCR").arg("n")).await.expect_err("it breaks");
        assert_eq!(error.code(), "disconnected", "{error:?}");
    }
    let error = connection.pipeline(&[Command::new("INCR")]).await.expect_err("it is broken");
    assert_eq!(error.code(), "disconnected", "{error:?}");
    assert_eq!(primary.n_connections(), 1);
}

#[tokio::test]
async fn absurd_lengths_in_replies_are_errors_and_fill_no_memory() {
    for reply in [
        "*4611686018427387904\r\n:1\r\n",
        "*9223372036854775807\r\n:1\r\n",
        "$9223372036854775807\r\nx",
        "%9223372036854775807\r\n",
    ] {
        let primary = FakePrimary::new().on("INCR", [Act::send(reply), Act::Close]).start();
        let mut connection = node(&primary.url()).connect().await.expect("a connection");
        let error = connection.query(&Command::new("INCR").arg("n")).await.expect_err("it makes no sense");
        assert!(["disconnected", "protocol_error"].contains(&error.code()), "{reply}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_at_its_maximum_of_clients_says_so() {
    let Some(server) = RedisServer::builder().arg("maxclients", "1").start() else { return };
    let node = node(&server.url());
    // The connection that waited for the server may not be gone yet.
    let first = loop {
        if let Ok(connection) = node.connect().await {
            break connection;
        }
    };
    let error = node.connect().await.expect_err("there is room for one");
    assert_eq!((error.fault.clone(), error.code()), (ConnectFault::MaxClients, "too_many_clients"));
    drop(first);
}

#[tokio::test]
async fn refusals_at_the_door_are_understood() {
    for (line, expected) in [
        ("-DENIED Redis is running in protected mode because", "permission_denied"),
        ("-ERR max number of clients + cluster connections reached", "too_many_clients"),
        ("-BUSY Redis is busy running a script. You can only call", "busy"),
        ("HTTP/1.1 400 Bad Request", "protocol_error"),
    ] {
        let primary = FakePrimary::new().at_the_door([Act::send(format!("{line}\r\n")), Act::Close]).start();
        let error = node(&primary.url()).connect().await.expect_err("it refuses");
        assert_eq!(error.code(), expected, "{error:?}");
    }
}

#[tokio::test]
async fn a_line_without_an_end_does_not_fill_the_memory() {
    let primary = FakePrimary::new().at_the_door([Act::send(vec![b'x'; 200_000]), Act::Silence]).start();
    let error = node(&primary.url()).connect().await.expect_err("it is no Redis");
    assert_eq!(error.code(), "protocol_error", "{error:?}");
}

#[tokio::test]
async fn a_loading_server_is_no_connection_unless_it_is_good_enough() {
    let Some(source) = RedisServer::start() else { return };
    source.fill(500, 10);
    source.save();
    // Ten milliseconds a key: it loads for five seconds, and we ask at once.
    let builder = RedisServer::builder().dump(source.dir().join("dump.rdb")).arg("key-load-delay", "10000");
    let Some(server) = builder.arg("loading-process-events-interval-bytes", "1024").start_loading() else { return };
    let error = node(&server.url()).connect().await.expect_err("it is loading");
    assert_eq!((error.fault.clone(), error.code(), error.attempts), (ConnectFault::Loading, "loading", 1));
    let mut connection = node(&server.url()).connect_even_while_loading().await.expect("INFO is answered");
    assert!(connection.is_loading());
    connection.query(&Command::new("INFO").arg("persistence")).await.expect("INFO is answered");
    let error = connection.query(&Command::new("GET").arg("a")).await.expect_err("GET is not");
    assert_eq!(error.fault, CommandFault::Loading);
}

#[tokio::test]
async fn connections_can_be_made_from_tasks_of_their_own() {
    let Some(server) = RedisServer::start() else { return };
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let node = node(&server.url());
            tokio::spawn(async move { node.connect().await.map(|_| ()) })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("a connection");
    }
}
