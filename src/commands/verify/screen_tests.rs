//! Screens of a backup that is damaged, and of one that a server differs from.

use super::super::FailOn;
use super::*;
use crate::census::Tally;
use crate::commands::screens;
use crate::commands::verify::answer;
use crate::comparison::{Difference, Differences, Example};
use crate::finding::{Finding, Severity};
use crate::storage::Location;
use crate::verify::comparing::Functions;
use crate::verify::{Checked, Level, Report};

fn findings() -> Vec<Finding> {
    vec![
        Finding::new(
            Severity::Critical,
            "checksum_mismatch",
            "the object is not what was written: its SHA-256 is another",
        )
        .evidence("object", "redis-prod/2026-11-23-01-00/dump.rdb.gz")
        .evidence("expected", "29a90e2e".repeat(8))
        .evidence("found", "77c4b1c4".repeat(8)),
        Finding::new(Severity::Warning, "no_checksum", "the server wrote no checksum (rdbchecksum no)")
            .evidence("offset", 959_837_104_u64),
    ]
}

#[test]
fn the_screen_of_a_damaged_backup() {
    let report = Report {
        checked: Checked { objects: 2, stored_bytes: 408_201_734, raw_bytes: 959_837_112, frames: 916, keys: 0 },
        findings: findings(),
        census: None,
        needs: None,
        module_aux: std::collections::BTreeMap::new(),
        drill: None,
        status: Status::Failed,
    };
    screens::check("verify-damaged", |printer| {
        let context = screens::context(printer);
        let mut answer =
            Answer::new(report.status, one::sentence(&report, Level::Structure, "redis-prod/2026-11-23-01-00", None));
        answer.text.extend(answer::findings_table(&report.findings, printer));
        answer.into_outcome(&context).text
    });
}

#[test]
fn the_screen_of_a_server_that_differs() {
    let example = |difference, key: &[u8]| Example { difference, identity: 0, key: (0, key.to_vec()) };
    let differences = Differences {
        equal: 1_994_600,
        missing: 42,
        extra: 3,
        different_type: 1,
        different_value: 7,
        different_expiry: 12_000,
        expired: 5120,
        examples: vec![
            example(Difference::Missing, b"user:4711"),
            example(
                Difference::Missing,
                b"report:2026:monthly:aggregated:customer-facing-dashboard:with-a-very-long-name:and-more",
            ),
            example(Difference::Extra, b"lock:\x1b[31mevil\xff"),
            example(Difference::Type, b"queue:mail"),
            example(Difference::Expiry, b"session:5f2a9c"),
        ],
        ..Differences::default()
    };
    let compared = comparing::Comparison {
        differences,
        functions: Some(Functions { left: 2, right: 1, equal: false, differing: Vec::new() }),
        buckets: (4096, 812),
        look_ms: 0,
        streams: 0,
        module_records: Default::default(),
        functions_unread: None,
        expired_fields: 0,
        left_out: Tally::default(),
    };
    let place = crate::commands::which::Place {
        location: Location::Local("backups".into()),
        s3: Box::default(),
        encryption: Default::default(),
    };
    let asked = Comparison {
        with: Other::Backup { place, id: String::new() },
        fail_on: vec![FailOn::Any],
        ttl_tolerance: std::time::Duration::ZERO,
        keys: Vec::new(),
        database: None,
        limit: 100,
    };
    screens::check("verify-different", |printer| {
        let context = screens::context(printer);
        let mut answer = Answer::new(Status::Ok, "");
        let what = "redis-prod.eu-west-1.internal.example:6379 against redis-prod/2026-11-23-01-00";
        let sides = Sides { left: "the backup".into(), right: "the instance".into() };
        judge(&mut answer, "redis-prod", (what, &sides), (&compared, false), &asked, &context);
        answer.into_outcome(&context).text
    });
}
