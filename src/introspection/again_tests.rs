use super::*;
use crate::introspection::asking::tests::{Scripted, all, scripted};

/// One look; which commands it took.
async fn look(looks: &mut Looks, server: &mut Scripted) -> (Snapshot, Vec<String>) {
    server.asked.clear();
    let snapshot = looks.take(server, &all()).await.expect("a snapshot");
    (snapshot, server.asked.clone())
}

/// As the scripted server, some commands later.
fn counted(info: &str, commands: u64) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some(("total_commands_processed", _)) => format!("total_commands_processed:{commands}\n"),
        _ => format!("{line}\n"),
    };
    info.lines().map(line).collect()
}

#[tokio::test]
async fn what_an_administrator_changes_is_not_asked_at_every_look() {
    for file in ["redis-6.2.14.txt", "redis-8.0.6.txt", "valkey-9.1.2.txt"] {
        let (mut looks, mut server) = (Looks::default(), scripted("", file));
        let (first, everything) = look(&mut looks, &mut server).await;
        assert!(everything.iter().any(|asked| asked.starts_with("CONFIG GET")), "{everything:?}");
        assert!(everything.len() <= COMMANDS_OF_A_LOOK);
        let (second, asked) = look(&mut looks, &mut server).await;
        assert!(!asked.iter().any(|asked| asked.starts_with("CONFIG")), "{asked:?}");
        for again in ["INFO everything", "CLIENT LIST", "SLOWLOG GET 128"] {
            assert_eq!(asked.iter().filter(|asked| *asked == again).count(), 1, "{again}: {asked:?}");
        }
        assert_eq!(first.answers.config, second.answers.config);
        assert!(second.answers.config.got().is_some(), "the settings stand in both");
        assert_eq!(second.receipt.keyspace_hits_added, 0);
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_is_asked_everything_and_compared_with_nothing() {
    let (mut looks, mut server) = (Looks::default(), scripted("", "redis-8.0.6.txt"));
    look(&mut looks, &mut server).await;
    let (second, _) = look(&mut looks, &mut server).await;
    assert!(second.earlier.is_some());
    let run_id = second.server.run_id.clone();
    server.info = server.info.replace(&run_id, "another");
    let (third, asked) = look(&mut looks, &mut server).await;
    assert!(third.earlier.is_none());
    assert!(asked.iter().any(|asked| asked.starts_with("CONFIG GET")), "{asked:?}");
}

#[tokio::test]
async fn what_redis_ops_sends_is_not_counted_as_the_clients() {
    let (mut looks, mut server) = (Looks::default(), scripted("", "redis-8.0.6.txt"));
    let info = server.info.clone();
    server.info = counted(&info, 1000);
    let (_, asked) = look(&mut looks, &mut server).await;
    looks.note(&Ours { commands: 5, ..Ours::default() });
    // Clients sent 100.
    server.info = counted(&info, 1000 + asked.len() as u64 + 5 + 100);
    let (second, _) = look(&mut looks, &mut server).await;
    assert_eq!(second.delta("total_commands_processed").expect("comparable").amount, 100);
}

#[tokio::test]
async fn a_long_list_of_clients_is_asked_from_time_to_time() {
    let (mut looks, mut server) = (Looks::default(), scripted("", "redis-8.0.6.txt"));
    server.info = format!("connected_clients:1001\n{}", server.info);
    let (_, asked) = look(&mut looks, &mut server).await;
    assert!(asked.contains(&"CLIENT LIST".to_owned()));
    let (second, asked) = look(&mut looks, &mut server).await;
    assert!(!asked.contains(&"CLIENT LIST".to_owned()));
    assert_eq!(second.answers.clients.got().map(Vec::len), Some(1), "the list of before stands");
}

#[tokio::test]
async fn what_is_refused_is_noted_at_every_look() {
    let (mut looks, mut server) = (Looks::default(), scripted("SLOWLOG", "redis-8.0.6.txt"));
    for _ in 0..2 {
        let (snapshot, _) = look(&mut looks, &mut server).await;
        assert!(matches!(snapshot.answers.slowlog, Part::Denied(_)));
        assert!(snapshot.answers.clients.got().is_some());
    }
}

#[test]
fn our_own_slow_commands_are_no_gain_however_many_there_are() {
    let entry = |id, name: &str| crate::replies::SlowEntry {
        id,
        at: 0,
        usec: 1,
        command: "INFO".to_owned(),
        arguments: Vec::new(),
        addr: String::new(),
        name: name.to_owned(),
    };
    // The log holds three entries: what was in it at the last look is gone by now.
    let now = [entry(102, "redis-ops"), entry(101, "web"), entry(100, "redis-ops")];
    assert_eq!(gained(100, &now), 1);
    assert_eq!(gained(next_id(&now), &now), 0);
    assert_eq!(gained(next_id(&[]), &[]), 0);
}
