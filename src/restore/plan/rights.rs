//! What our user may do, of what a restore does.

use super::Line;
use crate::restore::facts::{BackupFacts, TargetFacts};
use crate::restore::options::{Asked, Method, Options};
use crate::restore::replay::vocabulary::{COMMANDS, Sent, When};
use crate::restore::target_format::TargetFormat;

/// The commands that a method sends for this backup.
pub fn needed(method: Method, backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Vec<&'static Sent> {
    // Where nobody has counted them, there may be any.
    let has = |name: &str| backup.by_type.is_empty() || backup.by_type.contains_key(name);
    let typed = method == Method::Commands;
    let functions = backup.functions > 0
        && options.choices.selection.is_everything()
        && TargetFormat::of(&target.server).has_functions();
    let is_needed = |command: &&Sent| match command.when {
        When::Always => true,
        When::Payload => method == Method::Restore,
        When::Typed => typed,
        When::TypedOf(name) => typed && has(name),
        When::Functions => functions,
        When::Resumed => options.resume,
        When::Rarely => false,
    };
    if method == Method::Replica { Vec::new() } else { COMMANDS.iter().filter(is_needed).collect() }
}

/// What our user may do.
pub fn rights(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> Line {
    let user = target.user.as_deref().unwrap_or("our user");
    let needs_all_keys = options.choices.selection.keys.is_empty();
    // A target that loads the file itself needs no other command; whether it may be told to is said with the methods. Without REPLICAOF
    // another method is used.
    let method = match options.method {
        Asked::Only(method) => method,
        Asked::Auto => Method::Restore,
    };
    let mut names: Vec<&str> = needed(method, backup, target, options).iter().map(|command| command.name).collect();
    if options.replace_all && method != Method::Replica {
        names.push("flushall");
    }
    let forbidden = |forbidden: &Vec<String>| {
        names.iter().filter(|name| forbidden.iter().any(|other| other == *name)).copied().collect::<Vec<&str>>()
    };
    match (target.forbidden.as_ref().map(forbidden), &target.key_patterns) {
        (Some(missing), _) if !missing.is_empty() => {
            let rules: Vec<String> = missing.iter().map(|name| format!("+{name}")).collect();
            let text = format!(
                "the user `{user}` may not use what is needed: the ACL rules `{}` are missing",
                rules.join(" ")
            );
            Line::refused("permission_denied", text).fix(format!("ACL SETUSER {user} {}", rules.join(" ")))
        }
        (_, Some(patterns)) if needs_all_keys => Line::warning(
            "permission_denied",
            format!("the user `{user}` may write to some keys only (`{patterns}`): the others will fail"),
        ),
        (Some(_), _) => Line::ok("rights", format!("the user `{user}` may do what is needed")),
        (None, _) => Line::unknown("rights", format!("could not tell what the user `{user}` may do")),
    }
}
