//! Puts what was drawn into a server.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Contents, Data, Expiry, Key, Stream};
use super::held::{self, Held, Parts, Place};
use crate::support::redis_server::{Client, RedisServer, Reply};
use crate::support::sample;

/// How long what has passed before the restore lives at first: long enough to be in the backup.
const SHORTEST: i64 = 250;
/// Far enough in the future for every test, Unix milliseconds.
const FAR: i64 = 4_102_444_800_000;

pub fn now_ms() -> i64 {
    redis_ops::restore::run::now_ms()
}

/// A source that was filled.
pub struct Filled {
    /// What its backup will hold.
    pub held: Held,
    /// What it says to `KEYS` with each pattern.
    pub matched: BTreeMap<&'static str, BTreeSet<Place>>,
    /// From when on all that is to pass before the restore has passed, Unix milliseconds.
    pub passed: i64,
}

/// Fills a server that removes nothing by itself.
///
/// What expires soon gets its expiry last of all, after the server was asked what it holds: who looks at an expired key removes it.
pub fn source(server: &RedisServer, contents: &Contents, globs: &[&'static str]) -> Filled {
    server.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let mut shortest = SHORTEST;
    loop {
        empty(server);
        fill(server, contents, "of the backup");
        let mut held = held::read(server);
        assert_eq!(held.keys.len(), contents.keys.len(), "all that was written is there");
        let matched = globs.iter().map(|glob| (*glob, held::matching(server, glob))).collect();
        let soon = Soon { has_fields: sample::has(server, "HPEXPIREAT"), now: now_ms(), shortest };
        let mut client = server.client();
        for key in &contents.keys {
            soon.set(&mut client, key, &mut held);
        }
        let passed = soon.now + shortest;
        if now_ms() < passed {
            return Filled { held, matched, passed };
        }
        // Something may have passed before the server had been told all: the machine is busy.
        shortest *= 4;
    }
}

/// Fills a server as it comes; what would have passed by now is not there.
pub fn target(server: &RedisServer, contents: &Contents) -> Held {
    empty(server);
    fill(server, contents, "of the target");
    held::read(server)
}

/// Takes everything away.
pub fn empty(server: &RedisServer) {
    server.ok(&["FLUSHALL"]);
    if sample::has(server, "FUNCTION") {
        server.ok(&["FUNCTION", "FLUSH"]);
    }
}

fn fill(server: &RedisServer, contents: &Contents, whose: &str) {
    let mut client = server.client();
    let has_fields = sample::has(server, "HPEXPIREAT");
    for key in &contents.keys {
        write(&mut client, key, has_fields);
    }
    if sample::has(server, "FUNCTION") {
        for name in &contents.libraries {
            let code =
                format!("#!lua name={name}\nredis.register_function('{name}_it', function() return '{whose}' end)");
            server.ok(&["FUNCTION", "LOAD", &code]);
        }
    }
}

fn ask(client: &mut Client, words: &[&[u8]]) -> Reply {
    let reply = client.ask(words).expect("the server answers");
    assert!(!matches!(reply, Reply::Error(_)), "{}: {reply}", words.join(&b' ').escape_ascii());
    reply
}

fn write(client: &mut Client, key: &Key, has_fields: bool) {
    ask(client, &[b"SELECT", key.database.to_string().as_bytes()]);
    let name = key.name.0.as_slice();
    match &key.data {
        Data::Text(text) => drop(ask(client, &[b"SET", name, &text.0])),
        Data::List(elements) => elements.iter().for_each(|element| drop(ask(client, &[b"RPUSH", name, &element.0]))),
        Data::Set(members) => members.iter().for_each(|member| drop(ask(client, &[b"SADD", name, &member.0]))),
        Data::Zset(members) => {
            members.iter().for_each(|(member, score)| drop(ask(client, &[b"ZADD", name, score.as_bytes(), &member.0])));
        }
        Data::Hash(fields) => {
            for field in fields {
                ask(client, &[b"HSET", name, &field.name.0, &field.value.0]);
            }
            for field in fields.iter().filter(|_| has_fields) {
                if let Expiry::Far(more) = field.expiry {
                    let at = (FAR + i64::from(more)).to_string();
                    ask(client, &[b"HPEXPIREAT", name, at.as_bytes(), b"FIELDS", b"1", &field.name.0]);
                }
            }
        }
        Data::Stream(stream) => write_stream(client, name, stream),
        Data::Many { of, count, length } => write_many(client, name, of, *count, *length),
    }
    if let Expiry::Far(more) = key.expiry {
        ask(client, &[b"PEXPIREAT", name, (FAR + i64::from(more)).to_string().as_bytes()]);
    }
}

fn write_stream(client: &mut Client, name: &[u8], stream: &Stream) {
    // Also one without entries is a stream.
    ask(client, &[b"XGROUP", b"CREATE", name, b"to be removed", b"0", b"MKSTREAM"]);
    ask(client, &[b"XGROUP", b"DESTROY", name, b"to be removed"]);
    for entry in 1..=stream.entries {
        let field = if entry % 3 == 0 { "other" } else { "field" };
        ask(client, &[b"XADD", name, format!("{entry}-{}", entry % 2).as_bytes(), field.as_bytes(), b"value"]);
    }
    for (number, group) in stream.groups.iter().enumerate() {
        let group_name = format!("group {number}");
        ask(client, &[b"XGROUP", b"CREATE", name, group_name.as_bytes(), b"0"]);
        for (number, count) in group.consumers.iter().enumerate() {
            let (consumer, count) = (format!("consumer {number}"), count.to_string());
            ask(client, &[b"XGROUP", b"CREATECONSUMER", name, group_name.as_bytes(), consumer.as_bytes()]);
            let read: [&[u8]; 4] = [b"XREADGROUP", b"GROUP", group_name.as_bytes(), consumer.as_bytes()];
            if count != "0" {
                let words = [&read[..], &[b"COUNT", count.as_bytes(), b"STREAMS", name, b">"]].concat();
                ask(client, &words);
            }
        }
        if group.acknowledged {
            ask(client, &[b"XACK", name, group_name.as_bytes(), b"1-1"]);
        }
    }
    if let Some(each) = stream.deleted {
        for entry in (1..=stream.entries).filter(|entry| entry % each == 0) {
            ask(client, &[b"XDEL", name, format!("{entry}-{}", entry % 2).as_bytes()]);
        }
    }
}

fn write_many(client: &mut Client, name: &[u8], of: &str, count: usize, length: usize) {
    let elements: Vec<Vec<u8>> = (0..count)
        .map(|number| {
            let mut element = number.to_string().into_bytes();
            element.resize(element.len().max(length), b'y');
            element
        })
        .collect();
    if of == "string" {
        ask(client, &[b"SET", name, &elements.concat()]);
        return;
    }
    let commands = elements.iter().enumerate().map(|(number, element)| match of {
        "list" => vec![b"RPUSH".as_slice(), name, element],
        "set" => vec![b"SADD", name, element],
        "zset" => vec![b"ZADD".as_slice(), name, if number % 2 == 0 { b"1.25" } else { b"-3".as_slice() }, element],
        "hash" => vec![b"HSET", name, element, b"value"],
        _ => vec![b"XADD", name, b"*", b"field", element],
    });
    client.pipe(commands).expect("the server takes it");
}

/// Sets expiries that come soon.
struct Soon {
    has_fields: bool,
    now: i64,
    shortest: i64,
}

impl Soon {
    fn at(&self, expiry: Expiry) -> Option<i64> {
        match expiry {
            Expiry::Passed => Some(self.now + self.shortest),
            Expiry::Near(after) => Some(self.now + self.shortest + i64::from(after)),
            Expiry::Never | Expiry::Far(_) => None,
        }
    }

    fn set(&self, client: &mut Client, key: &Key, held: &mut Held) {
        let place: Place = (key.database, key.name.0.clone());
        let value = held.keys.get_mut(&place).expect("it was written");
        ask(client, &[b"SELECT", key.database.to_string().as_bytes()]);
        let name = key.name.0.as_slice();
        if let (Data::Hash(fields), Parts::Fields(known)) = (&key.data, &mut value.parts) {
            for field in fields.iter().filter(|_| self.has_fields) {
                let Some(at) = self.at(field.expiry) else { continue };
                ask(client, &[b"HPEXPIREAT", name, at.to_string().as_bytes(), b"FIELDS", b"1", &field.name.0]);
                known.get_mut(&field.name.0).expect("it was written").1 = Some(at);
            }
        }
        if let Some(at) = self.at(key.expiry) {
            ask(client, &[b"PEXPIREAT", name, at.to_string().as_bytes()]);
            value.expiry = Some((at, at));
        }
    }
}
