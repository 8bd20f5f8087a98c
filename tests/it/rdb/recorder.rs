//! Two visitors for the tests: one that writes down all it hears, one that builds what the JSON beside a fixture says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use redis_ops::rdb::opcode::Dialect;
use redis_ops::rdb::visit::{Checksum, Entry, EntryEnd, Interest, Piece, StreamId, Visit};
use redis_ops::rdb::{Kind, RdbError, Scanner, Summary, module};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Writes down every event; parts of strings and of raw bytes are joined, so that it does not matter how they were cut.
#[derive(Default)]
pub struct Recorder {
    pub interest: Interest,
    pub events: Vec<String>,
    string: Option<Vec<u8>>,
    raw: Vec<u8>,
}

impl Recorder {
    pub fn new(raw: bool, pieces: bool) -> Self {
        Self { interest: Interest { raw, pieces }, ..Self::default() }
    }
}

impl Visit for Recorder {
    fn header(&mut self, dialect: Dialect, version: u32) {
        self.events.push(format!("header {dialect:?} {version}"));
    }
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.events.push(format!("aux {name:?} {value:?}"));
    }
    fn database(&mut self, index: u64) {
        self.events.push(format!("database {index}"));
    }
    fn resize_hint(&mut self, keys: u64, expires: u64) {
        self.events.push(format!("hint {keys} {expires}"));
    }
    fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) {
        self.events.push(format!("slot {slot} {keys} {expires}"));
    }
    fn function(&mut self, source: &[u8]) {
        self.events.push(format!("function {source:?}"));
    }
    fn wants_module_aux(&self) -> bool {
        true
    }
    fn module_aux(&mut self, module: u64, when: u64, raw: &[u8]) {
        self.events.push(format!("module aux {module} {when} {raw:?}"));
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        self.events.push(format!("{entry:?}"));
        (self.string, self.raw) = (None, Vec::new());
        self.interest
    }
    fn raw(&mut self, bytes: &[u8]) {
        assert!(self.interest.raw && !bytes.is_empty());
        self.raw.extend_from_slice(bytes);
    }
    fn piece(&mut self, piece: Piece<'_>) {
        assert!(self.interest.pieces);
        match piece {
            Piece::String(part) => self.string.get_or_insert_default().extend_from_slice(part),
            piece => self.events.push(format!("{piece:?}")),
        }
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        if self.interest.raw {
            assert_eq!(self.raw.len() as u64, end.raw_length);
        }
        self.events.push(format!("{end:?} {:?} {:?}", self.string, self.raw));
    }
    fn end(&mut self, checksum: Checksum) {
        self.events.push(format!("{checksum:?}"));
    }
}

/// Pushes a file in parts of these lengths (the last one repeated).
pub fn scan<V: Visit>(
    file: &[u8],
    lengths: impl IntoIterator<Item = usize>,
    visit: &mut V,
) -> Result<Summary, RdbError> {
    let mut scanner = Scanner::new();
    let mut rest = file;
    for length in lengths {
        let part;
        (part, rest) = rest.split_at(length.clamp(1, rest.len().max(1)).min(rest.len()));
        scanner.push(part, visit)?;
        if rest.is_empty() {
            break;
        }
    }
    scanner.push(rest, visit)?;
    scanner.finish()
}

/// Pushes a file whole.
pub fn scan_whole<V: Visit>(file: &[u8], visit: &mut V) -> Result<Summary, RdbError> {
    scan(file, [], visit)
}

/// A byte string as the JSON of the fixtures has it.
pub fn text(bytes: &[u8]) -> Value {
    if bytes.len() > 16384 {
        json!({"len": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes))})
    } else {
        json!(BASE64.encode(bytes))
    }
}

fn id(id: StreamId) -> String {
    format!("{}-{}", id.ms, id.seq)
}

/// Builds keys in the form of the fixtures' JSON, but scores as bits.
#[derive(Default)]
pub struct Contents {
    /// Database, key.
    pub keys: Vec<(u64, Value)>,
    pub functions: Vec<Value>,
    dialect: Option<(Dialect, u32)>,
    kind: Option<Kind>,
    string: Vec<u8>,
    items: Vec<Value>,
    stream: Value,
    module: String,
}

impl Visit for Contents {
    fn header(&mut self, dialect: Dialect, version: u32) {
        self.dialect = Some((dialect, version));
    }
    fn function(&mut self, source: &[u8]) {
        self.functions.push(json!(String::from_utf8_lossy(source)));
    }
    fn entry(&mut self, entry: &Entry<'_>) -> Interest {
        let (dialect, version) = self.dialect.unwrap();
        self.kind = entry.value_type.kind(dialect, version);
        let mut key = json!({"key_b64": BASE64.encode(entry.key), "expire_at_ms": entry.expire_ms});
        if let Some(frequency) = entry.frequency {
            key["lfu_freq"] = json!(frequency);
        }
        if let Some(idle) = entry.idle_seconds {
            key["lru_idle_s"] = json!(idle);
        }
        self.keys.push((entry.database, key));
        (self.string, self.items) = (Vec::new(), Vec::new());
        self.stream = json!({"entries": [], "groups": []});
        Interest { raw: false, pieces: true }
    }
    fn piece(&mut self, piece: Piece<'_>) {
        let stream = &mut self.stream;
        match piece {
            Piece::String(part) => self.string.extend_from_slice(part),
            Piece::ListElement(element) | Piece::SetMember(element) => self.items.push(text(element)),
            Piece::HashField { field, value, expire_ms } => {
                self.items.push(json!([text(field), text(value), expire_ms]))
            }
            Piece::ZsetMember { member, score } => {
                self.items.push(json!([text(member), format!("{:016x}", score.to_bits())]));
            }
            Piece::StreamEntry { id: entry, .. } => list(stream, "entries").push(json!([id(entry), []])),
            Piece::StreamField { field, value } => {
                let entry = list(stream, "entries").last_mut().unwrap();
                entry[1].as_array_mut().unwrap().push(json!([text(field), text(value)]));
            }
            Piece::StreamInfo(info) => {
                stream["last_id"] = json!(id(info.last_id));
                stream["length"] = json!(info.length);
                stream["first_id"] = json!(info.first_id.map(id));
                stream["max_deleted_id"] = json!(info.max_deleted_id.map(id));
                stream["entries_added"] = json!(info.entries_added);
            }
            Piece::StreamGroup { name, last_id, entries_read } => list(stream, "groups").push(json!({
                "name": text(name), "last_delivered_id": id(last_id), "entries_read": entries_read,
                "pending": [], "consumers": [],
            })),
            Piece::StreamPending { id: entry, delivered_ms, count } => {
                let group = list(stream, "groups").last_mut().unwrap();
                list(group, "pending").push(json!([id(entry), null, delivered_ms, count]));
            }
            Piece::StreamConsumer { name, seen_ms, active_ms } => {
                let group = list(stream, "groups").last_mut().unwrap();
                list(group, "consumers").push(json!({
                    "name": text(name), "seen_time_ms": seen_ms, "active_time_ms": active_ms, "pending": [],
                }));
            }
            Piece::StreamOwned(entry) => own(list(stream, "groups").last_mut().unwrap(), &id(entry)),
            Piece::Module(id) => self.module = module::name(id).0,
            _ => {}
        }
    }
    fn entry_end(&mut self, end: &EntryEnd) {
        let key = &mut self.keys.last_mut().unwrap().1;
        let kind = self.kind.unwrap();
        let mut items = std::mem::take(&mut self.items);
        if !matches!(kind, Kind::String | Kind::Stream | Kind::Module) {
            assert_eq!(items.len() as u64, end.n_elements);
        }
        key["type"] = json!(if kind == Kind::Module { &self.module } else { kind.name() });
        key["value"] = match kind {
            Kind::String => text(&self.string),
            Kind::List => json!(items),
            Kind::Stream => {
                for group in list(&mut self.stream, "groups") {
                    sort(list(group, "consumers"), "name");
                }
                sort(list(&mut self.stream, "groups"), "name");
                std::mem::take(&mut self.stream)
            }
            _ => {
                items.sort_by_key(ToString::to_string);
                json!(items)
            }
        };
    }
}

/// The array of this name.
pub fn list<'a>(value: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    value[name].as_array_mut().unwrap()
}

/// Sorts objects by the text of one member.
pub fn sort(values: &mut [Value], member: &str) {
    values.sort_by_key(|value| value[member].to_string());
}

/// The last consumer of a group owns this entry.
fn own(group: &mut Value, entry: &str) {
    let consumer = group["consumers"].as_array().unwrap().last().unwrap()["name"].clone();
    let pending = list(group, "pending").iter_mut().find(|pending| pending[0] == entry).unwrap();
    pending[1] = consumer;
    let mine = json!([pending[0], pending[2], pending[3]]);
    list(list(group, "consumers").last_mut().unwrap(), "pending").push(mine);
}
