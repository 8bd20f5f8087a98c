//! Whether a backup has to be read before a plan can be made: what only its keys tell, and no manifest.

use super::{contents, methods};
use crate::restore::choices::Ttl;
use crate::restore::facts::{BackupFacts, Origin, TargetFacts};
use crate::restore::module_types::is_part_of_server;
use crate::restore::options::{Asked, Existing, Method, Options};
use crate::restore::target_format::{TargetFormat, fits};

/// Whether all that the target holds is to be removed for a part of the backup, of which nobody knows yet whether there is any.
pub fn empties_for_a_choice(target: &TargetFacts, options: &Options) -> bool {
    let libraries = target.functions.as_ref().is_none_or(|names| !names.is_empty());
    let holds = target.keys() > 0 || libraries;
    options.existing == Existing::ReplaceAll && holds && !options.choices.selection.is_everything() && !options.resume
}

/// Whether the whole backup has to be read before the plan can say what becomes of each key.
pub fn needs_survey(backup: &BackupFacts, target: &TargetFacts, options: &Options) -> bool {
    let all_as_is = TargetFormat::of(&target.server).takes_all_of(backup.dialect(), backup.rdb_version);
    let by_commands = options.method == Asked::Only(Method::Commands);
    // No value is longer than all of its kind together.
    let all_fit = backup.bytes_in_one_piece.is_some_and(|bytes| fits(bytes, target.longest_bulk()));
    let mistrusted = backup.origin == Origin::Foreign && methods::may_be_fed(backup, target, options);
    // Whether names of functions are taken is not in a manifest.
    let names_matter = backup.functions > 0
        && target.functions.as_ref().is_some_and(|names| !names.is_empty())
        && options.existing != Existing::ReplaceAll
        && options.choices.selection.is_everything();
    let lost = contents::vector_sets_lost(backup, target).is_some();
    // Whether modules have written anything beside the keys, and what.
    let module_data = match &backup.module_aux {
        Some(records) => !records.is_empty(),
        None => !backup.source_modules.iter().all(|name| is_part_of_server(name)),
    };
    // Whether values of modules are among the chosen keys.
    let chosen_of_modules = !options.choices.selection.is_everything() && !backup.modules().is_empty();
    // How many of its keys would be dead on arrival.
    let is_ahead = target.clock.unwrap_or_default().is_off().is_some_and(|(_, is_ahead)| is_ahead);
    let dies = is_ahead && options.choices.ttl != Ttl::Strip && backup.expires() != Some(0);
    let unites = options.choices.unites_databases();
    let may_empty_for_nothing = empties_for_a_choice(target, options);
    let read = [
        dies,
        unites,
        may_empty_for_nothing,
        backup.has_findings,
        backup.keys.is_none(),
        !all_as_is,
        by_commands,
        !all_fit,
        mistrusted,
        names_matter,
        lost,
        module_data,
        chosen_of_modules,
    ];
    backup.survey.is_none() && read.contains(&true)
}

/// Bytes of an RDB that a plan reads only to count what has expired: a few seconds.
const READ_TO_COUNT: u64 = 1 << 30;

/// Whether the whole backup is read only for the number of its keys that have expired, or expire before the restore ends.
pub fn must_count_expired(backup: &BackupFacts, options: &Options) -> bool {
    let Some(expiries) = backup.expiries.filter(|_| backup.raw_bytes.is_some_and(|bytes| bytes <= READ_TO_COUNT))
    else {
        return false;
    };
    let ends = expiries.now_ms.saturating_add(methods::longest_ms(backup, options));
    expiries.fields || expiries.keys.is_none_or(|keys| keys.until(ends).1 > 0)
}
