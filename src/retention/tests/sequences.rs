//! Nothing that was published is ever lost by accident: random sequences of backup, verification, pin, prune, restore and time, in which
//! processes die between any two of their requests and work at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::place::{Place, back_up, elsewhere, read_whole, verify};
use crate::progress::Hidden;
use crate::repository::manifest::{Purpose, StructureState};
use crate::repository::{BackupId, Pin, ReadFor, Reading, Repository, RepositoryError, State};
use crate::retention::policy::{Candidate, Hold, judge, keeps};
use crate::retention::{Policy, Wanted, carry_out, nobody, plan};

/// One thing that happens. A number chooses among the backups that are there.
#[derive(Debug, Clone)]
enum Step {
    BackUp {
        safety: bool,
        sound: bool,
        lives_for: Option<u32>,
    },
    Verify(usize),
    Pin {
        which: usize,
        lives_for: Option<u32>,
    },
    Lift(usize),
    BeginReading(usize),
    EndReading,
    Prune {
        policy: Policy,
        lives_for: Option<u32>,
    },
    /// A prune, and somebody who pins and somebody who begins to read while it is at work.
    PruneMeanwhile {
        policy: Policy,
        pinned: usize,
        read: usize,
        dice: u64,
    },
    /// Minutes go by.
    Pass(i64),
}

fn dies() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 2 => (0_u32..14).prop_map(Some)]
}

fn some_policy() -> impl Strategy<Value = Policy> {
    (0_u64..4, 0_u64..4, 0_u64..3, 1_u64..3).prop_map(|(last, hourly, daily, weekly)| Policy {
        last,
        hourly,
        daily,
        weekly,
        ..Policy::default()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (prop::bool::weighted(0.2), prop::bool::weighted(0.85), dies())
            .prop_map(|(safety, sound, lives_for)| Step::BackUp { safety, sound, lives_for }),
        2 => any::<usize>().prop_map(Step::Verify),
        2 => (any::<usize>(), dies()).prop_map(|(which, lives_for)| Step::Pin { which, lives_for }),
        1 => any::<usize>().prop_map(Step::Lift),
        2 => any::<usize>().prop_map(Step::BeginReading),
        2 => Just(Step::EndReading),
        3 => (some_policy(), dies()).prop_map(|(policy, lives_for)| Step::Prune { policy, lives_for }),
        2 => (some_policy(), any::<usize>(), any::<usize>(), any::<u64>())
            .prop_map(|(policy, pinned, read, dice)| Step::PruneMeanwhile { policy, pinned, read, dice }),
        5 => prop_oneof![1_i64..90, 60_i64..3_000].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

/// What is known of a published backup.
#[derive(Debug, Clone)]
struct Known {
    safety: bool,
    sound: bool,
    verified: bool,
    pinned: bool,
}

/// The world as it ought to be.
struct World {
    place: Place,
    published: BTreeMap<BackupId, Known>,
    /// Restores that run, and what they read.
    readings: Vec<(BackupId, Reading)>,
}

impl World {
    fn repository(&self) -> Repository {
        Repository::new(Arc::new(self.place.clone()))
    }

    fn some(&self, which: usize) -> Option<BackupId> {
        (!self.published.is_empty()).then(|| *self.published.keys().nth(which % self.published.len()).expect("one"))
    }

    /// Those that a policy would let go now.
    fn may_go(&self, policy: &Policy) -> Vec<BackupId> {
        let candidates: Vec<Candidate> = self.published.iter().map(|(id, known)| self.candidate(*id, known)).collect();
        let verdicts = judge(&candidates, policy, self.place.time());
        candidates.iter().zip(verdicts).filter(|(_, verdict)| !keeps(verdict)).map(|(one, _)| one.id).collect()
    }

    fn candidate(&self, id: BackupId, known: &Known) -> Candidate {
        let mut holds = Vec::new();
        if known.pinned {
            holds.push(Hold::Pinned("audit".to_owned()));
        }
        if self.readings.iter().any(|(read, _)| *read == id) {
            holds.push(Hold::BeingRead(elsewhere()));
        }
        Candidate {
            id,
            state: if known.sound { State::Sound } else { State::Unsound },
            safety: known.safety,
            part: String::new(),
            verified: known.verified,
            holds,
        }
    }

    /// Each backup that ought to be there is, to its last byte, and so is each that is listed.
    async fn examine(&mut self, may_have_gone: &[BackupId], must_have_gone: bool) -> Result<(), String> {
        let repository = self.repository();
        let listed = repository.list(None).await.map_err(|error| error.to_string())?;
        let there: Vec<BackupId> =
            listed.iter().filter(|listed| listed.manifest().is_some()).map(|listed| listed.id).collect();
        for id in &there {
            read_whole(&repository, "prod", *id)
                .await
                .map_err(|error| format!("{id} is listed and cannot be read: {error:?}"))?;
        }
        for id in self.published.keys() {
            if !there.contains(id) && !may_have_gone.contains(id) {
                return Err(format!("{id} was lost"));
            }
        }
        if must_have_gone && let Some(id) = there.iter().find(|id| may_have_gone.contains(id)) {
            return Err(format!("{id} ought to be gone"));
        }
        self.published.retain(|id, _| there.contains(id));
        Ok(())
    }

    async fn prune(&self, policy: &Policy) -> Result<(), RepositoryError> {
        let repository = self.repository();
        let plan = plan(&repository, &Wanted::All, policy, &nobody).await?;
        carry_out(&plan, &repository, &nobody, &Hidden {}, &CancellationToken::new()).await;
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let text = |error: RepositoryError| format!("{error:?}");
        match step {
            Step::BackUp { safety, sound, lives_for } => {
                let purpose = if *safety { Purpose::Safety } else { Purpose::Scheduled };
                let state = if *sound { StructureState::Verified } else { StructureState::Findings };
                let place = self.place.clone();
                let backup = back_up(&place, "prod", purpose, state);
                let id = self.place.mortal(*lives_for, backup).await.transpose().map_err(text)?;
                let known = Known { safety: *safety, sound: *sound, verified: false, pinned: false };
                if let Some(id) = id {
                    self.published.insert(id, known);
                } else {
                    // It may have died when all was done but taking its heartbeat away.
                    for listed in self.repository().list(None).await.map_err(text)? {
                        if listed.manifest().is_some() {
                            self.published.entry(listed.id).or_insert_with(|| known.clone());
                        }
                    }
                }
                self.examine(&[], false).await
            }
            Step::Verify(which) => {
                if let Some(id) = self.some(*which) {
                    verify(&self.place, "prod", id).await;
                    self.published.get_mut(&id).expect("it is known").verified = true;
                }
                Ok(())
            }
            Step::Pin { which, lives_for } => {
                let Some(id) = self.some(*which) else { return Ok(()) };
                let (repository, pin) = (self.repository(), a_pin(&self.place));
                let pinned = self.place.mortal(*lives_for, repository.pin("prod", id, "audit", &pin)).await;
                // One that died before it said anything may have pinned or not.
                let is_pinned = match pinned {
                    Some(pinned) => pinned.map(|_| true).map_err(text)?,
                    None => !repository.pins("prod", id).await.map_err(text)?.is_empty(),
                };
                let known = self.published.get_mut(&id).expect("it is known");
                known.pinned |= is_pinned;
                Ok(())
            }
            Step::Lift(which) => {
                let Some(id) = self.some(*which) else { return Ok(()) };
                self.repository().lift_pin("prod", id, "audit").await.map_err(text)?;
                self.published.get_mut(&id).expect("it is known").pinned = false;
                Ok(())
            }
            Step::BeginReading(which) => {
                let Some(id) = self.some(*which) else { return Ok(()) };
                let reading =
                    self.repository().begin_reading("prod", id, ReadFor::Once, elsewhere()).await.map_err(text)?;
                self.readings.push((id, reading));
                Ok(())
            }
            Step::EndReading => {
                if let Some((id, reading)) = self.readings.pop() {
                    read_whole(&self.repository(), "prod", id).await.map_err(text)?;
                    reading.end().await;
                }
                Ok(())
            }
            Step::Prune { policy, lives_for } => {
                let may_go = self.may_go(policy);
                let done = self.place.mortal(*lives_for, self.prune(policy)).await;
                self.examine(&may_go, done.is_some()).await
            }
            Step::PruneMeanwhile { policy, pinned, read, dice } => {
                let (Some(pinned), Some(read)) = (self.some(*pinned), self.some(*read)) else { return Ok(()) };
                let mut may_go = self.may_go(policy);
                self.place.throw(*dice);
                let (repository, pin) = (self.repository(), a_pin(&self.place));
                let (done, pin, reading) = tokio::join!(
                    self.prune(policy),
                    repository.pin("prod", pinned, "audit", &pin),
                    repository.begin_reading("prod", read, ReadFor::Once, elsewhere()),
                );
                done.map_err(text)?;
                // Who was told that it is held finds it there.
                if pin.is_ok() {
                    self.published.get_mut(&pinned).expect("it is known").pinned = true;
                    may_go.retain(|id| *id != pinned);
                }
                if let Ok(reading) = reading {
                    may_go.retain(|id| *id != read);
                    self.readings.push((read, reading));
                }
                self.examine(&may_go, false).await
            }
            Step::Pass(minutes) => {
                // Restores that run give signs of life, or end.
                self.place.pass(TimeDelta::minutes(*minutes));
                for (id, reading) in std::mem::take(&mut self.readings) {
                    reading.end().await;
                    if *minutes <= 15 {
                        let repository = self.repository();
                        let again = repository.begin_reading("prod", id, ReadFor::Once, elsewhere()).await;
                        self.readings.push((id, again.map_err(text)?));
                    }
                }
                Ok(())
            }
        }
    }
}

fn a_pin(place: &Place) -> Pin {
    Pin { pinned_at: place.time(), host: "host".to_owned(), reason: None }
}

async fn all(steps: &[Step]) -> Result<(), String> {
    let place = Place::new("2024-01-01T01:00:00Z");
    let mut world = World { place, published: BTreeMap::new(), readings: Vec::new() };
    // The marker is there, as in every repository that holds something.
    world.step(&Step::BackUp { safety: false, sound: true, lives_for: None }).await?;
    for (number, step) in steps.iter().enumerate() {
        world.step(step).await.map_err(|why| format!("step {number}: {step:?}: {why}"))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_was_published_is_ever_lost_by_accident(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let done = runtime.block_on(all(&steps));
        prop_assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}
