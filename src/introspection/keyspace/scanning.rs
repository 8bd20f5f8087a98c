//! Looks at every key by SCAN, so that the server never waits for us.

use std::collections::VecDeque;

use super::asking::{Half, Look, into_bytes, refused, second_questions};
use crate::explain::{Context as _, Failure, Fault, Result};
use crate::introspection::gate::Coming;
use crate::introspection::question::ReadOnly;
use crate::replies::Reply;

/// COUNT of SCAN. What the server has just met when it scanned is still in its processor's cache when it is asked about it; of a
/// longer page it would not be.
const SCAN_COUNT: usize = 400;

/// Pages about which questions are on their way, while older answers are worked on. With one the server would wait for us.
const PAGES_ASKED: usize = 2;

/// A name or a cursor.
type Bytes = Vec<u8>;

/// A page about which questions are on their way.
struct Asked {
    keys: Vec<Bytes>,
    n_first: usize,
    /// An earlier page, of which the second questions are.
    before: Vec<Half>,
    answers: Coming,
}

impl Look<'_, '_> {
    /// Looks at every key. A page that has come is asked about at once, before the answers about earlier ones are worked on.
    pub(super) async fn scan(&mut self) -> Result<()> {
        let mut scanning = Some(self.ask_for_page(b"0").await?);
        let mut asked: VecDeque<Asked> = VecDeque::new();
        let mut halves = Vec::new();
        while scanning.is_some() || !asked.is_empty() || !halves.is_empty() {
            let mut keys = Vec::new();
            if let Some(coming) = scanning.take() {
                let (cursor, page) = page_of(coming.await?.pop().ok_or_else(no_scan)?)?;
                if let Some(cursor) = cursor {
                    scanning = Some(self.ask_for_page(&cursor).await?);
                }
                self.note_names(&page);
                (self.met)(page.len() as u64);
                keys = page;
            }
            let before = std::mem::take(&mut halves);
            if !keys.is_empty() || !before.is_empty() {
                let mut questions = self.first_questions(&keys)?;
                let n_first = questions.len();
                questions.extend(second_questions(&before)?);
                let answers = self.gate.send(&questions).await?;
                asked.push_back(Asked { keys, n_first, before, answers });
            }
            // At the end the last answers are waited for.
            if (asked.len() > PAGES_ASKED || scanning.is_none())
                && let Some(oldest) = asked.pop_front()
            {
                halves = self.take(oldest).await?;
            }
        }
        Ok(())
    }

    async fn ask_for_page(&mut self, cursor: &[u8]) -> Result<Coming> {
        let count = self.page(SCAN_COUNT).to_string();
        self.gate.send(&[ReadOnly::new(&[b"SCAN" as &[u8], cursor, b"COUNT", count.as_bytes()])?]).await
    }

    /// Notes the earlier page, of which everything is now answered, and returns this one.
    async fn take(&mut self, asked: Asked) -> Result<Vec<Half>> {
        let mut first = asked.answers.await?;
        let second = first.split_off(asked.n_first);
        self.note(&asked.before, second);
        self.halves(asked.keys, first)
    }
}

/// The next cursor, `None` at the end, and the keys.
fn page_of(reply: Reply) -> Result<(Option<Bytes>, Vec<Bytes>)> {
    refused("SCAN", &reply).context("cannot scan the keys")?;
    let Reply::Array(parts) = reply else { return Err(no_scan()) };
    let mut parts = parts.into_iter();
    let cursor = parts.next().and_then(into_bytes).ok_or_else(no_scan)?;
    let Some(Reply::Array(keys)) = parts.next() else { return Err(no_scan()) };
    let keys = keys.into_iter().filter_map(into_bytes).collect();
    Ok(((cursor != b"0").then_some(cursor), keys))
}

fn no_scan() -> Fault {
    Failure::new("protocol_error", "unexpected reply to SCAN").into()
}
