//! Streams in an older form: the nodes are the same in all five, what stands behind them grew.

use std::collections::HashSet;

use super::Loss;
use super::builder::{length, string};
use crate::rdb::cursor::{Cursor, Scratch};
use crate::rdb::error::Stop;

struct Rewriter<'a, 'l> {
    cursor: Cursor<'a>,
    out: Vec<u8>,
    from: u8,
    to: u8,
    scratch: Scratch,
    lost: &'l mut Vec<Loss>,
    released: u64,
    active: u64,
    read: u64,
}

/// Rewrites a body that was found right from one form to an older one.
pub(super) fn rewrite(body: &[u8], from: u8, to: u8, lost: &mut Vec<Loss>) -> Result<Vec<u8>, Stop> {
    let mut rewriter = Rewriter {
        cursor: Cursor::new(body, 0),
        out: Vec::with_capacity(body.len()),
        from,
        to,
        scratch: Scratch::default(),
        lost,
        released: 0,
        active: 0,
        read: 0,
    };
    rewriter.all(body)?;
    Ok(rewriter.out)
}

impl Rewriter<'_, '_> {
    fn all(&mut self, body: &[u8]) -> Result<(), Stop> {
        let nodes = self.cursor.length()?;
        for _ in 0..2 * nodes {
            self.cursor.string(&mut self.scratch, u64::MAX)?;
        }
        self.out.extend_from_slice(&body[..self.cursor.offset() as usize]);
        self.copy_lengths(3, true)?;
        if self.from >= 2 {
            self.copy_lengths(5, self.to >= 2)?;
            if self.to < 2 {
                self.lost.push(Loss::StreamCounters);
            }
        }
        let groups = self.copy_length(true)?;
        for _ in 0..groups {
            self.group()?;
        }
        self.idempotence()?;
        let counted = [
            (self.released, Loss::ReleasedEntries(self.released)),
            (self.active, Loss::ConsumerActivity(self.active)),
            (self.read, Loss::GroupEntriesRead(self.read)),
        ];
        self.lost.extend(counted.into_iter().filter(|(n, _)| *n > 0).map(|(_, loss)| loss));
        Ok(())
    }

    fn group(&mut self) -> Result<(), Stop> {
        self.copy_string()?;
        self.copy_lengths(2, true)?;
        if self.from >= 2 {
            self.copy_length(self.to >= 2)?;
            self.read += u64::from(self.to < 2);
        }
        let n = self.cursor.length()?;
        let mut pending = Vec::new();
        for _ in 0..n {
            pending.push((self.cursor.array::<16>()?, self.cursor.array::<8>()?, self.cursor.length()?));
        }
        let mut consumers = Vec::new();
        std::mem::swap(&mut consumers, &mut self.out);
        let n_consumers = self.copy_length(true)?;
        for _ in 0..n_consumers {
            self.consumer()?;
        }
        let mut released = HashSet::new();
        if self.from >= 5 {
            let n = self.cursor.length()?;
            for _ in 0..n {
                released.insert(self.cursor.array::<16>()?);
            }
        }
        std::mem::swap(&mut consumers, &mut self.out);
        if self.to < 5 && !released.is_empty() {
            // An older server calls a pending entry without an owner damage.
            self.released += released.len() as u64;
            pending.retain(|(id, ..)| !released.contains(id));
        }
        length(&mut self.out, pending.len() as u64);
        for (id, delivered, count) in pending {
            self.out.extend(id);
            self.out.extend(delivered);
            length(&mut self.out, count);
        }
        self.out.extend(consumers);
        if self.to >= 5 {
            length(&mut self.out, released.len() as u64);
            released.iter().for_each(|id| self.out.extend(id));
        }
        Ok(())
    }

    fn consumer(&mut self) -> Result<(), Stop> {
        self.copy_string()?;
        self.out.extend(self.cursor.array::<8>()?);
        if self.from >= 3 {
            let active = self.cursor.array::<8>()?;
            if self.to >= 3 {
                self.out.extend(active);
            } else {
                self.active += 1;
            }
        }
        let n = self.copy_length(true)?;
        for _ in 0..n {
            self.out.extend(self.cursor.array::<16>()?);
        }
        Ok(())
    }

    fn idempotence(&mut self) -> Result<(), Stop> {
        if self.from < 4 {
            return Ok(());
        }
        let keep = self.to >= 4;
        self.copy_lengths(2, keep)?;
        let producers = self.copy_length(keep)?;
        for _ in 0..producers {
            let before = self.out.len();
            self.copy_string()?;
            let n = self.copy_length(true)?;
            for _ in 0..n {
                self.copy_string()?;
                self.copy_lengths(2, true)?;
            }
            if !keep {
                self.out.truncate(before);
            }
        }
        self.copy_lengths(2, keep)?;
        if !keep {
            self.lost.push(Loss::Idempotence { producers });
        }
        Ok(())
    }

    fn copy_length(&mut self, keep: bool) -> Result<u64, Stop> {
        let n = self.cursor.length()?;
        if keep {
            length(&mut self.out, n);
        }
        Ok(n)
    }

    fn copy_lengths(&mut self, n: usize, keep: bool) -> Result<(), Stop> {
        (0..n).try_for_each(|_| self.copy_length(keep).map(|_| ()))
    }

    fn copy_string(&mut self) -> Result<(), Stop> {
        string(&mut self.out, self.cursor.string(&mut self.scratch, u64::MAX)?);
        Ok(())
    }
}
