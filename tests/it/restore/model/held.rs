//! What a server holds, read with the server's own commands.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::redis_server::{Client, RedisServer, Reply};
use crate::support::sample;

/// Database and name.
pub type Place = (u64, Vec<u8>);
/// A moment in Unix milliseconds, and how exactly the server says it: not before the first, not after the second.
pub type Moment = (i64, i64);

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Held {
    pub keys: BTreeMap<Place, Value>,
    /// The code of each library.
    pub libraries: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub kind: String,
    pub parts: Parts,
    pub expiry: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Parts {
    /// Text; elements in their order; members sorted; members with scores in their order.
    Plain(Vec<Reply>),
    Fields(BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>),
    /// What `XINFO STREAM FULL` says, by name.
    Stream(BTreeMap<String, String>),
}

/// All that a server holds.
pub fn read(server: &RedisServer) -> Held {
    let mut reader = Reader {
        client: server.client(),
        tells_moments: sample::has(server, "PEXPIRETIME"),
        has_fields: sample::has(server, "HPEXPIRETIME"),
    };
    let mut held = Held::default();
    for database in 0..16_u64 {
        reader.ask(&[b"SELECT", database.to_string().as_bytes()]);
        for name in array(reader.ask(&[b"KEYS", b"*"])) {
            let name = bytes(name);
            // A key that expires while it is read is gone.
            if let Some(value) = reader.value(&name) {
                held.keys.insert((database, name), value);
            }
        }
    }
    if sample::has(server, "FUNCTION") {
        for library in array(reader.ask(&[b"FUNCTION", b"LIST", b"WITHCODE"])) {
            let mut said = pairs(library);
            held.libraries.insert(text(said.remove("library_name")), text(said.remove("library_code")));
        }
    }
    held
}

/// Places whose name fits a pattern, as the server sees it.
pub fn matching(server: &RedisServer, pattern: &str) -> BTreeSet<Place> {
    let mut reader = Reader { client: server.client(), tells_moments: false, has_fields: false };
    let mut places = BTreeSet::new();
    for database in 0..16_u64 {
        reader.ask(&[b"SELECT", database.to_string().as_bytes()]);
        let names = array(reader.ask(&[b"KEYS", pattern.as_bytes()]));
        places.extend(names.into_iter().map(|name| (database, bytes(name))));
    }
    places
}

struct Reader {
    client: Client,
    tells_moments: bool,
    has_fields: bool,
}

impl Reader {
    fn ask(&mut self, words: &[&[u8]]) -> Reply {
        let reply = self.client.ask(words).expect("the server answers");
        assert!(
            !matches!(reply, Reply::Error(_)),
            "{:?}: {reply}",
            words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>()
        );
        reply
    }

    fn value(&mut self, name: &[u8]) -> Option<Value> {
        let expiry = self.expiry(name);
        let kind = self.ask(&[b"TYPE", name]).to_string();
        let parts = match kind.as_str() {
            "string" => Parts::Plain(vec![self.ask(&[b"GET", name])]),
            "list" => Parts::Plain(array(self.ask(&[b"LRANGE", name, b"0", b"-1"]))),
            "set" => {
                let mut members = array(self.ask(&[b"SMEMBERS", name]));
                members.sort_by_key(|member| bytes(member.clone()));
                Parts::Plain(members)
            }
            "zset" => Parts::Plain(scored(array(self.ask(&[b"ZRANGE", name, b"0", b"-1", b"WITHSCORES"])))),
            "hash" => Parts::Fields(self.fields(name)),
            "stream" => Parts::Stream(stream(self.ask(&[b"XINFO", b"STREAM", name, b"FULL", b"COUNT", b"0"]))),
            _ => return None,
        };
        // A string that has gone since, a hash whose last field has.
        let gone = match &parts {
            Parts::Plain(elements) => elements.is_empty() || elements.contains(&Reply::Nil),
            Parts::Fields(fields) => fields.is_empty(),
            Parts::Stream(_) => false,
        };
        (!gone).then_some(Value { kind, parts, expiry })
    }

    fn expiry(&mut self, name: &[u8]) -> Option<Moment> {
        if self.tells_moments {
            let at = number(self.ask(&[b"PEXPIRETIME", name]));
            return (at >= 0).then_some((at, at));
        }
        let before = self.now();
        let left = number(self.ask(&[b"PTTL", name]));
        let after = self.now();
        (left >= 0).then_some((before + left, after + left))
    }

    fn now(&mut self) -> i64 {
        let parts: Vec<i64> = array(self.ask(&[b"TIME"])).into_iter().map(number).collect();
        parts[0] * 1000 + parts[1] / 1000
    }

    fn fields(&mut self, name: &[u8]) -> BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)> {
        let all: Vec<Vec<u8>> = array(self.ask(&[b"HGETALL", name])).into_iter().map(bytes).collect();
        let mut fields = BTreeMap::new();
        for pair in all.chunks(2) {
            let at = match self.has_fields {
                true => array(self.ask(&[b"HPEXPIRETIME", name, b"FIELDS", b"1", &pair[0]])).pop().map(number),
                false => None,
            };
            // -2: it has gone since.
            if at != Some(-2) {
                fields.insert(pair[0].clone(), (pair[1].clone(), at.filter(|at| *at >= 0)));
            }
        }
        fields
    }
}

/// Members and scores; versions write the same score with fewer or more digits, and newer ones make 0 of -0 in a small set.
fn scored(mut flat: Vec<Reply>) -> Vec<Reply> {
    for score in flat.iter_mut().skip(1).step_by(2) {
        let number: f64 = score.to_string().parse().expect("a score is a number");
        *score = Reply::Simple(format!("{:?}", if number == 0.0 { 0.0 } else { number }));
    }
    flat
}

/// What each version says of a stream; not how it is stored, and not what follows from the rest.
fn stream(said: Reply) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let mut said = pairs(said);
    let groups = said.remove("groups");
    for (name, value) in said {
        let is_known = ["length", "last-generated-id", "max-deleted-entry-id", "entries-added", "entries"]
            .contains(&name.as_str());
        if is_known {
            flat.insert(name, format!("{value:?}"));
        }
    }
    let mut names = Vec::new();
    for group in groups.into_iter().flat_map(array) {
        let mut said = pairs(group);
        let group = text(said.remove("name"));
        for name in ["last-delivered-id", "entries-read", "pel"] {
            if let Some(value) = said.remove(name) {
                flat.insert(format!("{group} {name}"), format!("{value:?}"));
            }
        }
        for consumer in said.remove("consumers").into_iter().flat_map(array) {
            let mut said = pairs(consumer);
            let consumer = text(said.remove("name"));
            for name in ["seen-time", "active-time", "pel", "pending"] {
                if let Some(value) = said.remove(name) {
                    flat.insert(format!("{group} {consumer} {name}"), format!("{value:?}"));
                }
            }
            names.push(format!("{group} {consumer}"));
        }
        names.push(group);
    }
    names.sort();
    flat.insert("groups".to_owned(), format!("{names:?}"));
    flat
}

/// A reply of names and values in turn.
pub fn pairs(reply: Reply) -> BTreeMap<String, Reply> {
    let flat = array(reply);
    flat.chunks(2).map(|pair| (pair[0].to_string(), pair[1].clone())).collect()
}

fn array(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(replies) => replies,
        Reply::Nil => Vec::new(),
        other => panic!("no array: {other:?}"),
    }
}

fn bytes(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Bulk(bytes) => bytes,
        other => other.to_string().into_bytes(),
    }
}

fn number(reply: Reply) -> i64 {
    reply.to_string().parse().unwrap_or_else(|_| panic!("no number: {reply:?}"))
}

fn text(reply: Option<Reply>) -> String {
    reply.expect("the server says it").to_string()
}
