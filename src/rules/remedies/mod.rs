//! What each fix does, what it may cost, and how it is undone: looked up by its words, so that all rules say the same of one command.

mod advice;
mod commands;
mod settings;
mod shell;

use crate::finding::Remedy;
use crate::replies::Config;

/// What is known about the fixes that hold certain words.
pub(super) struct Known {
    /// The words by which a fix is recognised.
    words: &'static str,
    /// What changes once it is typed.
    does: &'static str,
    /// What may be lost, slowed down or refused for it.
    costs: &'static str,
    /// How the change is taken back; empty: of a setting by its present value.
    undo: &'static str,
}

/// What costs nothing.
const NOTHING: &str = "nothing";
/// What changes nothing.
const NO_CHANGE: &str = "nothing to undo: it only reads";

/// What only reads.
const fn reads(words: &'static str, does: &'static str) -> Known {
    Known { words, does, costs: NOTHING, undo: NO_CHANGE }
}

impl Known {
    /// Where its words begin in a fix; `*` stands for a word that is another each time.
    fn found_in(&self, fix: &str) -> Option<usize> {
        let mut parts = self.words.split('*');
        let first = parts.next()?;
        let at = fix.find(first)?;
        let mut rest = &fix[at + first.len()..];
        for part in parts {
            rest = &rest[rest.find(part)? + part.len()..];
        }
        Some(at)
    }
}

/// What is known about a fix: what its first words tell, and of several the one that tells most. A remark comes behind the command.
pub(super) fn known(fix: &str) -> Option<&'static Known> {
    let all = [settings::KNOWN, commands::KNOWN, shell::KNOWN, advice::KNOWN].into_iter().flatten();
    let found = all.filter_map(|known| Some((known.found_in(fix)?, known)));
    found.min_by_key(|(at, known)| (*at, std::cmp::Reverse(known.words.len()))).map(|(_, known)| known)
}

/// What a fix does, costs, and how it is undone; `config` are the settings that hold now.
pub fn of(fix: &str, config: Option<&Config>) -> Remedy {
    // A test finds every fix in the lists.
    let Some(known) = known(fix) else {
        return Remedy { command: fix.to_owned(), does: String::new(), costs: String::new(), undo: String::new() };
    };
    let undo = match (known.undo, setting(fix)) {
        ("", Some((name, value))) => back(name, value, config),
        (undo, _) => undo.to_owned(),
    };
    Remedy { command: fix.to_owned(), does: known.does.to_owned(), costs: known.costs.to_owned(), undo }
}

/// The setting that a fix changes, and the value that it gives it.
pub(super) fn setting(fix: &str) -> Option<(&str, &str)> {
    let (_, rest) = fix.split_once("CONFIG SET ")?;
    let (name, value) = rest.split_once(' ')?;
    Some((name, value.split(" (").next().unwrap_or(value)))
}

/// The command that gives a setting the value back that it has now.
fn back(name: &str, value: &str, config: Option<&Config>) -> String {
    // Of several classes in one setting only the one that was named is changed.
    let class = value.trim_start_matches('"').split(' ').next().filter(|_| name == "client-output-buffer-limit");
    let now = config.and_then(|config| match class {
        Some(class) => {
            let limit = config.output_buffer_limit(class)?;
            Some(format!("{class} {} {} {}", limit.hard, limit.soft, limit.soft_seconds))
        }
        None => config.get(name).map(str::to_owned),
    });
    match now {
        Some(now) if now.is_empty() && name == "dir" => "nothing to undo: the old folder is gone".to_owned(),
        Some(now) if now.is_empty() || now.contains(' ') => format!("CONFIG SET {name} \"{now}\""),
        Some(now) => format!("CONFIG SET {name} {now}"),
        None => format!("CONFIG SET {name} <old value> (note it first: `CONFIG GET {name}`)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_undone_by_the_value_that_it_has() {
        let config: Config = [
            ("maxmemory", "100"),
            ("save", ""),
            ("dir", ""),
            ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let undo = |fix| of(fix, Some(&config)).undo;
        assert_eq!(undo("CONFIG SET maxmemory 200mb (undo: CONFIG SET maxmemory 100)"), "CONFIG SET maxmemory 100");
        assert_eq!(undo("CONFIG SET save \"3600 1\""), "CONFIG SET save \"\"");
        // A server whose folder was removed says that it has none.
        assert_eq!(undo("CONFIG SET dir /data"), "nothing to undo: the old folder is gone");
        assert_eq!(
            undo("CONFIG SET client-output-buffer-limit \"replica 512mb 256mb 120\""),
            "CONFIG SET client-output-buffer-limit \"replica 268435456 67108864 60\""
        );
        assert_eq!(
            of("CONFIG SET timeout 300", None).undo,
            "CONFIG SET timeout <old value> (note it first: `CONFIG GET timeout`)"
        );
    }

    #[test]
    fn the_words_of_a_command_are_known_before_those_of_its_remark() {
        let of = |fix| known(fix).expect("known").words;
        assert_eq!(
            of("CONFIG SET maxmemory-policy allkeys-lru (for a cache only)"),
            "CONFIG SET maxmemory-policy allkeys"
        );
        assert_eq!(of("redis-ops diagnose patterns --full (then EXPIRE a <seconds>)"), "redis-ops diagnose");
        assert_eq!(of("CONFIG SET hash-max-listpack-entries 256"), "CONFIG SET *-max-listpack-entries ");
        assert_eq!(of("ACL SETUSER shop -keys (once it has changed: it then gets NOPERM)"), "ACL SETUSER * -keys");
    }
}
