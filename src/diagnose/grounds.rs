//! The fields that an all-clear rests on. A text holds what somebody copied: where they are missing, the topic was not looked at.

use crate::introspection::{NodeRole, Part, Snapshot};
use crate::rules::Topic;

/// The topics of which this snapshot does not tell enough to say that all is well, each with what is missing.
pub fn not_looked_at(snapshot: &Snapshot, topics: &[Topic]) -> Vec<(Topic, String)> {
    topics.iter().filter_map(|topic| Some((*topic, missing(snapshot, *topic)?))).collect()
}

/// What is missing for this topic; `None` where it was looked at.
fn missing(snapshot: &Snapshot, topic: Topic) -> Option<String> {
    let info = &snapshot.info;
    let without = |names: &[&'static str]| {
        let missing: Vec<&str> = names.iter().filter(|name| info.get(name).is_none()).copied().collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    };
    let unless = |got: bool, what: &str| (!got).then(|| what.to_owned());
    match topic {
        Topic::Memory => without(&["used_memory", "used_memory_rss", "maxmemory", "maxmemory_policy"]),
        Topic::Connections => without(&["connected_clients", "maxclients", "rejected_connections", "blocked_clients"]),
        Topic::Keyspace => {
            let section = info.sections().iter().any(|section| section == "Keyspace");
            unless(section || !info.databases().is_empty() || snapshot.keyspace.got().is_some(), "Keyspace")
        }
        Topic::Persistence => without(&["loading", "rdb_last_bgsave_status", "aof_last_write_status"]),
        Topic::Replication => match (info.get("role"), snapshot.server.role) {
            (None, _) => {
                unless(snapshot.answers.cluster.got().is_some() || snapshot.answers.nodes.got().is_some(), "role")
            }
            (Some(_), NodeRole::Replica) => without(&["master_link_status"]),
            (Some(_), _) => without(&["connected_slaves"]),
        },
        Topic::Security => {
            let got = matches!((&snapshot.answers.config, &snapshot.answers.clients), (Part::Got(_), Part::Got(_)));
            unless(got, "CONFIG GET, CLIENT LIST")
        }
        Topic::Patterns => unless(snapshot.keyspace.got().is_some(), "look at the keys"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::replies::Info;

    fn missing_of(text: &str) -> Vec<Topic> {
        let snapshot = Snapshot::from_info(Info::parse(text), DateTime::UNIX_EPOCH);
        not_looked_at(&snapshot, &Topic::ALL).into_iter().map(|(topic, _)| topic).collect()
    }

    #[test]
    fn a_whole_info_tells_of_all_but_keys_and_rights() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/info")).expect("captured") {
            let path = entry.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("text");
            assert_eq!(missing_of(&text), [Topic::Security, Topic::Patterns], "{}", path.display());
        }
    }

    #[test]
    fn a_part_of_info_tells_of_its_own_topic_alone() {
        let memory = "used_memory:1\nused_memory_rss:2\nmaxmemory:0\nmaxmemory_policy:noeviction\n";
        assert!(!missing_of(memory).contains(&Topic::Memory) && missing_of(memory).contains(&Topic::Replication));
        assert!(missing_of("used_memory:1\n").contains(&Topic::Memory), "one field is not enough");
        assert!(missing_of("role:slave\n").contains(&Topic::Replication));
        assert!(!missing_of("role:slave\nmaster_link_status:up\n").contains(&Topic::Replication));
        assert_eq!(missing_of("").len(), Topic::ALL.len());
    }
}
