//! The two sides of a restore, by the names that its plans, questions, refusals and answers give them.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::commands::Outcome;
use crate::commands::which::Server;
use crate::dataset::Dataset;
use crate::explain::{Fault, Result, Status};
use crate::operations::SafetyTaken;
use crate::printer::words;
use crate::restore::plan::{Plan, SAME_SERVER};

/// What is restored, and where to.
pub struct Sides {
    /// `redis-prod/2026-11-28-17-46 (8 min old)`, or the name of the file.
    pub backup: String,
    /// `redis-staging (10.0.0.6:6379)`, or the address alone.
    pub target: String,
    /// `backup` of the JSON answer; `null` for a file.
    backup_json: Value,
    /// `target` of the JSON answer.
    target_json: Value,
}

impl Sides {
    pub fn of(source: &Dataset, server: &Server, now: DateTime<Utc>) -> Self {
        let (backup, backup_json) = backup(source, now);
        let target_json = json!({
            "instance": server.instance, "address": server.node.address.to_string(), "is_source": Value::Null,
        });
        Self { backup, target: words::escape_lines(&server.node.to_string()), backup_json, target_json }
    }

    /// The names alone, for screens.
    #[cfg(test)]
    pub fn named(backup: &str, target: &str) -> Self {
        Self { backup: backup.into(), target: target.into(), backup_json: Value::Null, target_json: Value::Null }
    }

    /// Adds whether the target is the server that the backup was taken from, as the plan has found out.
    pub fn planned(&mut self, plan: &Plan) {
        self.target_json["is_source"] = plan.lines.iter().any(|line| line.code == SAME_SERVER).into();
    }

    /// What a restore does, for an error that says why it is not done.
    pub fn doing(&self) -> String {
        format!("cannot restore {} into {}", self.backup, self.target)
    }

    /// The answer, or the error in its place, with both sides and the safety backup.
    pub fn around(&self, ended: Result<Outcome>, safety: &OnceLock<SafetyTaken>) -> Outcome {
        let outcome = ended.unwrap_or_else(|error| Outcome::new(Status::Ok).error(error));
        let named = outcome.fields.contains_key("backup_id");
        let outcome = if named { outcome } else { outcome.field("backup_id", &self.backup_json["id"]) };
        outcome
            .field("backup", &self.backup_json)
            .field("target", &self.target_json)
            .field("safety_backup", safety.get())
    }

    /// Why a restore is not done, with the names of both sides before it.
    pub fn not_done(&self, error: Fault) -> Fault {
        error.context(self.doing())
    }
}

/// The backup for people and for programs.
pub fn backup(source: &Dataset, now: DateTime<Utc>) -> (String, Value) {
    let name = words::escape_lines(&source.name());
    let Some(manifest) = source.manifest() else { return (name, Value::Null) };
    // A clock that was ahead makes no backup of the future.
    let age = (now - manifest.data_from()).to_std().unwrap_or_default();
    let json = json!({
        "instance": manifest.instance, "id": manifest.id, "created_at": crate::times::text(manifest.created_at),
        "age_seconds": age.as_secs(),
    });
    // The plan and the run a moment later say the same.
    let old = if age.as_secs() < 60 { "under a minute".to_owned() } else { words::age(age) };
    (format!("{name} ({old} old)"), json)
}
