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
    /// Values that go by typed commands, and function libraries that are tried before.
    Transactions,
    /// Only where the backup holds function libraries.
    Functions,
    /// Function libraries that are tried before, also where the target loads them itself later.
    FunctionsTried,
    /// Hashes that go by typed commands, some of whose fields expire.
    FieldExpiry,
    /// Going on with an interrupted restore: what it has sent is compared.
    Resumed,
}

/// A command that a restore may send.
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

/// A name that no pattern of an ACL is meant for, unless it is for all keys.
pub(in crate::restore) const KEY: &str = "\u{1}redis-ops\u{2}";

/// All commands that a restore may send.
pub const COMMANDS: &[Sent] = &[
    sent("select", When::Always, &["SELECT", "0"]),
    sent("exists", When::Always, &["EXISTS", KEY]),
    sent("unlink", When::Always, &["UNLINK", KEY]),
    sent("restore", When::Payload, &["RESTORE", KEY, "0", "x"]),
    sent("multi", When::Transactions, &["MULTI"]),
    sent("exec", When::Transactions, &["EXEC"]),
    sent("pexpire", When::Typed, &["PEXPIRE", KEY, "1"]),
    sent("pexpireat", When::Typed, &["PEXPIREAT", KEY, "1"]),
    sent("persist", When::Typed, &["PERSIST", KEY]),
    sent("rename", When::Typed, &["RENAME", KEY, KEY]),
    sent("renamenx", When::Typed, &["RENAMENX", KEY, KEY]),
    sent("set", When::TypedOf("string"), &["SET", KEY, "x"]),
    sent("append", When::TypedOf("string"), &["APPEND", KEY, "x"]),
    sent("strlen", When::TypedOf("string"), &["STRLEN", KEY]),
    sent("rpush", When::TypedOf("list"), &["RPUSH", KEY, "x"]),
    sent("llen", When::TypedOf("list"), &["LLEN", KEY]),
    sent("sadd", When::TypedOf("set"), &["SADD", KEY, "x"]),
    sent("scard", When::TypedOf("set"), &["SCARD", KEY]),
    sent("zadd", When::TypedOf("zset"), &["ZADD", KEY, "1", "x"]),
    sent("zcard", When::TypedOf("zset"), &["ZCARD", KEY]),
    sent("hset", When::TypedOf("hash"), &["HSET", KEY, "x", "x"]),
    sent("hlen", When::TypedOf("hash"), &["HLEN", KEY]),
    sent("hpexpireat", When::FieldExpiry, &["HPEXPIREAT", KEY, "1", "FIELDS", "1", "x"]),
    sent("xadd", When::TypedOf("stream"), &["XADD", KEY, "*", "x", "x"]),
    sent("xlen", When::TypedOf("stream"), &["XLEN", KEY]),
    sent("xgroup|create", When::TypedOf("stream"), &["XGROUP", "CREATE", KEY, "x", "0"]),
    sent("xgroup|destroy", When::TypedOf("stream"), &["XGROUP", "DESTROY", KEY, "x"]),
    sent("xgroup|createconsumer", When::TypedOf("stream"), &["XGROUP", "CREATECONSUMER", KEY, "x", "x"]),
    sent("xclaim", When::TypedOf("stream"), &["XCLAIM", KEY, "x", "x", "0", "0-1"]),
    sent("xdel", When::TypedOf("stream"), &["XDEL", KEY, "0-1"]),
    sent("xsetid", When::TypedOf("stream"), &["XSETID", KEY, "0-1"]),
    sent("function|load", When::Functions, &["FUNCTION", "LOAD", "#!lua name=x"]),
    sent("function|delete", When::FunctionsTried, &["FUNCTION", "DELETE", "x"]),
    sent("dump", When::Resumed, &["DUMP", KEY]),
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
