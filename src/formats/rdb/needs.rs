//! What a server must have to load a file: no fault of the file.

use std::collections::BTreeSet;

use serde::Serialize;

use super::oddity::Server;
use super::opcode::Dialect;
use super::types::ValueType;

/// The most names of modules that are kept.
const MODULES_KEPT: usize = 64;

/// What a file needs of the server that loads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// How many databases: the highest number that is selected, also without keys, and one; at
    /// least 1.
    pub databases: u64,
    /// Module types whose values or AUX records are in the file.
    pub modules: BTreeSet<String>,
    /// Magic word: of Redis or of Valkey.
    #[serde(serialize_with = "word")]
    pub dialect: Dialect,
    /// Version of the format: the header's, or a newer one where an encoding asks for it.
    pub rdb_version: u32,
    /// How many function libraries the file holds.
    pub functions: u64,
}

fn word<S: serde::Serializer>(dialect: &Dialect, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match dialect {
        Dialect::Redis => "redis",
        Dialect::Valkey => "valkey",
    })
}

impl Default for Needs {
    fn default() -> Self {
        Self { databases: 1, modules: BTreeSet::new(), dialect: Dialect::Redis, rdb_version: 0, functions: 0 }
    }
}

impl Needs {
    pub(crate) fn header(&mut self, dialect: Dialect, version: u32) {
        (self.dialect, self.rdb_version) = (dialect, version);
    }

    pub(crate) fn database(&mut self, index: u64) {
        self.databases = self.databases.max(index.saturating_add(1));
    }

    pub(crate) fn module(&mut self, id: u64) {
        let (name, _) = super::module::name(id);
        if self.modules.len() < MODULES_KEPT {
            self.modules.insert(name);
        }
    }

    /// A function library: Redis knows them from 7.0 on, whatever version the header gives.
    pub(crate) fn function(&mut self) {
        self.functions += 1;
        if self.dialect == Dialect::Redis {
            self.rdb_version = self.rdb_version.max(10);
        }
    }

    /// Redis knows this opcode from 7.4 on, whatever version the header gives.
    pub(crate) fn slot_info(&mut self) {
        if self.dialect == Dialect::Redis {
            self.rdb_version = self.rdb_version.max(12);
        }
    }

    pub(crate) fn value_type(&mut self, value_type: ValueType) {
        if self.dialect == Dialect::Redis {
            self.rdb_version = self.rdb_version.max(value_type.first_version());
        }
    }

    /// What two files need of one server.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.databases = self.databases.max(other.databases);
        self.modules.extend(other.modules.iter().cloned());
        if (other.dialect == Dialect::Valkey, other.rdb_version) > (self.dialect == Dialect::Valkey, self.rdb_version) {
            (self.dialect, self.rdb_version) = (other.dialect, other.rdb_version);
        }
        // Every shard of a cluster has all of them.
        self.functions = self.functions.max(other.functions);
        self
    }

    /// The known servers that read the format.
    pub fn servers(&self) -> Vec<Server> {
        // Vector sets are a module by their form, and part of Redis 8.
        let vectors = self.modules.contains("vectorset");
        let knows = |server: &Server| !vectors || server.name().starts_with("redis 8");
        let known = Server::known().into_iter();
        known.filter(|server| knows(server) && server.reads(self.dialect, self.rdb_version)).collect()
    }
}
