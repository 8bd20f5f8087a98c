//! Prefixes that are one thing written in two ways: `user:` and `users:`, `Cart:` and `cart:`.

use super::Prefix;

/// Prefixes that are compared with each other.
const COMPARED: usize = 200;

/// Pairs of prefixes that are likely one thing written in two ways, and why.
pub(super) fn among(prefixes: &[Prefix]) -> Vec<(String, String, String)> {
    // A single key is a name, not a habit.
    let mut stems: Vec<(&str, String)> = prefixes
        .iter()
        .filter(|prefix| prefix.keys >= 2)
        .filter_map(|prefix| {
            let stem = prefix.name.trim_end_matches([':', '.', '/', '_', '-', '|']);
            (stem.len() >= 3 && stem.len() < prefix.name.len()).then(|| (prefix.name.as_str(), stem.to_owned()))
        })
        .take(COMPARED)
        .collect();
    stems.sort();
    let mut found = Vec::new();
    for (at, (name, stem)) in stems.iter().enumerate() {
        for (other_name, other) in &stems[at + 1..] {
            if let Some(reason) = one_thing(stem, other) {
                found.push(((*name).to_owned(), (*other_name).to_owned(), reason.to_owned()));
            }
        }
    }
    found
}

fn one_thing(a: &str, b: &str) -> Option<&'static str> {
    let plural = |one: &str, many: &str| many.strip_suffix('s') == Some(one) || many.strip_suffix("es") == Some(one);
    if a == b {
        Some("the same word with different separators")
    } else if a.eq_ignore_ascii_case(b) {
        Some("upper and lower case")
    } else if plural(a, b) || plural(b, a) {
        Some("singular and plural")
    } else if a.len() >= 6 && b.len() >= 6 && strsim::levenshtein(a, b) == 1 {
        let numbered = a.bytes().chain(b.bytes()).any(|byte| byte.is_ascii_digit());
        (!numbered).then_some("one letter apart")
    } else {
        None
    }
}
