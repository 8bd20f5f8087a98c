//! The floors hold: a module looks down, never up, never across its own floor. Files take from each other in no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules, lowest floor first.
const FLOORS: &[&[&str]] = &[
    &["blocking", "explain", "slots"],
    &["codec", "figures", "private_files", "process_group", "rdb", "replies", "schedule", "stream", "times"],
    &["connection", "encryption", "ping", "storage"],
    &["census", "finding", "introspection", "progress", "repository"],
    &["dataset", "pasted"],
    &["capture", "comparison", "examination", "rules", "scratch"],
    &["archive", "backup", "diagnose", "health", "lock", "metrics", "moment", "restore", "retention", "verify"],
    &["operations"],
    &["printer"],
    &["commands"],
    &["cli"],
];

/// The folder of the lowest floors, which are a crate of their own (`src/formats/lib.rs`). Below it, modules are named as everywhere.
const FORMATS: &str = "formats";

/// The path of a source file from the root of the crate that it is in: `rdb/mod.rs`, whether that lies in `src` or in `src/formats`.
fn from_the_root<'f>(file: &'f Path, src: &Path) -> &'f Path {
    let relative = file.strip_prefix(src).expect("below src");
    relative.strip_prefix(FORMATS).unwrap_or(relative)
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

pub fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("an entry of src").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules that a source text names by `crate::…`, tests and comments left out.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split(',').collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    found.push((index + 1, name));
                }
            }
        }
    }
    found
}

#[test]
fn every_top_level_module_has_a_floor() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = |file: &str| fs::read_to_string(src.join(file)).expect("lib.rs");
    let (ours, formats) = (library("lib.rs"), library("formats/lib.rs"));
    let modules: Vec<&str> = ours
        .lines()
        .chain(formats.lines())
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert!(modules.len() > 10, "lib.rs is the map of the house");
    for module in &modules {
        assert!(
            floor_of(module).is_some(),
            "`{module}` has no floor: give it one in tests/it/floors.rs and ARCHITECTURE.md"
        );
    }
    let gone: Vec<_> = FLOORS.iter().copied().flatten().filter(|module| !modules.contains(module)).collect();
    assert!(gone.is_empty(), "tests/it/floors.rs has a floor for what is not there: {gone:?}");
    let text = architecture();
    let drawn = text.split("## The floors").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("the drawing");
    let drawn: BTreeSet<&str> = drawn.split(|c| !is_of_a_name(c)).collect();
    let missing: Vec<_> = modules.iter().filter(|module| !drawn.contains(*module)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md draws no floor for {missing:?}");
}

fn architecture() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).expect("ARCHITECTURE.md")
}

#[test]
fn no_module_looks_up_or_across() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let (mut wrong, mut seen) = (BTreeMap::new(), 0);
    for file in files {
        let relative = from_the_root(&file, &src);
        let module = relative.iter().next().and_then(|name| name.to_str()).unwrap_or_default().trim_end_matches(".rs");
        let Some(own) = floor_of(module) else { continue };
        let text = fs::read_to_string(&file).expect("a source file");
        for (line, import) in imports(&text) {
            let Some(other) = floor_of(&import) else { continue };
            seen += usize::from(file.starts_with(src.join(FORMATS)));
            if import != module && other >= own {
                wrong.insert(format!("{}:{line}", relative.display()), format!("`{module}` looks at `{import}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that look up or across: {wrong:#?}");
    assert!(seen > 20, "only {seen} imports were found below src/{FORMATS}");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::rdb::Scanner;\nuse crate::{codec, storage::Upload};\nlet x = crate::printer::new(); // crate::cli\n";
    let names: Vec<String> = imports(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["rdb", "codec", "storage", "printer"]);
}

/// The lines that name something of a crate, outside of the room that alone knows it.
fn named_outside(crate_name: &str, room: &str) -> Vec<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    let (inside, door) = (src.join(room), src.join(format!("{room}.rs")));
    for file in files.iter().filter(|file| !file.starts_with(&inside) && **file != door) {
        let text = fs::read_to_string(file).expect("a source file");
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.match_indices(crate_name).any(|(at, _)| !code[..at].ends_with(is_of_a_name)) {
                wrong.push(format!("{}:{}", file.strip_prefix(&src).expect("below src").display(), index + 1));
            }
        }
    }
    wrong
}

/// No type of the `redis` crate is named above the room that speaks its protocol: what is asked there is a `Command`, what is answered a `Reply`.
#[test]
fn only_connection_knows_the_redis_crate() {
    let wrong = named_outside("redis::", "connection");
    assert!(wrong.is_empty(), "`redis::` outside of src/connection: {wrong:#?}");
}

/// What a screen is drawn with is known where it is drawn.
#[test]
fn only_top_knows_ratatui() {
    let wrong = named_outside("ratatui::", "commands/top");
    assert!(wrong.is_empty(), "`ratatui::` outside of src/commands/top: {wrong:#?}");
}

#[test]
fn no_files_take_from_each_other_in_a_circle() {
    let house = House::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let found: Vec<String> = house.circles().iter().map(|circle| circle.join(" ↔ ")).collect();
    assert!(
        found.is_empty(),
        "files that take from each other in a circle; move what they share to a third:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_circle_is_found_through_every_form_of_import() {
    let circles = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| (module_of(Path::new(path)), code_of(text)));
        House { files: files.collect() }.circles()
    };
    let room = "mod a; mod b; mod c; pub use b::{B, Other as Alias};";
    for (a, b) in [
        ("use super::b::B;", "use crate::room::a::A;"),
        ("use super::{c, b};", "fn f() { super::a::go() }"),
        ("use crate::room::{self, c::C, b::{self, B}};", "use super::a;"),
        // Through the door of the room.
        ("use super::Alias;", "use crate::room::a::A;"),
        ("use super::c::C;", "use super::a::A;\nfn f() -> super::a::A {}\n#[cfg(test)]\nmod tests {}"),
    ] {
        let found = circles(&[
            ("lib.rs", "pub mod room;"),
            ("room/mod.rs", room),
            ("room/a.rs", a),
            ("room/b.rs", b),
            ("room/c.rs", "use super::b::B;"),
        ]);
        assert_eq!(found.len(), 1, "{a} {b}");
    }
    // A child takes what stands in its parent, and tests take what they like.
    for (a, b) in [
        ("use super::b::B;", "use super::Shared;"),
        ("use super::b::B;", "#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ("use super::b::B;", "// use super::a::A;"),
    ] {
        let found = circles(&[
            ("lib.rs", "pub mod room;"),
            ("room/mod.rs", room),
            ("room/a.rs", a),
            ("room/b.rs", b),
            ("room/c.rs", ""),
        ]);
        assert!(found.is_empty(), "{a} {b}: {found:?}");
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A module by its path from the root: `["restore", "replay", "lane"]`; empty: the root.
type Module = Vec<String>;

/// `restore/replay/lane.rs` and `restore/replay/lane/mod.rs` alike.
fn module_of(file: &Path) -> Module {
    let mut module: Module = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// The code without comments and without the tests at its end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// All files of the library: what each takes from which other.
struct House {
    files: BTreeMap<Module, String>,
}

impl House {
    fn read(src: &Path) -> Self {
        let mut files = Vec::new();
        rust_files(src, &mut files);
        let is_test = |module: &Module| {
            module
                .iter()
                .any(|part| part == "tests" || part == "cases" || part == "screens" || part.ends_with("_tests"))
        };
        // What both crates show at their roots is the house's; the root of the lower one says nothing else.
        let below = src.join(FORMATS).join("lib.rs");
        let files = files.iter().filter(|file| **file != below).map(|file| {
            let text = fs::read_to_string(file).expect("a source file");
            (module_of(from_the_root(file, src)), code_of(&text))
        });
        Self { files: files.filter(|(module, _)| !is_test(module) && *module != ["main"]).collect() }
    }

    /// Groups of files of which each reaches each other by what they take, sorted. That a file takes what stands in its own parents is
    /// how Rust nests, and no arrow.
    fn circles(&self) -> BTreeSet<Vec<String>> {
        let mut arrows: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, code) in &self.files {
            let taken = paths(code).into_iter().filter_map(|(path, _)| self.file_of(&self.absolute(module, &path)?, 0));
            arrows.insert(module, taken.filter(|other| !module.starts_with(other)).collect());
        }
        let reached = |from: &Module| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(next) = open.pop() {
                for other in arrows.get(&next).into_iter().flatten() {
                    if seen.insert(other.clone()) {
                        open.push(other.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            self.files.keys().map(|file| (file, reached(file))).collect();
        let circle = |file: &Module| {
            let mutual = reached[file].iter().filter(|other| reached[*other].contains(file));
            mutual.map(|other| other.join("/")).collect::<Vec<_>>()
        };
        self.files.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    /// A path as it reads from the root; `None` for one that leads out of the library.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut from = module.clone();
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => {}
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                from.truncate(module.len().checked_sub(ups)?);
                return Some([from, path[ups..].to_vec()].concat());
            }
            child => {
                from.push(child.to_owned());
                return self.files.contains_key(&from).then(|| [from, rest.to_vec()].concat());
            }
        }
        Some([from, rest.to_vec()].concat())
    }

    /// The file in which something stands: through the doors (`pub use`) of rooms, as far as they lead.
    fn file_of(&self, path: &Module, doors: usize) -> Option<Module> {
        let length = (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let (module, rest) = path.split_at(length);
        let module = module.to_vec();
        let door = rest.first().and_then(|name| {
            let code = &self.files[&module];
            let uses = code.match_indices(" use ").filter(|(at, _)| code[..*at].trim_end().ends_with(['b', ')']));
            let mut doors = uses.flat_map(|(at, _)| tree(code[at + 5..].split(';').next().unwrap_or_default()));
            doors.find(|(path, alias)| alias.as_ref().or(path.last()) == Some(name)).map(|(path, _)| path)
        });
        match door.and_then(|path| self.absolute(&module, &path)) {
            Some(path) if doors < 8 => self.file_of(&path, doors + 1),
            _ => Some(module),
        }
    }
}

/// All paths that a code names, in `use` and elsewhere; with the name that each is given.
fn paths(code: &str) -> Vec<(Vec<String>, Option<String>)> {
    let starts = code.match_indices("::").filter_map(|(at, _)| {
        let start = code[..at].rfind(|c| !is_of_a_name(c)).map_or(0, |before| before + 1);
        let is_first = start < at && !code[..start].ends_with("::") && !code[..start].ends_with('.');
        is_first.then(|| &code[start..])
    });
    starts.flat_map(tree).collect()
}

/// The paths of a tree like `a::{b, c::{self, D as E}}` at the beginning of a text.
fn tree(text: &str) -> Vec<(Vec<String>, Option<String>)> {
    fn walk(text: &str, before: &[String], found: &mut Vec<(Vec<String>, Option<String>)>) -> usize {
        let (mut path, mut at) = (before.to_vec(), 0);
        loop {
            at += text[at..].len() - text[at..].trim_start().len();
            if text[at..].starts_with('{') {
                at += 1;
                while at < text.len() && !text[at..].starts_with('}') {
                    at += walk(&text[at..], &path, found).max(1);
                    at += text[at..].len() - text[at..].trim_start_matches([',', ' ', '\n']).len();
                }
                return at + 1;
            }
            let name: String = text[at..].chars().take_while(|c| is_of_a_name(*c)).collect();
            at += name.len();
            if name != "self" || path.is_empty() {
                path.push(name);
            }
            if !text[at..].starts_with("::") {
                break;
            }
            at += 2;
        }
        let alias = text[at..]
            .strip_prefix(" as ")
            .map(|rest| rest.chars().take_while(|c| is_of_a_name(*c)).collect::<String>());
        at += alias.as_ref().map_or(0, |alias| alias.len() + 4);
        path.retain(|part| !part.is_empty());
        found.push((path, alias));
        at
    }
    let mut found = Vec::new();
    walk(text, &[], &mut found);
    found
}

/// ARCHITECTURE.md names files and functions to begin at: `backup/mod.rs run`. All of them are there.
#[test]
fn where_to_start_reading_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = architecture();
    let mut named = 0;
    let places = text.split('`').filter_map(|words| words.split_once(".rs "));
    for (file, name) in places.filter(|(file, name)| !format!("{file}{name}").contains(char::is_whitespace)) {
        let file = format!("{file}.rs");
        let source = fs::read_to_string(root.join("src").join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_there = ["fn", "struct", "enum", "trait"].iter().any(|word| {
            source.split(&format!("{word} {name}")).skip(1).any(|rest| rest.starts_with(['(', '<', ' ', ';']))
        });
        assert!(is_there, "ARCHITECTURE.md names `{name}` of {file}, which is not there");
        named += 1;
    }
    assert!(named > 20, "{named}");
}

/// Who follows a restore from the command line to the wire opens at most twenty files, and as many as ARCHITECTURE.md says.
#[test]
fn a_restore_is_followed_through_at_most_twenty_files() {
    let text = architecture();
    let journey =
        text.split("- **A restore, from the command line").nth(1).and_then(|rest| rest.split("\n- **").next());
    let journey = journey.expect("the journey of a restore");
    let files: BTreeSet<&str> =
        journey.split(|c: char| !(is_of_a_name(c) || "/.".contains(c))).filter(|word| word.ends_with(".rs")).collect();
    assert!(files.len() <= 20, "{files:?}");
    assert!(journey.contains(&format!("({} files", files.len())), "{}: {files:?}", files.len());
}
