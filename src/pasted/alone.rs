//! Lines that say what they are by their own form, without the lines around them.

use super::{known, line};
use crate::replies::Client;

/// Lines over which one of CLIENT LIST is wrapped.
const WRAPPED_LINES: usize = 8;

/// What Markdown and programs draw: fences, rules, the second row of a table, brackets that stand alone.
pub(super) fn is_decoration(text: &str) -> bool {
    text.starts_with("```")
        || text.starts_with("~~~")
        || text.chars().all(|character| "-=_*+|:`{}[](),;.…\"' ".contains(character))
}

/// The section that `# Memory`, `**Memory**`, `\# Memory`, `[Memory]` or `Memory:` names.
pub(super) fn heading(text: &str) -> Option<&'static str> {
    let name = text.trim_start_matches('\\').trim_matches(['#', '*', '[', ']', '=', '"', '\'', ' ', ':', ',']);
    let marked = name.len() < text.len();
    marked.then(|| known::section(name)).flatten()
}

/// The section whose name stands before a field in the same line, and the rest: `Keyspace db0:keys=1,expires=0`.
pub(super) fn behind_heading(text: &str) -> Option<(&'static str, &str)> {
    let (word, rest) = text.trim_start_matches(['#', ' ']).split_once(' ')?;
    let section = known::section(word.trim_end_matches(':')).filter(|section| word.starts_with(&section[..1]))?;
    let name = rest.trim_start().split([':', '=']).next()?;
    known::is_info(name).then_some((section, rest.trim_start()))
}

/// A line of CLIENT LIST that a terminal or a mail has broken, whole again, and how many lines it took.
pub(super) fn wrapped_client(raw: &[&str]) -> Option<(String, usize)> {
    let begins = |text: &str| text.starts_with("id=") && text.contains("addr=");
    let first = line::clean(raw[0]).text;
    if !begins(first.trim_start()) {
        return None;
    }
    let mut whole = first.trim().to_owned();
    let mut taken = 1;
    for next in raw.iter().skip(1).take(WRAPPED_LINES) {
        let next = line::clean(next).text;
        let next = next.trim();
        let first_word = next.split(' ').next().unwrap_or_default();
        // A rest holds pairs and nothing else; what is left of a broken pair has a sign or none.
        let mut behind: Vec<&str> = next.split(' ').skip(1).collect();
        // The last name may have been broken in its turn: `tot-` above `mem=1`.
        if behind.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')) {
            behind.pop();
        }
        let pairs = behind.iter().all(|word| word.contains('='));
        // A value that was broken anywhere: `omem=10000` above `4000 tot-mem=100021048`.
        let sure = !behind.is_empty()
            && behind.iter().all(|word| word.split_once('=').is_some_and(|(name, _)| known::is_of_clients(name)));
        if next.is_empty()
            || next.starts_with("id=")
            || !pairs
            || next.contains(": ")
            || !sure && !first_word.contains(['=', '.', '-', ':']) && next.contains(' ')
        {
            break;
        }
        let name = first_word.split('=').next().unwrap_or_default();
        // Broken between two pairs, or within one, perhaps within a name: `lib-` above `name=x`.
        let in_a_name = whole.rsplit(' ').next().is_some_and(|word| !word.contains('='));
        if first_word.contains('=') && known::is_of_clients(name) && !in_a_name {
            whole.push(' ');
        } else if !first_word.contains('=') && !next.contains('=') && !is_end(next, raw, taken) {
            break;
        }
        whole.push_str(next);
        taken += 1;
    }
    (taken > 1).then_some((whole, taken))
}

/// Whether a word alone is the end of a value, behind `taken` lines: `redis-py` below a full line that ends with `lib-name=`.
fn is_end(word: &str, raw: &[&str], taken: usize) -> bool {
    let width = |at: usize| raw[at].chars().count();
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    plain && taken > 1 && width(taken - 1) == width(0)
}

/// A line of CLIENT LIST, also behind other words; each of its fields has to be one of them.
pub(super) fn client(text: &str) -> Option<Client> {
    let at = text.find("id=").filter(|at| *at == 0 || text[..*at].ends_with([' ', '"', '\'']))?;
    let line = text[at..].trim_end_matches(['"', '\'', ',']);
    let named = line.split(' ').filter(|pair| pair.split_once('=').is_some_and(|(name, _)| known::is_of_clients(name)));
    (named.count() >= 3).then(|| Client::parse(line)).flatten()
}

/// A line of redis.conf. Words that also stand at the beginning of a sentence need a value that is none.
pub(super) fn setting(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once([' ', ':'])?;
    let value = value.trim();
    let sure = name.contains('-') || name.starts_with("maxmemory");
    let number = value.split(' ').all(|word| word.starts_with(|c: char| c.is_ascii_digit()) || word == "\"\"");
    let word = matches!(value, "yes" | "no");
    let short = value.split(' ').count() <= 12 && !value.ends_with(['.', '?', '!']);
    (known::is_setting(name) && !value.is_empty() && short && (sure && !value.contains(", ") || number || word))
        .then_some((name, value))
}

/// `swap 0` of a cgroup's `memory.stat`, `VmSwap: 0 kB` of `/proc/PID/status`.
pub(super) fn of_the_machine(text: &str) -> Option<(&'static str, u64)> {
    let (name, value) = text.split_once([' ', ':'])?;
    let value = value.trim().trim_start_matches(':').trim();
    match name {
        "swap" | "cache" | "rss" | "mapped_file" | "pgfault" | "total_swap" | "hierarchical_memory_limit" => {
            let name = if name == "swap" { "swapped" } else { "other" };
            Some((name, value.parse().ok()?))
        }
        "VmSwap" => Some(("swapped", value.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)?)),
        _ => None,
    }
}

/// `Redis: 3.2.0`, `I'm using redis server 3.2.10.`: people write what INFO was asked without.
pub(super) fn version_in_words(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let behind = &lower[lower.find("redis")? + "redis".len()..];
    let at = behind.find(|character: char| character.is_ascii_digit())?;
    let between = behind[..at].trim_end_matches('v');
    let near = between.len() <= 12
        && between.chars().all(|character| character.is_ascii_alphabetic() || " :=-_".contains(character));
    let version: String =
        behind[at..].chars().take_while(|character| character.is_ascii_digit() || *character == '.').collect();
    let version = version.trim_end_matches('.');
    let numbers: Vec<&str> = version.split('.').collect();
    let sound = (2..=3).contains(&numbers.len()) && numbers.iter().all(|number| (1..=3).contains(&number.len()));
    (near && sound).then(|| version.to_owned())
}

/// What the client says besides the answers.
pub(super) fn is_talk_of_the_client(text: &str) -> bool {
    let beginnings = [
        "Warning: Using a password",
        "Error: Server closed",
        "AUTH failed",
        "Could not connect to",
        // What MEMORY DOCTOR says around its findings, and where there are none.
        "Sam, I detected",
        "Hi Sam, I can't find any memory issue",
        "Hi Sam, this instance is empty",
        "I'm here to keep you safe, Sam",
        // redis-cli --cluster check.
        ">>> Performing Cluster Check",
        ">>> Check for open slots",
        ">>> Check slots coverage",
        "[OK] ",
    ];
    let timed =
        text.strip_prefix('(').and_then(|rest| rest.strip_suffix("s)")).is_some_and(|time| time.parse::<f64>().is_ok());
    text == "OK" || text == "PONG" || timed || beginnings.iter().any(|beginning| text.starts_with(beginning))
}
