//! What may help, as data.

use std::borrow::Cow;

/// What may help after an error. How that is typed, and in which words it is said, is chosen in `cli`: a variant is here where those
/// words name an option, a subcommand or a variable of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// One line that names no option of ours.
    Words(Cow<'static, str>),
    /// Several, in this order.
    All(Vec<Hint>),
    /// The error is a fault of redis-ops: report it.
    ReportIt,

    /// An identity has to be given, which opens what is encrypted to a public key.
    GiveIdentity,
    /// A passphrase has to be given, which opens what is encrypted with one.
    GivePassphrase,
    /// Another identity has to be given, or the object is damaged.
    OtherIdentity,
    /// Another passphrase has to be given, or the object is damaged.
    OtherPassphrase,

    /// Another server: this one does not listen.
    OtherInstance,
    /// The files of the TLS settings have to be corrected.
    TlsFiles,
    /// Another authority, or another name in the certificate.
    TlsTrust,
    /// The authority that has signed the server's certificate has to be named.
    TlsAuthority,
    /// The name in the server's certificate has to be named.
    TlsName,
    /// A certificate of our own has to be given.
    TlsOwnCertificate,
    /// TLS may have to be switched on.
    TlsOrNot,
    /// TLS has to be switched off for this address, or the TLS port to be named.
    PlainPort(String),
    /// TLS has to be switched on for this address, or the plain port to be named.
    TlsPort(String),
    /// A password has to be given.
    GivePassword,
    /// User and password have to be corrected.
    OtherPassword,
    /// The password has to be left out.
    NoPassword,
    /// More time for an answer; an example of a duration.
    WaitLonger(&'static str),
    /// More time for an answer, of which nobody can say how much.
    WaitOn,
    /// More time for a snapshot to begin.
    WaitForSnapshot,
    /// The ACL rule that is missing.
    GrantAcl {
        /// Whose it is; `None`: the server has not said.
        user: Option<String>,
        /// One rule or several, as they are typed: `+psync +replconf`.
        rules: String,
    },
    /// The same for all that a backup lacks, by each way that the data could be read: `ops +psync +replconf`.
    GrantBackup {
        /// For a full resync.
        replication: Option<String>,
        /// To read key by key.
        by_key: Option<String>,
    },

    /// Key by key, in place of replication.
    ReadByKey,
    /// The primary, or the replica as it is, in place of a replica that has lost its primary.
    ReadPrimary,
    /// The replica as it is, if its primary is gone.
    ReadStale,
    /// Each primary of a cluster by itself.
    ShardByShard,
    /// All primaries of a cluster in one backup.
    WholeCluster,
    /// A cluster with slots that nobody serves is repaired, or backed up with gaps.
    AllowGaps,
    /// More time for slots that are on the move, or a backup with gaps.
    WaitForSlots,
    /// Each shard of a cluster at a moment of its own, where they cannot be held at one.
    NoBarrier,
    /// More of the stream behind the RDB of a shard.
    LongerTails,
    /// A server that a stream is fed to, or the RDBs of the shards alone.
    WithoutTails,
    /// The backup that a restore has made of one with tails.
    CompareApplied,
    /// A backup with gaps where nothing else helps.
    GapsAnyway,
    /// The primary where no replica can be read.
    ReadAnyNode,
    /// More room for what waits for the store.
    MoreSpool,
    /// More time for another run to end; or its lock removed, if that run is dead: the repository, the instance, and the token of the lock.
    WaitForLock(Option<[String; 3]>),

    /// A lock that nobody understands, of an instance of a repository, lapses or is removed by hand.
    StrangeLock([String; 2]),
    /// What has the name of the lock of this repository and instance is no file, and has to be removed.
    NoLock([String; 2]),
    /// More time for another to release the lock of a key.
    WaitForKey,
    /// Another key for a lock: what this one holds is not a lock that ends.
    OtherKey,
    /// The status of the lock of this key shows its token.
    LockStatus(String),

    /// The list names what there is.
    ListBackups,
    /// The list names what is complete.
    ListPublished,
    /// One of these has to be typed for the id: `prod/latest`, `staging/latest`. None: any name of an instance with it.
    NameInstance(Vec<String>),
    /// A cluster needs a name of its own.
    NameCluster,
    /// Use another backup: the object of this one is not its own.
    OtherBackup,
    /// The repository has to be corrected, or its marker to be removed.
    OtherRepositoryOrMarker,
    /// A backup of which nobody knows whether it was published: `instance/id`.
    LookForBackup(String),
    /// A server has to be started on an append-only file, and backed up.
    StartAServer,
    /// The RDB has to be named, not the folder.
    NameFile,
    /// A backup of the server, which refused the command whose answer this is.
    BackUpInstead,
    /// The server can save, or be backed up.
    SaveOrBackUp,
    /// A verification says where damage begins, and what is good.
    VerifyTells,

    /// The bucket or folder has to be made, or the repository to be corrected.
    MakePlace,
    /// The bucket has to be made, or the repository to be corrected; which store was asked.
    MakeBucket(String),
    /// A folder in place of a file.
    NameFolder,
    /// The repository or the URL of the store has to be corrected.
    OtherPlaceOrEndpoint,
    /// The repository, and the backup with its instance, for a removal that nobody is asked about.
    DeleteByName([String; 2]),
    /// Room, or another place.
    MakeRoom,
    /// The region that the bucket is in.
    OtherRegion(String),
    /// More patience with a store that limits how often it is asked.
    StorePatience,

    /// A server has to be installed for a drill, or named.
    InstallServer,
    /// What was named for a drill is none: a server has to be named.
    NameServer,
    /// Another server for a drill.
    OtherServer,

    /// What an archive holds, and who writes it, has to be looked at.
    ArchiveStatus,
    /// An instance has to be followed before its moments can be restored.
    MakeArchive,
    /// The last moment of an archive, in place of a later one.
    LatestMoment,
    /// One of several moments has to be chosen by its offset.
    ChooseMoment,
    /// The last moment in front of a gap.
    BeforeGap(String),

    /// What the target holds may stay, be overwritten, or be removed: `plan::OVER_OTHER_KEYS` and the like, or the one flag of a
    /// refused plan that goes ahead all the same.
    GoAhead(&'static str),
    /// A library of the target may stay or be overwritten.
    OverLibraries,
    /// Several things stand against a restore, and no remedy of one helps against another.
    EachBlocks,
    /// A replica is no target: its primary is; host and port of that.
    IntoPrimary(String),
    /// Another method is there that brings the backup over: its name.
    OtherMethod(&'static str),
    /// No other method brings all of the backup over.
    NoOtherMethod,
    /// An address of this machine has to be named that the target reaches.
    NameOwnAddress,
    /// A certificate of this machine has to be named that the target trusts.
    NameCertificate,
    /// The folder of what is remembered here can be another one.
    OtherStateFolder,
    /// What cannot be read twice has to be saved first, and named.
    SaveFirst,
    /// What cannot be read twice has to be saved first and named, or the verification left out.
    SaveFirstOrSkipVerify,
    /// Stdout can be one thing only.
    NotStdout,
    /// An RDB belongs into a file or a pipe.
    IntoAPipe,
    /// An interrupted restore cannot go on: begin it anew, over what is there.
    BeginAnew,
    /// A restore that `--resume` cannot go on with: begin it anew without, over what is there.
    WithoutResume,

    /// A rule has to say which backups are kept.
    NameRule,
    /// The pin that holds a backup can be lifted.
    LiftPin {
        /// Instance and id of the backup.
        backup: String,
        /// The name of the pin.
        pin: String,
    },
    /// One of several pins has to be named.
    NamePin,
    /// The last backup of an instance can be removed if that is meant.
    DeleteLast,
    /// As [`Hint::DeleteLast`], for the newest that was verified: another backup alone does not stand in for it.
    DeleteNewestVerified,
    /// The question can be answered beforehand.
    AnswerBeforehand,
    /// Too long for one object: as lines it has no limit.
    AsLines,
    /// Formats of what is written again and again.
    WatchFormats,
    /// A diagnosis can be repeated where there is no terminal.
    RepeatDiagnosis,
    /// Formats that can be written beside a page.
    PageFormats,
    /// A page needs a file of its own.
    PageFile,
    /// The rules can be looked up.
    LookUpRule,
}

/// The first word of a refusal.
pub const NOTHING_WRITTEN: &str = "nothing was written";

impl Hint {
    /// The ACL rule that is missing, for the user that the server's own words name.
    pub fn grant(rule: &str, said: &str) -> Self {
        let named = said.split_once("User ").and_then(|(_, rest)| rest.split_once(" has no permissions"));
        Self::GrantAcl { user: named.map(|(name, _)| name.to_owned()), rules: rule.to_owned() }
    }

    /// The same with a user where the server has named none.
    #[must_use]
    pub fn of_user(self, name: &str) -> Self {
        match self {
            Self::GrantAcl { user: None, rules } => Self::GrantAcl { user: Some(name.to_owned()), rules },
            Self::All(hints) => Self::All(hints.into_iter().map(|hint| hint.of_user(name)).collect()),
            hint => hint,
        }
    }

    /// One line that names no option of ours.
    pub fn words(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Words(words.into())
    }

    /// Another one, before this: behind the word that nothing was written, where this begins with it.
    #[must_use]
    pub fn behind(self, first: impl Into<Self>) -> Self {
        match self {
            Self::All(mut hints) if hints.first() == Some(&Self::Words(NOTHING_WRITTEN.into())) => {
                hints.insert(1, first.into());
                Self::All(hints)
            }
            hint if hint == Self::Words(NOTHING_WRITTEN.into()) => hint.and(first),
            hint => first.into().and(hint),
        }
    }

    /// This one, and then another.
    #[must_use]
    pub fn and(self, more: impl Into<Self>) -> Self {
        let (first, more) = (self, more.into());
        let list = |hint| match hint {
            Self::All(hints) => hints,
            hint => vec![hint],
        };
        Self::All([list(first), list(more)].concat())
    }
}

impl From<&'static str> for Hint {
    fn from(words: &'static str) -> Self {
        Self::words(words)
    }
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Self::words(words)
    }
}
