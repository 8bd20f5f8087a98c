//! Patterns as in `KEYS` and `SCAN … MATCH`, over bytes. Redis `util.c`, `stringmatchlen`.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// States that are looked at before two patterns count as too involved to be compared.
const STATES: usize = 20_000;

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

impl Glob {
    /// Whether whatever fits this pattern fits one of `others`; `None`: they are too involved to tell.
    pub fn is_within(&self, others: &[Self]) -> Option<bool> {
        let bytes = self.told_apart(others);
        // A place in this pattern, reached by some bytes, with all places in the others that the same bytes reach.
        let start = |number: usize| (number, 0);
        let begin = (0, closure(others, (0..others.len()).map(start)));
        let (mut seen, mut open) = (HashSet::from([begin.clone()]), vec![begin]);
        while let Some((at, places)) = open.pop() {
            if seen.len() > STATES {
                return None;
            }
            let is_over = |other: &Self, at: usize| at == other.tokens.len();
            // From here on anything fits.
            let takes_all = |(number, at): &(usize, usize)| {
                let tokens = &others[*number].tokens;
                tokens.len() == at + 1 && tokens[*at] == Token::AnyBytes
            };
            if places.iter().any(takes_all) {
                continue;
            }
            if is_over(self, at) && !places.iter().any(|(number, at)| is_over(&others[*number], *at)) {
                return Some(false);
            }
            let mut go = |at: usize, places: BTreeSet<(usize, usize)>| {
                let next = (at, places);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            };
            let Some(token) = self.tokens.get(at) else { continue };
            if *token == Token::AnyBytes {
                go(at + 1, places.clone());
            }
            for byte in bytes.iter().filter(|byte| token.steps_over(**byte)) {
                let step = |(number, at): &(usize, usize)| {
                    let token = others[*number].tokens.get(*at)?;
                    token.steps_over(*byte).then_some((*number, at + usize::from(*token != Token::AnyBytes)))
                };
                let stays = *token == Token::AnyBytes;
                go(at + usize::from(!stays), closure(others, places.iter().filter_map(step)));
            }
        }
        Some(true)
    }

    /// One byte of each kind that the patterns tell apart.
    fn told_apart(&self, others: &[Self]) -> Vec<u8> {
        let mut kinds = HashSet::new();
        let tokens = || self.tokens.iter().chain(others.iter().flat_map(|other| &other.tokens));
        let kind = |byte: u8| tokens().map(|token| token.steps_over(byte)).collect::<Vec<bool>>();
        (0..=u8::MAX).filter(|byte| kinds.insert(kind(*byte))).collect()
    }
}

/// The places, and those behind a star that takes nothing.
fn closure(globs: &[Glob], places: impl Iterator<Item = (usize, usize)>) -> BTreeSet<(usize, usize)> {
    let mut all = BTreeSet::new();
    for (number, mut at) in places {
        while all.insert((number, at)) && globs[number].tokens.get(at) == Some(&Token::AnyBytes) {
            at += 1;
        }
    }
    all
}

impl Token {
    /// Whether a byte leads on from here, or back to here.
    fn steps_over(&self, byte: u8) -> bool {
        *self == Self::AnyBytes || self.fits(byte)
    }

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
    fn a_pattern_lies_within_others_or_does_not() {
        let within = |pattern: &str, others: &[&str]| {
            let others: Vec<Glob> = others.iter().map(Glob::new).collect();
            Glob::new(pattern).is_within(&others)
        };
        for (pattern, others) in [
            ("a:*", &["a:*"][..]),
            ("a:*", &["*"]),
            ("a:*", &["b", "a*"]),
            ("a:?", &["a:*"]),
            ("a:[xy]*", &["a:[xy]*"]),
            ("a:[xy]*", &["a:x*", "a:y*"]),
            ("a", &["a"]),
            ("a\\*", &["a\\*"]),
            ("?*", &["*?"]),
            ("*", &["", "?*"]),
            ("a:[b-d]", &["a:[^x]"]),
            ("[", &["x"]),
        ] {
            assert_eq!(within(pattern, others), Some(true), "{pattern} {others:?}");
        }
        for (pattern, others) in [
            ("*", &["?*"][..]),
            ("*", &["?"]),
            ("*:1", &["?:*"]),
            ("a:*", &[]),
            ("a*", &["a:*"]),
            ("a:[xyz]*", &["a:x*", "a:y*"]),
            ("a:?", &["a:\\?"]),
            ("a", &["b"]),
            ("ab*", &["*ba"]),
        ] {
            assert_eq!(within(pattern, others), Some(false), "{pattern} {others:?}");
        }
        let involved = "*a".to_owned() + &"?".repeat(40);
        assert_eq!(within("*", &[&involved, "b*"]), Some(false));
        assert_eq!(within(&("*[ab]".to_owned() + &"[ab]".repeat(40)), &[&involved, "*b????????????????"]), None);
    }

    #[test]
    fn what_lies_within_fits_whatever_the_others_fit() {
        let letters = b"ab*?";
        let all = |number: u32| -> Glob {
            let pattern: Vec<u8> = (0..4).map(|at| letters[(number / 4_u32.pow(at) % 4) as usize]).collect();
            Glob::new(&pattern)
        };
        // `c` is a letter that no pattern names.
        let text =
            |length: u32, number: u32| (0..length).map(|at| b"abc"[(number / 3_u32.pow(at) % 3) as usize]).collect();
        let texts: Vec<Vec<u8>> =
            (0..7_u32).flat_map(|length| (0..3_u32.pow(length)).map(move |number| text(length, number))).collect();
        for number in (0..4_u32.pow(4)).step_by(3) {
            let (one, other) = (all(number), all(number * 7 % 256));
            let holds = texts.iter().filter(|text| one.matches(text)).all(|text| other.matches(text));
            // Patterns of four tokens are told apart by texts that are hardly longer.
            assert_eq!(one.is_within(std::slice::from_ref(&other)), Some(holds), "{one:?} {other:?}");
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let glob = Glob::new("a*".repeat(1000) + "b");
        assert!(!glob.matches("a".repeat(20_000).as_bytes()));
    }
}
