//! The kinds of oddities, their names and words.

use serde::Serialize;

/// What is odd in a file that can be read on past it. Each has a stable name, [`OddityKind::code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OddityKind {
    /// A packed value or a node that cannot be read to its end; where the value ends is known all the same.
    UnreadableValue,
    /// A member or a field stands twice in one value, also as a number and as the same text.
    DuplicateMember,
    /// Integers of an intset that do not ascend.
    UnsortedIntset,
    /// An intset without members: servers refuse it, unlike other aggregates without elements.
    EmptyIntset,
    /// A plain list node of no bytes.
    EmptyListNode,
    /// A score that is NaN.
    ScoreNotANumber,
    /// A score, written as text, that servers cannot read.
    UnreadableScore,
    /// A score, written as text, that servers read but do not write so (hexadecimal, with something behind it).
    OddScoreText,
    /// An expiry of a hash field that stands there as text.
    FieldExpiryText,
    /// An expiry of a hash field beyond what servers hold.
    FieldExpiryRange,
    /// Fields of a packed hash that are not in the order of their expiry.
    FieldExpiryOrder,
    /// Fields out of the order of their expiry, in a hash that servers unpack when they load it by their default settings.
    LargeFieldExpiryOrder,
    /// Members of a packed sorted set that do not ascend by score and name.
    UnsortedZset,
    /// A stream announces another number of entries than it holds.
    StreamLength,
    /// A stream without an entry announces another number of entries.
    EmptyStreamLength,
    /// A stream whose last id is before its last entry.
    StreamLastId,
    /// Entries or nodes of a stream out of order.
    StreamOrder,
    /// Two nodes of a stream with one key.
    DuplicateStreamNode,
    /// Entries of a stream with flags that nobody knows.
    StreamFlags,
    /// A node of a stream whose header counts other entries than there are.
    StreamNodeCount,
    /// A node of a stream without a living entry: servers remove such nodes.
    EmptyStreamNode,
    /// A stream that holds more entries than it says were ever added.
    StreamCounters,
    /// A stream with two groups of one name.
    DuplicateGroup,
    /// A group with two consumers of one name.
    DuplicateConsumer,
    /// A group in which one id is pending twice.
    DuplicatePending,
    /// Pending entries that no consumer owns, that two own, or that a consumer owns and the group does not know.
    PendingOwnership,
    /// A negative expiry: a primary leaves the key out when it loads the file, a replica keeps it.
    NegativeExpiry,
    /// Two expiries stand before one key: Redis 8.10 keeps the first, all others the last.
    ExpiryTwice,
    /// A value that names a module type, and is none of it.
    ModuleValue,
    /// A key stands twice in one database.
    DuplicateKey,
    /// RESIZEDB announces 2^31 keys or more: some servers allocate a table for them.
    HugeHint,
    /// Counts of a cluster slot that is none, or of 2^31 keys and more.
    SlotHint,
    /// The aux field `slot-info` of Valkey is not numbers.
    SlotInfoAux,
    /// Keys of slots that are on their way to the node: a Valkey that is not in cluster mode dies of it.
    SlotImport,
    /// An import of slots whose name has not 40 bytes, or whose slots are none.
    SlotImportForm,
    /// A Lua script in the aux field `lua`: Redis up to 6.2 compiles it when it loads the file. It was not compiled here.
    LuaScript,
    /// A function library that writes to the server's log while it loads: Valkey 9 crashes.
    FunctionLogs,
    /// A function library whose first line is not `#!<engine> name=<name>`, or names what servers refuse.
    FunctionHeader,
    /// Two function libraries of one name.
    DuplicateFunction,
    /// A function library of a release candidate of 7.0 (opcode 246).
    OldFunction,
    /// A function library whose code cannot be compiled.
    FunctionSyntax,
    /// A function library whose code never comes to its end when it is loaded.
    FunctionNeverEnds,
    /// A function library of whose code nobody can tell without running it whether it ends.
    FunctionMayNotEnd,
    /// Function libraries are compiled and run when a file is loaded. They were not here.
    FunctionNotRun,
    /// An array without elements: servers refuse it, unlike other aggregates without elements.
    EmptyArray,
    /// Elements of an array whose index does not ascend; one may stand there twice.
    ArrayOrder,
    /// Field names of a template that do not ascend by length and bytes; one may stand there twice.
    TemplateFields,
}

impl OddityKind {
    /// All kinds of oddities, for the test of the table of fates.
    #[cfg(test)]
    pub const ALL: [Self; 47] = [
        Self::UnreadableValue,
        Self::DuplicateMember,
        Self::UnsortedIntset,
        Self::EmptyIntset,
        Self::EmptyListNode,
        Self::ScoreNotANumber,
        Self::UnreadableScore,
        Self::OddScoreText,
        Self::FieldExpiryText,
        Self::FieldExpiryRange,
        Self::FieldExpiryOrder,
        Self::LargeFieldExpiryOrder,
        Self::UnsortedZset,
        Self::StreamLength,
        Self::EmptyStreamLength,
        Self::StreamLastId,
        Self::StreamOrder,
        Self::DuplicateStreamNode,
        Self::StreamFlags,
        Self::StreamNodeCount,
        Self::EmptyStreamNode,
        Self::StreamCounters,
        Self::DuplicateGroup,
        Self::DuplicateConsumer,
        Self::DuplicatePending,
        Self::PendingOwnership,
        Self::NegativeExpiry,
        Self::ExpiryTwice,
        Self::ModuleValue,
        Self::DuplicateKey,
        Self::HugeHint,
        Self::SlotHint,
        Self::SlotInfoAux,
        Self::SlotImport,
        Self::SlotImportForm,
        Self::LuaScript,
        Self::FunctionLogs,
        Self::FunctionHeader,
        Self::DuplicateFunction,
        Self::OldFunction,
        Self::FunctionSyntax,
        Self::FunctionNeverEnds,
        Self::FunctionMayNotEnd,
        Self::FunctionNotRun,
        Self::EmptyArray,
        Self::ArrayOrder,
        Self::TemplateFields,
    ];

    /// The stable word for scripts.
    pub const fn code(self) -> &'static str {
        self.names().0
    }

    /// What it is, in words.
    pub const fn words(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::UnreadableValue => ("unreadable_value", "a value that cannot be read to its end"),
            Self::DuplicateMember => ("duplicate_member", "a value has the same member or field twice"),
            Self::UnsortedIntset => ("unsorted_intset", "an integer set out of order"),
            Self::EmptyIntset => ("empty_intset", "an integer set without members"),
            Self::EmptyListNode => ("empty_list_node", "a plain list node of no bytes"),
            Self::ScoreNotANumber => ("score_not_a_number", "a score that is not a number"),
            Self::UnreadableScore => ("unreadable_score", "a score that servers cannot read"),
            Self::OddScoreText => ("odd_score_text", "a score in a form that servers read, but do not write"),
            Self::FieldExpiryText => ("field_expiry_text", "an expiry of a hash field that is stored as text"),
            Self::FieldExpiryRange => ("field_expiry_range", "an expiry of a hash field out of range"),
            Self::FieldExpiryOrder => {
                ("field_expiry_order", "fields of a hash that are not in the order of their expiry")
            }
            Self::LargeFieldExpiryOrder => {
                ("large_field_expiry_order", "fields of a large hash that are not in the order of their expiry")
            }
            Self::UnsortedZset => ("unsorted_zset", "a packed sorted set out of order"),
            Self::StreamLength => ("stream_length", "a stream announces a different number of entries than it has"),
            Self::EmptyStreamLength => ("empty_stream_length", "a stream announces entries, but has none"),
            Self::StreamLastId => ("stream_last_id", "a stream whose last id is before its last entry"),
            Self::StreamOrder => ("stream_order", "entries of a stream out of order"),
            Self::DuplicateStreamNode => ("duplicate_stream_node", "two nodes of a stream with one key"),
            Self::StreamFlags => ("stream_flags", "entries of a stream with unknown flags"),
            Self::StreamNodeCount => {
                ("stream_node_count", "a node of a stream announces a different number of entries than it has")
            }
            Self::EmptyStreamNode => ("empty_stream_node", "a node of a stream without a live entry"),
            Self::StreamCounters => ("stream_counters", "a stream has more entries than it says were ever added"),
            Self::DuplicateGroup => ("duplicate_group", "a stream with two groups of one name"),
            Self::DuplicateConsumer => ("duplicate_consumer", "a consumer group with two consumers of one name"),
            Self::DuplicatePending => ("duplicate_pending", "an entry is pending twice in a consumer group"),
            Self::PendingOwnership => {
                ("pending_ownership", "pending entries of a consumer group that are not owned exactly once")
            }
            Self::NegativeExpiry => ("negative_expiry", "a key whose expiry is negative"),
            Self::ExpiryTwice => (
                "expiry_twice",
                "a key with two expiries: Redis 8.10 keeps the first, older servers and Valkey the last",
            ),
            Self::ModuleValue => ("module_value", "a value that is not what its module writes"),
            Self::DuplicateKey => ("duplicate_key", "a key is in the file twice"),
            Self::HugeHint => ("huge_hint", "a database announces 2^31 keys or more"),
            Self::SlotHint => ("slot_hint", "impossible key counts of a cluster slot"),
            Self::SlotInfoAux => ("slot_info_aux", "the aux field slot-info does not hold numbers"),
            Self::SlotImport => {
                ("slot_import", "slots were being imported: a Valkey that is not in cluster mode dies of the file")
            }
            Self::SlotImportForm => ("slot_import_form", "an import of slots that no server can have begun"),
            Self::LuaScript => ("lua_script", "Lua scripts were not compiled"),
            Self::FunctionLogs => {
                ("function_logs", "a function library that writes to the log while it loads, which crashes Valkey 9")
            }
            Self::FunctionHeader => ("function_header", "a function library without a header that servers take"),
            Self::DuplicateFunction => ("duplicate_function", "two function libraries of one name"),
            Self::OldFunction => ("old_function", "a function library of a release candidate of Redis 7.0"),
            Self::FunctionSyntax => ("function_syntax", "a function library that cannot be compiled"),
            Self::FunctionNeverEnds => {
                ("function_never_ends", "a function library whose code never ends when a server loads it")
            }
            Self::FunctionMayNotEnd => (
                "function_may_not_end",
                "a function library with a loop of which only a server can tell whether it ends when it is loaded",
            ),
            Self::FunctionNotRun => ("functions_not_run", "functions were compiled, and not run"),
            Self::EmptyArray => ("empty_array", "an array without elements"),
            Self::ArrayOrder => ("array_order", "elements of an array that are out of order, or duplicates"),
            Self::TemplateFields => {
                ("template_fields", "fields of a hash template that are out of order, or duplicates")
            }
        }
    }

    /// True where the value or the file around it is damaged: a reader that does not read on past it stops there.
    pub(crate) const fn is_damage(self) -> bool {
        matches!(
            self,
            Self::UnreadableValue
                | Self::UnsortedIntset
                | Self::ScoreNotANumber
                | Self::UnreadableScore
                | Self::OddScoreText
                | Self::FieldExpiryRange
                | Self::StreamLength
                | Self::EmptyStreamLength
                | Self::StreamLastId
                | Self::StreamOrder
                | Self::DuplicateStreamNode
                | Self::StreamFlags
                | Self::StreamNodeCount
                | Self::PendingOwnership
        )
    }
}
