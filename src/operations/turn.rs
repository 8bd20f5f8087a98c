//! Runs on the backups of an instance one after the other: takes the lock of the instance in the repository, or waits for it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::explain::{Explain, Hint, Meaning, Result};
use crate::progress::Voice;
use crate::repository::{FoundLock, Lock, LockState, Locking, Repository};

/// How often it is looked whether another run has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a run gets along with others on the same instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Whether a lock is taken at all.
    pub locks: bool,
    /// How long to wait for another run; zero: not at all.
    pub wait: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self { locks: true, wait: Duration::ZERO }
    }
}

/// The turn of this run. [`Turn::end`] passes it on.
#[derive(Debug, Default)]
#[must_use]
pub struct Turn(Vec<Lock>);

/// Another run is at the same instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", match is_told {
    true => format!("the instance {instance} is locked by another run: {holder}"),
    false => format!("cannot tell whether another run has locked the instance {instance}: {holder}"),
})]
pub struct Locked {
    /// Name of the instance.
    pub instance: String,
    /// Who it is, in words.
    pub holder: String,
    /// Whether the lock says who has it; if not, nobody can tell.
    is_told: bool,
    /// What the other run does: `backup`, `prune`, ….
    pub command: String,
    /// Where the repository is.
    place: String,
    /// The token of its lock.
    token: Option<String>,
    /// What lies there lapses some time after it was written.
    lapses: bool,
}

impl Explain for Locked {
    fn meaning(&self) -> Meaning {
        let (place, instance) = (self.place.clone(), self.instance.clone());
        Meaning::of("locked").hint(match &self.token {
            Some(token) => Hint::WaitForLock(Some([place, instance, token.clone()])),
            None if self.lapses => Hint::StrangeLock([place, instance]),
            None => Hint::NoLock([place, instance]),
        })
    }
}

impl Locked {
    /// What a run hears that meets this lock.
    pub fn by(repository: &Repository, instance: &str, found: &FoundLock) -> Self {
        let holder = found.holder.as_ref();
        Self {
            instance: instance.to_owned(),
            holder: found.in_words(),
            is_told: found.state != LockState::Unreadable,
            command: holder.map(|holder| holder.command.clone()).unwrap_or_default(),
            place: repository.describe(),
            token: holder.map(|holder| holder.token.clone()),
            lapses: found.in_the_way.is_none(),
        }
    }
}

/// Takes the locks of these instances for `command`, or waits for them. Where none can be taken the run goes on without, and says so.
///
/// # Errors
/// [`Locked`]: another run has one of them, and has kept it for longer than this one waits.
pub async fn take_turn(
    repository: &Repository,
    instances: &[String],
    command: &str,
    turns: Turns,
    voice: &dyn Voice,
) -> Result<Turn> {
    let mut turn = Turn::default();
    if !turns.locks {
        return Ok(turn);
    }
    let begun = Instant::now();
    // In order, so that two runs over several instances never wait for each other.
    let mut names: Vec<&String> = instances.iter().collect();
    names.sort_unstable();
    names.dedup();
    for instance in names {
        let mut said = false;
        loop {
            let found = match repository.try_lock(instance, command).await {
                Ok(Locking::Taken(lock)) => {
                    turn.0.push(lock);
                    break;
                }
                Ok(Locking::Impossible(why)) => {
                    voice.say(&format!("no lock is taken for {instance}: {why}"));
                    break;
                }
                Ok(Locking::Held(found)) => found,
                Err(error) => {
                    turn.end(voice).await;
                    return Err(error.into());
                }
            };
            let locked = Locked::by(repository, instance, &found);
            let left = turns.wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                turn.end(voice).await;
                return Err(locked.into());
            }
            if !said {
                voice.say(&format!("waiting: {locked}"));
                said = true;
            }
            sleep(LOOK_AGAIN.min(left)).await;
        }
    }
    Ok(turn)
}

impl Turns {
    /// Whether a run would be refused that meets this lock.
    pub fn is_refused_by(&self, found: &FoundLock) -> bool {
        self.locks && self.wait.is_zero() && found.state.holds_off()
    }
}

impl Turn {
    /// Releases the locks. One that stays is worth a word: it holds nobody off for long.
    pub async fn end(self, voice: &dyn Voice) {
        for lock in self.0 {
            if let Err(why) = lock.release().await {
                voice.say(&why);
            }
        }
    }
}

/// What a plan says of the lock of an instance: who holds it, or why none is taken. `None`: it is free, or cannot be looked at.
pub async fn of_others(repository: &Repository, instance: &str) -> Option<(FoundLock, String)> {
    let found = repository.lock_of(instance).await.ok().flatten()?;
    let words = match found.state {
        LockState::Held | LockState::Unreadable => Locked::by(repository, instance, &found).to_string(),
        LockState::Stays => {
            let why = found.holder.as_ref().and_then(|holder| holder.stays_because.clone()).unwrap_or_default();
            format!("no lock is taken for {instance}: the store does not remove objects ({why})")
        }
        // The next run takes it over.
        LockState::Lapsed | LockState::Dead => return None,
    };
    Some((found, words))
}
