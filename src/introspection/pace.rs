//! How much a server is asked in a second by somebody who watches it.
//!
//! Counted is from the moment an answer is there: the server has done what it was asked before that, so that in no second of its own it
//! does more than the bound, however long an answer was on its way.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::gate::Ask;
use super::question::ReadOnly;
use crate::explain::Result;
use crate::replies::Reply;

/// Commands that are sent in any second at most.
pub const PER_SECOND: usize = 20;

const SECOND: Duration = Duration::from_secs(1);

/// What was asked within the last second.
#[derive(Debug, Default)]
pub struct Pace {
    /// When answers came, and to how many commands; oldest first.
    answered: VecDeque<(Instant, usize)>,
}

impl Pace {
    /// Waits until so many more commands keep the bound.
    pub async fn room_for(&mut self, commands: usize) {
        while let Some(pause) = self.pause_before(commands, Instant::now()) {
            tokio::time::sleep(pause).await;
        }
    }

    /// How long so many commands have to wait; `None`: they can be sent.
    fn pause_before(&mut self, commands: usize, now: Instant) -> Option<Duration> {
        while self.answered.front().is_some_and(|(at, _)| now.duration_since(*at) >= SECOND) {
            self.answered.pop_front();
        }
        let within: usize = self.answered.iter().map(|(_, commands)| commands).sum();
        let (oldest, _) = self.answered.front()?;
        (within + commands.min(PER_SECOND) > PER_SECOND).then(|| SECOND.saturating_sub(now.duration_since(*oldest)))
    }

    /// So many commands were sent, and what there is of answers is here.
    pub fn note(&mut self, commands: usize) {
        self.answered.push_back((Instant::now(), commands));
    }
}

/// A way to ask a server that keeps the pace.
pub struct Paced<'a> {
    asker: &'a mut dyn Ask,
    pace: &'a mut Pace,
}

impl<'a> Paced<'a> {
    /// Keeps `pace` on the way to `asker`.
    pub fn new(asker: &'a mut dyn Ask, pace: &'a mut Pace) -> Self {
        Self { asker, pace }
    }
}

#[async_trait]
impl Ask for Paced<'_> {
    async fn ask(&mut self, questions: &[ReadOnly]) -> Result<Vec<Reply>> {
        let mut replies = Vec::with_capacity(questions.len());
        for some in questions.chunks(PER_SECOND) {
            self.pace.room_for(some.len()).await;
            let answered = self.asker.ask(some).await;
            self.pace.note(some.len());
            replies.extend(answered?);
        }
        Ok(replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands that were answered so many milliseconds ago, and how many milliseconds `commands` more have to wait.
    #[track_caller]
    fn check(answered: &[(u64, usize)], commands: usize, waits: Option<u64>) {
        let now = Instant::now() + Duration::from_secs(10);
        let answered = answered.iter().map(|(ago, commands)| (now - Duration::from_millis(*ago), *commands)).collect();
        let mut pace = Pace { answered };
        assert_eq!(pace.pause_before(commands, now), waits.map(Duration::from_millis));
    }

    #[test]
    fn commands_wait_until_the_bound_has_room_for_them() {
        check(&[], 20, None);
        check(&[(0, 9)], 11, None);
        check(&[(0, 9)], 12, Some(1000));
        check(&[(700, 9), (100, 9)], 3, Some(300));
        check(&[(1000, 20)], 20, None);
        check(&[(1500, 20), (999, 1)], 20, Some(1));
    }

    #[test]
    fn what_is_more_than_a_second_holds_waits_for_an_empty_one() {
        check(&[], 50, None);
        check(&[(400, 1)], 50, Some(600));
    }
}
