//! What a restore says of itself at its end: its counts by name, what is worth a word beside them, and the sentence of its verdict.

use std::time::Duration;

use crate::census::Selection;
use crate::explain::Status;
use crate::figures::{count, counted, span};
use crate::restore::functions::differing;
use crate::restore::plan::chosen_none;
use crate::restore::report::{Ended, Report};
use crate::restore::request::Request;
use crate::restore::tally::FailedKey;

impl Report {
    /// The counts that are not zero, by the names that people read.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let tally = &self.tally;
        // Nothing was sent to a target that did not load the file: what it holds is said in a sentence.
        let not_reached = if matches!(self.ended, Ended::NotLoaded(_)) { None } else { self.not_reached() };
        let evicted = if self.was_empty { "of those restored, evicted meanwhile" } else { "evicted meanwhile" };
        let taken_back = self.taken_back.as_ref();
        let counts = [
            ("in the backup", self.in_backup.unwrap_or(0)),
            ("restored", tally.restored),
            ("already in the target, kept", tally.skipped_existing),
            ("of those, written by other clients during the restore", tally.written_meanwhile),
            ("not selected", tally.skipped_by_choice),
            ("expired", tally.expired),
            ("of those expired, restored before they expired", self.expired_since),
            ("fields of hashes expired", tally.expired_fields),
            ("failed", tally.failed),
            ("lost", tally.lost),
            ("of those restored, lost in part", self.lost_in_part),
            ("of those restored, rebuilt", tally.rebuilt),
            ("of those restored, written over another value", tally.overwritten),
            ("records of modules lost", self.lost_module_data),
            ("bytes after the end of the RDB, left out", self.trailing_bytes),
            ("not known", tally.unknown),
            ("not reached", not_reached.unwrap_or(0)),
            ("functions", tally.functions.restored),
            ("function libraries not selected", tally.functions.not_selected),
            ("function libraries in the target already", tally.functions.skipped - tally.functions.not_selected),
            ("of those, with other code than in the backup", tally.functions.differing),
            ("function libraries lost", tally.functions.lost),
            ("temporary keys of the interrupted run, removed", tally.leftovers),
            (evicted, self.evicted().unwrap_or(0)),
            ("removed again", taken_back.map_or(0, |taken| taken.removed)),
            ("not removed again: other clients may have changed them", taken_back.map_or(0, |taken| taken.left)),
        ];
        counts.into_iter().filter(|(_, number)| *number > 0).collect()
    }

    /// The function libraries of the target that stayed and are not those of the backup, as part of a sentence.
    pub fn libraries_that_differ(&self) -> Option<String> {
        let names = &self.tally.differing_libraries;
        let n = Some(self.tally.functions.differing).filter(|n| *n > 0)?;
        Some(differing(n, names))
    }

    /// The keys that are worth naming, the worst first.
    pub fn named(&self) -> impl Iterator<Item = &FailedKey> {
        let tally = &self.tally;
        let failed = tally.failures.iter().chain(&tally.lost_keys).chain(&tally.rebuilt_keys);
        failed.chain(&tally.overwritten_keys).chain(&tally.written_meanwhile_keys)
    }

    /// What is worth a sentence beside the counts.
    pub fn remarks(&self) -> Vec<String> {
        let settings = self.fed.iter().flat_map(|fed| &fed.not_put_back);
        let settings =
            settings.map(|setting| format!("a setting of the target could not be put back: `CONFIG SET {setting}`"));
        let others = self.others_wrote == Some(true);
        let others = others.then(|| "other clients wrote to the target during the restore".to_owned());
        let unsaved = self.unsaved.map(|unsaved| unsaved.to_string());
        settings
            .chain(others)
            .chain(unsaved)
            .chain(self.durable.why_not().map(|why| format!("not on disk: {why}")))
            .collect()
    }

    /// The sentence of the verdict, with the names of both sides; whether a `proof` was wanted.
    pub fn sentence(&self, backup: &str, target: &str, proof: bool) -> String {
        let by = format!("by method `{}` ", self.method.name());
        let keys = counted(self.tally.restored, "key");
        let time = span(Duration::from_secs_f64(self.seconds));
        let status = self.status();
        let mut sentence = match (&self.ended, status) {
            (Ended::Complete, Status::Unknown) => {
                format!("nothing was restored: {}", chosen_none(self.tally.skipped_by_choice, &Selection::default()))
            }
            (Ended::Complete, Status::Ok) => format!("{keys} of {backup} restored into {target} {by}in {time}"),
            (Ended::Complete, Status::Warning) => {
                let keys = match self.in_backup {
                    Some(all) if all != self.tally.restored => {
                        format!("{} of {}", count(self.tally.restored), counted(all, "key"))
                    }
                    _ => keys,
                };
                format!("{keys} of {backup} restored into {target} {by}in {time}; see the table above")
            }
            (Ended::NotLoaded(_), _) => "not complete: see the error below".to_owned(),
            (Ended::Complete, _) if self.evicted().is_some_and(|keys| keys > 0) => {
                let evicted = count(self.evicted().unwrap_or(0));
                format!("not complete: the target accepted {keys}, and evicted {evicted} to make room")
            }
            _ if self.taken_back.as_ref().is_some_and(|taken| taken.is_nothing()) => {
                "not complete: nothing was written".to_owned()
            }
            (Ended::Complete, _) if self.after.is_none() && self.adds_up() => {
                format!("not proven: the target had accepted {keys}, and no longer replies")
            }
            _ if self.taken_back.is_some() => "not complete: the restored keys were removed again".to_owned(),
            _ => format!("not complete: {keys} of {backup} restored into {target} in {time}"),
        };
        if !proof && matches!(status, Status::Ok | Status::Warning) {
            sentence.push_str("; the target was not compared with the backup (`--no-proof`)");
        }
        sentence
    }

    /// The command that writes over keys which somebody else has written meanwhile; `None`: there are none, or the failure names it.
    pub fn over_keys_of_others(&self, request: &Request) -> Option<String> {
        if self.tally.written_meanwhile == 0 || self.failure(request).is_some() {
            return None;
        }
        let keys = counted(self.tally.written_meanwhile, "key");
        Some(format!("kept {keys} that other clients wrote during the restore: {}", request.over_others()))
    }
}
