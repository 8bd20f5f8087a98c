//! The reading half of a connection: matches every answer to its command.

use std::collections::{BTreeMap, VecDeque};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::meaning::{Failure, note, note_failed, note_rename, note_restored, unasked};
use super::open::Open;
use super::{Expect, Rename, Shared};
use crate::restore::replay::batch::{Batch, Command, What};
use crate::restore::replay::calls::Calls;
use crate::restore::replay::ledger::{Stop, Unanswered};
use crate::restore::replay::replies::{Replies, Reply};

/// Bytes read at once: over ten thousand `+OK`.
const READ_AT_ONCE: usize = 64 * 1024;

/// A command that waits for its reply; its name is in the batch at the front.
#[expect(
    clippy::large_enum_variant,
    reason = "few are on their way, and a box each would be an allocation for every batch"
)]
#[derive(Debug)]
enum Waiting {
    Batch { batch: Batch, at: usize },
    Rename { rename: Rename, what: Vec<What>, at: usize },
}

pub(super) struct Reader {
    shared: Shared,
    expected: mpsc::UnboundedReceiver<Expect>,
    rename: mpsc::UnboundedSender<Rename>,
    queue: VecDeque<Waiting>,
    open: BTreeMap<u64, Open>,
    /// Batches may still come.
    more: bool,
    /// The writer may still say something.
    listening: bool,
    step_error: Option<Failure>,
    /// Elements that the temporary key has which is being written.
    card: i64,
}

impl Reader {
    /// Hears from the writer what to expect, and asks it for renamings.
    pub(super) fn new(
        shared: Shared,
        expected: mpsc::UnboundedReceiver<Expect>,
        rename: mpsc::UnboundedSender<Rename>,
    ) -> Self {
        Self {
            shared,
            expected,
            rename,
            queue: VecDeque::new(),
            open: BTreeMap::new(),
            more: true,
            listening: true,
            step_error: None,
            card: 0,
        }
    }

    /// Reads until every answer that is expected has come.
    pub(super) async fn read(&mut self, mut target: impl AsyncRead + Unpin) -> Result<(), Stop> {
        let mut buffer = vec![0; READ_AT_ONCE];
        let mut replies = Replies::default();
        let mut told = Vec::new();
        loop {
            self.settle();
            if !self.more && self.queue.is_empty() && self.open.is_empty() {
                return Ok(());
            }
            // Begins anew with every answer: a long value may keep the target busy, but not without a word for so long.
            let silent = tokio::time::sleep(self.shared.silence);
            let n = tokio::select! {
                // What the writer tells is taken in first: an answer has to find its command in the queue.
                biased;
                // After the last batch there may still be renamings.
                expect = self.expected.recv(), if self.listening => {
                    match expect {
                        Some(expect) => self.expect(expect),
                        None => (self.more, self.listening) = (false, false),
                    }
                    continue;
                }
                n = target.read(&mut buffer) => n.map_err(|error| Stop::Lost(error.to_string()))?,
                () = silent, if !self.queue.is_empty() => {
                    let seconds = self.shared.silence.as_secs();
                    return Err(Stop::Lost(format!("the target has not replied for {seconds} seconds")));
                }
            };
            if n == 0 {
                return Err(Stop::Lost("the target closed the connection".to_owned()));
            }
            replies.push(&buffer[..n], |reply| told.push(reply)).map_err(|error| Stop::Lost(error.to_string()))?;
            for reply in told.drain(..) {
                self.answer(reply)?;
            }
        }
    }

    fn expect(&mut self, expect: Expect) {
        match expect {
            Expect::End => self.more = false,
            Expect::Rename(rename) => {
                // The writer has counted these commands when it wrote them.
                let (_, what) = rename.commands(&mut Calls::default());
                self.queue.push_back(Waiting::Rename { rename, what, at: 0 });
            }
            Expect::Batch(mut batch) => {
                let open = Open {
                    tally: std::mem::take(&mut batch.tally),
                    end_ordinal: batch.end_ordinal,
                    ends_round: batch.ends_round,
                    created: Vec::new(),
                    failed: std::mem::take(&mut batch.failed),
                    gone: Vec::new(),
                    renames: 0,
                    answered: false,
                };
                self.open.insert(batch.sequence, open);
                self.queue.push_back(Waiting::Batch { batch, at: 0 });
            }
        }
    }

    /// Goes over what needs no reply, and closes batches that are done.
    fn settle(&mut self) {
        while let Some(front) = self.queue.front_mut() {
            match front {
                Waiting::Rename { what, at, .. } if *at < what.len() => return,
                Waiting::Rename { .. } => {
                    self.queue.pop_front();
                }
                Waiting::Batch { batch, at } => match batch.commands.get(*at).copied() {
                    Some(command) if command.what.has_reply() => return,
                    // No command of the target, but a mark behind the last step of a key: all of its steps are answered.
                    Some(command) => {
                        *at += 1;
                        let sequence = batch.sequence;
                        // Copied, for the batch with the names goes back to be filled again before the renaming is answered.
                        let (key, temporary) = names(batch, &command);
                        let (key, temporary) = (key.to_vec(), temporary.to_vec());
                        self.steps_done(sequence, command, key, temporary);
                    }
                    None => {
                        let sequence = batch.sequence;
                        if let Some(Waiting::Batch { batch, .. }) = self.queue.pop_front() {
                            // Where nobody has room for it the buffer is dropped: a new one costs less than waiting.
                            let _ = self.shared.used.try_send(batch.reuse(self.shared.usual));
                        }
                        if let Some(open) = self.open.get_mut(&sequence) {
                            open.answered = true;
                        }
                        self.complete(sequence);
                    }
                },
            }
        }
    }

    /// All steps of a key are answered.
    fn steps_done(&mut self, sequence: u64, command: Command, key: Vec<u8>, temporary: Vec<u8>) {
        let failed = self.step_error.take();
        let Some(open) = self.open.get_mut(&sequence) else { return };
        if let What::Rename { exact, .. } = command.what {
            // Only now is it known that every step went well, so only now may the key get its name. The batch stays open until then.
            open.renames += 1;
            let elements = exact.then_some(self.card);
            let rename = Rename { sequence, command, key, temporary, failed, elements };
            let _ = self.rename.send(rename);
            return;
        }
        match failed {
            None => note_restored(open, &self.shared, &command, &key),
            Some(failure) => note_failed(open, &self.shared, &command, &key, failure),
        }
    }

    fn complete(&mut self, sequence: u64) {
        if self.open.get(&sequence).is_some_and(|open| open.answered && open.renames == 0)
            && let Some(open) = self.open.remove(&sequence)
        {
            // The names of created keys first: a key that counts as restored has to be known to the journal, or it could not be taken back.
            if !open.created.is_empty() {
                self.shared.ledger.created(&open.created);
            }
            // Then what is left to do: a thread that waits for the last answer looks for it as soon as the batch counts as complete.
            self.shared.ledger.gone(open.gone);
            self.shared.ledger.failed(&open.failed);
            self.shared.ledger.complete(sequence, open.tally, open.ends_round.then_some(open.end_ordinal));
        }
    }

    fn answer(&mut self, reply: Reply) -> Result<(), Stop> {
        self.settle();
        // The writer tells before it writes, so an answer that nobody waits for means that its word has not been taken in yet.
        while self.queue.is_empty() {
            match self.expected.try_recv() {
                Ok(expect) => self.expect(expect),
                Err(_) => return Err(Stop::Lost(unasked(&reply))),
            }
            self.settle();
        }
        match self.queue.front_mut() {
            Some(Waiting::Batch { batch, at }) => {
                let command = batch.commands[*at];
                *at += 1;
                let Some(open) = self.open.get_mut(&batch.sequence) else { return Ok(()) };
                let (key, _) = names(batch, &command);
                let stop = note(open, &self.shared, &mut self.step_error, &mut self.card, &command, key, reply);
                // Every further key would be refused too. Answers to what was sent are still read: those keys may be in the target.
                if let Some(stop) = stop {
                    self.shared.ledger.stop(stop);
                    self.shared.budget.close();
                }
            }
            Some(Waiting::Rename { rename, what, at }) => {
                let meant = what[*at];
                *at += 1;
                let last = *at == what.len();
                let sequence = rename.sequence;
                if let Some(open) = self.open.get_mut(&sequence) {
                    note_rename(open, &self.shared, rename, meant, reply);
                    if last {
                        open.renames -= 1;
                    }
                }
                if last {
                    self.complete(sequence);
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Nothing more will come: what is open is handed over as it is.
    pub(super) fn close(&mut self) {
        // What the writer has told and nobody has heard was written, at least in part.
        while let Ok(expect) = self.expected.try_recv() {
            self.expect(expect);
        }
        let mut unanswered: BTreeMap<u64, Vec<Unanswered>> = BTreeMap::new();
        for waiting in self.queue.drain(..) {
            match waiting {
                Waiting::Batch { batch, at } => {
                    // One command of each key stands for it: its last one, whose answer says that the key is there.
                    let is_last = |what| {
                        matches!(what, What::Whole | What::StepsEnd | What::Published { .. } | What::Rename { .. })
                    };
                    let left = batch.commands[at..].iter().filter(|command| is_last(command.what));
                    let keys = left.map(|command| Unanswered {
                        database: command.database,
                        key: names(&batch, command).0.to_vec(),
                        expire_ms: command.expire_ms,
                    });
                    unanswered.entry(batch.sequence).or_default().extend(keys);
                }
                Waiting::Rename { rename, .. } => {
                    let key = Unanswered {
                        database: rename.command.database,
                        key: rename.key,
                        expire_ms: rename.command.expire_ms,
                    };
                    unanswered.entry(rename.sequence).or_default().push(key);
                }
            }
        }
        // Not complete, although some of these keys are answered: the prefix must not pass the others.
        for (sequence, open) in std::mem::take(&mut self.open) {
            self.shared.ledger.created(&open.created);
            self.shared.ledger.failed(&open.failed);
            self.shared.ledger.broken_off(open.tally, unanswered.remove(&sequence).unwrap_or_default());
        }
    }
}

/// The names of a command's key and of its temporary key.
fn names<'a>(batch: &'a Batch, command: &Command) -> (&'a [u8], &'a [u8]) {
    let from = command.name_at as usize;
    let middle = from + command.name_length as usize;
    (&batch.names[from..middle], &batch.names[middle..middle + command.temporary_length as usize])
}
