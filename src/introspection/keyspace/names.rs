//! What a key's name says: its prefix, what it is for, and what is odd about it.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Characters that separate segments of a name.
const SEPARATORS: &[u8] = b":./_-|";

/// Whether a byte is one of them, by its value: of a full pass every byte of every name is looked at.
static SEPARATES: [bool; 256] = {
    let (mut table, mut at) = ([false; 256], 0);
    while at < SEPARATORS.len() {
        table[SEPARATORS[at] as usize] = true;
        at += 1;
    }
    table
};

fn separates(byte: u8) -> bool {
    SEPARATES[usize::from(byte)]
}

/// The first character of a name that separates segments.
pub fn first_separator(key: &[u8]) -> Option<u8> {
    key.iter().copied().find(|byte| separates(*byte))
}

/// What a key is for, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// `lock:order:17`, `order:17:lock`, `mutex:import`.
    Lock,
    /// `rate:10.0.0.1`, `ratelimit:…`, `rl:…`, `throttle:…`.
    RateLimit,
    /// `session:…`, `sess:…`, `spring:session:…`.
    Session,
    /// `otp:…`, `token:…`, `reset:…`, `verify:…`.
    Secret,
    /// A copy of what stands elsewhere: `cache:…`.
    Cache,
}

/// Words that give a purpose away, among the first two segments of a name (a lock's also as the last one).
const WORDS: &[(Purpose, &[&str])] = &[
    (Purpose::Lock, &["lock", "locks", "mutex", "redlock", "shedlock"]),
    (Purpose::RateLimit, &["rate", "ratelimit", "ratelimiter", "rl", "throttle", "limiter"]),
    (Purpose::Session, &["session", "sessions", "sess"]),
    (Purpose::Secret, &["otp", "token", "tokens", "reset", "verify", "verification"]),
    (Purpose::Cache, &["cache", "cached"]),
];

/// Bytes of the shortest of them and of the longest.
const WORD_LENGTHS: RangeInclusive<usize> = 2..=12;

/// What a key is for; `None` where its name says nothing.
pub fn purpose(key: &[u8]) -> Option<Purpose> {
    let mut segments = key.split(|byte| separates(*byte)).filter(|part| !part.is_empty());
    // A name of one word is the thing itself (`token`), not one of many.
    let (first, second) = (segments.next()?, segments.next()?);
    let last = segments.next_back().unwrap_or(second);
    if ![first, second, last].iter().any(|segment| WORD_LENGTHS.contains(&segment.len())) {
        return None;
    }
    let is = |segment: &[u8], words: &[&str]| words.iter().any(|word| segment.eq_ignore_ascii_case(word.as_bytes()));
    WORDS.iter().find_map(|(purpose, words)| {
        let front = is(first, words) || is(second, words);
        (front || (*purpose == Purpose::Lock && is(last, words))).then_some(*purpose)
    })
}

/// The first segment of a name with its separator (`session:`); the whole name where there is none. A first segment that
/// is an identifier itself (`17:profile`) becomes `*`, so that prefixes do not grow with the keys.
pub fn prefix(key: &[u8]) -> Cow<'_, [u8]> {
    let at = memchr::memchr(b':', key).or_else(|| key.iter().position(|byte| separates(*byte)));
    match at {
        Some(at) if at > 0 => {
            if looks_like_an_id(&key[..at]) {
                Cow::Owned(vec![b'*', key[at]])
            } else {
                Cow::Borrowed(&key[..=at])
            }
        }
        _ if looks_like_an_id(key) => Cow::Borrowed(b"*"),
        _ => {
            // `key123` and `key124` are one family.
            let stem = key.len() - key.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            if stem == key.len() { Cow::Borrowed(key) } else { Cow::Owned([&key[..stem], b"*"].concat()) }
        }
    }
}

fn looks_like_an_id(segment: &[u8]) -> bool {
    let digits = segment.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits * 2 > segment.len() || (segment.len() >= 20 && digits > 0)
}

/// The part between the first `{` and the `}` behind it, which alone decides a key's slot; `None` where it is empty.
pub fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let length = key[open + 1..].iter().position(|byte| *byte == b'}')?;
    (length > 0).then(|| &key[open + 1..open + 1 + length])
}

/// What is odd about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oddity {
    /// A template's hole or an absent value was written out: `user:undefined`, `user:{id}`.
    Placeholder,
    /// `a::b`, `:a` or `a:`.
    EmptySegment,
    /// Spaces, control characters, or bytes that are no UTF-8.
    Unprintable,
}

const PLACEHOLDERS: &[&str] =
    &["undefined", "null", "none", "nan", "nil", "[object object]", "%s", "%d", "{id}", "{}", "{0}", "<nil>"];

/// What is odd about a name, if anything.
pub fn oddity(key: &[u8]) -> Option<Oddity> {
    let is_unprintable = if key.is_ascii() {
        key.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)
    } else {
        match std::str::from_utf8(key) {
            Ok(text) => text.chars().any(|character| character.is_control() || character == ' '),
            Err(_) => return Some(Oddity::Unprintable),
        }
    };
    let unprintable = is_unprintable.then_some(Oddity::Unprintable);
    if memchr::memchr(b':', key).is_none() {
        return unprintable;
    }
    if key.split(|byte| *byte == b':').any(is_placeholder) {
        return Some(Oddity::Placeholder);
    }
    let has_empty = || key.split(|byte| *byte == b':').any(<[u8]>::is_empty);
    unprintable.or_else(|| has_empty().then_some(Oddity::EmptySegment))
}

fn is_placeholder(segment: &[u8]) -> bool {
    // Few segments begin like one: the others need not be compared with each.
    let begins_like_one = segment
        .first()
        .is_some_and(|first| matches!(first.to_ascii_lowercase(), b'u' | b'n' | b'[' | b'%' | b'{' | b'<'));
    begins_like_one && PLACEHOLDERS.iter().any(|word| segment.eq_ignore_ascii_case(word.as_bytes()))
        || memchr::memchr_iter(b'{', segment).any(|at| {
            let before = at.checked_sub(1).map(|before| segment[before]);
            before == Some(b'$') || before == Some(b'{')
        })
}

/// A name as text that can be shown and copied: bytes that are no printable UTF-8 become `\xNN`.
pub fn escaped(key: &[u8]) -> String {
    let mut text = String::new();
    for chunk in key.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                for byte in character.to_string().bytes() {
                    text.push_str(&format!("\\x{byte:02x}"));
                }
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_keys_are_for() {
        for (key, expected) in [
            ("lock:order:17", Some(Purpose::Lock)),
            ("order:17:lock", Some(Purpose::Lock)),
            ("app:MUTEX:x", Some(Purpose::Lock)),
            ("job-lock", Some(Purpose::Lock)),
            ("clock:17", None),
            ("block:1", None),
            ("lock", None),
            ("rate:10.0.0.1", Some(Purpose::RateLimit)),
            ("rate_limit:u1", Some(Purpose::RateLimit)),
            ("exchange:eur:usd:rate", None),
            ("spring:session:sessions:1", Some(Purpose::Session)),
            ("user:1:session", None),
            ("otp:4411", Some(Purpose::Secret)),
            ("cache:page:/", Some(Purpose::Cache)),
            ("user:1", None),
        ] {
            assert_eq!(purpose(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn prefixes_do_not_grow_with_the_keys() {
        for (key, expected) in [
            ("session:abc", "session:"),
            ("user_cache:1", "user_cache:"),
            ("user_1", "user_"),
            ("17:profile", "*:"),
            ("8843", "*"),
            ("key123", "key*"),
            ("config", "config"),
            (":x", ":x"),
            ("", ""),
        ] {
            assert_eq!(escaped(&prefix(key.as_bytes())), expected, "{key}");
        }
    }

    #[test]
    fn the_words_have_the_lengths_that_are_looked_for() {
        let lengths = || WORDS.iter().flat_map(|(_, words)| words.iter().map(|word| word.len()));
        assert_eq!((lengths().min(), lengths().max()), (Some(*WORD_LENGTHS.start()), Some(*WORD_LENGTHS.end())));
        assert!(PLACEHOLDERS.iter().all(|word| is_placeholder(word.as_bytes())));
    }

    #[test]
    fn odd_names_are_known() {
        for (key, expected) in [
            (&b"user:undefined"[..], Some(Oddity::Placeholder)),
            (b"user:{id}:x", Some(Oddity::Placeholder)),
            (b"page:${slug}", Some(Oddity::Placeholder)),
            (b"user:[object Object]", Some(Oddity::Placeholder)),
            (b"user::1", Some(Oddity::EmptySegment)),
            (b"user:1:", Some(Oddity::EmptySegment)),
            (b"a b", Some(Oddity::Unprintable)),
            (b"a\xff", Some(Oddity::Unprintable)),
            (b"undefined", None),
            (b"user:nullable", None),
            (b"user:{17}:x", None),
        ] {
            assert_eq!(oddity(key), expected, "{}", escaped(key));
        }
        assert_eq!(escaped(b"a\xff\x1b[31m\xc3\xa9"), "a\\xff\\x1b[31m\u{e9}");
        assert_eq!(hash_tag(b"a{b}c"), Some(&b"b"[..]));
        assert_eq!((hash_tag(b"a{}c{d}"), hash_tag(b"a{b"), hash_tag(b"ab")), (None, None, None));
    }
}
