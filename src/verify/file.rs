//! Verifies an RDB file that somebody has, and loads it into a throwaway server where that is asked for.

use tokio_util::sync::CancellationToken;

use super::of_file::{self, COMPARED_KEYS, of_file};
use super::reading::{Looking, drive};
use super::{Checked, Report, VerifyError, count, drill, repeated, room};
use crate::capture::{Inspected, Inspector};
use crate::dataset::Dataset;
use crate::examination;
use crate::explain::Status;
use crate::progress::{Progress, Unit};
use crate::repository::manifest::Server;

/// What verifying a file found.
#[derive(Debug)]
pub struct FileReport {
    /// The report, as for a backup.
    pub report: Report,
    /// What the RDB is; `None` where it is damaged.
    pub inspected: Option<Inspected>,
}

/// Verifies an RDB file that somebody has: `.rdb`, `.rdb.gz`, `.rdb.zst`, `-`; and loads it into a throwaway server, if there are
/// options for that.
///
/// # Errors
/// If it cannot be read, or where the drill cannot begin.
pub async fn file(
    data: &Dataset,
    with_census: bool,
    options: Option<&drill::Options>,
    moment_ms: i64,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<FileReport, VerifyError> {
    let drill = match options {
        Some(options) => Some(drill::Drill::prepare(options).await?),
        None => None,
    };
    let (room, copy) = room(drill.as_ref()).await?;
    let began = std::time::Instant::now();
    let opened = data.open(0, cancel).await?;
    progress.phase("verifying", Unit::Bytes, None);
    let inspector =
        if with_census || drill.is_some() { Inspector::with_census(moment_ms) } else { Inspector::without_census() };
    let inspector = inspector.judging().looking_for_duplicates(COMPARED_KEYS);
    let read =
        drive(opened, Looking::Structure { inspector: Box::new(inspector), sha256: None, copy }, progress, cancel)
            .await?;
    let mut checked = Checked { objects: 1, ..Checked::default() };
    let mut findings = Vec::new();
    count(&read, &mut checked);
    findings.extend(read.trouble);
    let mut inspected = read.inspected;
    if let Some(inspected) = &mut inspected {
        inspected.must_end_with_the_rdb()?;
        repeated::name(data, inspected, cancel).await?;
        findings.extend(of_file(inspected));
        findings.extend(of_file::of_container(&data.around()));
    }
    let census = inspected.as_mut().and_then(|inspected| inspected.census.take());
    let mut outcome = None;
    if let (Some(drill), Some(room), Some(inspected), Some(census)) = (&drill, room, &inspected, &census)
        && examination::status(&findings) != Status::Failed
    {
        drill.must_fit(std::iter::once(drill::Demand::of_copied(inspected))).await?;
        let (name, version) = inspected.server();
        let source = Server { name: name.to_owned(), version: version.to_owned(), ..Server::default() };
        let loaded = room.load(&source, census, began.elapsed(), progress, cancel).await?;
        findings.extend(loaded.findings.iter().cloned());
        outcome = Some(loaded);
    }
    let status = examination::status(&findings);
    let needs = inspected.as_ref().map(|inspected| inspected.needs.clone());
    let module_aux = inspected.as_ref().map(|inspected| inspected.module_aux.clone()).unwrap_or_default();
    Ok(FileReport {
        report: Report { checked, findings, census, needs, module_aux, drill: outcome, status },
        inspected,
    })
}
