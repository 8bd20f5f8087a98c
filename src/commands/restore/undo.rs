//! `redis-ops restore --undo`: ends what an interrupted restore left.

use std::path::PathBuf;

use crate::commands::question::confirm;
use crate::commands::table::verdict;
use crate::commands::which::Server;
use crate::commands::{Context, Outcome};
use crate::explain::{Result, Status};
use crate::printer::words;
use crate::restore::replica::{self, DEFAULT_PATIENCE, UndoError};

/// All that it needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server that was left.
    pub server: Server,
    /// The folder of what restores leave on this machine.
    pub state: PathBuf,
}

/// Leads the server back.
///
/// # Errors
/// Nobody agrees to what may not be meant; all else the outcome holds.
pub async fn run(settings: &Settings, context: &Context) -> Result<Outcome> {
    let Settings { server, state } = settings;
    let mut tried = replica::undo(&server.node, state, DEFAULT_PATIENCE, false).await;
    if let Err(unsure @ UndoError::NotSure { primary, .. }) = &tried {
        let question =
            format!("{unsure}. `--undo` makes {} a primary, which stops replicating from {primary}.", server.node);
        confirm(context, &question).await?;
        tried = replica::undo(&server.node, state, DEFAULT_PATIENCE, true).await;
    }
    let undone = match tried {
        Ok(undone) => undone,
        Err(error) => return Ok(Outcome::new(Status::Failed).field("undo", ()).error(error.into())),
    };
    let status = if undone.left_to_do.is_empty() { Status::Ok } else { Status::Warning };
    let text = verdict(&context.printer, status, &words::escape_lines(&undone.sentence(&server.node.to_string())));
    Ok(Outcome::new(status).field("undo", &undone).text(text))
}
