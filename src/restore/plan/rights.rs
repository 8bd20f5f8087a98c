//! What our user may do, of what a restore does, and which of its commands the target has.

use super::Line;
use crate::census::Glob;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::replay::vocabulary::{COMMANDS, Sent, When};
use crate::restore::target_format::TargetFormat;

/// The stable name of the line about rights.
pub(super) const RIGHTS: &str = "rights";

/// The commands that a method sends for this backup.
pub fn needed(method: Method, backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<&'static Sent> {
    needed_with(method, backup, target, options, true)
}

/// The same; `libraries`: with those that function libraries are loaded by.
fn needed_with(
    method: Method,
    backup: &BackupFacts,
    target: &TargetFacts,
    options: &Options,
    libraries: bool,
) -> Vec<&'static Sent> {
    let format = TargetFormat::of(&target.server);
    let by_key = method != Method::Replica;
    let all_typed = method == Method::Commands;
    let survey = backup.survey.as_ref();
    let typed = all_typed || survey.is_some_and(|survey| !survey.types_by_commands.is_empty());
    let typed_of = |name: &str| {
        // Where nobody has counted them, there may be any.
        all_typed && (backup.by_type.is_empty() || backup.by_type.contains_key(name))
            || survey.is_some_and(|survey| survey.types_by_commands.iter().any(|other| other.to_string() == name))
    };
    let functions =
        backup.functions > 0 && options.choices.selection.is_everything() && format.has_functions() && libraries;
    let tried = functions && !options.resume && !backup.only_once;
    let is_needed = |command: &&Sent| match command.when {
        When::Always => by_key,
        When::Payload => method == Method::Restore,
        When::Typed => by_key && typed,
        When::TypedOf(name) => by_key && typed_of(name),
        When::FieldExpiry => {
            by_key && typed_of("hash") && format.field_expiry && survey.is_some_and(|survey| survey.field_expiries)
        }
        When::Transactions => by_key && typed || tried,
        When::Functions => functions && by_key || tried,
        When::FunctionsTried => tried,
        When::Resumed => by_key && options.resume,
    };
    COMMANDS.iter().filter(is_needed).collect()
}

/// What stands against a method: the first command that the target has not, or that our user may not use.
pub fn against(method: Method, backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Option<String> {
    let needed = needed(method, backup, target, options);
    // With `--accept-loss` libraries that cannot be loaded are left out: by a server that has not the commands, not by one that refuses them.
    let there = needed_with(method, backup, target, options, !options.accept_loss);
    let containers: Vec<&str> = there.iter().map(|command| command.container()).collect();
    if let Some(name) = target.lacks(&containers) {
        return Some(no_command(name));
    }
    let may_not = |name: &str| target.forbidden.as_ref().is_some_and(|names| names.iter().any(|other| other == name));
    if let Some(command) = needed.iter().find(|command| may_not(command.name)) {
        return Some(format!("{} may not run {}", user(target), command.name.replace('|', " ").to_uppercase()));
    }
    match keys_covered(&needed, target, options) {
        Covered::No(patterns) => Some(format!("{} may write only to {}", user(target), matching(patterns))),
        Covered::All | Covered::Unclear(_) => None,
    }
}

fn no_command(name: &str) -> String {
    format!("the target has no command `{}`: it was renamed or disabled", name.to_uppercase())
}

/// The keys that match patterns, which are empty where the server does not tell them.
fn matching(patterns: &str) -> String {
    match patterns {
        "" => "some keys".to_owned(),
        patterns => format!("keys that match `{patterns}`"),
    }
}

/// Whether the patterns of our user's keys hold all that is written.
enum Covered<'a> {
    All,
    /// They are these, and do not.
    No(&'a str),
    /// They are these, and too involved to be compared with those of the choice.
    Unclear(&'a str),
}

/// Names of the keys that typed commands fill before they get their own (see `restore/typed.rs`).
const TEMPORARY: &str = "{*}redis-ops:*";

fn keys_covered<'a>(needed: &[&Sent], target: &'a TargetFacts, options: &Options) -> Covered<'a> {
    let told = target.key_patterns.as_deref();
    if told.is_none() && target.keys_refused.is_none() {
        return Covered::All;
    }
    let is_refused = match &target.keys_refused {
        Some(refused) => needed.iter().any(|command| refused.iter().any(|name| name == command.name)),
        // It has no patterns but such for reading and writing.
        None => !needed.is_empty(),
    };
    if !is_refused {
        return Covered::All;
    }
    let Some(patterns) = told else {
        return if options.choices.selection.keys.is_empty() { Covered::No("") } else { Covered::Unclear("") };
    };
    // `~p` is for reading and writing, `%R~p` and `%W~p` (7.0) for one of them.
    let rules = |letter: char| -> Vec<Glob> {
        let rules = patterns.split(' ').filter_map(|rule| rule.split_once('~'));
        rules.filter(|(way, _)| way.is_empty() || way.contains(letter)).map(|(_, text)| Glob::new(text)).collect()
    };
    // RESTORE, UNLINK and EXISTS need no right to read.
    let reads =
        |command: &&Sent| matches!(command.when, When::Typed | When::TypedOf(_) | When::FieldExpiry | When::Resumed);
    let reads = needed.iter().any(reads).then(|| rules('R'));
    let ways = reads.into_iter().chain([rules('W')]).collect::<Vec<_>>();
    let mut written = options.choices.selection.keys.clone();
    if written.is_empty() {
        written.push(Glob::new("*"));
    }
    if needed.iter().any(|command| command.when == When::Typed) {
        written.push(Glob::new(TEMPORARY));
    }
    let mut covered = Covered::All;
    for chosen in &written {
        for rules in &ways {
            match chosen.is_within(rules) {
                Some(true) => {}
                Some(false) => return Covered::No(patterns),
                None => covered = Covered::Unclear(patterns),
            }
        }
    }
    covered
}

/// The user of our connection, as part of a sentence.
pub(super) fn user(target: &TargetFacts) -> String {
    target.user.as_ref().map_or_else(|| "this user".to_owned(), |name| format!("the user `{name}`"))
}

/// Adds the line that grants rules to our user. Where nobody knows the name there is none: a placeholder that is typed makes a new user.
pub(super) fn granted(line: Line, target: &TargetFacts, rules: &str) -> Line {
    match &target.user {
        Some(user) => line.fix(format!("ACL SETUSER {user} {rules}")),
        None => line,
    }
}

/// What our user may do. `chosen`: the method that is used, if one is.
pub fn rights(backup: &BackupFacts, target: &TargetFacts, options: &Options, chosen: Option<Method>) -> Line {
    let user = user(target);
    let method = match (chosen, options.method) {
        (Some(method), _) | (None, Asked::Only(method)) => method,
        (None, Asked::Auto) => Method::Restore,
    };
    let needed = needed(method, backup, target, options);
    let mut names: Vec<&str> = needed.iter().map(|command| command.name).collect();
    if options.existing == Existing::ReplaceAll && method != Method::Replica {
        names.push("flushall");
        // Where nobody can tell, there may be some.
        let has_libraries = target.functions.as_ref().is_none_or(|names| !names.is_empty());
        if has_libraries && TargetFormat::of(&target.server).has_functions() {
            names.push("function|flush");
        }
    }
    let forbidden = target.forbidden.iter().flatten();
    let missing: Vec<&str> =
        names.iter().filter(|name| forbidden.clone().any(|other| other == *name)).copied().collect();
    if !missing.is_empty() {
        let mut missing = missing;
        // Who is granted the others would be refused this next.
        if names.contains(&"function|load") && forbidden.clone().any(|name| name == "function|list") {
            missing.push("function|list");
        }
        let rules = missing.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
        let text = format!("{user} lacks permissions: the ACL rules `{rules}` are missing");
        // Who has them is granted nothing by that.
        let keys = if matches!(keys_covered(&needed, target, options), Covered::No(_)) { " ~*" } else { "" };
        return granted(Line::refused("permission_denied", text), target, &format!("{rules}{keys}"));
    }
    match keys_covered(&needed, target, options) {
        Covered::No(patterns) => {
            let text = format!("{user} may write only to {}: other keys would fail", matching(patterns));
            return granted(Line::refused("permission_denied", text), target, "~*");
        }
        Covered::Unclear(patterns) => {
            let text =
                format!("{user} may write only to {}: other keys that `--keys` selects would fail", matching(patterns));
            return Line::warning(RIGHTS, text);
        }
        Covered::All => {}
    }
    match &target.forbidden {
        Some(_) => Line::ok(RIGHTS, format!("{user} has the necessary permissions")),
        // Who may not ask for rights may seldom use a command of administration.
        None if method == Method::Replica => {
            Line::warning(RIGHTS, format!("whether {user} may run `REPLICAOF` is unknown"))
        }
        None => Line::unknown(RIGHTS, format!("what {user} may do is unknown: this restore may fail")),
    }
}
