//! Nothing waits for a disk inside an async function, and every channel has a bound: `src/blocking.rs` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::floors::rust_files;

/// They read `/proc` and `/sys` alone, which is no disk.
const NO_DISK: &[&str] =
    &["introspection/host.rs", "introspection/host/processor.rs", "repository/process.rs", "restore/preflight.rs"];

/// Calls that wait for a disk, for a thread, or for a process.
const WAITS: &[&str] = &[
    "fs::canonicalize(",
    "fs::copy(",
    "fs::create_dir",
    "fs::hard_link(",
    "fs::metadata(",
    "fs::read(",
    "fs::read_dir(",
    "fs::read_to_string(",
    "fs::remove_",
    "fs::rename(",
    "fs::set_permissions(",
    "fs::symlink_metadata(",
    "fs::write(",
    "File::create(",
    "File::open(",
    "OpenOptions::new(",
    "DirBuilder::new(",
    "NamedTempFile::new",
    "tempdir_in(",
    "tempfile_in(",
    ".persist(",
    ".sync_all(",
    ".read_exact_at(",
    ".write_all_at(",
    "statvfs(",
    "pem_file_iter(",
    "from_pem_file(",
    "load_native_certs(",
    "stdin()",
    "thread::sleep(",
    ".recv_timeout(",
    "block_in_place(",
    ".blocking_recv(",
    ".blocking_send(",
    ".output()",
    ".exists()",
    ".is_dir()",
    ".is_file()",
];

/// Whoever calls these hands over work for a thread that may wait.
const ELSEWHERE: &[&str] =
    &["blocking::run(", ".blocking(", "unblocked(", "on_disk(", "spawn_blocking(", "spawn(", "journal_of("];

/// A function of the library.
#[derive(Debug)]
struct Function {
    file: String,
    name: String,
    /// The type in whose `impl` it stands.
    owner: Option<String>,
    is_async: bool,
    /// Its code, without what it hands over to other threads.
    body: String,
}

/// A source text in which strings, characters and comments are blank, so that braces are braces.
fn bare(text: &str) -> String {
    let mut rest = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut out = String::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            '\'' => match rest[1..].find('\'') {
                Some(end) if end <= 12 && (rest[1..].starts_with('\\') || rest[1..1 + end].chars().count() == 1) => {
                    end + 2
                }
                _ => 0,
            },
            _ => 0,
        };
        if length == 0 {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            out.push_str("\"\"");
            rest = &rest[length..];
        }
    }
    out
}

/// Where the bracket ends that `text` begins with.
fn closed(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Takes out what other threads do.
fn without_other_threads(body: &str) -> String {
    let mut out = String::new();
    let mut rest = body;
    loop {
        let next = ELSEWHERE.iter().filter_map(|call| Some((rest.find(call)?, call.len()))).min();
        let Some((at, length)) = next else { return out + rest };
        let open = at + length - 1;
        let close = open + closed(&rest[open..]);
        // A task is async code of its own.
        let kept = if rest[open..close].contains("async") { close } else { open };
        out.push_str(&rest[..kept]);
        rest = &rest[close..];
    }
}

fn word_at_end(text: &str) -> &str {
    let start = text.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    &text[start..]
}

/// The type of `impl<T> Trait for Type<T> where …`.
fn owner_of(header: &str) -> String {
    let mut depth = 0;
    let plain: String = header
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '<');
            let keep = depth == 0;
            depth -= i32::from(*c == '>');
            keep
        })
        .collect();
    let plain = plain.split(" where ").next().unwrap_or_default();
    word_at_end(plain.rsplit(" for ").next().unwrap_or_default().trim()).to_owned()
}

fn functions_of(file: &str, text: &str) -> Vec<Function> {
    let code = bare(text);
    let impls: Vec<(usize, usize, String)> = code
        .match_indices("impl")
        .filter(|(at, _)| *at == 0 || code[..*at].ends_with('\n') || code[..*at].ends_with("unsafe "))
        .filter_map(|(at, _)| {
            let open = at + code[at..].find('{')?;
            Some((open, open + closed(&code[open..]), owner_of(&code[at + 4..open])))
        })
        .collect();
    let functions = code.match_indices("fn ").filter(|(at, _)| word_at_end(&code[..*at]).is_empty());
    functions
        .filter_map(|(at, _)| {
            let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let arguments = at + code[at..].find('(')?;
            let behind = arguments + closed(&code[arguments..]);
            let open = behind + code[behind..].find(['{', ';'])?;
            if name.is_empty() || code[open..].starts_with(';') {
                return None;
            }
            Some(Function {
                file: file.to_owned(),
                owner: impls.iter().find(|(from, to, _)| (*from..*to).contains(&at)).map(|(.., owner)| owner.clone()),
                name,
                is_async: code[..at].trim_end().ends_with("async"),
                body: without_other_threads(&code[open..open + closed(&code[open..])]),
            })
        })
        .collect()
}

/// What a body calls: the word before `::`, whether a dot stands before it, and the name.
fn calls(body: &str) -> BTreeSet<(String, bool, String)> {
    body.match_indices('(')
        .filter_map(|(at, _)| {
            let name = word_at_end(&body[..at]);
            let before = &body[..at - name.len()];
            let qualifier = before.strip_suffix("::").map(word_at_end).unwrap_or_default();
            (!name.is_empty()).then(|| (qualifier.to_owned(), before.ends_with('.'), name.to_owned()))
        })
        .collect()
}

/// The async functions that wait, and what for.
fn waiting(functions: &[Function]) -> BTreeMap<String, String> {
    let calls: Vec<_> = functions.iter().map(|function| calls(&function.body)).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, function) in functions.iter().enumerate() {
        by_name.entry(&function.name).or_default().push(index);
    }
    let alike = |one: &str, other: &str| one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    // As far as that can be told by names: of a method only where one type alone has it, of `module::name` the module that is nearest.
    let means = |caller: &Function, (qualifier, is_method, name): &(String, bool, String), called: &Function| {
        let all = || by_name[name.as_str()].iter().map(|other| &functions[*other]);
        let module = |function: &Function| {
            let path = function.file.trim_end_matches(".rs").trim_end_matches("/mod");
            path.rsplit('/').next().unwrap_or_default().to_owned()
        };
        match (&called.owner, qualifier.as_str()) {
            (Some(_), "") => *is_method && all().count() == 1,
            (Some(owner), "Self") => caller.file == called.file && caller.owner.as_ref() == Some(owner),
            (Some(owner), qualifier) => owner == qualifier,
            (None, "") => !is_method && (caller.file == called.file || all().count() == 1),
            (None, qualifier) => {
                let nearest = all()
                    .filter(|other| module(other) == qualifier)
                    .max_by_key(|other| alike(&other.file, &caller.file));
                nearest.is_some_and(|nearest| nearest.file == called.file)
            }
        }
    };
    let mut why: BTreeMap<usize, String> = BTreeMap::new();
    loop {
        let mut found = Vec::new();
        for (index, function) in functions.iter().enumerate().filter(|(index, _)| !why.contains_key(index)) {
            let direct =
                WAITS.iter().find(|call| function.body.contains(*call) && !NO_DISK.contains(&function.file.as_str()));
            let through = || {
                calls[index].iter().find_map(|call| {
                    let called = by_name.get(call.2.as_str())?.iter().find(|called| {
                        let function_called = &functions[**called];
                        !function_called.is_async && why.contains_key(called) && means(function, call, function_called)
                    })?;
                    Some(format!("{} ({}), {}", functions[*called].name, functions[*called].file, why[called]))
                })
            };
            if let Some(reason) = direct.map(|call| format!("`{call}`")).or_else(through) {
                found.push((index, reason));
            }
        }
        if found.is_empty() {
            break;
        }
        why.extend(found);
    }
    why.into_iter()
        .filter(|(index, _)| functions[*index].is_async)
        .map(|(index, reason)| (format!("{}: {}", functions[index].file, functions[index].name), reason))
        .collect()
}

/// All source files of the library with their texts, by their names below `src`; those of tests left out.
fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let named = files.iter().map(|file| {
        let name = file.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        (name, fs::read_to_string(file).expect("a source file"))
    });
    let is_test = |name: &str| ["tests", "cases", "screens"].iter().any(|word| name.contains(word));
    named.filter(|(name, _)| !is_test(name)).collect()
}

#[test]
fn no_async_function_waits_for_a_disk() {
    let functions: Vec<Function> = sources().iter().flat_map(|(file, text)| functions_of(file, text)).collect();
    assert!(functions.iter().filter(|function| function.is_async).count() > 300, "{}", functions.len());
    let waiting = waiting(&functions);
    assert!(
        waiting.is_empty(),
        "async functions that wait for a disk, a thread or a process: give that work to `crate::blocking::run`\n{waiting:#?}"
    );
}

#[test]
fn an_async_function_that_waits_is_found_however_it_does() {
    let waits = |text: &str| !waiting(&functions_of("room.rs", text)).is_empty();
    for text in [
        "async fn a() { std::fs::read(x) }",
        "pub(super) async fn a(b: impl Fn(&str) -> u8) -> Result<()> {\n    let '{' = x else { \"}\" };\n    File::open(x)\n}",
        "fn b() { File::open(x) }\nasync fn a() { b() }",
        "fn c() { File::open(x) }\nfn b() { c() }\nasync fn a() { if b() {} }",
        "impl<T: A<B>> Of<T> {\n    fn b() { File::open(x) }\n}\nasync fn a() { Of::b() }",
        "impl Of {\n    fn b(&self) { File::open(x) }\n    async fn a(&self) { Self::b(self) }\n}",
        "impl Of {\n    fn b(&self) { File::open(x) }\n}\nasync fn a(of: Of) { of.b() }",
    ] {
        assert!(waits(text), "{text}");
    }
    for text in [
        "fn a() { std::fs::read(x) }",
        "async fn a() { blocking::run(move || { File::open(x) }).await }",
        "fn b() { File::open(x) }\nasync fn a() { blocking::run(b).await; c(\"b()\") // b()\n}",
        "async fn b() { c() }\nasync fn a() { b().await }",
        "async fn a() {}\n#[cfg(test)]\nmod tests {\n    async fn b() { File::open(x) }\n}",
    ] {
        assert!(!waits(text), "{text}");
    }
}

/// Lines that make a channel without a bound and do not say why: `// Unbounded: …` on a line right above.
fn unbounded(text: &str) -> Vec<usize> {
    const MAKERS: &[&str] = &[
        "unbounded_channel(",
        "unbounded_channel::<",
        "mpsc::channel()",
        "mpsc::channel::<",
        "crossbeam_channel::unbounded",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let says_why = |index: usize| {
        let above = lines[..index].iter().rev().map(|line| line.trim_start()).take_while(|line| line.starts_with("//"));
        above.into_iter().any(|line| line.starts_with("// Unbounded:"))
    };
    let makes = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        // tokio's `channel` is given its bound.
        MAKERS.iter().any(|maker| code.contains(maker)) && (code.contains("()") || !code.contains("mpsc::channel::<"))
    };
    (0..lines.len()).filter(|index| makes(lines[*index]) && !says_why(*index)).map(|index| index + 1).collect()
}

#[test]
fn every_channel_has_a_bound_or_says_why_not() {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(file, text)| unbounded(text).into_iter().map(move |line| format!("src/{file}:{line}")))
        .collect();
    assert!(found.is_empty(), "give these channels a bound, or say why they have none (`// Unbounded: …`): {found:#?}");
}

#[test]
fn channels_without_a_bound_are_found() {
    let text = "let a = mpsc::unbounded_channel();\n// Unbounded: one message in all.\nlet b = mpsc::unbounded_channel();\n\
                let c = mpsc::channel(4);\nlet d = std::sync::mpsc::channel();\nlet e = mpsc::channel::<u8>(4);\n// mpsc::channel()\n\
                let f = mpsc::channel::<u8>();\nlet g = std::sync::mpsc::sync_channel(0);\n";
    assert_eq!(unbounded(text), [1, 5, 8]);
}
