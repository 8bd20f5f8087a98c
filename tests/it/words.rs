//! Doc comments say something: a name, a unit, a bound, a reason. A comment of one or two words says what the signature says already.

use std::fs;
use std::path::Path;

use crate::floors::rust_files;

/// Here doc comments are the help of the command line, which is as short as it reads well.
const HELP: &str = "cli/args";

/// The doc comments of a source text: the line at which each begins, and its words.
fn doc_comments(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut found: Vec<(usize, Vec<&str>)> = Vec::new();
    let mut within = false;
    for (index, line) in text.lines().enumerate() {
        let Some(words) = line.trim_start().strip_prefix("///") else {
            within = false;
            continue;
        };
        if !within {
            found.push((index + 1, Vec::new()));
        }
        within = true;
        found.last_mut().expect("one has begun").1.extend(words.split_whitespace());
    }
    found
}

#[test]
fn no_doc_comment_has_one_or_two_words() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let (mut seen, mut short) = (0, Vec::new());
    for file in files {
        let name = file.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        if name.starts_with(HELP) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        let comments = doc_comments(&text);
        seen += comments.len();
        short.extend(
            comments
                .iter()
                .filter(|(_, words)| words.len() <= 2)
                .map(|(line, words)| format!("src/{name}:{line}: {}", words.join(" "))),
        );
    }
    assert!(seen > 1000, "{seen} doc comments were found");
    short.sort_unstable();
    assert!(
        short.is_empty(),
        "say in a sentence what the signature cannot (units, bounds, errors, sources), or leave the comment out and make the \
         item `pub(crate)`:\n{}",
        short.join("\n")
    );
}

#[test]
fn doc_comments_are_found_with_their_words() {
    let text = "/// One.\nfn a() {}\n\n    /// Two words\n    /// and more.\n    b: u8, // none\n//! None.\n///\nc\n";
    let found: Vec<(usize, usize)> = doc_comments(text).iter().map(|(line, words)| (*line, words.len())).collect();
    assert_eq!(found, [(1, 1), (4, 4), (8, 0)]);
}
