use async_trait::async_trait;

use super::*;
use crate::introspection::question::ReadOnly;
use crate::replies::Reply;

/// A server that answers from a table and remembers what it was asked.
pub(in crate::introspection) struct Scripted {
    pub(in crate::introspection) info: String,
    pub(in crate::introspection) refuse: &'static str,
    pub(in crate::introspection) asked: Vec<String>,
}

#[async_trait]
impl Ask for Scripted {
    async fn ask(&mut self, questions: &[ReadOnly]) -> Result<Vec<Reply>> {
        let answers = questions.iter().map(|question| {
            let words: Vec<String> =
                question.command().words().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            self.asked.push(words.join(" "));
            if words[0] == self.refuse {
                return Reply::Error(format!("NOPERM this user has no permissions to run the '{}' command", words[0]));
            }
            match words[0].as_str() {
                "INFO" => Reply::Bytes(self.info.clone().into_bytes()),
                "CLIENT" => "id=7 name=redis-ops cmd=client|list\nid=8 name=web cmd=get\n".into(),
                "CONFIG" => Reply::Array(vec!["maxclients".into(), "10000".into()]),
                "PING" => "PONG".into(),
                _ => Reply::Array(vec![]),
            }
        });
        Ok(answers.collect())
    }
}

fn captured(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/info").join(name);
    std::fs::read_to_string(path).expect("a captured INFO")
}

pub(in crate::introspection) fn scripted(refuse: &'static str, file: &str) -> Scripted {
    Scripted { info: captured(file), refuse, asked: Vec::new() }
}

pub(in crate::introspection) fn all() -> Options {
    Options {
        questions: vec![Question::Clients, Question::Slowlog, Question::LargeReplies, Question::Denied],
        pings: true,
        pauses: false,
        window: Duration::from_millis(30),
        now: DateTime::UNIX_EPOCH,
        path: Path::default(),
    }
}

#[tokio::test]
async fn nine_commands_are_enough_and_our_own_connection_is_left_out() {
    for file in ["redis-6.2.14.txt", "valkey-9.1.2.txt"] {
        let mut server = scripted("", file);
        let snapshot = take(&mut server, &all(), Wire::default()).await.expect("a snapshot");
        assert!(snapshot.receipt.commands <= 9, "{:?}", server.asked);
        assert_eq!(snapshot.receipt.keyspace_hits_added, 0);
        assert!(snapshot.receipt.pings >= 10);
        assert_eq!(
            snapshot.answers.clients.got().map(|clients| clients.iter().map(|client| client.id).collect()),
            Some(vec![8])
        );
        assert!(snapshot.earlier.is_some());
    }
}

#[tokio::test]
async fn what_is_refused_is_noted_and_the_rest_is_asked() {
    for refuse in ["CONFIG", "CLIENT", "SLOWLOG", "ACL"] {
        let mut server = scripted(refuse, "redis-8.0.6.txt");
        let snapshot = take(&mut server, &all(), Wire::default()).await.expect("a snapshot");
        let states = [
            ("CONFIG", snapshot.answers.config.got().is_some()),
            ("CLIENT", snapshot.answers.clients.got().is_some()),
            ("SLOWLOG", snapshot.answers.slowlog.got().is_some()),
        ];
        for (name, got) in states {
            assert_eq!(got, name != refuse, "{name} where {refuse} is refused");
        }
    }
}

#[tokio::test]
async fn without_info_there_is_nothing_to_judge() {
    let error = take(&mut scripted("INFO", "redis-8.0.6.txt"), &all(), Wire::default()).await.expect_err("no INFO");
    assert!(format!("{error:#}").contains("`+info` is missing"), "{error:#}");
}

#[tokio::test]
async fn no_password_is_asked_for_where_settings_can_be_named() {
    let mut server = scripted("", "redis-7.0.15.txt");
    take(&mut server, &all(), Wire::default()).await.expect("a snapshot");
    let config = server.asked.iter().find(|words| words.starts_with("CONFIG")).expect("CONFIG GET");
    assert!(!config.contains('*') || !config.split(' ').any(|word| word == "*"), "{config}");
    assert!(!config.contains("requirepass") && !config.contains("masterauth"), "{config}");
}
