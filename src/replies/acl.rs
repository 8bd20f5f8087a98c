//! ACL GETUSER and ACL LOG. Password hashes are dropped on reading.

use serde::{Deserialize, Serialize};

use super::Reply;

/// What a user may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AclUser {
    /// Whether the user may log in.
    pub enabled: bool,
    /// Whether the user needs no password.
    pub nopass: bool,
    /// How many passwords it has.
    pub passwords: usize,
    /// Rules for commands, `+@all` or `-@all +get`.
    pub commands: String,
    /// Patterns of keys, `~*`.
    pub keys: String,
}

impl AclUser {
    /// Parses an answer of ACL GETUSER; `None` where there is no such user.
    pub fn parse(reply: &Reply) -> Option<Self> {
        let flags: Vec<String> = reply.field("flags")?.items().iter().filter_map(Reply::text).collect();
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        // Before 7.0 keys are an array of patterns without `~`; from 7.0 on they are one string.
        let keys = match reply.field("keys") {
            Some(Reply::Array(patterns)) => {
                let patterns = patterns.iter().filter_map(Reply::text).map(|pattern| format!("~{pattern}"));
                patterns.collect::<Vec<_>>().join(" ")
            }
            Some(other) => other.text().unwrap_or_default(),
            None => String::new(),
        };
        Some(Self {
            enabled: has("on"),
            nopass: has("nopass"),
            passwords: reply.field("passwords").map_or(0, |list| list.items().len()),
            commands: reply.field("commands").and_then(Reply::text).unwrap_or_default(),
            keys,
        })
    }

    /// Whether anybody who reaches the port may do everything.
    pub fn is_open_to_everybody(&self) -> bool {
        let all_keys = self.keys.split(' ').any(|pattern| pattern == "~*" || pattern == "allkeys");
        self.enabled && self.nopass && all_keys && self.commands.split(' ').any(|rule| rule == "+@all")
    }
}

/// An entry of ACL LOG: a client was refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DeniedAccess {
    /// How often within the entry's minute.
    pub count: u64,
    /// `auth`, `command`, `key`, `channel`.
    pub reason: String,
    /// The user it was tried as.
    pub username: String,
    /// How many seconds ago it happened.
    pub age_seconds: f64,
    /// Address of the last one.
    pub addr: String,
    /// The command, key or channel that was refused.
    #[serde(default)]
    pub object: String,
}

impl DeniedAccess {
    /// Parses an answer of ACL LOG; entries without a reason are skipped.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        reply.items().iter().filter_map(Self::parse).collect()
    }

    fn parse(entry: &Reply) -> Option<Self> {
        let text = |name| entry.field(name).and_then(Reply::text).unwrap_or_default();
        let client = text("client-info");
        let addr = client.split(' ').find_map(|pair| pair.strip_prefix("addr=")).unwrap_or_default();
        Some(Self {
            count: entry
                .field("count")
                .and_then(Reply::integer)
                .and_then(|count| u64::try_from(count).ok())
                .unwrap_or(1),
            reason: entry.field("reason").and_then(Reply::text)?,
            username: text("username"),
            age_seconds: entry.field("age-seconds").and_then(Reply::double).unwrap_or(0.0),
            addr: addr.to_owned(),
            object: text("object"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(flags: &[&str], keys: Reply, commands: &str) -> AclUser {
        let flags = Reply::Array(flags.iter().map(|flag| (*flag).into()).collect());
        let secrets = Reply::Array(vec!["9f86d081884c7d65".into()]);
        let reply = Reply::Array(vec![
            "flags".into(),
            flags,
            "passwords".into(),
            secrets,
            "commands".into(),
            commands.into(),
            "keys".into(),
            keys,
        ]);
        AclUser::parse(&reply).expect("a user")
    }

    #[test]
    fn an_open_user_is_known_in_both_forms_of_the_answer() {
        let old = user(&["on", "allkeys", "nopass"], Reply::Array(vec!["*".into()]), "+@all");
        let new = user(&["on", "nopass"], "~*".into(), "+@all");
        assert!(old.is_open_to_everybody() && new.is_open_to_everybody());
        assert!(!user(&["on"], "~*".into(), "+@all").is_open_to_everybody(), "it has a password");
        assert!(!user(&["off", "nopass"], "~*".into(), "+@all").is_open_to_everybody(), "it is off");
        assert!(!user(&["on", "nopass"], "~app:*".into(), "+@all").is_open_to_everybody(), "it sees some keys");
        assert!(!user(&["on", "nopass"], "~*".into(), "-@all +ping").is_open_to_everybody(), "it may ping");
        assert!(!format!("{new:?}").contains("9f86"), "hashes are dropped");
        assert_eq!(AclUser::parse(&Reply::Nil), None);
    }

    #[test]
    fn refusals_are_read() {
        let entry = Reply::Array(vec![
            "count".into(),
            3.into(),
            "reason".into(),
            "auth".into(),
            "username".into(),
            "app".into(),
            "age-seconds".into(),
            "4.096".into(),
            "client-info".into(),
            "id=3 addr=10.0.0.7:4242 name=".into(),
        ]);
        let read = DeniedAccess::parse_list(&Reply::Array(vec![entry, Reply::Nil]));
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].count, read[0].addr.as_str(), read[0].reason.as_str()), (3, "10.0.0.7:4242", "auth"));
    }
}
