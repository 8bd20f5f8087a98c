//! What is inside of errors that merely pass another one on: their `source()` skips the very error that says what happened.

use std::error::Error;

use crate::backup::Trouble;
use crate::capture::scan::ScanError;
use crate::capture::source::SourceError;
use crate::capture::{CaptureError, RawError};
use crate::restore::replay::BadBackup;
use crate::restore::replica::ReplicaFault;
use crate::restore::{RunError, SourceError as Unproven};
use crate::verify::VerifyError;
use crate::verify::at_rest::AtRestError;
use crate::verify::comparing::CompareError;
use crate::verify::pass::PassError;

/// The innermost error that this one stands for; itself, if it says something of its own.
pub fn inside<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    while let Some(inner) = step(error) {
        error = inner;
    }
    error
}

fn step<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<Trouble>() {
        return Some(match error {
            Trouble::Repository(error) => error,
            Trouble::Capture(error) => error,
        });
    }
    if let Some(error) = error.downcast_ref::<CaptureError>() {
        return match error {
            CaptureError::Rdb(error) => Some(error),
            CaptureError::Replication(error) => Some(error),
            CaptureError::Scan(error) => Some(error),
            CaptureError::Storage(error) => Some(error),
            CaptureError::Codec(error) => Some(error),
            CaptureError::File(error) => Some(error),
            CaptureError::Raw(error) => Some(error),
            CaptureError::Trailing(_) | CaptureError::SpoolFull { .. } | CaptureError::Interrupted => None,
        };
    }
    if let Some(error) = error.downcast_ref::<RawError>() {
        return Some(match error {
            RawError::Storage(error) => error,
            RawError::File(error) => error,
            RawError::Codec(error) => error,
            RawError::NotAsStored(error) => error,
            RawError::Foreign(error) => error,
        });
    }
    if let Some(error) = error.downcast_ref::<SourceError>() {
        return match error {
            SourceError::Connect(error) => Some(error),
            SourceError::Command(error) => Some(error),
            SourceError::Refused(_) | SourceError::PrimaryLost { .. } | SourceError::OneShard { .. } => None,
        };
    }
    if let Some(error) = error.downcast_ref::<ScanError>() {
        return match error {
            ScanError::Connect(error) => Some(error),
            ScanError::Command(error) => Some(error),
            ScanError::OtherServer | ScanError::Payload { .. } | ScanError::Damaged(_) | ScanError::Endless { .. } => {
                None
            }
        };
    }
    of_restore(error).or_else(|| of_verify(error))
}

fn of_restore<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<BadBackup>() {
        Some(BadBackup::Rdb(error)) => return Some(error),
        Some(BadBackup::Raw(error)) => return Some(error),
        _ => {}
    }
    if let Some(Unproven::Read(error)) = error.downcast_ref::<Unproven>() {
        return Some(error);
    }
    match error.downcast_ref::<RunError>() {
        Some(RunError::Connect(error)) => return Some(error),
        Some(RunError::Command(error)) => return Some(error),
        _ => {}
    }
    match error.downcast_ref::<ReplicaFault>() {
        Some(ReplicaFault::Connect(error)) => Some(error),
        Some(ReplicaFault::Target(error)) => Some(error),
        Some(ReplicaFault::Feed(error)) => Some(error),
        _ => None,
    }
}

fn of_verify<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<VerifyError>() {
        Some(VerifyError::Repository(error)) => return Some(error),
        Some(VerifyError::Storage(error)) => return Some(error),
        Some(VerifyError::File(error)) => return Some(error),
        Some(VerifyError::Drill(error)) => return Some(error),
        Some(VerifyError::Foreign(error)) => return Some(error),
        _ => {}
    }
    if let Some(AtRestError::Unreadable(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(CompareError::AtRest(error)) = error.downcast_ref() {
        return Some(error);
    }
    match error.downcast_ref::<PassError>() {
        Some(PassError::Rdb(error)) => Some(error),
        Some(PassError::Raw(error)) => Some(error),
        Some(PassError::Capture(error)) => Some(error),
        Some(PassError::Source(error)) => Some(error),
        _ => None,
    }
}
