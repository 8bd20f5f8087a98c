//! One connection to the target: a writer and a reader that run side by side.
//!
//! Writing all and reading afterwards would stop for ever: the server stops reading when its answers pile up. So the
//! writer tells the reader what to expect before it writes, and the reader never waits for the writer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::connection::{CommandFault, ServerError};
use crate::restore::journal;
use crate::restore::replay::batch::{Batch, Command, Expected, What, put_command};
use crate::restore::replay::budget::Budget;
use crate::restore::replay::ledger::{Ledger, Stop, Unanswered};
use crate::restore::replay::replies::{Replies, Reply};
use crate::restore::tally::Tally;

/// Bytes read at once: over ten thousand `+OK`.
const READ_AT_ONCE: usize = 64 * 1024;

/// What all connections share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Counts.
    pub ledger: Arc<Ledger>,
    /// Bytes on their way.
    pub budget: Arc<Budget>,
    /// Where used batches go.
    pub used: crossbeam_channel::Sender<Batch>,
    /// How large a batch usually is.
    pub usual: usize,
    /// A target that answers nothing for so long while something is expected is lost.
    pub silence: Duration,
    /// `BUSYKEY` counts as skipped, not as failed.
    pub skip_existing: bool,
    /// "Now" in Unix milliseconds.
    pub clock: fn() -> i64,
}

/// Sends batches until their sender is gone, and reads every answer.
pub async fn run<S>(stream: S, batches: mpsc::Receiver<Batch>, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (from_target, to_target) = tokio::io::split(stream);
    let (expect, expected) = mpsc::unbounded_channel();
    let (rename, renames) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(to_target, batches, renames, expect, shared.clone()));
    let mut reader = Reader {
        shared: shared.clone(),
        expected,
        rename: Some(rename),
        queue: VecDeque::new(),
        open: BTreeMap::new(),
        more: true,
        listening: true,
        step_error: None,
    };
    let ended = reader.read(from_target).await;
    if let Err(stop) = ended {
        shared.ledger.stop(stop);
        shared.budget.close();
    }
    // Without the reader's answers nothing may be sent.
    reader.rename = None;
    writer.abort();
    let _ = writer.await;
    reader.close();
}

/// What the writer tells the reader before it writes.
#[derive(Debug)]
enum Expect {
    /// This batch is being sent; its bytes stay with the writer.
    Batch(Batch),
    /// Commands that the reader asked for are being sent.
    Rename(Rename),
    /// No more batches.
    End,
}

/// A key whose parts are complete under its temporary name.
#[derive(Debug)]
struct Rename {
    sequence: u64,
    command: Command,
    key: Vec<u8>,
    temporary: Vec<u8>,
    /// The steps failed: the temporary key is removed.
    failed: Option<String>,
}

impl Rename {
    /// The commands, and what their replies mean.
    fn commands(&self) -> (Vec<u8>, Vec<What>) {
        let mut bytes = Vec::new();
        let mut what = Vec::new();
        let database = self.command.database.to_string();
        // Other batches go over this connection in between: the database is not known here.
        put_command(&mut bytes, &[b"SELECT", database.as_bytes()]);
        what.push(What::Select);
        let replace = matches!(self.command.what, What::Rename { replace: true });
        if self.failed.is_some() {
            put_command(&mut bytes, &[b"UNLINK", &self.temporary]);
            what.push(What::Cleaned);
        } else {
            let name: &[u8] = if replace { b"RENAME" } else { b"RENAMENX" };
            put_command(&mut bytes, &[name, &self.temporary, &self.key]);
            what.push(What::Renamed { replace });
            if !replace {
                // Removes the temporary key where RENAMENX found the name taken; else it is gone already.
                put_command(&mut bytes, &[b"UNLINK", &self.temporary]);
                what.push(What::Cleaned);
            }
        }
        (bytes, what)
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut target: W,
    mut batches: mpsc::Receiver<Batch>,
    mut renames: mpsc::UnboundedReceiver<Rename>,
    expect: mpsc::UnboundedSender<Expect>,
    shared: Shared,
) {
    let mut more = true;
    // In the middle of a command nothing else may be written.
    let mut within = false;
    loop {
        let written = tokio::select! {
            biased;
            Some(rename) = renames.recv(), if !within => {
                let (bytes, _) = rename.commands();
                let _ = expect.send(Expect::Rename(rename));
                target.write_all(&bytes).await
            }
            batch = batches.recv(), if more => match batch {
                Some(mut batch) => {
                    let bytes = std::mem::take(&mut batch.bytes);
                    let weight = bytes.len();
                    within = batch.continues;
                    if shared.ledger.is_stopped() {
                        // What is not sent is not counted: it was not reached.
                        shared.budget.give_back(weight);
                        continue;
                    }
                    let _ = expect.send(Expect::Batch(batch));
                    let written = target.write_all(&bytes).await;
                    shared.budget.give_back(weight);
                    let _ = shared.used.try_send(Batch { bytes, ..Batch::default() }.reuse(shared.usual));
                    written
                }
                None => {
                    more = false;
                    let _ = expect.send(Expect::End);
                    Ok(())
                }
            },
            else => break,
        };
        let written = match written {
            Ok(()) => target.flush().await,
            error => error,
        };
        if let Err(error) = written {
            // The reader hears it, too, and may find an answer that says why; it decides what is lost.
            shared.ledger.stop(Stop::Lost(error.to_string()));
            shared.budget.close();
            let _ = expect.send(Expect::End);
            return;
        }
    }
}

/// A batch that is not answered to the end.
#[derive(Debug)]
struct Open {
    tally: Tally,
    end_ordinal: u64,
    created: Vec<u8>,
    /// Keys that wait for the answer to their renaming.
    renames: usize,
    answered: bool,
}

/// A command that waits for its reply; its name is in the batch at the front.
#[derive(Debug)]
enum Waiting {
    Batch { batch: Batch, at: usize },
    Rename { rename: Rename, what: Vec<What>, at: usize },
}

struct Reader {
    shared: Shared,
    expected: mpsc::UnboundedReceiver<Expect>,
    rename: Option<mpsc::UnboundedSender<Rename>>,
    queue: VecDeque<Waiting>,
    open: BTreeMap<u64, Open>,
    /// Batches may still come.
    more: bool,
    /// The writer may still say something.
    listening: bool,
    step_error: Option<String>,
}

impl Reader {
    async fn read(&mut self, mut target: impl AsyncRead + Unpin) -> Result<(), Stop> {
        let mut buffer = vec![0; READ_AT_ONCE];
        let mut replies = Replies::default();
        let mut told = Vec::new();
        loop {
            self.settle();
            if !self.more && self.queue.is_empty() && self.open.is_empty() {
                return Ok(());
            }
            let silent = tokio::time::sleep(self.shared.silence);
            let n = tokio::select! {
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
                    return Err(Stop::Lost(format!("the target has answered nothing for {seconds} seconds")));
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
                let (_, what) = rename.commands();
                self.queue.push_back(Waiting::Rename { rename, what, at: 0 });
            }
            Expect::Batch(mut batch) => {
                let tally = std::mem::take(&mut batch.tally);
                let open =
                    Open { tally, end_ordinal: batch.end_ordinal, created: Vec::new(), renames: 0, answered: false };
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
                    Some(command) => {
                        *at += 1;
                        let sequence = batch.sequence;
                        let (key, temporary) = names(batch, &command);
                        let (key, temporary) = (key.to_vec(), temporary.to_vec());
                        self.steps_done(sequence, command, key, temporary);
                    }
                    None => {
                        let sequence = batch.sequence;
                        if let Some(Waiting::Batch { batch, .. }) = self.queue.pop_front() {
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
        if let What::Rename { .. } = command.what {
            open.renames += 1;
            let rename = Rename { sequence, command, key, temporary, failed };
            if let Some(sender) = &self.rename {
                let _ = sender.send(rename);
            }
            return;
        }
        match failed {
            None => note_restored(open, &self.shared, &command, &key),
            Some(reason) => open.tally.failed(command.database, &key, reason),
        }
    }

    fn complete(&mut self, sequence: u64) {
        if self.open.get(&sequence).is_some_and(|open| open.answered && open.renames == 0)
            && let Some(open) = self.open.remove(&sequence)
        {
            // The names first: a key that counts has to be known to the journal.
            if !open.created.is_empty() {
                self.shared.ledger.created(&open.created);
            }
            self.shared.ledger.complete(sequence, open.tally, open.end_ordinal);
        }
    }

    fn answer(&mut self, reply: Reply) -> Result<(), Stop> {
        self.settle();
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
                let stop = note(open, &self.shared, &mut self.step_error, &command, key, reply);
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
                    note_rename(open, &self.shared, rename, meant, &reply);
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
    fn close(&mut self) {
        while let Ok(expect) = self.expected.try_recv() {
            self.expect(expect);
        }
        let mut unanswered: BTreeMap<u64, Vec<Unanswered>> = BTreeMap::new();
        for waiting in self.queue.drain(..) {
            match waiting {
                Waiting::Batch { batch, at } => {
                    let left = batch.commands[at..]
                        .iter()
                        .filter(|command| matches!(command.what, What::Whole | What::StepsEnd | What::Rename { .. }));
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
        for (sequence, open) in std::mem::take(&mut self.open) {
            self.shared.ledger.created(&open.created);
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

/// The target says that it has the key. One whose time has come meanwhile is there no longer.
fn note_restored(open: &mut Open, shared: &Shared, command: &Command, key: &[u8]) {
    if command.expire_ms != 0 && command.expire_ms <= (shared.clock)() {
        open.tally.expired += 1;
        return;
    }
    open.tally.restored(command.database);
    if shared.ledger.keeps_names() {
        journal::put_record(&mut open.created, command.database, key, command.crc64);
    }
}

/// Notes the reply to a command of a batch; gives a reason to stop, if it is one.
fn note(
    open: &mut Open,
    shared: &Shared,
    step_error: &mut Option<String>,
    command: &Command,
    key: &[u8],
    reply: Reply,
) -> Option<Stop> {
    let error = match reply {
        Reply::Error(line) => line,
        reply => {
            match command.what {
                What::Whole => note_restored(open, shared, command, key),
                What::Function => open.tally.functions.restored += 1,
                What::Step(expected) if !fits(expected, &reply) => {
                    step_error
                        .get_or_insert_with(|| "the target's answer does not fit: somebody else wrote it".to_owned());
                }
                _ => {}
            }
            return None;
        }
    };
    let fault = ServerError::parse(&error).fault(name_of(command.what));
    match command.what {
        What::Whole if fault == CommandFault::BusyKey && shared.skip_existing => {
            open.tally.skipped_existing += 1;
            return None;
        }
        What::Whole => open.tally.failed(command.database, key, error),
        What::Function if shared.skip_existing && error.contains("already exists") => {
            open.tally.functions.skipped += 1;
            return None;
        }
        What::Function => open.tally.functions.failed += 1,
        What::Step(_) => {
            step_error.get_or_insert(error);
        }
        _ => {}
    }
    (stops(&fault) || command.what == What::Select).then_some(Stop::Refused(fault))
}

fn note_rename(open: &mut Open, shared: &Shared, rename: &Rename, meant: What, reply: &Reply) {
    let database = rename.command.database;
    match (meant, reply) {
        (What::Renamed { .. }, Reply::Error(line)) => open.tally.failed(database, &rename.key, line.clone()),
        (What::Renamed { replace: false }, Reply::Integer(0)) if shared.skip_existing => {
            open.tally.skipped_existing += 1;
        }
        (What::Renamed { replace: false }, Reply::Integer(0)) => {
            open.tally.failed(database, &rename.key, "BUSYKEY Target key name already exists.");
        }
        (What::Renamed { .. }, _) => note_restored(open, shared, &rename.command, &rename.key),
        (What::Cleaned, _) => {
            if let Some(reason) = &rename.failed {
                open.tally.failed(database, &rename.key, reason.clone());
            }
        }
        _ => {}
    }
}

fn fits(expected: Expected, reply: &Reply) -> bool {
    match (expected, reply) {
        (Expected::Anything, _) | (Expected::Ok, Reply::Ok) => true,
        (Expected::Number(number), Reply::Integer(got)) => number == *got,
        (Expected::Elements(n), Reply::Other(got)) => n == *got,
        _ => false,
    }
}

fn name_of(what: What) -> &'static str {
    match what {
        What::Select => "SELECT",
        What::Function => "FUNCTION LOAD",
        What::Whole => "RESTORE",
        _ => "restore",
    }
}

/// Answers that every further key would get, too.
fn stops(fault: &CommandFault) -> bool {
    match fault {
        CommandFault::Server(error) => {
            matches!(error.code.as_str(), "NOREPLICAS" | "EXECABORT" | "TRYAGAIN")
                || error.text.starts_with("Protocol error")
        }
        CommandFault::BusyKey => false,
        _ => true,
    }
}

fn unasked(reply: &Reply) -> String {
    match reply {
        Reply::Error(line) => format!("the target said: {line}"),
        _ => "the target answers what was not asked".to_owned(),
    }
}
