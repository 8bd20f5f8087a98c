//! Patterns as in `KEYS` and `SCAN … MATCH`, over bytes. Redis `util.c`, `stringmatchlen`.

use std::fmt;

/// A pattern. `*` any bytes, `?` one byte, `[abc]` `[a-z]` `[^a]` one byte of these, `\x` the byte x itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: Vec<u8>,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    AnyByte,
    OneOf(Box<[bool; 256]>),
    AnyBytes,
}

impl Glob {
    /// Any text is a pattern: a bracket that is not closed reaches to the end, a backslash at the end is one.
    pub fn new(pattern: impl AsRef<[u8]>) -> Self {
        let text = pattern.as_ref();
        let mut tokens: Vec<Token> = Vec::new();
        let mut rest = text;
        while let [first, after @ ..] = rest {
            rest = after;
            match (first, after) {
                (b'*', _) if tokens.last() == Some(&Token::AnyBytes) => {}
                (b'*', _) => tokens.push(Token::AnyBytes),
                (b'?', _) => tokens.push(Token::AnyByte),
                (b'[', _) => tokens.push(one_of(&mut rest)),
                (b'\\', [escaped, behind @ ..]) => {
                    tokens.push(Token::Byte(*escaped));
                    rest = behind;
                }
                (byte, _) => tokens.push(Token::Byte(*byte)),
            }
        }
        Self { text: text.to_vec(), tokens }
    }

    /// The pattern as it was written.
    pub fn pattern(&self) -> &[u8] {
        &self.text
    }

    /// Whether the whole of `text` fits. Takes at most time in proportion to the product of both lengths.
    pub fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        // Only the last star needs to be tried again: what an earlier one could give up, this one can take.
        let mut last_star: Option<(usize, usize)> = None;
        while at < text.len() || token < self.tokens.len() {
            match self.tokens.get(token) {
                Some(Token::AnyBytes) => {
                    token += 1;
                    last_star = Some((token, at));
                }
                Some(single) if text.get(at).is_some_and(|byte| single.fits(*byte)) => {
                    token += 1;
                    at += 1;
                }
                _ => match last_star.as_mut() {
                    Some((behind, from)) if *from < text.len() => {
                        *from += 1;
                        (token, at) = (*behind, *from);
                    }
                    _ => return false,
                },
            }
        }
        true
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl Token {
    fn fits(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::AnyByte => true,
            Self::OneOf(set) => set[usize::from(byte)],
            Self::AnyBytes => false,
        }
    }
}

/// What stands behind an opening bracket, with Redis' own reading of odd forms: in `[a-]` the range reaches to the bracket,
/// which then does not close.
fn one_of(rest: &mut &[u8]) -> Token {
    let mut set = Box::new([false; 256]);
    let negated = rest.first() == Some(&b'^');
    if negated {
        *rest = &rest[1..];
    }
    loop {
        match **rest {
            [] => break,
            [b'\\', escaped, ref behind @ ..] => {
                set[usize::from(escaped)] = true;
                *rest = behind;
            }
            [b']', ref behind @ ..] => {
                *rest = behind;
                break;
            }
            [from, b'-', to, ref behind @ ..] => {
                set[usize::from(from.min(to))..=usize::from(from.max(to))].fill(true);
                *rest = behind;
            }
            [byte, ref behind @ ..] => {
                set[usize::from(byte)] = true;
                *rest = behind;
            }
        }
    }
    if negated {
        set.iter_mut().for_each(|member| *member = !*member);
    }
    Token::OneOf(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, fits: &[&str], not: &[&str]) {
        let glob = Glob::new(pattern);
        for text in fits {
            assert!(glob.matches(text.as_bytes()), "`{pattern}` fits `{text}`");
        }
        for text in not {
            assert!(!glob.matches(text.as_bytes()), "`{pattern}` does not fit `{text}`");
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_to_redis() {
        check("user:*", &["user:", "user:1", "user:*"], &["user", "xuser:1", "User:1"]);
        check("*", &["", "a", "a\nb"], &[]);
        check("", &[""], &["a"]);
        check("h?llo", &["hello", "h?llo"], &["hllo", "heello"]);
        check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
        check("h[^e]llo", &["hallo", "h^llo"], &["hello", "hllo"]);
        check("h[a-c]llo", &["hallo", "hbllo", "hcllo"], &["hdllo", "h-llo"]);
        check("h[c-a]llo", &["hallo", "hbllo", "hcllo"], &["hdllo"]);
        check("\\*\\?\\[", &["*?["], &["\\*\\?\\[", "ab["]);
        check("[\\]a]", &["]", "a"], &["\\"]);
        check("a\\", &["a\\"], &["a"]);
        check("[abc", &["a", "c"], &["[abc", "d"]);
        check("[", &[], &["[", "", "a"]);
        check("[]", &[], &["", "]", "a"]);
        check("[^]", &["a", "]"], &["", "ab"]);
        check("[a-]", &["a", "]", "^", "_"], &["b", "-", "a]"]);
        check("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a", "b"]);
        check("*ab", &["ab", "aab", "abab"], &["aba", "b"]);
        check("a**b", &["ab", "axb"], &["a"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_bytes() {
        let glob = Glob::new([b'[', 0x80, b'-', 0xff, b']', b'*', 0]);
        assert!(glob.matches(&[0xfe, 1, 2, 0]));
        assert!(!glob.matches(&[0x7f, 1, 2, 0]));
    }

    /// The definition, word for word, and slow.
    fn slow(tokens: &[Token], text: &[u8]) -> bool {
        match tokens {
            [] => text.is_empty(),
            [Token::AnyBytes, rest @ ..] => (0..=text.len()).any(|from| slow(rest, &text[from..])),
            [single, rest @ ..] => text.first().is_some_and(|byte| single.fits(*byte)) && slow(rest, &text[1..]),
        }
    }

    #[test]
    fn stars_are_resolved_as_by_trying_all() {
        let letters = b"ab*?*[";
        for number in 0..6_u32.pow(5) {
            let pattern: Vec<u8> = (0..5).map(|at| letters[(number / 6_u32.pow(at) % 6) as usize]).collect();
            let glob = Glob::new(&pattern);
            for text in 0..64_u32 {
                let text: Vec<u8> = (0..text % 7).map(|at| b"ab"[(text >> at & 1) as usize]).collect();
                assert_eq!(glob.matches(&text), slow(&glob.tokens, &text), "{pattern:?} {text:?}");
            }
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let glob = Glob::new("a*".repeat(1000) + "b");
        assert!(!glob.matches("a".repeat(20_000).as_bytes()));
    }
}
