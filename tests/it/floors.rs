//! The floors hold: a module looks down, never up, never across its own floor.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules, lowest floor first.
const FLOORS: &[&[&str]] = &[
    &["codec", "figures", "rdb", "replies"],
    &["connection", "storage"],
    &["census", "finding", "introspection", "private_files", "progress", "repository", "status"],
    &["capture", "comparison", "examination", "rules"],
    &["backup", "diagnose", "health", "lock", "metrics", "restore", "retention", "verify"],
    &["hint", "printer"],
    &["commands"],
    &["cli"],
];

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
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
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("lib.rs");
    let modules: Vec<&str> =
        library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "lib.rs is the map of the house");
    for module in modules {
        assert!(
            floor_of(module).is_some(),
            "`{module}` has no floor: give it one in tests/it/floors.rs and ARCHITECTURE.md"
        );
    }
}

#[test]
fn no_module_looks_up_or_across() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&src).expect("below src");
        let module = relative.iter().next().and_then(|name| name.to_str()).unwrap_or_default().trim_end_matches(".rs");
        let Some(own) = floor_of(module) else { continue };
        let text = fs::read_to_string(&file).expect("a source file");
        for (line, import) in imports(&text) {
            let Some(other) = floor_of(&import) else { continue };
            if import != module && other >= own {
                wrong.insert(format!("{}:{line}", relative.display()), format!("`{module}` looks at `{import}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that look up or across: {wrong:#?}");
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::rdb::Scanner;\nuse crate::{codec, storage::Upload};\nlet x = crate::printer::new(); // crate::cli\n";
    let names: Vec<String> = imports(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["rdb", "codec", "storage", "printer"]);
}
