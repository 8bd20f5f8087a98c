//! One connection to the target: a writer and a reader that run side by side.
//!
//! Writing all and reading afterwards would stop for ever: the server stops reading when its answers pile up. So the
//! writer tells the reader what to expect before it writes, and the reader never waits for the writer.

mod meaning;
mod open;
mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::restore::clock::Clock;
use crate::restore::replay::batch::{Batch, Command, What, put_command};
use crate::restore::replay::budget::Budget;
use crate::restore::replay::calls::Calls;
use crate::restore::replay::ledger::{Ledger, Stop};
use meaning::Failure;
use reader::Reader;

/// What all connections share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Notes what became of every batch.
    pub ledger: Arc<Ledger>,
    /// Bytes that may be on their way to the target.
    pub budget: Arc<Budget>,
    /// Where used batches go.
    pub used: crossbeam_channel::Sender<Batch>,
    /// How large a batch usually is.
    pub usual: usize,
    /// A target that answers nothing for so long while something is expected is lost.
    pub silence: Duration,
    /// `BUSYKEY` counts as skipped, not as failed.
    pub skip_existing: bool,
    /// There was no key of the backup's names when the restore began: one that is met is somebody else's, and stays.
    pub met_is_theirs: bool,
    /// What the target does not take was agreed to be lost.
    pub accept_loss: bool,
    /// Names of created keys are noted.
    pub keeps_names: bool,
    /// The target's clock.
    pub clock: Clock,
}

/// Sends batches until their sender is gone, and reads every answer.
pub async fn run<S>(stream: S, batches: mpsc::Receiver<Batch>, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (from_target, to_target) = tokio::io::split(stream);
    // Unbounded: the budget and the queue of batches bound what is expected, and a reader that had to wait for the writer while the
    // writer waits for the reader would stop for ever.
    let (expect, expected) = mpsc::unbounded_channel();
    // Unbounded: at most one renaming for each key of those batches.
    let (rename, renames) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(to_target, batches, renames, expect, shared.clone()));
    let mut reader = Reader::new(shared.clone(), expected, rename);
    let ended = reader.read(from_target).await;
    if let Err(stop) = ended {
        shared.ledger.stop(stop);
        shared.budget.close();
    }
    // Without the reader's answers nothing may be sent.
    writer.abort();
    let _ = writer.await;
    reader.close();
}

/// What the writer tells the reader before it writes.
#[expect(
    clippy::large_enum_variant,
    reason = "few are on their way, and a box each would be an allocation for every batch"
)]
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
    failed: Option<Failure>,
    /// How many elements the key must have; `None`: nobody can say.
    elements: Option<i64>,
}

impl Rename {
    /// The commands, and what their replies mean.
    fn commands(&self, calls: &mut Calls) -> (Vec<u8>, Vec<What>) {
        let mut bytes = Vec::new();
        let mut what = Vec::new();
        let mut put = |words: &[&[u8]], meant| {
            put_command(&mut bytes, words);
            calls.note_words(words[0], None);
            what.push(meant);
        };
        let database = self.command.database.to_string();
        // Other batches go over this connection in between: the database is not known here.
        put(&[b"SELECT", database.as_bytes()], What::Select);
        let What::Rename { replace, card, .. } = self.command.what else { return (bytes, what) };
        if self.failed.is_some() {
            put(&[b"UNLINK", &self.temporary], What::Cleaned);
            return (bytes, what);
        }
        // What is counted is what gets the name: nobody comes between. The expiry goes along with it, and so never meets a key of
        // somebody else that has the name already.
        put(&[b"MULTI"], What::Queued);
        put(&[card.name(), &self.temporary], What::Queued);
        let at = self.command.expire_ms.to_string();
        match self.command.expire_ms {
            0 => put(&[b"PERSIST", &self.temporary], What::Queued),
            _ => put(&[b"PEXPIREAT", &self.temporary, at.as_bytes()], What::Queued),
        }
        let name: &[u8] = if replace { b"RENAME" } else { b"RENAMENX" };
        put(&[name, &self.temporary, &self.key], What::Queued);
        // It is gone, unless the name was taken.
        put(&[b"UNLINK", &self.temporary], What::Queued);
        put(&[b"EXEC"], What::Renamed { replace });
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
            // Renamings first: they end keys whose temporary names live on borrowed time.
            biased;
            Some(rename) = renames.recv(), if !within => {
                let mut calls = Calls::default();
                let (bytes, _) = rename.commands(&mut calls);
                shared.ledger.called(&calls);
                // Told before it is written, for the answer may come before the write returns.
                let _ = expect.send(Expect::Rename(rename));
                target.write_all(&bytes).await
            }
            batch = batches.recv(), if more => match batch {
                Some(mut batch) => {
                    let bytes = std::mem::take(&mut batch.bytes);
                    let weight = bytes.len();
                    // The next batch begins in the middle of this one's last command.
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
        // TLS keeps what was written until it is flushed.
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
