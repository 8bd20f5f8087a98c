//! The code of a function library, without an interpreter: whether it can be compiled, and whether it comes to an end when it is loaded.
//!
//! A server runs the code of a library from its first line to its last when it loads the library, also from a file: code that never ends
//! hangs a server that starts with it. Only blocks and loops are looked at here (Lua 5.1, which all servers have); most of what else may
//! be wrong with code only a server tells.

/// What is known of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    /// Nothing speaks against it.
    Perhaps,
    /// It has a loop that runs when the library is loaded, or that nothing leaves, and nobody can tell whether it ends.
    Unknown,
    /// It never comes to its end.
    Never,
    /// It cannot be compiled.
    NotCompiled,
}

/// A loop of more rounds than that may take a server longer than anybody waits.
const ROUNDS: f64 = 1e7;

/// So many tokens of a condition are looked at.
const AHEAD: usize = 64;

/// Judges the code of a library, without its first line.
pub(super) fn ends(code: &[u8]) -> Ends {
    let tokens = Tokens { rest: code };
    let mut reader = Reader { tokens, blocks: Vec::new(), brackets: Vec::new(), worst: Ends::Perhaps, left: false };
    reader.read().map_or(Ends::NotCompiled, |()| reader.worst)
}

/// Whether the code writes to the server's log while it is loaded: `redis.log(…)` outside of every function. A call of a function that
/// does is not seen.
pub(super) fn logs(code: &[u8]) -> bool {
    let mut tokens = Tokens { rest: code };
    // Of each block that is open, whether it is a function's: what stands there runs when somebody calls it.
    let (mut blocks, mut before) = (Vec::new(), [Token::Sign(b';'); 2]);
    while let Ok(Some(token)) = tokens.next() {
        let is_field = matches!(before[1], Token::Sign(b'.' | b':'));
        match token {
            Token::Name(b"log") if is_field && !blocks.contains(&true) && before[0] != Token::Name(b"math") => {
                return true;
            }
            Token::Name(_) if is_field => {}
            Token::Name(b"function") => blocks.push(true),
            Token::Name(b"do" | b"if" | b"repeat") => blocks.push(false),
            Token::Name(b"end" | b"until") => drop(blocks.pop()),
            _ => {}
        }
        before = [before[1], token];
    }
    false
}

/// A word or sign of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a [u8]),
    Number(&'a [u8]),
    Text,
    Sign(u8),
}

/// Cuts code into tokens, without comments.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// The next one; `Ok(None)` at the end.
    fn next(&mut self) -> Result<Option<Token<'a>>, ()> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            let Some(first) = self.rest.first().copied() else { return Ok(None) };
            if self.rest.starts_with(b"--") {
                self.rest = &self.rest[2..];
                if !self.long()? {
                    let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                continue;
            }
            return Ok(Some(match first {
                b'"' | b'\'' => {
                    self.quoted(first)?;
                    Token::Text
                }
                b'[' if self.long()? => Token::Text,
                // The arguments, and two texts that are joined: behind them stands no field.
                b'.' if self.rest.starts_with(b"...") => {
                    self.rest = &self.rest[3..];
                    Token::Text
                }
                b'.' if self.rest.starts_with(b"..") => {
                    self.rest = &self.rest[2..];
                    Token::Sign(b'+')
                }
                b'0'..=b'9' => Token::Number(self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'.')),
                _ if is_of_a_name(first) => Token::Name(self.take(is_of_a_name)),
                sign => {
                    self.rest = &self.rest[1..];
                    Token::Sign(sign)
                }
            }));
        }
    }

    fn take(&mut self, is_part: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_part(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Passes a text between quotes.
    fn quoted(&mut self, quote: u8) -> Result<(), ()> {
        let mut at = 1;
        loop {
            match self.rest.get(at) {
                Some(byte) if *byte == quote => break,
                // The end of a line may be of two bytes.
                Some(b'\\') if self.rest[at + 1..].starts_with(b"\r\n") => at += 3,
                Some(b'\\') => at += 2,
                Some(b'\n') | None => return Err(()),
                Some(_) => at += 1,
            }
        }
        self.rest = &self.rest[at + 1..];
        Ok(())
    }

    /// Passes a text between `[[` and `]]`, or with as many `=` between the brackets on both sides, if one begins here.
    fn long(&mut self) -> Result<bool, ()> {
        let Some(inner) = self.rest.strip_prefix(b"[") else { return Ok(false) };
        let level = inner.iter().take_while(|byte| **byte == b'=').count();
        let Some(text) = inner[level..].strip_prefix(b"[") else { return Ok(false) };
        let end = [&b"]"[..], &vec![b'='; level], b"]"].concat();
        let at = text.windows(end.len()).position(|window| window == end).ok_or(())?;
        self.rest = &text[at + end.len()..];
        Ok(true)
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// What stands open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Function,
    /// `do`, which is run once.
    Do,
    /// `if`, which may be run.
    If,
    Loop(Loop),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    For,
    While,
    Repeat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loop {
    kind: Kind,
    /// Its `do` is still to come.
    awaits_do: bool,
    /// Its condition never ends it.
    is_forever: bool,
    /// `break` or `return` may leave it.
    is_left: bool,
    /// It is run for sure when the library is loaded.
    is_run: bool,
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    blocks: Vec<Block>,
    brackets: Vec<u8>,
    worst: Ends,
    /// A `return` may have left the code before.
    left: bool,
}

impl Reader<'_> {
    /// Reads to the end; `None`: it cannot be compiled.
    fn read(&mut self) -> Option<()> {
        let mut before = Token::Sign(b';');
        while let Some(token) = self.tokens.next().ok()? {
            match token {
                // A field of that name.
                Token::Name(_) if matches!(before, Token::Sign(b'.' | b':')) => {}
                Token::Name(name) => self.word(name)?,
                Token::Sign(open @ (b'(' | b'[' | b'{')) => self.brackets.push(open),
                Token::Sign(close @ (b')' | b']' | b'}')) => {
                    let open = self.brackets.pop()?;
                    if !matches!((open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}')) {
                        return None;
                    }
                }
                Token::Number(_) | Token::Text | Token::Sign(_) => {}
            }
            before = token;
        }
        (self.blocks.is_empty() && self.brackets.is_empty()).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        match word {
            b"function" => self.blocks.push(Block::Function),
            b"if" => self.blocks.push(Block::If),
            b"while" => self.begin(Kind::While, is_true(&self.up_to_do())),
            b"repeat" => self.begin(Kind::Repeat, false),
            b"for" => self.begin(Kind::For, !ends_soon(&self.up_to_do())),
            b"do" => match self.blocks.last_mut() {
                Some(Block::Loop(open)) if open.awaits_do => open.awaits_do = false,
                _ => self.blocks.push(Block::Do),
            },
            b"end" => match self.blocks.pop()? {
                Block::Loop(read) if read.kind == Kind::Repeat || read.awaits_do => return None,
                Block::Loop(read) => self.judge(read),
                Block::Function | Block::Do | Block::If => {}
            },
            b"until" => match self.blocks.pop()? {
                Block::Loop(read) if read.kind == Kind::Repeat => {
                    self.judge(Loop { is_forever: self.is_false_ahead(), ..read });
                }
                _ => return None,
            },
            b"break" => {
                let around =
                    self.blocks.iter_mut().rev().find(|block| matches!(block, Block::Loop(_) | Block::Function));
                if let Some(Block::Loop(open)) = around {
                    open.is_left = true;
                }
            }
            b"return" => self.leave(),
            _ => {}
        }
        Some(())
    }

    /// `return` leaves all loops up to the function that it is in, or the whole code.
    fn leave(&mut self) {
        for block in self.blocks.iter_mut().rev() {
            match block {
                Block::Loop(open) => open.is_left = true,
                Block::Function => return,
                Block::Do | Block::If => {}
            }
        }
        self.left = true;
    }

    fn begin(&mut self, kind: Kind, is_forever: bool) {
        let is_run = !self.left && self.blocks.iter().all(|block| *block == Block::Do);
        let awaits_do = kind != Kind::Repeat;
        self.blocks.push(Block::Loop(Loop { kind, awaits_do, is_forever, is_left: false, is_run }));
    }

    /// A loop has been read to its end. One in a function is run only if somebody calls that.
    fn judge(&mut self, read: Loop) {
        let is_at_the_top = !self.blocks.contains(&Block::Function);
        let never_ends = read.is_forever && !read.is_left;
        let found = match (read.kind, is_at_the_top) {
            (Kind::For, true) if read.is_forever => Ends::Unknown,
            (Kind::For, _) => Ends::Perhaps,
            (_, true) if never_ends && read.is_run => Ends::Never,
            (_, true) => Ends::Unknown,
            (_, false) if never_ends => Ends::Unknown,
            (_, false) => Ends::Perhaps,
        };
        self.worst = self.worst.max(found);
    }

    /// What stands up to the next `do`, if that is not far; nothing is read by it.
    fn up_to_do(&self) -> Vec<Token<'_>> {
        let mut ahead = Tokens { rest: self.tokens.rest };
        let tokens = std::iter::from_fn(|| ahead.next().ok().flatten());
        tokens.take(AHEAD).take_while(|token| *token != Token::Name(b"do")).collect()
    }

    /// Whether the condition that comes is `false` or `nil`.
    fn is_false_ahead(&self) -> bool {
        let mut ahead = Tokens { rest: self.tokens.rest };
        let mut next = || ahead.next().ok().flatten();
        let (first, then) = (next(), next());
        // An operator makes it another condition.
        let goes_on = match then {
            Some(Token::Name(word)) => matches!(word, b"and" | b"or"),
            Some(Token::Sign(sign)) => !matches!(sign, b';' | b'('),
            Some(Token::Number(_) | Token::Text) | None => false,
        };
        matches!(first, Some(Token::Name(b"false" | b"nil"))) && !goes_on
    }
}

/// Whether a condition is true whatever happens.
fn is_true(condition: &[Token<'_>]) -> bool {
    matches!(condition, [Token::Name(b"true") | Token::Number(_) | Token::Text])
}

/// Whether a `for` ends soon: over the elements of a table, or over numbers of which none is large.
fn ends_soon(header: &[Token<'_>]) -> bool {
    if header.len() == AHEAD {
        return false;
    }
    let Some(of) = header.iter().position(|token| *token == Token::Name(b"in")) else {
        let is_small = |token: &Token<'_>| match token {
            Token::Number(text) => {
                std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok_and(|n| n <= ROUNDS))
            }
            token => *token != Token::Name(b"huge"),
        };
        return header.iter().all(is_small);
    };
    let over = header.get(of + 1);
    let passes_a_table: [&[u8]; 5] = [b"pairs", b"ipairs", b"next", b"string", b"table"];
    matches!(over, Some(Token::Name(name)) if passes_a_table.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_written_while_code_is_loaded_is_told_from_one_that_a_call_writes() {
        for (code, expected) in [
            ("redis.log(redis.LOG_WARNING, 'hi')", true),
            ("if x then server.log(1, 'hi') end", true),
            ("for i = 1, 2 do local s = redis s.log(1, i) end", true),
            ("redis.register_function('f', function(k, a) redis.log(1, 'hi') return 1 end)", false),
            ("local function f() if a then redis.log(1, 'x') end end local y = math.log(2)", false),
            ("-- redis.log(1, 'x')\nlocal log = 1 local s = 'redis.log(1)'", false),
        ] {
            assert_eq!(logs(code.as_bytes()), expected, "{code}");
        }
    }

    #[test]
    fn code_that_ends_is_told_from_code_that_does_not() {
        let register =
            "redis.register_function('f', function(keys, args)\n while true do if x then break end end\nend)\n";
        let long = "local t = [==[ while true do ]] ]==] -- while true do\n--[[ repeat\n ]] local s = 'it\\'s \"' .. \"end\"\n";
        for (code, expected) in [
            ("", Ends::Perhaps),
            (register, Ends::Perhaps),
            (long, Ends::Perhaps),
            ("for i, name in ipairs({'a', 'b'}) do redis.register_function(name, f) end", Ends::Perhaps),
            ("for i = 1, 10 do end for k, v in pairs(t) do end", Ends::Perhaps),
            (
                "local t = { end_ = 1, ['while'] = 2 } local x = t.repeat_ if a then b() elseif c then d() else e() end",
                Ends::Perhaps,
            ),
            (
                "local function f() local i = 0 while i < 3 do i = i + 1 end repeat i = i - 1 until i == 0 end",
                Ends::Perhaps,
            ),
            ("local function f(...) return ... end local s = 'a'..f() if s then s = s.. 'b' end", Ends::Perhaps),
            ("local s = 'a\\\r\nb\\\nc' while_ = 1", Ends::Perhaps),
            ("while true do end", Ends::Never),
            ("local x = 1\nwhile 1 do x = x + 1 end\n", Ends::Never),
            ("do repeat local a = function() return 1 end until false end", Ends::Never),
            ("while true do for i = 1, 2 do break end end", Ends::Never),
            ("do return end while true do end", Ends::Unknown),
            ("if redis then while true do end end", Ends::Unknown),
            ("while true do if f() then break end end", Ends::Unknown),
            ("while i < 3 do i = i + 1 end", Ends::Unknown),
            ("repeat i = i + 1 until i > 3", Ends::Unknown),
            ("repeat i = i + 1 until false or i > 3", Ends::Unknown),
            ("local function f() while true do end end f()", Ends::Unknown),
            ("for i = 1, 1e12 do end", Ends::Unknown),
            ("for i = 1, math.huge do end", Ends::Unknown),
            ("for word in endless() do end", Ends::Unknown),
            ("local a = ... while true do end", Ends::Never),
            ("if x then", Ends::NotCompiled),
            ("f() end", Ends::NotCompiled),
            ("f(]", Ends::NotCompiled),
            ("f(", Ends::NotCompiled),
            ("local s = 'a\nb'", Ends::NotCompiled),
            ("--[[ a comment", Ends::NotCompiled),
            ("repeat x() end", Ends::NotCompiled),
        ] {
            assert_eq!(ends(code.as_bytes()), expected, "{code}");
        }
        // Whatever the bytes are, there is an answer.
        for first in 0..=255_u8 {
            for second in b"['\"-\\=]" {
                ends(&[first, *second, first, *second]);
            }
        }
    }
}
