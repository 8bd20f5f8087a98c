//! Every command that keys are sent with: what the sending side may say, what the plan asks the rights for, and what it looks for in a
//! server that was told to forget commands.

/// When a command is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Whatever goes key by key.
    Always,
    /// Values that go as payloads.
    Payload,
    /// Values that go by typed commands.
    Typed,
    /// Values of this type (as `TYPE` says) that go by typed commands.
    TypedOf(&'static str),
    /// Function libraries.
    Functions,
    /// Going on with an interrupted restore: what it has sent is compared.
    Resumed,
    /// What only some servers have, for what only some backups hold: nobody is refused for it beforehand.
    Rarely,
}

/// A command.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// As `INFO commandstats` and an ACL rule name it.
    pub name: &'static str,
    /// When it is sent.
    pub when: When,
    /// The words of one, for `ACL DRYRUN`.
    pub words: &'static [&'static str],
}

impl Sent {
    /// The name without that of a subcommand.
    pub fn container(&self) -> &'static str {
        self.name.split('|').next().unwrap_or(self.name)
    }
}

const fn sent(name: &'static str, when: When, words: &'static [&'static str]) -> Sent {
    Sent { name, when, words }
}

/// All of them.
pub const COMMANDS: &[Sent] = &[
    sent("select", When::Always, &["SELECT", "0"]),
    sent("exists", When::Always, &["EXISTS", "redis-ops"]),
    sent("unlink", When::Always, &["UNLINK", "redis-ops"]),
    sent("restore", When::Payload, &["RESTORE", "redis-ops", "0", "x"]),
    sent("multi", When::Typed, &["MULTI"]),
    sent("exec", When::Typed, &["EXEC"]),
    sent("pexpire", When::Typed, &["PEXPIRE", "redis-ops", "1"]),
    sent("pexpireat", When::Typed, &["PEXPIREAT", "redis-ops", "1"]),
    sent("persist", When::Typed, &["PERSIST", "redis-ops"]),
    sent("rename", When::Typed, &["RENAME", "redis-ops", "redis-ops"]),
    sent("renamenx", When::Typed, &["RENAMENX", "redis-ops", "redis-ops"]),
    sent("set", When::TypedOf("string"), &["SET", "redis-ops", "x"]),
    sent("append", When::TypedOf("string"), &["APPEND", "redis-ops", "x"]),
    sent("strlen", When::TypedOf("string"), &["STRLEN", "redis-ops"]),
    sent("rpush", When::TypedOf("list"), &["RPUSH", "redis-ops", "x"]),
    sent("llen", When::TypedOf("list"), &["LLEN", "redis-ops"]),
    sent("sadd", When::TypedOf("set"), &["SADD", "redis-ops", "x"]),
    sent("scard", When::TypedOf("set"), &["SCARD", "redis-ops"]),
    sent("zadd", When::TypedOf("zset"), &["ZADD", "redis-ops", "1", "x"]),
    sent("zcard", When::TypedOf("zset"), &["ZCARD", "redis-ops"]),
    sent("hset", When::TypedOf("hash"), &["HSET", "redis-ops", "x", "x"]),
    sent("hlen", When::TypedOf("hash"), &["HLEN", "redis-ops"]),
    sent("hpexpireat", When::Rarely, &["HPEXPIREAT", "redis-ops", "1", "FIELDS", "1", "x"]),
    sent("xadd", When::TypedOf("stream"), &["XADD", "redis-ops", "*", "x", "x"]),
    sent("xlen", When::TypedOf("stream"), &["XLEN", "redis-ops"]),
    sent("xgroup|create", When::TypedOf("stream"), &["XGROUP", "CREATE", "redis-ops", "x", "0"]),
    sent("xgroup|destroy", When::TypedOf("stream"), &["XGROUP", "DESTROY", "redis-ops", "x"]),
    sent("xgroup|createconsumer", When::TypedOf("stream"), &["XGROUP", "CREATECONSUMER", "redis-ops", "x", "x"]),
    sent("xclaim", When::TypedOf("stream"), &["XCLAIM", "redis-ops", "x", "x", "0", "0-1"]),
    sent("xdel", When::TypedOf("stream"), &["XDEL", "redis-ops", "0-1"]),
    sent("xsetid", When::TypedOf("stream"), &["XSETID", "redis-ops", "0-1"]),
    sent("function|load", When::Functions, &["FUNCTION", "LOAD", "#!lua name=x"]),
    sent("dump", When::Resumed, &["DUMP", "redis-ops"]),
];

/// The name of a command as it is sent, by its first two words.
pub fn name_of(first: &[u8], second: Option<&[u8]>) -> Option<&'static str> {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let found = COMMANDS.iter().find(|command| match command.name.split_once('|') {
        Some((name, sub)) => is(first, name) && second.is_some_and(|second| is(second, sub)),
        None => is(first, command.name),
    });
    found.map(|command| command.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_the_words_that_it_is_tried_with() {
        for command in COMMANDS {
            let second = command.words.get(1).map(|word| word.as_bytes());
            assert_eq!(name_of(command.words[0].as_bytes(), second), Some(command.name));
        }
        assert_eq!(name_of(b"FLUSHALL", None), None);
    }
}
