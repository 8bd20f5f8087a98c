//! A function library: loaded before any key.

use super::plan::{Libraries, Plan};
use crate::rdb::oddity::logs_while_it_loads;
use crate::restore::options::Existing;
use crate::restore::replay::batch::{What, put_command};
use crate::restore::replay::outbox::Outbox;

/// What becomes of a library of a restore that goes on.
enum Next {
    Load,
    Replace,
    /// It stands there as it is in the backup: the interrupted run has loaded it.
    IsThere,
    /// It stood there as it is in the backup before the restore began.
    WasThere,
    /// Somebody else has loaded another one of this name.
    IsOfOthers,
}

impl Libraries {
    fn next(&self, source: &[u8], existing: Existing) -> Next {
        let found = match self {
            Self::Stay(sources) if sources.get(name_of(source)).is_some_and(|found| found == source) => {
                return Next::WasThere;
            }
            Self::Are(sources) => sources.get(name_of(source)),
            Self::Stay(_) | Self::OfOthers | Self::Unknown => None,
        };
        match (found, existing) {
            (Some(found), _) if found == source => Next::IsThere,
            (_, Existing::Replace) => Next::Replace,
            // There was to be none of this name when the restore began: if it is not ours, it is somebody else's.
            (Some(_), Existing::MustBeEmpty | Existing::Fail | Existing::ReplaceAll) => Next::IsOfOthers,
            // One that is there is refused, and then skipped or failed.
            (Some(_), Existing::Skip) | (None, _) => Next::Load,
        }
    }
}

/// Sends a library, or counts why not. With a choice of keys functions are left out: they belong to none.
pub fn send(outbox: &mut Outbox, plan: &Plan, source: &[u8]) {
    let functions = &mut outbox.batch.tally.functions;
    if !plan.choices.selection.is_everything() {
        functions.skipped += 1;
        functions.not_selected += 1;
        return;
    }
    if !plan.format.has_functions() {
        functions.lost += 1;
        return;
    }
    // Nobody asked whether that may be: a pipe is read once.
    if plan.format.crashes_of_logs() && logs_while_it_loads(source) {
        let counted = if plan.accept_loss { &mut functions.lost } else { &mut functions.failed };
        *counted += 1;
        return;
    }
    let replace = match plan.libraries.next(source, plan.existing) {
        Next::Load => false,
        Next::Replace => true,
        Next::IsThere => {
            functions.restored += 1;
            return;
        }
        Next::WasThere => {
            functions.skipped += 1;
            return;
        }
        Next::IsOfOthers => {
            functions.failed += 1;
            functions.written_by_others += 1;
            return;
        }
    };
    let words: &[&[u8]] =
        if replace { &[b"FUNCTION", b"LOAD", b"REPLACE", source] } else { &[b"FUNCTION", b"LOAD", source] };
    // Every primary of a cluster has all of them.
    for primary in 0..outbox.n_primaries() {
        outbox.turn_to(primary);
        put_command(&mut outbox.batch.bytes, words);
        // Others are told from us by how often the target was called: what we have called is counted.
        outbox.calls.note("function|load");
        outbox.push(What::Function { replace, again: primary > 0 }, 0, 0, 0, &[name_of(source)]);
    }
}

/// The name in `#!lua name=…`; the first line where there is none.
pub fn name_of(source: &[u8]) -> &[u8] {
    let line = source.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| byte.is_ascii_whitespace());
    words.find_map(|word| word.strip_prefix(b"name=")).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_a_library_stands_in_its_first_line() {
        assert_eq!(super::name_of(b"#!lua name=counter\nredis.register_function('x', f)"), b"counter");
        assert_eq!(super::name_of(b"no name"), b"no name");
        assert_eq!(super::name_of(b""), b"");
    }
}
