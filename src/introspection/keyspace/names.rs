//! What a key's name says: its prefix, what it is for, and what is odd about it.

use serde::{Deserialize, Serialize};

/// Characters that separate segments of a name.
pub const SEPARATORS: &[u8] = b":./_-|";

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
    /// `cache:…`.
    Cache,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lock, Self::RateLimit, Self::Session, Self::Secret, Self::Cache];
}

/// Words that give a purpose away, among the first two segments of a name (a lock's also as the last one).
const WORDS: &[(Purpose, &[&str])] = &[
    (Purpose::Lock, &["lock", "locks", "mutex", "redlock", "shedlock"]),
    (Purpose::RateLimit, &["rate", "ratelimit", "ratelimiter", "rl", "throttle", "limiter"]),
    (Purpose::Session, &["session", "sessions", "sess"]),
    (Purpose::Secret, &["otp", "token", "tokens", "reset", "verify", "verification"]),
    (Purpose::Cache, &["cache", "cached"]),
];

/// What a key is for; `None` where its name says nothing.
pub fn purpose(key: &[u8]) -> Option<Purpose> {
    let mut segments = key.split(|byte| SEPARATORS.contains(byte)).filter(|part| !part.is_empty());
    // A name of one word is the thing itself (`token`), not one of many.
    let (first, second) = (segments.next()?, segments.next()?);
    let last = segments.next_back().unwrap_or(second);
    let is = |segment: &[u8], words: &[&str]| words.iter().any(|word| segment.eq_ignore_ascii_case(word.as_bytes()));
    WORDS.iter().find_map(|(purpose, words)| {
        let front = is(first, words) || is(second, words);
        (front || (*purpose == Purpose::Lock && is(last, words))).then_some(*purpose)
    })
}

/// The first segment of a name with its separator (`session:`); the whole name where there is none. A first segment that
/// is an identifier itself (`17:profile`) becomes `*`, so that prefixes do not grow with the keys.
pub fn prefix(key: &[u8]) -> (Vec<u8>, Option<u8>) {
    let at =
        key.iter().position(|byte| *byte == b':').or_else(|| key.iter().position(|byte| SEPARATORS.contains(byte)));
    match at {
        Some(at) if at > 0 => {
            let segment = &key[..at];
            let mut name = if looks_like_an_id(segment) { b"*".to_vec() } else { segment.to_vec() };
            name.push(key[at]);
            (name, Some(key[at]))
        }
        _ if looks_like_an_id(key) => (b"*".to_vec(), None),
        _ => {
            // `key123` and `key124` are one family.
            let stem = key.len() - key.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let mut name = key[..stem].to_vec();
            if stem < key.len() {
                name.push(b'*');
            }
            (name, None)
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
    let Ok(text) = std::str::from_utf8(key) else { return Some(Oddity::Unprintable) };
    let several = text.contains(':');
    let is_placeholder = |segment: &str| {
        let written_out = PLACEHOLDERS.iter().any(|word| segment.eq_ignore_ascii_case(word));
        written_out || segment.contains("${") || segment.contains("{{")
    };
    if several && text.split(':').any(is_placeholder) {
        return Some(Oddity::Placeholder);
    }
    if text.chars().any(|character| character.is_control() || character == ' ') {
        return Some(Oddity::Unprintable);
    }
    (several && text.split(':').any(str::is_empty)).then_some(Oddity::EmptySegment)
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
            assert_eq!(escaped(&prefix(key.as_bytes()).0), expected, "{key}");
        }
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
