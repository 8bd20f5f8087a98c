//! `--on-conflict fail`: looks for every name of the backup in the target before the first write, so that nothing is ever
//! half done for the sake of one name. Keys of the backup of which nothing lives any more are no conflict: they are not restored.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::census::KeyType;
use crate::connection::{Command, CommandError, Connection};
use crate::dataset::pass::{self, Feed};
use crate::dataset::{Raw, ReadError, Scanned};
use crate::explain::{Explain, Interrupted, Meaning};
use crate::progress::Progress;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::Kind;
use crate::rdb::visit::{Entry, EntryEnd, Interest, Part, PartOf, Piece, Visit};
use crate::replies::Reply;
use crate::restore::choices::{Choices, Wanted};
use crate::restore::replay::MEMBERS_COMPARED;
use crate::restore::tally::{FailedKey, NAMES_KEPT};

/// Names that are asked about in one go, and bytes of them.
const NAMES_AT_ONCE: usize = 2000;
const BYTES_AT_ONCE: usize = 256 * 1024;

/// Names that both have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conflicts {
    /// Keys of the backup whose names the target has.
    pub keys: u64,
    /// The first of them.
    pub names: Vec<FailedKey>,
}

/// Why it could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ConflictsError {
    /// The backup is bad.
    #[error(transparent)]
    Backup(#[from] ReadError),
    /// The target gives no answer.
    #[error(transparent)]
    Target(#[from] CommandError),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
}

impl Explain for ConflictsError {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Backup(error) => error.meaning(),
            Self::Target(error) => error.meaning(),
            Self::Interrupted => Interrupted.meaning(),
        }
    }
}

/// Looks. The whole backup is read, and so verified.
///
/// # Errors
/// See [`ConflictsError`].
pub async fn find(
    raw: Raw,
    choices: &Choices,
    now_ms: i64,
    connection: &mut Connection,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Conflicts, ConflictsError> {
    let (sender, mut names) = mpsc::channel(4);
    let visitor = Names {
        choices: choices.clone(),
        now_ms,
        sender,
        database: 0,
        names: Vec::new(),
        bytes: 0,
        gone: false,
        form: (Dialect::Redis, 0),
        current: None,
    };
    let reading = async {
        let scanned = Scanned::by(visitor, MEMBERS_COMPARED);
        let passed = pass::run(Feed::Raw(raw), scanned, progress, cancel).await?;
        let rest = match passed.ended {
            pass::Ended::AtTheEnd => passed.taker.finish()?.0,
            // The target gives no answer, and that is said.
            pass::Ended::Early => return Ok(()),
        };
        let _ = rest.sender.send((rest.database, rest.names)).await;
        Ok::<_, ReadError>(())
    };
    // The sender is moved in: when the pass ends, the receiver finds its channel closed, and stops asking.
    let asking = async move {
        let mut found = Conflicts::default();
        while let Some((database, names)) = names.recv().await {
            ask(connection, database, names, &mut found).await?;
        }
        Ok::<_, CommandError>(found)
    };
    let (read, found) = tokio::join!(reading, asking);
    let found = found?;
    match read {
        Err(ReadError::Interrupted) => Err(ConflictsError::Interrupted),
        read => Ok(read.map(|()| found)?),
    }
}

async fn ask(
    connection: &mut Connection,
    database: u64,
    names: Vec<Vec<u8>>,
    found: &mut Conflicts,
) -> Result<(), CommandError> {
    connection.query(&Command::new("SELECT").arg(database)).await?;
    let commands: Vec<Command> = names.iter().map(|name| Command::new("EXISTS").arg(name)).collect();
    let answers = connection.pipeline(&commands).await?;
    for (name, answer) in names.iter().zip(answers) {
        if answer == Ok(Reply::Integer(1)) {
            found.keys += 1;
            if found.names.len() < NAMES_KEPT {
                found.names.push(FailedKey::new(database, name, "the target has a key of this name"));
            }
        }
    }
    Ok(())
}

/// Collects names, by database.
struct Names {
    choices: Choices,
    now_ms: i64,
    sender: mpsc::Sender<(u64, Vec<Vec<u8>>)>,
    database: u64,
    names: Vec<Vec<u8>>,
    bytes: usize,
    gone: bool,
    /// Dialect and version of the file.
    form: (Dialect, u32),
    /// The wanted key that is being read: the last of `names`.
    current: Option<Current>,
}

/// What is seen in the value of a key only.
struct Current {
    /// Whether no server keeps the key without elements.
    vanishes: bool,
    /// For a hash whose fields may expire: whether one of them lives.
    living: Option<bool>,
}

impl Names {
    fn note_field(&mut self, expire_ms: Option<i64>) {
        let expire_ms = self.choices.field_expiry(expire_ms);
        if let Some(Current { living: Some(living), .. }) = &mut self.current {
            *living |= expire_ms.is_none_or(|at| at > self.now_ms);
        }
    }

    fn flush(&mut self) {
        if !self.names.is_empty() {
            let names = std::mem::take(&mut self.names);
            self.gone |= self.sender.blocking_send((self.database, names)).is_err();
        }
        self.bytes = 0;
    }
}

impl Visit for Names {
    fn header(&mut self, dialect: Dialect, version: u32) {
        self.form = (dialect, version);
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        let key_type = KeyType::of_encoding(entry.value_type);
        let wanted = self.choices.decide(entry.database, entry.key, key_type, entry.expire_ms, self.now_ms);
        if let Wanted::Yes { database, .. } = wanted {
            if database != self.database || self.names.len() >= NAMES_AT_ONCE || self.bytes >= BYTES_AT_ONCE {
                self.flush();
            }
            self.database = database;
            self.bytes += entry.key.len();
            self.names.push(entry.key.to_vec());
            self.current = Some(Current {
                vanishes: entry.value_type.kind(self.form.0, self.form.1).is_some_and(Kind::vanishes_when_empty),
                living: entry.value_type.has_field_expiry().then_some(false),
            });
        }
        let has_fields = self.current.as_ref().is_some_and(|current| current.living.is_some());
        Interest { raw: false, pieces: has_fields }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        if let Piece::HashField { expire_ms, .. } = piece {
            self.note_field(expire_ms);
        }
    }

    fn takes_parts(&self) -> bool {
        true
    }

    fn part(&mut self, part: Part<'_>) {
        if let Part::Begin { what: PartOf::HashField { expire_ms }, .. } = part {
            self.note_field(expire_ms);
        }
    }

    fn entry_end(&mut self, end: &EntryEnd) {
        let Some(Current { vanishes, living }) = self.current.take() else { return };
        // What is not restored since nothing of it lives takes nobody's place.
        if living == Some(false) || vanishes && end.n_elements == 0 {
            self.bytes -= self.names.pop().map_or(0, |name| name.len());
        }
    }

    fn stopped(&self) -> bool {
        self.gone
    }
}
