//! What a prune would do: the verdict for each backup of the instances that a policy is for, and what is left of backups that failed.

use chrono::{DateTime, TimeDelta, Utc};

use super::policy::{Candidate, Hold, Policy, Verdict, Why, judge, keeps};
use crate::repository::manifest::{Consistency, Purpose};
use crate::repository::{
    BackupId, Held, Listed, ListedStatus, Repository, RepositoryError, State, check_instance, is_own_upload,
};
use crate::storage::ObjectInfo;

/// What is left of a backup that failed is removed once its last sign of life is so old, by the clock of the store.
pub const LEFT_FOR: TimeDelta = TimeDelta::hours(24);

/// Tells what cannot do without a backup, in its own words: `the archive from offset 42`. Such a backup stays.
pub type NeededBy<'a> = &'a (dyn Fn(&str, BackupId) -> Option<String> + Send + Sync);

/// Nothing needs any backup.
pub fn nobody(_: &str, _: BackupId) -> Option<String> {
    None
}

/// Which instances a policy is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one of this name.
    One(String),
    /// These, as far as they have backups; the others are left alone.
    These(Vec<String>),
    /// All that have backups.
    All,
}

impl Wanted {
    fn covers(&self, instance: &str) -> bool {
        match self {
            Self::One(name) => name == instance,
            Self::These(names) => names.iter().any(|name| name == instance),
            Self::All => true,
        }
    }

    /// The only instance that has to be listed.
    fn only(&self) -> Option<&str> {
        match self {
            Self::One(name) => Some(name),
            Self::These(_) | Self::All => None,
        }
    }
}

/// A backup, and what is to become of it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub instance: String,
    pub id: BackupId,
    /// `None`: its manifest cannot be read.
    pub purpose: Option<Purpose>,
    /// Bytes of all its objects.
    pub bytes: u64,
    /// Keys in it, as far as they were counted.
    pub keys: Option<u64>,
    /// What tells it from another backup of the same id; `None`: its manifest cannot be read.
    pub identity: Option<String>,
    /// Nothing speaks against it: it can stand for those that are removed.
    pub is_good: bool,
    /// It was read key by key: such backups are counted by themselves.
    pub by_key: bool,
    /// Objects and files in its folder that are not of it: they stay where it is removed.
    pub foreign: Vec<String>,
    /// Why it is kept or removed.
    pub verdict: Verdict,
}

impl Planned {
    /// Whether the backup is kept.
    pub fn is_kept(&self) -> bool {
        keeps(&self.verdict)
    }
}

/// What is left of a backup that was never published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub instance: String,
    pub id: BackupId,
    /// Objects of it.
    pub objects: u64,
    /// Bytes of its objects, and of its unfinished uploads as far as the store tells.
    pub bytes: u64,
    /// Unfinished uploads, or hidden parts of files.
    pub uploads: u64,
    /// For how long nothing was heard of its writer; `None`: the store does not say.
    pub silent: Option<TimeDelta>,
    /// The backup was published: only uploads that nobody finished are left in its folder.
    pub is_published: bool,
    /// Its writer is at work, its last sign is younger than [`LEFT_FOR`], or it is held.
    pub is_kept: bool,
    /// Why it stays, however old it is.
    pub held: Option<Hold>,
}

/// What a prune would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The policy that it comes from.
    pub policy: Policy,
    /// The instances that it is for, in order.
    pub instances: Vec<String>,
    /// Instances with backups that it is not for.
    pub others: Vec<String>,
    /// Every backup of the instances, newest first.
    pub backups: Vec<Planned>,
    /// What is left of backups that failed, newest first.
    pub left: Vec<Left>,
    /// The place has the marker of a repository, or a backup, or what is left of one.
    pub is_repository: bool,
}

impl Plan {
    /// The backups of an instance, other than one, that the removal of that one rests on: if one of them is gone another would stay.
    pub fn instead_of(&self, instance: &str, id: BackupId) -> Vec<BackupId> {
        let stands =
            |one: &&Planned| one.instance == instance && one.id != id && one.verdict.iter().any(Why::stands_for_others);
        self.backups.iter().filter(stands).map(|one| one.id).collect()
    }

    /// What tells a backup from another of the same id; `None`: it is not in the plan, or its manifest cannot be read.
    pub(super) fn identity(&self, instance: &str, id: BackupId) -> Option<String> {
        self.backups.iter().find(|one| one.instance == instance && one.id == id)?.identity.clone()
    }

    /// The verdict for a backup; `None`: it is not in the plan.
    pub(super) fn verdict(&self, instance: &str, id: BackupId) -> Option<&Verdict> {
        self.backups.iter().find(|one| one.instance == instance && one.id == id).map(|one| &one.verdict)
    }

    /// Whether there is nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.backups.iter().all(Planned::is_kept) && self.left.iter().all(|left| left.is_kept)
    }
}

/// A backup that is still to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Next {
    pub id: BackupId,
    /// It will be read key by key: such backups are counted by themselves.
    pub by_key: bool,
}

impl Next {
    /// As a policy sees it once it is there: sound.
    fn candidate(self) -> Candidate {
        let part = if self.by_key { FUZZY } else { "" }.to_owned();
        Candidate { id: self.id, state: State::Sound, safety: false, part, verified: false, holds: Vec::new() }
    }
}

/// What marks the part of a backup that was read key by key.
const FUZZY: &str = " fuzzy";

/// Looks at the backups of a repository and judges them. Nothing is changed.
///
/// # Errors
/// If the place cannot be listed or asked.
pub async fn plan(
    repository: &Repository,
    wanted: &Wanted,
    policy: &Policy,
    needed_by: NeededBy<'_>,
) -> Result<Plan, RepositoryError> {
    plan_behind(repository, wanted, policy, needed_by, None).await
}

/// As [`plan`], for the moment when one more backup of each instance has been published. That one is not in the plan.
///
/// # Errors
/// As [`plan`].
pub async fn plan_behind(
    repository: &Repository,
    wanted: &Wanted,
    policy: &Policy,
    needed_by: NeededBy<'_>,
    next: Option<Next>,
) -> Result<Plan, RepositoryError> {
    // What is silent for a day is so by the clock that dates its signs: ours may be ahead of it.
    repository.hear_clock().await;
    let mut seen = Vec::new();
    let (mut left, mut unfinished) = (Vec::new(), Vec::new());
    let overview = repository
        .list_each(
            wanted.only(),
            |_| {},
            |listed| match listed.unfinished() {
                Some(_) => unfinished.push(listed),
                None => seen.push(Seen::of(listed)),
            },
        )
        .await?;
    for listed in unfinished {
        let mut one = left_of(&listed);
        if let Some(of_writer) = listed.unfinished() {
            let (begun, uploads) = (of_writer.begun.as_ref(), of_writer.uploads);
            one.held =
                repository.spared(&listed.instance, listed.id, &listed.objects, uploads, begun).await?.and_then(hold);
        }
        one.is_kept |= one.held.is_some();
        left.push(one);
    }
    let is_unread = |folder: &str| {
        let name = folder.trim_end_matches('/');
        check_instance(name).is_ok() && wanted.covers(name)
    };
    if let Some((folder, source)) = overview.unreadable.into_iter().find(|(folder, _)| is_unread(folder)) {
        return Err(RepositoryError::Storage { doing: format!("list {folder}"), source });
    }
    for seen in &mut seen {
        let folder = format!("{}/{}/", seen.instance, seen.id);
        seen.is_unread |= overview.partly.iter().any(|partly| partly.starts_with(&folder));
    }
    let is_ours = |left: &Left| left.held != Some(Hold::Foreign);
    let is_repository = repository.marker().await?.is_some() || !seen.is_empty() || left.iter().any(is_ours);
    // The clock of the place, which has answered by now.
    let now = repository.now();
    left.extend(left_uploads(&seen, overview.unfinished.unwrap_or_default(), now));
    let mut others: Vec<String> = Vec::new();
    let mut instances: Vec<String> = Vec::new();
    for name in seen.iter().map(|seen| &seen.instance).chain(left.iter().map(|left| &left.instance)) {
        let names = if wanted.covers(name) { &mut instances } else { &mut others };
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    instances.sort_unstable();
    others.sort_unstable();
    seen.retain(|seen| wanted.covers(&seen.instance));
    left.retain(|left| wanted.covers(&left.instance));
    left.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.instance.cmp(&b.instance)));

    let mut backups = Vec::with_capacity(seen.len());
    for seen in &mut seen {
        seen.look_for_oddities(repository).await;
    }
    for instance in &instances {
        let of_instance: Vec<&Seen> = seen.iter().filter(|seen| seen.instance == *instance).collect();
        let mut candidates = Vec::with_capacity(of_instance.len());
        for seen in &of_instance {
            candidates.push(seen.candidate(repository, needed_by).await);
        }
        // Behind the others: `zip` leaves its verdict out.
        candidates.extend(next.map(Next::candidate));
        let verdicts = judge(&candidates, policy, now);
        backups.extend(of_instance.into_iter().zip(verdicts).map(|(seen, verdict)| seen.planned(verdict)));
    }
    backups.sort_by(|a, b| b.id.cmp(&a.id).then_with(|| a.instance.cmp(&b.instance)));
    Ok(Plan { policy: policy.clone(), instances, others, backups, left, is_repository })
}

/// Whether a good backup of an instance that a plan keeps is there still; true where it removes none.
///
/// # Errors
/// If the place cannot be listed or asked.
pub(super) async fn is_founded(plan: &Plan, instance: &str, repository: &Repository) -> Result<bool, RepositoryError> {
    let mut is_there = false;
    let kept = |id: BackupId| {
        plan.backups.iter().any(|one| one.instance == instance && one.id == id && one.is_good && one.is_kept())
    };
    let each = |listed: Listed| is_there |= listed.manifest().is_some() && !listed.is_damaged() && kept(listed.id);
    repository.list_each(Some(instance), |_| {}, each).await?;
    Ok(is_there)
}

/// What is kept of a backup while the list is read: a repository may hold tens of thousands.
struct Seen {
    instance: String,
    id: BackupId,
    purpose: Option<Purpose>,
    state: State,
    part: String,
    verified: bool,
    is_unread: bool,
    keys: Option<u64>,
    identity: Option<String>,
    bytes: u64,
    holders: Vec<ObjectInfo>,
    /// Why a symbolic link holds it.
    linked: Option<Hold>,
    /// What is in its folder and not of it.
    foreign: Vec<String>,
}

impl Seen {
    fn of(listed: Listed) -> Self {
        let holders = listed.holders();
        let bytes = listed.objects.iter().map(|object| object.length).sum();
        let state = listed.state();
        let verified = state != State::Damaged && listed.verified.as_ref().is_some_and(|receipt| receipt.is_good());
        let is_unread = state == State::Unclear;
        let foreign = listed.strangers();
        let Listed { instance, id, status, .. } = listed;
        let manifest = match status {
            ListedStatus::Published(manifest) => Some(manifest),
            _ => None,
        };
        let mut part = manifest.as_ref().and_then(|manifest| manifest.slots_of_part()).unwrap_or_default().to_owned();
        if manifest.as_ref().is_some_and(|manifest| manifest.consistency == Consistency::Fuzzy) {
            part.push_str(FUZZY);
        }
        let keys = manifest.as_ref().and_then(|manifest| manifest.census.as_ref()).map(|census| census.keys);
        let identity = manifest.as_ref().map(|manifest| manifest.identity());
        let purpose = manifest.map(|manifest| manifest.purpose);
        Self {
            instance,
            id,
            purpose,
            state,
            part,
            verified,
            is_unread,
            keys,
            identity,
            bytes,
            holders,
            linked: None,
            foreign,
        }
    }

    /// Looks for what no listing shows, and whether what seems to be another's carries the token of its writer.
    async fn look_for_oddities(&mut self, repository: &Repository) {
        let (held, unlisted) = repository.oddities(&self.instance, self.id).await;
        self.linked = held.and_then(hold);
        if !self.foreign.is_empty() {
            let all = std::mem::take(&mut self.foreign);
            self.foreign = repository.without_token(&self.instance, self.id, all).await;
        }
        self.foreign.extend(unlisted);
    }

    async fn candidate(&self, repository: &Repository, needed_by: NeededBy<'_>) -> Candidate {
        let mut holds: Vec<Hold> = Vec::new();
        holds.extend(self.linked.clone());
        if !self.holders.is_empty() {
            holds.extend(repository.held_by(&self.instance, self.id, &self.holders).await.into_iter().filter_map(hold));
            holds
                .extend(repository.interrupted_by(&self.instance, self.id, &self.holders).await.map(Hold::Interrupted));
        }
        holds.extend(self.is_unread.then_some(Hold::Unread));
        holds.extend(needed_by(&self.instance, self.id).map(Hold::NeededBy));
        Candidate {
            id: self.id,
            state: self.state,
            // A moment that was put together can be put together again.
            safety: self.purpose.is_some_and(|purpose| !purpose.is_of_its_time()),
            part: self.part.clone(),
            verified: self.verified,
            holds,
        }
    }

    fn planned(&self, verdict: Verdict) -> Planned {
        Planned {
            instance: self.instance.clone(),
            id: self.id,
            purpose: self.purpose,
            bytes: self.bytes,
            keys: self.keys,
            identity: self.identity.clone(),
            is_good: matches!(self.state, State::Sound | State::Unsound),
            by_key: self.part.ends_with(FUZZY),
            foreign: self.foreign.clone(),
            verdict,
        }
    }
}

/// What holds a backup, in the words of the policy.
pub(super) fn hold(held: Held) -> Option<Hold> {
    match held {
        Held::Pinned(name) => Some(Hold::Pinned(name)),
        Held::BeingRead(by) => Some(Hold::BeingRead(by)),
        Held::Interrupted(by) => Some(Hold::Interrupted(by)),
        Held::Elsewhere => Some(Hold::Elsewhere),
        Held::Linked(name) => Some(Hold::Linked(name)),
        Held::OfAnother(other) => Some(Hold::OfAnother(other)),
        Held::Replaced => Some(Hold::Replaced),
        Held::Foreign => Some(Hold::Foreign),
        Held::Complete => Some(Hold::Complete),
        Held::AtWork | Held::Published | Held::NothingInstead(_) => None,
    }
}

fn left_of(listed: &Listed) -> Left {
    let unfinished = listed.unfinished();
    let silent = unfinished.and_then(|left| left.silent_for()).and_then(|time| TimeDelta::from_std(time).ok());
    let is_running = matches!(listed.status, ListedStatus::Running(_));
    Left {
        instance: listed.instance.clone(),
        id: listed.id,
        objects: listed.objects.len() as u64,
        bytes: unfinished.map_or(0, |left| left.bytes),
        uploads: unfinished.map_or(0, |left| left.uploads),
        silent,
        is_published: false,
        is_kept: is_running || silent.is_none_or(|silent| silent < LEFT_FOR),
        held: None,
    }
}

/// Uploads that nobody finished in the folders of published backups.
fn left_uploads(published: &[Seen], uploads: Vec<ObjectInfo>, now: DateTime<Utc>) -> Vec<Left> {
    let mut found: Vec<Left> = Vec::new();
    for upload in uploads {
        let names: Vec<&str> = upload.key.splitn(3, '/').collect();
        let [instance, id, name] = names[..] else { continue };
        if !is_own_upload(name) {
            continue;
        }
        let Ok(id) = id.parse::<BackupId>() else { continue };
        if !published.iter().any(|seen| seen.instance == instance && seen.id == id && seen.state != State::Unreadable) {
            continue;
        }
        let silent = upload.modified.map(|begun| now.signed_duration_since(begun));
        let is_kept = silent.is_none_or(|silent| silent < LEFT_FOR);
        match found.iter_mut().find(|left| left.instance == instance && left.id == id) {
            Some(left) => {
                left.uploads += 1;
                left.bytes += upload.length;
                left.is_kept &= is_kept;
                left.silent = left.silent.max(silent);
            }
            None => found.push(Left {
                instance: instance.to_owned(),
                id,
                objects: 0,
                bytes: upload.length,
                uploads: 1,
                silent,
                is_published: true,
                is_kept,
                held: None,
            }),
        }
    }
    found
}
