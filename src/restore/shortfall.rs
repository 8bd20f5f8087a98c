//! What a restore that is not complete has to say: a code, a sentence that ends with what the target holds, and the command that leads
//! on from there.

use std::error::Error as _;

use crate::connection::{CommandFault, ServerError};
use crate::explain::{Explain as _, Failure, Fault, Hint, Interrupted, Meaning};
use crate::figures::{count, counted};
use crate::restore::durable::Durable;
use crate::restore::lines::{Next, Over};
use crate::restore::options::{Asked, Method};
use crate::restore::plan::in_mb;
use crate::restore::replay::ledger::Stop;
use crate::restore::replica::{Left, ReplicaFault};
use crate::restore::report::{Ended, Report};
use crate::restore::request::Request;
use crate::restore::standing::Turned;

/// Why a restore is not complete.
struct Shortfall<'a> {
    /// The stable name in JSON answers.
    code: &'static str,
    /// What went wrong, and what the target holds.
    message: String,
    lead: Lead<'a>,
}

/// What leads on from a restore that is not complete.
enum Lead<'a> {
    /// A signal came; the restore can be gone on with, or has to be begun anew.
    InterruptedAt {
        /// `--resume` can go on.
        resumable: bool,
    },
    /// A signal came while the target was fed, which was left like this.
    InterruptedFeed(&'a Left),
    /// Nothing that we know leads on.
    Nothing,
    /// `--resume` goes on, once what is named here is done.
    Resume(Option<Hint>),
    /// All was written, and the target could not be asked any more: what is there can be compared.
    Prove,
    /// The target has to take more, and what it has thrown away has to be written once more.
    MakeRoom,
    /// The target has become another one, and may hold less than it had said: only the whole restore once more helps.
    BeginAnew,
    /// The target has become another one, and this comes before anything else.
    First(Hint),
    /// Others have written all keys that failed; going on would find them as they are once more.
    OverKeysOfOthers,
    /// Others have loaded the libraries that failed.
    OverLibrariesOfOthers,
    /// A target that does not load the file, and was left like this, takes the backup key by key.
    KeyByKey(&'a Left),
}

impl Report {
    /// Why the restore is not complete, with the command that leads on; `None`: it is.
    pub fn failure(&self, request: &Request) -> Option<Fault> {
        let Shortfall { code, message, lead } = self.shortfall()?;
        let resume = format!("`{}` goes on", request.line(Next::Resume(self.method)));
        let hint: Hint = match lead {
            Lead::InterruptedAt { resumable: true } => return Some(interrupted(format!("{message}; {resume}"))),
            Lead::InterruptedAt { resumable: false } => return Some(interrupted(message)),
            Lead::InterruptedFeed(left) => {
                let line = self.after_feeding(left, request, request.options.method);
                return Some(interrupted(format!("{message}; {line}")));
            }
            Lead::Nothing => return Some(Failure::new(code, message).into()),
            Lead::Resume(None) => resume.into(),
            Lead::Resume(Some(first)) => first.and(format!("then {resume}")),
            Lead::First(hint) => hint,
            Lead::Prove => {
                format!("once the target replies, `{}` proves the restore", request.line(self.proves(request))).into()
            }
            Lead::MakeRoom => {
                let line = request.line(Next::Anew(request.options.method, Over::Missing));
                let limit = self.room.map_or_else(|| "BYTES".to_owned(), in_mb);
                format!(
                    "on the target, run `CONFIG SET maxmemory {limit}`, then `{line}` restores the keys that are missing and keeps the others"
                )
                .into()
            }
            Lead::BeginAnew => Hint::BeginAnew.and(request.begins_anew(&request.anew(true), true)),
            Lead::OverKeysOfOthers => format!("another client wrote them afterwards: {}", request.over_others()).into(),
            Lead::OverLibrariesOfOthers => {
                let line = request.anew(true);
                format!("another client loaded them afterwards: `{line}` replaces them by the backup's").into()
            }
            Lead::KeyByKey(left) => {
                let line = self.after_feeding(left, request, Asked::Only(Method::Restore));
                let words = match left.primary {
                    Some(true) => {
                        format!(
                            "the backup was verified, but the target did not load it: see the target's log; {line}, key by key"
                        )
                    }
                    _ => format!("the target's log says what happened; {line}"),
                };
                words.into()
            }
        };
        Some(Failure::new(code, message).hint(hint).into())
    }

    /// Whether every key was accepted or left out, as far as the target has replied.
    fn is_all_written(&self) -> bool {
        self.adds_up() && self.tally.failed == 0 && self.tally.functions.failed == 0 && self.turned.is_none()
    }

    /// What proves a restore of which all was written: the whole, where nothing else ought to be in the target.
    fn proves(&self, request: &Request) -> Next<'static> {
        match self.was_empty && request.options.choices.is_everything() {
            true => Next::Verify,
            false => Next::Holds,
        }
    }

    /// What leads on from a target that was fed: the restore once more, by this method, or what makes the target a primary first.
    fn after_feeding(&self, left: &Left, request: &Request, method: Asked) -> String {
        match left.leaves_it_free() {
            true => {
                let holds = self.after.is_none_or(|after| after.keys > 0);
                request.begins_anew(&request.anew_by(method, holds), holds)
            }
            false => format!("`{}` makes the target a primary again", request.line(Next::Undo)),
        }
    }

    fn shortfall(&self) -> Option<Shortfall<'_>> {
        let tally = &self.tally;
        let holds = self.holds();
        let restored = counted(tally.restored, "key");
        let open = |code, message| Some(Shortfall { code, message, lead: self.lead() });
        match &self.ended {
            Ended::Interrupted => {
                let lead = Lead::InterruptedAt { resumable: self.resumable };
                Some(Shortfall { code: "interrupted", message: holds, lead })
            }
            Ended::NotLoaded(error) if matches!(error.fault, ReplicaFault::Cancelled) => {
                let lead = Lead::InterruptedFeed(&error.left);
                Some(Shortfall { code: "interrupted", message: error.left.to_string(), lead })
            }
            Ended::NotLoaded(error) => {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                let message = format!("{}{cause}; {}", error.fault, error.left);
                Some(Shortfall { code: error.code(), message, lead: Lead::KeyByKey(&error.left) })
            }
            Ended::BadBackup(bad) if bad.is_unreadable() => {
                open(bad.code(), format!("the backup could not be read to its end: {bad}; {holds}"))
            }
            Ended::BadBackup(bad) => {
                let Meaning { code, hint, .. } = bad.meaning();
                let message = format!("the backup is bad: {bad}; {holds}");
                Some(Shortfall { code, message, lead: hint.map_or(Lead::Nothing, Lead::First) })
            }
            // To go on does not bring back what was thrown away meanwhile.
            Ended::Stopped(stop) if self.evicted().is_some_and(|keys| keys > 0) => {
                Some(Shortfall { code: stop.code(), message: format!("{stop}; {holds}"), lead: Lead::MakeRoom })
            }
            Ended::Stopped(stop) => open(stop.code(), format!("{stop}; {holds}")),
            Ended::Complete if self.is_complete() => None,
            Ended::Complete if self.after.is_none() && self.is_all_written() => {
                let message = format!(
                    "the target no longer replies: it had accepted all {restored}, and the restore is not proven"
                );
                Some(Shortfall { code: "disconnected", message, lead: Lead::Prove })
            }
            Ended::Complete if self.after.is_none() => {
                open("disconnected", format!("the target no longer replies: {holds}"))
            }
            Ended::Complete if self.turned.is_some() => {
                let code = self.turned.as_ref().map_or("restarted", Turned::code);
                open(code, format!("the target may have lost keys that it had accepted: {holds}"))
            }
            Ended::Complete if self.evicted().is_some_and(|keys| keys > 0) => {
                let keys = counted(self.evicted().unwrap_or(0), "key");
                let message = format!("the target evicted {keys} to make room");
                Some(Shortfall { code: "target_too_small", message, lead: Lead::MakeRoom })
            }
            Ended::Complete if tally.failed > 0 => {
                let code = "keys_failed";
                let message = format!("{} could not be restored; {holds}", counted(tally.failed, "key"));
                match tally.written_by_others == tally.failed {
                    true => Some(Shortfall { code, message, lead: Lead::OverKeysOfOthers }),
                    false => open(code, message),
                }
            }
            Ended::Complete if tally.functions.written_by_others > 0 => {
                let n = counted(tally.functions.written_by_others, "function library");
                let names = if tally.functions.written_by_others == 1 { "name" } else { "names" };
                let message = format!("other clients loaded {n} with the same {names} as the backup's; {holds}");
                Some(Shortfall { code: "functions_failed", message, lead: Lead::OverLibrariesOfOthers })
            }
            Ended::Complete if tally.functions.failed > 0 => {
                let n = counted(tally.functions.failed, "function library");
                open("functions_failed", format!("{n} could not be loaded; {holds}"))
            }
            Ended::Complete if !self.adds_up() => {
                let (all, known) = (count(self.in_backup.unwrap_or(0)), count(tally.accounted()));
                open("incomplete", format!("the numbers do not add up: {all} in the backup, {known} accounted for"))
            }
            Ended::Complete => match &self.durable {
                Durable::Failing(why) => open("not_durable", format!("{why}; {holds}")),
                Durable::Yes | Durable::No(_) | Durable::NotSaid => None,
            },
        }
    }

    /// What the target holds of the backup, as part of a sentence.
    fn holds(&self) -> String {
        let restored = counted(self.tally.restored, "key");
        match (&self.taken_back, &self.after) {
            (Some(taken), _) if taken.is_nothing() => "nothing was written".to_owned(),
            (Some(taken), _) => {
                let removed = counted(taken.removed, "restored key");
                match taken.left {
                    0 => format!("{removed} removed again"),
                    left => {
                        let left = counted(left, "restored key");
                        format!("{removed} removed again; {left} kept, which other clients may have changed")
                    }
                }
            }
            (None, None) => format!("it had accepted {restored} of the backup at its last reply"),
            (None, Some(now)) => {
                let in_all = counted(now.keys, "key");
                match (&self.turned, self.held()) {
                    (Some(turned), _) => {
                        format!("{turned}: it had accepted {restored} of the backup, and now has {in_all}")
                    }
                    (None, Some(held)) => format!("the target holds {} of the backup", counted(held, "key")),
                    (None, None) => format!("the target had accepted {restored} of the backup, and now has {in_all}"),
                }
            }
        }
    }

    fn lead(&self) -> Lead<'_> {
        match &self.turned {
            _ if self.resumable && self.after.is_none() => {
                Lead::Resume(Some(Hint::words("wait until the target replies again")))
            }
            _ if self.resumable => Lead::Resume(self.mends_refusal()),
            Some(turned) => turned.hint().map_or(Lead::BeginAnew, Lead::First),
            None => Lead::Nothing,
        }
    }

    /// What has to be done at the target before a restore that it has refused a command can go on: else that would meet the same refusal.
    fn mends_refusal(&self) -> Option<Hint> {
        let fault = match &self.ended {
            Ended::Stopped(Stop::Refused(fault)) => Some(fault.clone()),
            _ => {
                let reasons = self.tally.failures.iter().map(|key| ServerError::parse(&key.reason).fault("restore"));
                reasons
                    .into_iter()
                    .find(|fault| matches!(fault, CommandFault::NoPermission { .. } | CommandFault::Unknown { .. }))
            }
        };
        match fault? {
            CommandFault::OutOfMemory => self
                .room
                .map(|bytes| Hint::words(format!("on the target, run `CONFIG SET maxmemory {}`", in_mb(bytes)))),
            CommandFault::NoPermission { rule, text } => Some(Hint::grant(&rule, &text)),
            CommandFault::Unknown { .. } => Some(Hint::words(
                "the target has to know the command first: it was renamed or disabled (`rename-command`)",
            )),
            _ => None,
        }
    }
}

fn interrupted(words: String) -> Fault {
    Fault::from(Interrupted).context(words)
}
