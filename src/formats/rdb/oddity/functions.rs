//! Function libraries: what can be judged without running their code.

use std::collections::HashSet;

use super::OddityKind;
use super::compile::compiles;
use super::lua::{self, Ends};

/// The most names of functions that are remembered; a server with more is unheard of.
const REMEMBERED: usize = 1 << 16;

/// The libraries of one file.
#[derive(Debug, Default)]
pub struct Libraries {
    names: HashSet<Vec<u8>>,
    /// Of the library that was judged last; empty: it has none that can be read.
    last: Vec<u8>,
    count: u64,
}

impl Libraries {
    /// Another shard begins: every shard of a cluster has all libraries.
    pub fn begin_shard(&mut self) {
        self.names.clear();
    }

    /// Judges the next library by its first line (Redis `functions.c`, `functionExtractLibMetaData`), and whether its name is new.
    pub fn judge(&mut self, source: &[u8]) -> Option<(OddityKind, &'static str)> {
        self.count += 1;
        self.last.clear();
        let name = match name(source) {
            Ok(name) => name,
            Err(what) => return Some((OddityKind::FunctionHeader, what)),
        };
        self.last.extend_from_slice(name.unwrap_or_default());
        if let Some(name) = name
            && self.names.len() < REMEMBERED
            && !self.names.insert(name.to_vec())
        {
            return Some((OddityKind::DuplicateFunction, OddityKind::DuplicateFunction.words()));
        }
        let kind = of_code(source)?;
        Some((kind, kind.words()))
    }

    /// What comes next is a library that is not judged.
    pub fn forget_last(&mut self) {
        self.last.clear();
    }

    /// The name of the library that was judged last; `None`: it has none that can be read.
    pub fn last(&self) -> Option<&[u8]> {
        Some(self.last.as_slice()).filter(|name| !name.is_empty())
    }
}

/// Whether a library of Lua writes to the server's log while it is loaded, by its source.
pub fn logs_while_it_loads(source: &[u8]) -> bool {
    let first_line = source.iter().position(|byte| *byte == b'\n').unwrap_or(source.len());
    lua::logs(&source[first_line..])
}

/// What is odd in the code of a library. Other engines than Lua are nothing that we know.
fn of_code(source: &[u8]) -> Option<OddityKind> {
    let first_line = source.iter().position(|byte| *byte == b'\n')?;
    let (header, code) = source.split_at(first_line);
    let engine = header.get(2..5).filter(|_| header.get(5).is_none_or(u8::is_ascii_whitespace))?;
    if !engine.eq_ignore_ascii_case(b"lua") {
        return None;
    }
    if !compiles(code) {
        return Some(OddityKind::FunctionSyntax);
    }
    match lua::ends(code) {
        Ends::Perhaps => lua::logs(code).then_some(OddityKind::FunctionLogs),
        Ends::Unknown => Some(OddityKind::FunctionMayNotEnd),
        Ends::Never => Some(OddityKind::FunctionNeverEnds),
        Ends::NotCompiled => Some(OddityKind::FunctionSyntax),
    }
}

/// The name of a library; `None` where its first line has quotes, which are not resolved here.
fn name(source: &[u8]) -> Result<Option<&[u8]>, &'static str> {
    let Some(rest) = source.strip_prefix(b"#!") else { return Err("a function library that does not begin with #!") };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return Err("a function library of one line");
    };
    let line = &rest[..end];
    if line.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        return Ok(None);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if line.first().is_none_or(u8::is_ascii_whitespace) {
        return Err("a function library without an engine");
    }
    words.next();
    let mut name = None;
    for word in words {
        match word.get(..5) {
            Some(label) if label.eq_ignore_ascii_case(b"name=") && name.is_none() => name = Some(&word[5..]),
            _ => return Err("a function library with words in its first line that servers refuse"),
        }
    }
    match name {
        None => Err("a function library without a name"),
        Some(name) if !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') => {
            Ok(Some(name))
        }
        Some(_) => Err("a function library whose name has characters that servers refuse"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sources: &[&str], expected: Option<OddityKind>) {
        let mut libraries = Libraries::default();
        let last = sources.iter().map(|source| libraries.judge(source.as_bytes())).last().flatten();
        assert_eq!(last.map(|(kind, _)| kind), expected, "{sources:?}");
    }

    #[test]
    fn libraries_are_judged_by_their_first_line() {
        check(&["#!lua name=l1\nreturn 1"], None);
        check(&["#!LUA   NAME=l_2 \nreturn 1"], None);
        check(&["#!lua name=\"l 1\"\n"], None);
        check(&["#!lua name=a\n", "#!lua name=b\n"], None);
        check(&["#!lua name=a\nwhile true do end"], Some(OddityKind::FunctionNeverEnds));
        check(&["#!lua name=\"a\"\nwhile i < 3 do end"], Some(OddityKind::FunctionMayNotEnd));
        check(&["#!lua name=a\nf("], Some(OddityKind::FunctionSyntax));
        check(&["#!js name=a\nwhile (true) {"], None);
        check(&["#!lua name=a\n", "#!lua name=a\n"], Some(OddityKind::DuplicateFunction));
        for wrong in [
            "garbage",
            "#!lua name=x",
            "#!lua\n",
            "#! name=x\n",
            "#!lua name=\n",
            "#!lua name=a-b\n",
            "#!lua name=a name=b\n",
            "#!lua foo=a\n",
        ] {
            check(&[wrong], Some(OddityKind::FunctionHeader));
        }
    }
}
