//! Values for a target that does not know their encoding: the same content in a form that it knows.
//!
//! Every server reads the plain types 0 to 5, and turns them into the encoding it likes. Nothing is lost but what is named:
//! a target that has no expiry of hash fields cannot keep it.

use std::fmt;

use super::builder::Builder;
use super::loss::Loss;
use super::rebuilt_stream::StreamBuilder;
use super::target::Target;
use super::{decode_value, judge_value, stream, unstopped};
use crate::explain::{Explain, Meaning};
use crate::rdb::error::RdbError;
use crate::rdb::opcode::Dialect;
use crate::rdb::types::{Kind, ValueType};

/// A value in a form that the target knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcoded {
    pub value_type: ValueType,
    /// Its bytes, without type byte and footer.
    pub body: Vec<u8>,
    /// Elements, see [`crate::rdb::visit::EntryEnd::n_elements`], duplicates left out.
    pub n_elements: u64,
    /// What it does not hold any more.
    pub lost: Vec<Loss>,
    /// When the last of a hash's fields expires, Unix milliseconds; `None`: one of them never does, or it is no hash.
    pub gone_ms: Option<i64>,
}

/// Why a value cannot be given to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPossible {
    /// The target has no such kind of value (or, for a module's, only that module can read it).
    Kind(Kind),
    /// The value cannot be read.
    Damaged(RdbError),
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldExpiries(n) => write!(f, "expiry of {n} hash fields"),
            Self::Duplicates(n) => write!(f, "{n} duplicate elements"),
            Self::StreamCounters => f.write_str("first id, highest deleted id and entries added of a stream"),
            Self::GroupEntriesRead(n) => write!(f, "entries read of {n} consumer groups"),
            Self::ConsumerActivity(n) => write!(f, "last activity of {n} consumers"),
            Self::Idempotence { producers } => write!(f, "what {producers} idempotent producers have sent"),
            Self::ReleasedEntries(n) => write!(f, "{n} pending entries without an owner"),
        }
    }
}

impl fmt::Display for NotPossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "the target has no {kind} values of this form"),
            Self::Damaged(error) => write!(f, "the value is damaged: {error}"),
        }
    }
}

impl std::error::Error for NotPossible {}

impl Explain for NotPossible {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Kind(_) => Meaning::of("unsupported_type"),
            Self::Damaged(error) => error.meaning(),
        }
    }
}

/// Brings a value (its body as in a file or payload of this dialect and version) into a form that the target knows, though
/// it may know the one it has: ask [`Target::accepts`] first. The value is held in memory.
///
/// # Errors
/// [`NotPossible`]. Hashes that refer to a template of their file (types 30, 32) count as damaged: their fields are not in
/// the body.
pub fn transcode(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    target: &Target,
) -> Result<Transcoded, NotPossible> {
    let kind = value_type.kind(dialect, version);
    let mut lost = Vec::new();
    if kind == Some(Kind::Stream) {
        let n_elements = decode_value(value_type, dialect, version, body, &mut ()).map_err(NotPossible::Damaged)?;
        let target_type = target.stream_type().ok_or(NotPossible::Kind(Kind::Stream))?;
        let from = value_type.stream_form();
        if from <= target_type.stream_form() {
            return Ok(Transcoded { value_type, body: body.to_vec(), n_elements, lost, gone_ms: None });
        }
        let body = stream::rewrite(body, from, target_type.stream_form(), &mut lost)
            .map_err(|stop| NotPossible::Damaged(unstopped(stop, body.len())))?;
        return Ok(Transcoded { value_type: target_type, body, n_elements, lost, gone_ms: None });
    }
    let kind = kind.unwrap_or(Kind::Module);
    let mut builder = Builder::new(kind, target);
    let n_elements = decode_value(value_type, dialect, version, body, &mut builder).map_err(NotPossible::Damaged)?;
    let n_expiries = builder.n_expiries();
    let value_type = target.plain_type(kind, n_expiries > 0).ok_or(NotPossible::Kind(kind))?;
    let kept = if value_type == ValueType::HASH { 0 } else { n_expiries };
    let n_lost = n_expiries + builder.beyond - kept;
    if n_lost > 0 {
        lost.push(Loss::FieldExpiries(n_lost));
    }
    if builder.duplicates > 0 {
        lost.push(Loss::Duplicates(builder.duplicates));
    }
    let n_elements = n_elements - builder.duplicates;
    Ok(Transcoded { value_type, body: builder.body(value_type), n_elements, lost, gone_ms: builder.gone_ms() })
}

/// Puts a value together anew from its content, in a form that the target knows, whatever contradicts itself in the one that it has: of
/// two members or fields of one name the first counts (that is the one a server finds in a packed value), a stream has the entries that
/// are there, in order, and each pending entry one owner. Streams get at most their third form: what idempotent producers have sent, and
/// who released an entry, is not kept. The value is held in memory.
///
/// # Errors
/// [`NotPossible`]: where the end of the value is not known, and for kinds that have no plain form (arrays, modules' values). Whether
/// all of it could be read is told by [`super::judge_value`], not here.
pub fn rebuild(
    value_type: ValueType,
    dialect: Dialect,
    version: u32,
    body: &[u8],
    target: &Target,
) -> Result<Transcoded, NotPossible> {
    let kind = value_type.kind(dialect, version).unwrap_or(Kind::Module);
    if kind == Kind::Stream {
        let mut builder = StreamBuilder::default();
        judge_value(value_type, dialect, version, body, &mut builder).map_err(NotPossible::Damaged)?;
        let newest = target.stream_type().ok_or(NotPossible::Kind(kind))?;
        let form = value_type.stream_form().min(newest.stream_form()).min(3);
        let value_type = [ValueType::STREAM, ValueType::STREAM_2, ValueType::STREAM_3][usize::from(form) - 1];
        let body = builder.body(form);
        return Ok(Transcoded { value_type, body, n_elements: builder.n_entries(), lost: Vec::new(), gone_ms: None });
    }
    let mut builder = Builder::new(kind, target);
    judge_value(value_type, dialect, version, body, &mut builder).map_err(NotPossible::Damaged)?;
    let n_expiries = builder.n_expiries();
    let value_type = target.plain_type(kind, n_expiries > 0).ok_or(NotPossible::Kind(kind))?;
    let mut lost = Vec::new();
    let kept = if value_type == ValueType::HASH { 0 } else { n_expiries };
    if n_expiries + builder.beyond > kept {
        lost.push(Loss::FieldExpiries(n_expiries + builder.beyond - kept));
    }
    if builder.duplicates > 0 {
        lost.push(Loss::Duplicates(builder.duplicates));
    }
    Ok(Transcoded {
        value_type,
        body: builder.body(value_type),
        n_elements: builder.count(),
        lost,
        gone_ms: builder.gone_ms(),
    })
}
