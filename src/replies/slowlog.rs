//! SLOWLOG GET and COMMANDLOG GET: what took long, and what was large.

use serde::{Deserialize, Serialize};

use super::Reply;

/// Arguments kept of an entry; the server itself sends at most 32.
const ARGUMENTS_KEPT: usize = 4;
/// Characters kept of an argument; the server itself sends at most 128 bytes.
const ARGUMENT_LENGTH: usize = 64;

/// An entry of the slow log. Arguments are foreign text, possibly binary and possibly secret: they are cut here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowEntry {
    /// Grows by one an entry; starts again at 0 with the server.
    pub id: u64,
    /// When the command ran, in Unix seconds.
    pub at: u64,
    /// Execution time in microseconds, waiting for the socket not included.
    pub usec: u64,
    /// The command in upper case, with its subcommand where there is one (`CONFIG GET`).
    pub command: String,
    /// The first arguments, cut.
    pub arguments: Vec<String>,
    /// The client's address as `ip:port`.
    pub addr: String,
    /// The client's name, as set by CLIENT SETNAME.
    pub name: String,
}

/// An entry of Valkey's command log: `usec` is a size in bytes there.
pub type LargeEntry = SlowEntry;

impl SlowEntry {
    /// Parses an answer. Entries have four fields at least (up to seven are known); others are skipped.
    pub fn parse_list(reply: &Reply) -> Vec<Self> {
        reply.items().iter().filter_map(Self::parse).collect()
    }

    fn parse(entry: &Reply) -> Option<Self> {
        let fields = entry.items();
        if fields.len() < 4 {
            return None;
        }
        let number = |at: usize| fields[at].integer().and_then(|number| u64::try_from(number).ok());
        let text = |at: usize| fields.get(at).and_then(Reply::text).unwrap_or_default();
        let words = fields[3].items();
        let mut command = words.first().and_then(Reply::text).unwrap_or_default().to_ascii_uppercase();
        let mut rest = words.get(1..).unwrap_or_default();
        if HAS_SUBCOMMANDS.contains(&command.as_str())
            && let Some(second) = rest.first().and_then(Reply::text)
        {
            command = format!("{command} {}", second.to_ascii_uppercase());
            rest = &rest[1..];
        }
        // A diagnosis would show the password on a screen.
        let secret = command == "AUTH" || command == "HELLO" || command.starts_with("ACL ") || command == "CONFIG SET";
        let arguments = if secret {
            Vec::new()
        } else {
            rest.iter().take(ARGUMENTS_KEPT).filter_map(|word| word.text().map(|text| cut(&text))).collect()
        };
        Some(Self {
            id: number(0)?,
            at: number(1)?,
            usec: number(2)?,
            command,
            arguments,
            addr: text(4),
            name: text(5),
        })
    }

    /// The command and the shape of its first argument: digits and long hexadecimal runs are replaced, so that
    /// `GET user:1` and `GET user:2` are one pattern.
    pub fn pattern(&self) -> String {
        match self.arguments.first() {
            // A script is no key: its first words, or the digest that SCRIPT EXISTS takes.
            Some(script) if matches!(self.command.as_str(), "EVAL" | "EVAL_RO") => {
                format!("{} {}", self.command, first_words(script))
            }
            Some(digest) if matches!(self.command.as_str(), "EVALSHA" | "EVALSHA_RO") => {
                format!("{} {digest}", self.command)
            }
            Some(argument) => format!("{} {}", self.command, shape(argument)),
            None => self.command.clone(),
        }
    }
}

const HAS_SUBCOMMANDS: &[&str] = &[
    "ACL",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "COMMANDLOG",
    "CONFIG",
    "DEBUG",
    "FUNCTION",
    "LATENCY",
    "MEMORY",
    "MODULE",
    "OBJECT",
    "PUBSUB",
    "SCRIPT",
    "SLOWLOG",
    "XGROUP",
    "XINFO",
];

fn cut(text: &str) -> String {
    if text.chars().count() <= ARGUMENT_LENGTH {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(ARGUMENT_LENGTH).collect();
    short.push('…');
    short
}

/// The first words of a script, in one line.
fn first_words(script: &str) -> String {
    const WORDS: usize = 5;
    let words: Vec<&str> = script.split_whitespace().take(WORDS + 1).collect();
    let more = if words.len() > WORDS { " …" } else { "" };
    format!("{}{more}", words[..words.len().min(WORDS)].join(" "))
}

/// Replaces segments that look like an identifier by `*`.
fn shape(text: &str) -> String {
    let is_id = |segment: &str| {
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        digits > 0 && (digits * 2 >= segment.len() || segment.len() >= 16)
    };
    let mut shaped = String::new();
    for segment in text.split_inclusive([':', '.', '/', '_', '-', '|']) {
        let end = segment.trim_end_matches([':', '.', '/', '_', '-', '|']);
        shaped.push_str(if is_id(end) { "*" } else { end });
        shaped.push_str(&segment[end.len()..]);
    }
    shaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(words: &[&[u8]]) -> Reply {
        let words = words.iter().map(|word| Reply::Bytes(word.to_vec())).collect();
        Reply::Array(vec![
            14.into(),
            1_700_000_000.into(),
            52_000.into(),
            Reply::Array(words),
            "10.0.0.9:53122".into(),
            "web".into(),
        ])
    }

    #[test]
    fn entries_of_four_to_seven_fields_are_read() {
        let Reply::Array(mut fields) = entry(&[b"keys", b"user:*"]) else { panic!("an array") };
        let read = |fields: &[Reply]| SlowEntry::parse_list(&Reply::Array(vec![Reply::Array(fields.to_vec())]));
        let six = read(&fields).remove(0);
        assert_eq!((six.id, six.usec, six.command.as_str(), six.addr.as_str()), (14, 52_000, "KEYS", "10.0.0.9:53122"));
        fields.push(7.into());
        assert_eq!(read(&fields)[0], six);
        assert_eq!(read(&fields[..4])[0].name, "");
        assert!(read(&fields[..3]).is_empty());
    }

    #[test]
    fn binary_and_long_arguments_are_cut_and_secrets_are_left_out() {
        let long = vec![b'a'; 5000];
        let read = SlowEntry::parse(&entry(&[b"set", b"k\xff\x00", &long])).expect("an entry");
        assert_eq!(read.arguments[0], "k\u{fffd}\u{0}");
        assert_eq!(read.arguments[1].chars().count(), 65);
        for words in [
            &[b"auth" as &[u8], b"hunter2"] as &[&[u8]],
            &[b"acl", b"setuser", b"a", b">hunter2"],
            &[b"config", b"set", b"requirepass", b"hunter2"],
        ] {
            let read = SlowEntry::parse(&entry(words)).expect("an entry");
            assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        }
    }

    #[test]
    fn patterns_put_the_same_query_together() {
        let pattern = |key: &str| SlowEntry::parse(&entry(&[b"get", key.as_bytes()])).expect("an entry").pattern();
        assert_eq!(pattern("user:17:name"), "GET user:*:name");
        assert_eq!(pattern("user:18:name"), "GET user:*:name");
        assert_eq!(pattern("session:9f86d081884c7d659a2feaa0c55ad015"), "GET session:*");
        assert_eq!(pattern("utf8:table"), "GET utf8:table");
        let of = |words: &[&[u8]]| SlowEntry::parse(&entry(words)).expect("an entry").pattern();
        let script = b"local t=redis.call('TIME')[1]\nwhile redis.call('TIME')[1]-t<3 do end";
        assert_eq!(
            of(&[b"eval", script, b"0"]),
            "EVAL local t=redis.call('TIME')[1] while redis.call('TIME')[1]-t<3 do…"
        );
        assert_eq!(of(&[b"eval_ro", b"return  1+1 -- a sum of ones", b"0"]), "EVAL_RO return 1+1 -- a sum …");
        let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        assert_eq!(of(&[b"evalsha", digest.as_bytes(), b"0"]), format!("EVALSHA {digest}"));
        assert_eq!(SlowEntry::parse(&entry(&[b"config", b"get", b"*"])).expect("an entry").command, "CONFIG GET");
    }
}
